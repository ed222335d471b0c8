//! `pool ssh`: the user's own ssh client to a node.

use std::net::IpAddr;

use batch_pool::nodes::named;
use flamenco_azure_core::pool::WorkerPool as _;
use manager_vm::spec::ADMIN_USER;

use super::{failed, nodes_hint, open, unnamed};
use crate::args::PoolSshArgs;
use crate::commands::connect;
use crate::failure::{Failure, Outcome};
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
    let provision = "/properties/networkConfiguration/publicIPAddressConfiguration/provision";
    let hidden = inventory
        .get(pool.id())
        .and_then(|pool| pool.text(provision))
        .is_some_and(|how| how.eq_ignore_ascii_case("NoPublicIPAddresses"));
    let way = if hidden {
        let address = node.address.clone().ok_or_else(|| {
            Failure::azure(format!("node `{}` has no address yet", node.id)).hint(nodes_hint(pool.name()))
        })?;
        session.printer.info("the pool's nodes have no public address: by the Manager");
        Way::ByManager(address)
    } else {
        let (address, port) =
            pool.remote_login(&node.id).await.map_err(|error| failed(pool.name(), error))?;
        Way::Direct(address, port)
    };
    let manager = match &way {
        Way::ByManager(_) => Some((connect::options(session, &farm).await?, connect::destination(&farm))),
        Way::Direct(..) => None,
    };
    // Nodes have no users of their own: Batch makes one that lasts a day.
    pool.admit(&node.id, ADMIN_USER, key.as_str()).await.map_err(|error| failed(pool.name(), error))?;
    // Addresses go from node to node: a node's host key is kept by its id.
    let known = session.state_dir(farm.name.as_str()).join("known_nodes");
    let mut all = vec!["-o".to_owned(), format!("UserKnownHostsFile={}", known.display())];
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
    fn a_path_with_odd_characters_reaches_the_jump_host_as_it_is() {
        let options = ["-o", "UserKnownHostsFile=/my farm/100%"].map(str::to_owned);
        assert_eq!(
            jump(&options, "me@manager"),
            "ssh -o 'UserKnownHostsFile=/my farm/100%%' -W %h:%p me@manager"
        );
    }
}
