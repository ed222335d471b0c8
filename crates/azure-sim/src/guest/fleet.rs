//! Machines of scale sets as Workers: those whose customData makes one of them sign on to the Manager of their network
//! when they have booted. Looked up when the Manager is asked, for nothing else depends on them.

use std::collections::BTreeSet;

use super::workers;
use crate::operation::later;
use crate::resource::{Resource, key, parent_of};
use crate::world::World;

/// From the end of the boot until the Worker has signed on, seconds: the share's mount and the start of the service.
const SIGN_ON: u64 = 20;

/// Lets the Workers of machines that booted sign on, and those of machines that are gone go offline.
pub(super) fn sync(world: &mut World, manager: &Resource) {
    let subnet = super::subnet_of(world, manager);
    let Some(network) = subnet.as_deref().and_then(parent_of).map(key) else {
        return;
    };
    let now = world.now();
    let awake: BTreeSet<String> = crate::scaleset::workers_in(world, &network)
        .into_iter()
        .filter(|(_, up)| later(*up, SIGN_ON) <= now)
        .map(|(name, _)| name)
        .collect();
    let manager = manager.key();
    let known =
        |name: &String| world.guests.workers.get(name).is_some_and(|worker| worker.manager == manager);
    let new: Vec<String> = awake.iter().filter(|name| !known(name)).cloned().collect();
    let gone: Vec<String> = world
        .guests
        .workers
        .iter()
        .filter(|(name, worker)| worker.of_scale_set && worker.manager == manager && !awake.contains(*name))
        .map(|(name, _)| name.clone())
        .collect();
    for name in new {
        workers::connect(world, &name, &manager);
        if let Some(worker) = world.guests.workers.get_mut(&name) {
            worker.of_scale_set = true;
        }
    }
    for name in gone {
        workers::disconnect(world, &name);
    }
}
