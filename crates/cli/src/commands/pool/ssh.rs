//! `pool ssh`: the user's own ssh client to a node.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;

use batch_pool::nodes::named;
use flamenco_azure_core::inventory::Observed;
use flamenco_azure_core::pool::WorkerPool as _;
use manager_vm::spec::ADMIN_USER;
use serde_json::Value;

use super::{failed, nodes_hint, open, unnamed};
use crate::args::PoolSshArgs;
use crate::commands::connect;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::session::Session;

/// How a node is reached.
enum Way {
    /// At the pool's public endpoint.
    Direct(IpAddr, u16),
    /// At its own address, from the Manager.
    ByManager(String),
}

/// Runs `pool ssh`.
pub(super) async fn run(session: &Session, args: &PoolSshArgs) -> Outcome {
    let (_, inventory, pool) = open(session, Some(&args.pool)).await?;
    let farm = session.standing_farm()?.farm;
    let key = farm.manager.ssh_public_key.as_ref().ok_or(manager_vm::Error::NoSshKey)?;
    let nodes = pool.list_nodes().await?;
    let node = named(&nodes, &args.node).map_err(|error| unnamed(pool.name(), &error))?;
    let way = if inventory.get(pool.id()).is_some_and(has_endpoint) {
        let (address, port) =
            pool.remote_login(&node.id).await.map_err(|error| failed(pool.name(), error))?;
        Way::Direct(address, port)
    } else {
        let address = node.address.clone().ok_or_else(|| {
            Failure::azure(format!("node `{}` has no address yet", node.id)).hint(nodes_hint(pool.name()))
        })?;
        session.printer.info("the pool has no public endpoint for ssh: by the Manager");
        Way::ByManager(address)
    };
    let manager = match &way {
        Way::ByManager(_) => Some((connect::options(session, &farm).await?, connect::destination(&farm))),
        Way::Direct(..) => None,
    };
    // Nodes have no users of their own: Batch makes one that lasts a day.
    pool.admit(&node.id, ADMIN_USER, key.as_str()).await.map_err(|error| failed(pool.name(), error))?;
    // Addresses go from node to node: a node's host key is kept by its id.
    let known = known_nodes(session, farm.name.as_str());
    let mut all = vec!["-o".to_owned(), format!("UserKnownHostsFile={}", known.display())];
    // Read again by `forget`.
    all.extend(["-o".to_owned(), "HashKnownHosts=no".to_owned()]);
    all.extend(["-o".to_owned(), "StrictHostKeyChecking=accept-new".to_owned()]);
    all.extend(["-o".to_owned(), format!("HostKeyAlias={}", node.id)]);
    match way {
        Way::Direct(address, port) => {
            all.extend(["-p".to_owned(), port.to_string(), format!("{ADMIN_USER}@{address}")]);
        }
        Way::ByManager(address) => {
            let (options, destination) = manager.unwrap_or_default();
            all.extend(["-o".to_owned(), format!("ProxyCommand={}", jump(&options, &destination))]);
            all.push(format!("{ADMIN_USER}@{address}"));
        }
    }
    all.extend(args.command.iter().cloned());
    connect::run_program(session, "ssh", &all).await
}

/// Whether the pool's load balancer forwards to the ssh servers of its nodes. A public address alone does not: Batch no
/// longer opens port 22 by itself (<https://learn.microsoft.com/azure/batch/pool-endpoint-configuration>).
fn has_endpoint(pool: &Observed) -> bool {
    let at = "/properties/networkConfiguration/endpointConfiguration/inboundNatPools";
    let endpoints = pool.pointer(at).and_then(Value::as_array);
    endpoints.into_iter().flatten().any(|one| one.get("backendPort").and_then(Value::as_u64) == Some(22))
}

fn known_nodes(session: &Session, farm: &str) -> PathBuf {
    session.state_dir(farm).join("known_nodes")
}

/// Forgets the host keys of nodes whose disks are written anew.
pub(super) fn forget(session: &Session, farm: &str, nodes: &[String]) -> Outcome<()> {
    let path = known_nodes(session, farm);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::user(format!("could not read `{}`: {error}", path.display()))),
    };
    let left = without(&text, nodes);
    if left == text { Ok(()) } else { files::write_private(&path, &left) }
}

/// The lines of a `known_hosts` but for those of these nodes (sshd(8): the first word is the host).
fn without(known: &str, nodes: &[String]) -> String {
    let is_of = |line: &str| line.split(' ').next().is_some_and(|host| nodes.iter().any(|node| node == host));
    known.split_inclusive('\n').filter(|line| !is_of(line)).collect()
}

/// What `-J` does, with the Manager's own `known_hosts`: options on the command line do not reach a jump host (ssh(1)).
fn jump(options: &[String], destination: &str) -> String {
    let words: Vec<String> = std::iter::once("ssh")
        .map(str::to_owned)
        .chain(options.iter().map(|word| word.replace('%', "%%")))
        .collect();
    format!("{} -W %h:%p {destination}", connect::quoted(&words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_with_a_fresh_disk_is_known_no_more() {
        let known = "tvmps_a_d ssh-ed25519 AAAA\ntvmps_ab_d ssh-ed25519 BBBB\ntvmps_a_d ssh-rsa CCCC\n";
        assert_eq!(without(known, &["tvmps_a_d".to_owned()]), "tvmps_ab_d ssh-ed25519 BBBB\n");
        assert_eq!(without(known, &[]), known);
    }

    #[test]
    fn a_path_with_odd_characters_reaches_the_jump_host_as_it_is() {
        let options = ["-o", "UserKnownHostsFile=/my farm/100%"].map(str::to_owned);
        assert_eq!(
            jump(&options, "me@manager"),
            "ssh -o 'UserKnownHostsFile=/my farm/100%%' -W %h:%p me@manager"
        );
    }
}
