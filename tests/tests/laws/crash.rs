//! Killed at every call: the next run ends in the same world.

use azure_sim::Phase;
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::wire::Cut;
use flamenco_azure_tests::yard::{Ended, FARM_FILE, Yard, assert_same};

/// Cuts `command` at every call, before and after its effect, in a copy of `yard`; runs it again and compares the
/// world with that of an uncut run. Prints how many cuts there were.
pub(crate) fn survives_every_cut(yard: &Yard, command: &str, same_machine: bool) {
    let reference = yard.fork(true);
    let (ended, calls) = reference.cut(command, None);
    let Ended::Finished(Ok(Exit::Done)) = ended else {
        panic!("`{command}` does not even work uncut: {ended:?}")
    };
    let want = reference.settled();
    for call in 1..=calls {
        for phase in [Phase::Before, Phase::After] {
            let cut = Cut { call, phase };
            let fork = yard.fork(true);
            let (ended, _) = fork.cut(command, Some(cut));
            assert!(matches!(ended, Ended::Cut), "{cut:?}: the cut was not reached: {ended:?}");
            let again = if same_machine { fork } else { fork.fork(false) };
            let result = again.outcome(command);
            assert!(result.is_ok(), "{cut:?} of `{command}`: the next run failed: {result:?}");
            assert_same(&again.settled(), &want, &format!("{cut:?} of `{command}`"));
        }
    }
    println!("`{command}` survived {} cuts ({calls} calls, before and after each)", 2 * calls);
}

#[test]
fn deploy_survives_a_crash_at_every_call() {
    survives_every_cut(&Yard::default(), "deploy --yes", true);
}

#[test]
fn deploy_survives_a_crash_at_every_call_on_another_machine() {
    survives_every_cut(&Yard::default(), "deploy --yes", false);
}

#[test]
fn scale_up_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    survives_every_cut(&yard, "scale render --dedicated 5 --wait", true);
}

#[test]
fn scale_down_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    survives_every_cut(&yard, "scale render --dedicated 1 --wait", true);
}

#[test]
fn pause_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    survives_every_cut(&yard, "pause --yes", true);
}

#[test]
fn resume_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.run("pause --yes");
    survives_every_cut(&yard, "resume --yes", true);
}

#[test]
fn a_change_of_the_set_up_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.write(&format!("{FARM_FILE}manager: {{flamencoVersion: 3.8.2}}\n"));
    survives_every_cut(&yard, "deploy --yes", false);
}

#[test]
fn teardown_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    survives_every_cut(&yard, "teardown --yes", true);
}

/// A tool's folder in a yard, and the command that pushes it.
pub(crate) fn tool(yard: &Yard) -> String {
    let folder = yard.path().join("tool");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("tool"), "#!/bin/sh\n").unwrap();
    format!("app push tool --version 1 {} --yes", folder.display())
}

#[test]
fn the_first_push_of_a_package_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    survives_every_cut(&yard, &tool(&yard), true);
}

#[test]
fn a_later_push_of_a_package_survives_a_crash_at_every_call_on_another_machine() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let push = tool(&yard);
    yard.run(&push);
    std::fs::write(yard.path().join("tool/more"), "more\n").unwrap();
    survives_every_cut(&yard, &push.replace("--version 1", "--version 2"), false);
}

#[test]
fn a_deploy_into_the_farms_own_subscription_and_its_teardown_survive_a_crash_at_every_call() {
    let yard = Yard::new(&format!("{FARM_FILE}batch: {{mode: userSubscription}}\n"), |_| {});
    survives_every_cut(&yard, "deploy --yes", false);
    yard.run("deploy --yes");
    survives_every_cut(&yard, "teardown --yes", true);
}

#[test]
fn a_replacement_of_a_package_survives_a_crash_at_every_call() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let push = tool(&yard);
    yard.run(&push);
    std::fs::write(yard.path().join("tool/more"), "more\n").unwrap();
    survives_every_cut(&yard, &format!("{push} --replace"), false);
}
