//! A lost answer at every write, and obstacles that end in words.

use azure_sim::{Action, Fault, Match};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{Yard, assert_same};

/// Loses the answer of each writing call in turn, after its effect; the same run must end in the same world.
fn survives_lost_answers(yard: &Yard, command: &str) {
    let reference = yard.fork(true);
    reference.run(command);
    let want = reference.settled();
    let writes: Vec<usize> = reference
        .last_exchanges()
        .iter()
        .enumerate()
        .filter(|(_, e)| e.0 != "GET")
        .map(|(n, _)| n + 1)
        .collect();
    assert!(!writes.is_empty());
    for call in &writes {
        let fork = yard.fork(true);
        fork.poke(|world| {
            let number = world.calls() + *call as u64;
            world.inject(Fault::once(Match::call(number), Action::LoseResponse));
        });
        fork.run(command);
        assert_same(&fork.settled(), &want, &format!("`{command}` with the answer of call {call} lost"));
    }
    println!("`{command}` survived a lost answer at each of {} writes", writes.len());
}

#[test]
fn deploy_survives_a_lost_answer_at_every_write() {
    survives_lost_answers(&Yard::default(), "deploy --yes");
}

#[test]
fn scale_and_teardown_survive_a_lost_answer_at_every_write() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    for command in [
        "scale render --dedicated 4 --wait",
        "scale render --dedicated 1 --wait",
        "pause --yes",
        "teardown --yes",
    ] {
        survives_lost_answers(&yard, command);
    }
}

#[test]
fn a_failed_boot_ends_with_the_guests_reason_what_it_costs_and_how_to_go_on() {
    let yard = Yard::default();
    let vm = format!(
        "/subscriptions/{}/resourceGroups/crunch-rg/providers/Microsoft.Compute/virtualMachines/crunch-vm",
        flamenco_azure_tests::yard::SUBSCRIPTION
    );
    yard.poke(|world| world.set_boot_failure(&vm, "checksum of flamenco-3.8.5 differs"));
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert_eq!(failure.exit, Exit::Azure);
    assert!(failure.message.contains("checksum of flamenco-3.8.5 differs"), "{failure}");
    let hint = failure.hint.unwrap();
    assert!(
        hint.contains("costs money now: ") && hint.contains("Manager VM") && hint.contains("teardown"),
        "{hint}"
    );
    yard.poke(|world| world.repair_boot(&vm));
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn a_batch_quota_that_is_too_small_stops_before_anything_that_costs() {
    let yard = Yard::default();
    yard.poke(|world| world.set_limit("westeurope", "batch/cores", 4));
    let failure = yard.outcome("deploy --yes").unwrap_err();
    assert!(failure.message.contains("quota of 4 dedicated cores"), "{failure}");
    assert_eq!(failure.hint.unwrap().matches("nothing that costs money was made").count(), 1);
    let world = yard.world();
    assert!(world.total_cost() < 1e-9);
}

#[test]
fn an_operation_that_fails_after_it_was_accepted_is_explained_and_the_next_run_converges() {
    let reference = Yard::default();
    reference.run("deploy --yes");
    let want = reference.settled();
    let accepted = [
        ("/natGateways/crunch-vm-nat", "InternalServerError", "NAT gateway failed"),
        ("/storageAccounts/crunchfiles", "StorageAccountOperationFailed", "account failed"),
        (
            "/virtualMachines/crunch-vm",
            "AllocationFailed",
            "Allocation failed. We do not have sufficient capacity",
        ),
        ("/batchAccounts/crunchbatch", "AccountCreationFailed", "account failed"),
    ];
    for (path, code, message) in accepted {
        let yard = Yard::default();
        yard.poke(|world| {
            let fault = Fault::once(Match::on("PUT", path), Action::operation_fails(code, message));
            world.inject(fault);
        });
        let failure = yard.outcome("deploy --yes").unwrap_err();
        assert_eq!(failure.exit, Exit::Azure, "{path}");
        assert!(failure.message.contains(message) && failure.hint.is_some(), "{path}: {failure}");
        yard.poke(azure_sim::World::clear_faults);
        yard.run("deploy --yes");
        assert_same(&yard.settled(), &want, path);
    }
}

#[test]
fn throttling_is_waited_out() {
    let yard = Yard::default();
    yard.poke(|world| {
        world.inject(Fault::times(Match::any(), Action::throttled(1), 3));
        world.inject(Fault::once(Match::on("PUT", "/virtualMachines/"), Action::throttled(1200)));
    });
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}
