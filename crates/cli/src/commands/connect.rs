//! `ssh` and `tunnel`: the user's own ssh client, with a `known_hosts` of the farm's own. Host keys are read inside
//! the VM by run-command, so the first connection is checked like every other.

use std::path::PathBuf;
use std::process::Stdio;

use flamenco_azure_core::spec::Farm;
use manager_vm::ManagerHost as _;
use manager_vm::spec::{ADMIN_USER, Names};
use serde_json::json;

use crate::args::{SshArgs, TunnelArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::files;
use crate::session::Session;

/// The ssh options that every connection to a farm uses.
pub async fn options(session: &Session, farm: &Farm) -> Outcome<Vec<String>> {
    if !farm.is_public() {
        return Err(Failure::user("the Manager has no public address")
            .hint("connect from its network, or give `manager.access.ssh` a CIDR and deploy"));
    }
    if farm.manager.access.ssh.admitted().is_empty() {
        return Err(Failure::user("nobody is admitted by ssh")
            .hint("put your address into `manager.access.ssh` (such as 203.0.113.7/32) and run `flamenco-azure deploy`"));
    }
    let known = known_hosts(session, farm).await?;
    Ok(vec![
        "-o".to_owned(),
        format!("UserKnownHostsFile={}", known.display()),
        "-o".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
    ])
}

/// The ssh destination.
pub fn destination(farm: &Farm) -> String {
    format!("{ADMIN_USER}@{}", farm.fqdn())
}

fn known_hosts_file(session: &Session, farm: &Farm) -> PathBuf {
    session.state_dir(farm.name.as_str()).join("known_hosts")
}

/// A new Manager VM has new host keys.
pub fn forget_host_keys(session: &Session, farm: &Farm) -> Outcome<()> {
    let path = known_hosts_file(session, farm);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::user(format!("could not remove `{}`: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Writes the farm's `known_hosts`, once.
async fn known_hosts(session: &Session, farm: &Farm) -> Outcome<PathBuf> {
    let path = known_hosts_file(session, farm);
    if path.exists() {
        return Ok(path);
    }
    session.printer.info("reading the Manager's host keys (once)");
    let keys = session.manager(&Names::of(farm).vm()).host_keys().await.map_err(|e| no_answer(farm, e))?;
    if keys.is_empty() {
        return Err(Failure::azure("the Manager VM has no host keys yet").hint("wait a minute and try again"));
    }
    let host = farm.fqdn();
    let lines: Vec<String> = keys.iter().map(|key| format!("{host} {key}")).collect();
    files::write_private(&path, &(lines.join("\n") + "\n"))?;
    Ok(path)
}

/// The usual reasons why a Manager VM does not answer, with what to do.
fn no_answer(farm: &Farm, error: manager_vm::Error) -> Failure {
    if let manager_vm::Error::Azure { source, .. } = &error {
        if source.is_not_found() {
            return Failure::user(format!("farm `{}` has no Manager VM", farm.name))
                .hint("`flamenco-azure deploy` makes it");
        }
        if source.code() == "OperationNotAllowed" {
            return Failure::user(format!("the Manager VM of farm `{}` does not run", farm.name)).hint(
                "`flamenco-azure resume` starts a paused farm, `flamenco-azure deploy` one that was stopped",
            );
        }
    }
    error.into()
}

/// Words as a shell takes them apart again.
pub fn quoted(words: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c))
    };
    let quote =
        |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Runs a program in the foreground, or only shows the command on the simulator, which has no such machine.
pub async fn run_program(session: &Session, program: &str, args: &[String]) -> Outcome {
    if session.simulator.is_some() {
        let line = format!("{program} {}", quoted(args));
        session.printer.event("command", json!({"command": &line}));
        session.printer.result(line);
        session.printer.info("(simulated: the command is shown, not run)");
        return Ok(Exit::Done);
    }
    let status =
        tokio::process::Command::new(program).args(args).stdin(Stdio::inherit()).status().await.map_err(
            |error| {
                Failure::user(format!("could not run `{program}`: {error}"))
                    .hint(format!("install {program}"))
            },
        )?;
    if status.success() {
        return Ok(Exit::Done);
    }
    Err(Failure::azure(format!("`{program}` ended with {status}")))
}

/// Runs `ssh`.
pub async fn ssh(session: &Session, args: &SshArgs) -> Outcome {
    let farm = session.standing_farm()?.farm;
    let mut all = options(session, &farm).await?;
    all.push(destination(&farm));
    all.extend(args.command.iter().cloned());
    run_program(session, "ssh", &all).await
}

/// Runs `tunnel`.
pub async fn tunnel(session: &Session, args: TunnelArgs) -> Outcome {
    let farm = session.standing_farm()?.farm;
    let mut all = options(session, &farm).await?;
    all.extend([
        "-N".to_owned(),
        "-L".to_owned(),
        format!("{}:127.0.0.1:8080", args.port),
        destination(&farm),
    ]);
    session.printer.info(format!("the Manager is at http://localhost:{}/ until Ctrl-C", args.port));
    run_program(session, "ssh", &all).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_come_apart_as_they_were() {
        let words: Vec<String> = ["-o", "File=/my farm/it's", "", "a$b"].map(str::to_owned).to_vec();
        assert_eq!(quoted(&words), r"-o 'File=/my farm/it'\''s' '' 'a$b'");
    }
}
