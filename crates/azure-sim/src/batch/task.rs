//! What a pool's start task needs, and whether it gets it.
//!
//! A start task whose text (base64 included) says `flamenco` waits for a Flamenco Manager in the pool's virtual
//! network, and mounts the NFS share that it names. Any other start task succeeds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::wire;
use crate::guest::{self, SetUp};
use crate::resource::{Resource, key, parent_of};
use crate::world::World;

/// How a start task will fare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outlook {
    Good,
    /// It waits for something; the words of its failure when the wait ends.
    Waits(String),
    Bad(String),
}

/// Whether the pool has a start task, and whether nodes wait for it.
pub(super) fn shape(world: &World, pool: &str) -> (bool, bool) {
    let task = world.resource(pool).and_then(|r| r.property("/startTask"));
    let waits = task.and_then(|t| t.get("waitForSuccess")).and_then(Value::as_bool).unwrap_or(true);
    (task.is_some_and(|t| !t.is_null()), waits)
}

/// How often a start task that fails is run again.
pub(super) fn retries(world: &World, pool: &str) -> u64 {
    let task = world.resource(pool).and_then(|r| r.property("/startTask"));
    task.and_then(|t| t.get("maxTaskRetryCount")).and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn outlook(world: &World, pool: &str) -> Outlook {
    if let Some(reason) = world.batch.failing.get(pool) {
        return Outlook::Bad(reason.clone());
    }
    let text = text_of(world, pool);
    if !text.to_ascii_lowercase().contains("flamenco") {
        return Outlook::Good;
    }
    if let Some(subnet) = wire::subnet_of(world, pool)
        && let Some(reason) = crate::storage::mount_trouble(world, &text, &subnet)
    {
        return Outlook::Bad(reason);
    }
    let wait = |words: &str| Outlook::Waits(words.to_owned());
    let Some(manager) = manager_of(world, pool).and_then(|id| world.resource(&id)) else {
        return wait("no Flamenco Manager answers in the network");
    };
    match guest::set_up(world, manager) {
        SetUp::Done(at) if at <= world.now() => match absent(world, pool) {
            Some(id) => Outlook::Bad(format!(
                "the application package {id} is not on this node: may the nodes' identity read it?"
            )),
            None => Outlook::Good,
        },
        _ => wait("no node setup script on the share: see the Manager's setup"),
    }
}

/// A package that the start task wants by its variable `FLAMENCO_AZURE_PACKAGES` and that nodes go on without.
fn absent(world: &World, pool: &str) -> Option<String> {
    let variables = world.resource(pool)?.property("/startTask/environmentSettings")?.as_array()?;
    let ours = |one: &&Value| one.get("name").and_then(Value::as_str) == Some("FLAMENCO_AZURE_PACKAGES");
    let wanted = variables.iter().find(ours)?.get("value").and_then(Value::as_str)?;
    let unread = super::reference::unread(world, pool);
    let is_unread = |id: &&str| unread.iter().any(|(application, _)| application.eq_ignore_ascii_case(id));
    wanted.split_whitespace().find(is_unread).map(str::to_owned)
}

/// Nodes without public addresses in a private subnet need a NAT gateway to reach the Batch service.
pub(super) fn no_way_out(world: &World, pool: &str) -> Option<String> {
    let resource = world.resource(pool)?;
    let provision = resource.text("/networkConfiguration/publicIPAddressConfiguration/provision");
    if provision != Some("NoPublicIPAddresses") {
        return None;
    }
    let subnet = wire::subnet_of(world, pool).and_then(|id| world.resource(&id))?;
    let private = subnet.property("/defaultOutboundAccess") == Some(&Value::Bool(false));
    let nat = crate::resource::reference(subnet.property("/natGateway")).is_some();
    (private && !nat).then(|| {
        "The node cannot reach the BatchNodeManagement service: its subnet has no outbound access".to_owned()
    })
}

/// Id (lower case) of the Manager that the pool's nodes work for: the one whose private address the start task names,
/// else the first in the pool's virtual network.
pub(super) fn manager_of(world: &World, pool: &str) -> Option<String> {
    let network = key(parent_of(&wire::subnet_of(world, pool)?)?);
    let text = text_of(world, pool);
    let near = |vm: &&Resource| {
        let subnet = guest::subnet_of(world, vm);
        let own = subnet.as_deref().and_then(parent_of).is_some_and(|n| key(n) == network);
        own && guest::is_manager(vm)
    };
    let named = |vm: &&Resource| {
        let nic = crate::compute::interfaces_of(&vm.properties).first().and_then(|id| world.resource(id));
        let address = nic.and_then(|n| n.text("/ipConfigurations/0/properties/privateIPAddress"));
        address.is_some_and(|a| text.contains(a))
    };
    let managers: Vec<&Resource> = world.resources().values().filter(near).collect();
    let found = managers.iter().find(|vm| named(vm)).or_else(|| managers.first())?;
    Some(found.key())
}

/// Everything the start task says, with what is in base64 made readable.
fn text_of(world: &World, pool: &str) -> String {
    let Some(task) = world.resource(pool).and_then(|r| r.property("/startTask")) else {
        return String::new();
    };
    let mut text = task.to_string();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let hidden: Vec<String> = text
        .split(|c| !legal(c))
        .filter(|word| word.len() >= 40)
        .filter_map(|word| STANDARD.decode(word).ok())
        .filter_map(|bytes| String::from_utf8(bytes).ok())
        .collect();
    for words in hidden {
        text.push('\n');
        text.push_str(&words);
    }
    text
}
