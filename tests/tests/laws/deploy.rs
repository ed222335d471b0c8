//! `deploy` and `plan`.

use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{Yard, assert_same};

#[test]
fn deploy_twice_plans_nothing_and_only_reads() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let before = yard.settled();
    yard.run("deploy --yes");
    assert_same(&yard.settled(), &before, "the second deploy");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn a_deployed_farm_is_owned_attached_and_within_quota() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let findings = yard.world().check();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn plan_changes_nothing() {
    let yard = Yard::default();
    let before = yard.world().canonical();
    assert_eq!(yard.run("plan"), Exit::Done);
    assert_eq!(yard.run("plan --check"), Exit::Drift);
    assert_same(&yard.world().canonical(), &before, "plan");
}
