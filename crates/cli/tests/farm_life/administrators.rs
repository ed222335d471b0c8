//! Who may not assign roles: deploy makes all it may, an administrator runs what it prints, the same deploy finishes.

use std::sync::LazyLock;

use azure_sim::{Role, SimRequest, World};
use serde_json::json;

use crate::support::{Place, SUBSCRIPTION, farm_file};

static FILE: LazyLock<String> = LazyLock::new(|| {
    farm_file(
        "\
scalerStorageAccountName: studioscaler
manager: {access: {ssh: [203.0.113.7/32]}}
pools:
  - {name: render, kind: vmss, nodes: 3, maxNodes: 10, deleteByMessage: true, placements: [{vmSize: Standard_D4as_v5}]}
",
    )
});

/// What the roles that are asked for are called by their definitions.
const ROLES: &[(&str, &str)] = &[
    ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    ("Virtual Machine Contributor", "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"),
    ("Tag Contributor", "4a9ae827-6dc8-4573-8ac7-8239d42aa03f"),
    ("Managed Identity Operator", "f1a07417-d97a-45cb-824c-7a7467783830"),
    ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
    ("Azure Batch Service Orchestration Role", "a35466a1-cfd6-450a-b35e-683fcdf30363"),
    ("Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"),
    ("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"),
    ("Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"),
    ("Storage Queue Data Message Sender", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"),
];

/// Does what `az role assignment create` does: an assignment with a name of its own.
pub(crate) fn obey(world: &mut World, number: usize, command: &str) {
    let words: Vec<&str> = command.split(" --").collect();
    let option = |name: &str| {
        let found = words.iter().find_map(|word| word.strip_prefix(&format!("{name} ")));
        found.unwrap_or_else(|| panic!("{name} in {command}")).trim().trim_matches('"')
    };
    let (_, role) = ROLES.iter().find(|(name, _)| *name == option("role")).unwrap();
    let scope = option("scope");
    let url = format!(
        "https://management.azure.com{scope}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-{number:012}?api-version=2022-04-01"
    );
    let body = json!({"properties": {
        "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        "principalId": option("assignee-object-id"),
        "principalType": option("assignee-principal-type"),
    }});
    let request = SimRequest::new("PUT", url.parse().unwrap()).header("authorization", "Bearer admin");
    let response = world.handle(&request.json_body(&body));
    assert!(response.is_success(), "{command}: {}", response.json_body());
}

#[test]
fn a_contributors_first_push_is_finished_after_an_administrator_ran_what_it_prints() {
    let place = Place::with(|world| world.principal_mut().set_subscription_role(Some(Role::Contributor)));
    place.give_key();
    let file = FILE.replace("scalerStorageAccountName: studioscaler", "batchAccountName: studiobatch");
    let pools = file.find("pools:").unwrap();
    place.write("azure_config.yaml", &format!("{}pools: [{{name: render, dedicated: 1}}]\n", &file[..pools]));
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    std::fs::create_dir(place.path("tools")).unwrap();
    place.write("tools/tool", "#!/bin/sh\n");
    let push = "app push tool --version 1 tools --yes";
    let first = place.simulate(push);
    first.ended(5, &["must be assigned by an administrator", "`flamenco-azure app push"]);
    let commands: Vec<String> =
        first.out.lines().filter(|line| line.starts_with("az role")).map(str::to_owned).collect();
    assert_eq!(commands.len(), 3, "{}", first.out);
    place.simulate(push).ended(5, &["must be assigned by an administrator"]);
    place.poke(|world| {
        world.principal_mut().set_subscription_role(Some(Role::Owner));
        for (number, command) in commands.iter().enumerate() {
            obey(world, number, command);
        }
        world.principal_mut().set_subscription_role(Some(Role::Contributor));
    });
    place.simulate(push).said(0, &["ready for nodes"]);
    place.simulate("plan --check").said(0, &["nothing to do"]);
    place.simulate("teardown --yes").ended(0, &["removed"]);
    assert!(place.world().resources().is_empty(), "{}", place.holdings());
}

#[test]
fn a_contributors_deploy_is_finished_after_an_administrator_ran_what_it_prints() {
    let place = Place::with(|world| world.principal_mut().set_subscription_role(Some(Role::Contributor)));
    place.give_key();
    place.write("azure_config.yaml", &FILE);
    place.simulate("plan").ended(0, &["this sign-in may not assign"]);

    let first = place.simulate("deploy --yes");
    first.ended(5, &["must be assigned by an administrator", "run `flamenco-azure deploy` again"]);
    let commands: Vec<String> = first
        .out
        .lines()
        .filter(|line| line.starts_with("az role assignment create "))
        .map(str::to_owned)
        .collect();
    assert!(commands.len() >= 9, "{}", first.out);
    let made = |place: &Place, what: &str| place.world().resources().keys().any(|id| id.ends_with(what));
    assert!(made(&place, "/studio-vm") && made(&place, "/studioscaler"), "{}", place.holdings());
    assert!(!place.holdings().contains("flamenco-farm-scaler"), "nothing is installed without its rights");

    // Nothing has changed, so the same is asked again.
    let again = place.simulate("deploy --yes");
    again.ended(5, &["must be assigned by an administrator"]);
    assert!(commands.iter().all(|command| again.out.contains(command)), "{}", again.out);

    place.poke(|world| {
        world.principal_mut().set_subscription_role(Some(Role::Owner));
        for (number, command) in commands.iter().enumerate() {
            obey(world, number, command);
        }
        world.principal_mut().set_subscription_role(Some(Role::Contributor));
    });
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    assert!(place.holdings().contains("flamenco-farm-scaler"));
    place.simulate("plan --check").said(0, &["nothing to do"]);
    // What the administrator assigned is the administrator's: a teardown leaves it and says nothing of it.
    place.simulate("teardown --yes").ended(0, &["removed"]);
    assert!(place.world().resources().is_empty(), "{}", place.holdings());
}

#[test]
fn a_contributors_teardown_of_an_owners_farm_removes_what_costs_and_leaves_roles_to_an_administrator() {
    let place = Place::with(|_| {});
    place.give_key();
    place.write("azure_config.yaml", &FILE);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    place.poke(|world| world.principal_mut().set_subscription_role(Some(Role::Contributor)));
    let ended = place.simulate("teardown --yes");
    assert!(place.world().resources().is_empty(), "{}", place.holdings());
    ended.ended(5, &["must be deleted by an administrator"]);
    // Those below the group have gone with it.
    let commands: Vec<&str> =
        ended.out.lines().filter(|line| line.starts_with("az role assignment")).collect();
    let above = format!(
        "az role assignment delete --ids /subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments/"
    );
    assert!(commands.len() == 1 && commands[0].starts_with(&above), "{}", ended.out);
    place.simulate("teardown --yes").said(0, &["there is nothing of farm"]);
}
