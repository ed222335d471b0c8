//! A farm's life as its user has it: the real binaries, each command a process of its own, on one simulated Azure that
//! is kept in a file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod administrators;
mod alone;
mod apps;
mod batch;
mod by_hand;
mod confirm;
mod doctor;
mod doctor_live;
mod fleets;
mod interrupts;
mod life;
mod nodes;
mod own_subscription;
mod programs;
mod reach;
mod refusals;
mod resizing;
mod secrets;

use support::Place;

/// A farm file of the old tool with nothing but its keys.
const OLD_FILE: &str = "\
# made by the old tool
defaultName: studio
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: studio-rg
batchAccountName: studiobatch
storageAccountName: studiofiles
virtualMachine: studio-vm
workerRegistrationSecret: q1w2e3r4t5-registration-secret
batch:
  poolID: flamenco-workers
  vmSize: Standard_F16s
  targetDedicatedNodes: 1
  targetLowPriorityNodes: 2
";

/// Who may come in, in today's keys.
const ACCESS: &str = "\
manager:
  access: # the studio
    ssh: [203.0.113.7/32]
    web: [203.0.113.0/24]
";

/// A directory with the old tool's file and a new world.
fn old_place() -> Place {
    let place = Place::new();
    place.write("flamenco_manager_azure.yaml", OLD_FILE);
    place
}

/// A directory with a farm file that admits the studio.
fn place() -> Place {
    let place = Place::new();
    place.write("azure_config.yaml", &format!("{OLD_FILE}{ACCESS}"));
    place
}

/// The same, deployed.
fn deployed() -> Place {
    let place = place();
    place.simulate("deploy --yes --quiet").ended(0, &[]);
    place
}

/// Nothing is left in the world.
#[track_caller]
fn assert_empty(place: &Place) {
    let world = place.world();
    assert!(world.groups().is_empty() && world.resources().is_empty(), "{}", place.holdings());
}
