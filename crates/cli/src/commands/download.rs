//! `download`: rendered frames over ssh, resumable, never trusting an unchecked host.

use crate::args::DownloadArgs;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::session::Session;

use super::{connect, urls};

/// Runs `download`.
pub async fn run(session: &Session, args: &DownloadArgs) -> Outcome {
    let farm = session.standing_farm()?.farm;
    let below = safe(args.path.as_deref().unwrap_or_default())?;
    let ssh = connect::options(session, &farm).await?;
    let remote = format!("{}:{}/{below}", connect::destination(&farm), urls::OUTPUT);
    let to = session.here.join(&args.to);
    std::fs::create_dir_all(&to)
        .map_err(|error| Failure::user(format!("could not make `{}`: {error}", to.display())))?;
    if args.sftp || (session.simulator.is_none() && !files::on_path(session.environment.path(), "rsync")) {
        // Recursive, and partial files go on where they stopped.
        let mut all = vec!["-r".to_owned(), "-a".to_owned()];
        all.extend(ssh);
        // What is in the folder, as rsync takes it from a path that ends with a slash.
        let remote = if below.is_empty() { format!("{remote}*") } else { remote };
        all.extend(["--".to_owned(), remote, format!("{}/", to.display())]);
        return connect::run_program(session, "sftp", &all).await;
    }
    let all = vec![
        // Whole files are skipped, partial ones go on where they stopped.
        "--archive".to_owned(),
        "--partial".to_owned(),
        "--append-verify".to_owned(),
        // Blanks in names are no separators on the other side either.
        "--protect-args".to_owned(),
        "--human-readable".to_owned(),
        "--info=progress2".to_owned(),
        "--rsh".to_owned(),
        format!("ssh {}", connect::quoted(&ssh)),
        "--".to_owned(),
        remote,
        format!("{}/", to.display()),
    ];
    connect::run_program(session, "rsync", &all).await
}

/// A path below the output directory, of characters that no shell on the way interprets.
fn safe(path: &str) -> Outcome<&str> {
    let path = path.trim_start_matches('/');
    let good = path.split('/').all(|part| part != "..")
        && path.chars().all(|c| c.is_alphanumeric() || "-_./ ()#+,=@".contains(c));
    if good {
        return Ok(path);
    }
    Err(Failure::user(format!("`{path}` is not a path below {}", urls::OUTPUT)).hint(
        "name a folder or file there without `..`, such as `shot010`; without a path everything is fetched",
    ))
}
