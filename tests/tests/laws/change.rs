//! Changes of the farm file after the first deploy.

use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::yard::{FARM_FILE, SUBSCRIPTION, Yard, assert_same};

fn deployed() -> Yard {
    let yard = Yard::default();
    yard.run("deploy --yes");
    yard
}

#[test]
fn another_flamenco_is_set_up_in_place_and_then_nothing_is_left_to_do() {
    let yard = deployed();
    let vms =
        |yard: &Yard| yard.world().resources().keys().filter(|id| id.contains("virtualmachines")).count();
    let before = vms(&yard);
    yard.write(&format!("{FARM_FILE}manager: {{flamencoVersion: 3.8.2}}\n"));
    assert_eq!(yard.run("plan --check"), Exit::Drift);
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
    assert_eq!(vms(&yard), before);
}

#[test]
fn a_hand_edited_rule_is_flagged_and_mended() {
    let yard = deployed();
    let want = yard.settled();
    let nsg = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Network/networkSecurityGroups/crunch-vm-nsg"
    );
    yard.poke(|world| {
        assert!(world.edit(&nsg, |nsg| {
            nsg.properties["securityRules"][0]["properties"]["sourceAddressPrefix"] = "*".into();
        }));
    });
    assert_eq!(yard.run("plan --check"), Exit::Drift);
    yard.run("deploy --yes");
    assert_same(&yard.settled(), &want, "the mended rule");
}

#[test]
fn pinning_what_is_installed_changes_nothing() {
    let yard = deployed();
    let sha = "0123456789abcdef".repeat(4);
    yard.write(&format!("{FARM_FILE}manager: {{flamencoSha256: {sha}}}\nblender: {{sha256: {sha}}}\n"));
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn a_larger_share_and_other_tags_are_changed_in_place() {
    let yard = deployed();
    yard.write(&format!("{FARM_FILE}storage: {{shareGiB: 200}}\ntags: {{project: spring}}\n"));
    yard.run("deploy --yes");
    assert_eq!(yard.run("plan --check"), Exit::Done);
}

#[test]
fn what_needs_a_new_network_is_named_and_not_tried() {
    let yard = deployed();
    let before = yard.settled();
    yard.write(&format!("{FARM_FILE}    maxNodes: 200\n"));
    assert_eq!(yard.run("plan --check"), Exit::Drift);
    assert_eq!(yard.run("deploy --yes"), Exit::Drift);
    assert_same(&yard.settled(), &before, "a deploy that can change nothing");
}

#[test]
fn a_manager_that_someone_stopped_is_started_again() {
    let yard = deployed();
    let want = yard.settled();
    let vm = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/crunch-rg/providers/Microsoft.Compute/virtualMachines/crunch-vm"
    );
    let url = format!("https://management.azure.com{vm}/deallocate?api-version=2024-07-01");
    yard.poke(|world| {
        let mut request = azure_sim::SimRequest::new("POST", url.parse().unwrap());
        request.headers.insert("authorization".to_owned(), "Bearer portal".to_owned());
        assert_eq!(world.handle(&request).status, 202);
        world.advance_by(300);
    });
    assert_eq!(yard.run("plan --check"), Exit::Drift);
    yard.run("deploy --yes");
    assert_same(&yard.settled(), &want, "a Manager that was stopped by hand");
}
