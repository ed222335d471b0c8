//! `teardown`.

use flamenco_azure_tests::yard::Yard;

#[test]
fn teardown_leaves_no_trace() {
    let yard = Yard::default();
    let before = yard.world().canonical();
    yard.run("deploy --yes");
    yard.run("teardown --yes");
    assert_eq!(before, yard.world().canonical());
}
