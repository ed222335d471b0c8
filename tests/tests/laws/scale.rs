//! `scale`, `pause`, `resume`.

use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{Yard, assert_same};

#[test]
fn plan_is_empty_after_a_scale() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard.run("scale render --dedicated 5 --wait");
    assert_eq!(yard.run("plan --check"), Exit::Done);
    yard.run("scale render --dedicated 1 --wait");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn resume_undoes_pause() {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let before = yard.settled();
    yard.run("pause --yes");
    assert_ne!(before, yard.settled());
    yard.run("resume --yes");
    assert_same(&yard.settled(), &before, "pause and resume");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}
