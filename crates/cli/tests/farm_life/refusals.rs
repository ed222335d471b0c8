//! What Azure has against it: message, remedy, exit code, and a world as it was.

use azure_sim::{Action, Fault, Match, World};

use crate::support::{Place, SUBSCRIPTION};
use crate::{OLD_FILE, deployed, place};

/// Every command that talks to Azure about a farm.
const COMMANDS: &[&str] = &[
    "plan",
    "deploy --yes",
    "status",
    "scale --dedicated 2",
    "pause --yes",
    "resume --yes",
    "teardown --yes",
    "ssh",
    "download",
];

#[track_caller]
fn unchanged(place: &Place, lines: &[&str], code: i32, words: &[&str]) {
    let before = place.holdings();
    for line in lines {
        place.simulate(line).ended(code, words);
        assert_eq!(place.holdings(), before, "{line}");
    }
}

#[test]
fn an_expired_login_is_the_users_to_renew() {
    let expire = |world: &mut World| world.inject(Fault::always(Match::any(), Action::ExpiredToken));
    let place = place();
    place.poke(expire);
    unchanged(&place, COMMANDS, 1, &["error: ", "run `az login`"]);
    unchanged(&place, &["whoami", "init --name x --location westeurope"], 1, &["run `az login`"]);
    let place = deployed();
    place.poke(expire);
    unchanged(&place, COMMANDS, 1, &["run `az login`"]);
    place.poke(World::clear_faults);
    place.simulate("plan --check").said(0, &[]);
}

#[test]
fn a_subscription_that_the_sign_in_does_not_see_is_the_users_to_name() {
    let place = place();
    place.write(
        "azure_config.yaml",
        &place.file().replace(SUBSCRIPTION, "11111111-2222-3333-4444-555555555555"),
    );
    unchanged(
        &place,
        COMMANDS,
        1,
        &["11111111-2222-3333-4444-555555555555", "`az account list --output table`"],
    );
}

#[test]
fn a_missing_right_is_named_with_the_role_that_has_it() {
    let place = place();
    place.poke(|world| world.principal_mut().set_subscription_role(Some(azure_sim::Role::Reader)));
    unchanged(
        &place,
        &["plan", "deploy --yes"],
        1,
        &["Microsoft.Batch/batchAccounts/write", "--role Contributor"],
    );
    place.simulate("status").said(0, &["does not exist"]);
}

#[test]
fn a_batch_quota_too_small_is_said_before_anything_costs_money() {
    let place = place();
    place.write("azure_config.yaml", &place.file().replace("Nodes: 1", "Nodes: 4"));
    place.poke(|world| world.set_limit("westeurope", "batch/cores", 40));
    let ran = place.simulate("deploy --yes");
    ran.ended(
        2,
        &[
            "studiobatch",
            "quota of 40",
            "need 64",
            "Quotas",
            "nothing that costs money was made",
            "flamenco-azure teardown",
        ],
    );
    let world = place.world();
    for kind in ["virtualMachines", "storageAccounts", "publicIPAddresses", "natGateways", "pools"] {
        assert!(
            !world.resources().keys().any(|id| id.contains(&kind.to_lowercase())),
            "{kind}: {:?}",
            world.resources().keys()
        );
    }
    place.simulate("teardown --yes --quiet").ended(0, &[]);
    crate::assert_empty(&place);
}

#[test]
fn another_farm_in_the_group_keeps_its_names() {
    let place = deployed();
    place.write("azure_config.yaml", &place.file().replace("defaultName: studio", "defaultName: munch"));
    unchanged(&place, &["plan", "deploy --yes"], 1, &["studio", "nothing was changed"]);
    // It has none of its own to look at or to remove.
    place.simulate("status").said(0, &["munch in group studio-rg: does not exist"]);
    unchanged(&place, &["scale --dedicated 2", "pause --yes"], 1, &["there is no farm `munch`", "deploy"]);
    unchanged(&place, &["teardown --yes"], 0, &[]);
}

#[test]
fn two_farms_of_one_group_go_by_their_own_names() {
    let place = deployed();
    let second = OLD_FILE.replace("studiobatch", "munchbatch").replace("studiofiles", "munchfiles");
    let second = second.replace("studio-vm", "munch-vm").replace("defaultName: studio", "defaultName: munch");
    place.write("munch.yaml", &second);
    place.simulate("deploy --yes --quiet --config munch.yaml").ended(0, &[]);
    let other = Place::new();
    other.write("w.json", &place.read("w.json"));
    let group = format!("--subscription {SUBSCRIPTION} --group studio-rg");
    other
        .simulate(&format!("teardown --yes {group}"))
        .ended(1, &["holds 2 farms", "`--farm NAME`: munch, studio"]);
    other.simulate(&format!("teardown --yes --farm munch {group}")).ended(0, &["removed in"]);
    place.write("w.json", &other.read("w.json"));
    place.simulate("plan --check").said(0, &["nothing to do"]);
}

#[test]
fn a_group_that_is_locked_says_who_can_unlock_it() {
    let place = deployed();
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg");
    place.poke(|world| world.lock(&group, "keep", azure_sim::LockLevel::CanNotDelete));
    let ran = place.simulate("teardown --yes");
    ran.ended(2, &["lock", "az lock list", "run `flamenco-azure teardown` again"]);
}
