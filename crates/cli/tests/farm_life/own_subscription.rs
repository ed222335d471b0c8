//! Nodes in the farm's own subscription: key vault, Batch's principal, roles, quotas.

use std::sync::LazyLock;

use azure_sim::{Directory, Role, SimRequest};

use super::administrators::obey;
use crate::support::{Place, SUBSCRIPTION, farm_file};

static FILE: LazyLock<String> = LazyLock::new(|| {
    farm_file(
        "\
batchAccountName: studiobatch
batch: {mode: userSubscription, keyVaultName: studiovault}
pools: [{name: render, dedicated: 1, spot: 2}]
",
    )
});

fn place(file: &str) -> Place {
    let place = Place::with(|_| {});
    place.give_key();
    place.write("azure_config.yaml", file);
    place
}

fn there(place: &Place, what: &str) -> bool {
    place.world().resources().keys().any(|id| id.ends_with(what))
}

#[test]
fn nodes_run_in_the_farms_own_subscription_and_a_teardown_leaves_no_vault() {
    let place = place(&FILE);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    assert!(there(&place, "/vaults/studiovault"));
    let holdings = place.holdings();
    assert!(holdings.contains("\"UserSubscription\"") && !holdings.contains("SharedKey\""), "{holdings}");
    place.simulate("plan --check").said(0, &["nothing to do"]);
    place.simulate("teardown --yes").ended(0, &["purged key vault studiovault", "removed"]);
    assert!(place.world().resources().is_empty(), "{}", place.holdings());
    assert_eq!(place.world().deleted_vaults(), Vec::<String>::new());
    // What Batch was allowed on the subscription may serve others: it stays, and the next deploy finds it.
    place.simulate("deploy --yes").ended(0, &["deployed"]);
}

#[test]
fn what_batch_may_do_on_the_subscription_outlives_a_teardown() {
    let place = place(&FILE);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    let url = format!(
        "https://management.azure.com/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"
    );
    let scopes = || {
        let mut world = place.world();
        let list = SimRequest::new("GET", url.parse().unwrap()).header("authorization", "Bearer any");
        let body = world.handle(&list).json_body();
        let all = body["value"].as_array().unwrap().iter();
        all.map(|one| one["properties"]["scope"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(scopes().len(), 2);
    place.simulate("teardown --yes").ended(0, &["removed"]);
    assert_eq!(scopes(), [format!("/subscriptions/{SUBSCRIPTION}")]);
}

#[test]
fn the_first_deploy_waits_until_batchs_roles_work() {
    let place = place(&FILE);
    place.poke(|world| world.role_lag(200));
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    assert!(there(&place, "/pools/render"));
}

#[test]
fn who_may_not_read_the_directory_is_told_what_to_ask_for() {
    let place = place(&FILE);
    place.poke(|world| world.directory_is(Directory::Closed));
    let before = place.holdings();
    place.simulate("deploy --yes").ended(
        1,
        &[
            "may not look up Batch's service principal",
            "az ad sp show --id ddbf3205-c6bd-46ae-8127-60eb93363864 --query id",
            "batch.servicePrincipalObjectId",
        ],
    );
    assert_eq!(place.holdings(), before);
    let id = place.world().batch_service_principal();
    let named = FILE.replace("keyVaultName", &format!("servicePrincipalObjectId: {id}, keyVaultName"));
    place.write("azure_config.yaml", &named);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
}

#[test]
fn a_directory_without_batch_is_told_how_to_get_it() {
    let place = place(&FILE);
    place.poke(|world| world.directory_is(Directory::WithoutBatch));
    place.simulate("deploy --yes").ended(1, &["has no service principal", "az provider register"]);
}

#[test]
fn a_contributors_deploy_makes_no_batch_account_before_an_administrator_has_let_batch_in() {
    let place = place(&FILE);
    place.poke(|world| world.principal_mut().set_subscription_role(Some(Role::Contributor)));
    let first = place.simulate("deploy --yes");
    first.ended(5, &["must be assigned by an administrator"]);
    assert!(there(&place, "/studio-vm") && there(&place, "/studiovault") && !there(&place, "/studiobatch"));
    let commands: Vec<&str> = first.out.lines().filter(|line| line.starts_with("az role")).collect();
    assert_eq!(commands.len(), 2, "{}", first.out);
    place.poke(|world| {
        world.principal_mut().set_subscription_role(Some(Role::Owner));
        commands.iter().enumerate().for_each(|(number, command)| obey(world, number, command));
        world.principal_mut().set_subscription_role(Some(Role::Contributor));
    });
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    assert!(there(&place, "/pools/render"));
}

#[test]
fn a_vault_that_was_deleted_is_recovered() {
    let place = place(&FILE);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    place.poke(|world| {
        let url = format!(
            "https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourceGroups/studio-rg/providers/Microsoft.KeyVault/vaults/studiovault?api-version=2023-07-01"
        );
        let delete = SimRequest::new("DELETE", url.parse().unwrap()).header("authorization", "Bearer any");
        assert!(world.handle(&delete).is_success());
    });
    assert_eq!(place.world().deleted_vaults(), ["studiovault"]);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    assert!(there(&place, "/vaults/studiovault"));
    assert_eq!(place.world().deleted_vaults(), Vec::<String>::new());
    place.simulate("plan --check").said(0, &["nothing to do"]);
}

#[test]
fn the_subscriptions_quota_is_seen_before_anything_is_made() {
    let place = place(&FILE.replace("spot: 2", "spot: 20"));
    place.poke(|world| world.set_limit("westeurope", "lowPriorityCores", 40));
    let before = place.holdings();
    place.simulate("deploy --yes").ended(1, &["0 of 40 cores are used", "need 80", "nothing was created"]);
    assert_eq!(place.holdings(), before);
}

const VAULT: &str = "/subscriptions/5b3a7c1e-6f5d-4c2b-9a80-0123456789ab/resourceGroups/studio-rg/providers/Microsoft.KeyVault/vaults/studiovault";

#[test]
fn a_vault_that_azure_does_not_purge_is_told_of_and_the_next_deploy_recovers_it() {
    let place = place(&FILE);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    place.poke(|world| {
        assert!(world.edit(VAULT, |vault| vault.set("enablePurgeProtection", true.into())));
    });
    place.simulate("teardown --yes").ended(
        0,
        &[
            "key vault `studiovault` is deleted and keeps its name",
            "purge protection",
            "recovers it",
            "removed",
        ],
    );
    assert_eq!(place.world().deleted_vaults(), ["studiovault"]);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    assert!(there(&place, "/vaults/studiovault"));
    assert_eq!(place.world().deleted_vaults(), Vec::<String>::new());
}

/// Where a farm in this group was, whose vault could not be purged.
fn gone_but_for_its_vault(group: &str) -> Place {
    let place = place(&FILE.replace("studio-rg", group));
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    place.poke(|world| {
        let vault = VAULT.replace("studio-rg", group);
        assert!(world.edit(&vault, |vault| vault.set("enablePurgeProtection", true.into())));
    });
    place.simulate("teardown --yes").ended(0, &["keeps its name"]);
    place
}

#[test]
fn the_name_of_a_deleted_vault_of_another_group_is_refused_before_anything_is_made() {
    let other = gone_but_for_its_vault("other-rg");
    other.write("azure_config.yaml", &FILE);
    let before = other.holdings();
    other.simulate("deploy --yes").ended(
        1,
        &[
            "`studiovault` is the name of a deleted vault of another group",
            "az keyvault purge --name studiovault",
        ],
    );
    assert_eq!(other.holdings(), before);
}

#[test]
fn a_farm_that_moved_is_told_where_its_deleted_vault_is() {
    let place = gone_but_for_its_vault("studio-rg");
    place.write("azure_config.yaml", &FILE.replace("westeurope", "northeurope"));
    let before = place.holdings();
    place.simulate("deploy --yes").ended(
        1,
        &[
            "`studiovault` is the name of a deleted vault in westeurope",
            "az keyvault purge --name studiovault --location westeurope",
        ],
    );
    assert_eq!(place.holdings(), before);
}

#[test]
fn a_vaults_name_that_is_taken_is_refused_before_anything_is_made() {
    let place = place(&FILE);
    place.poke(|world| world.take_name("vault", "studiovault"));
    let before = place.holdings();
    place.simulate("deploy --yes").ended(1, &["`batch.keyVaultName`: the name `studiovault` is taken"]);
    assert_eq!(place.holdings(), before);
}

#[test]
fn a_subscription_that_never_had_a_vault_is_no_obstacle() {
    let place = place(&FILE);
    place.poke(|world| world.unregister("Microsoft.KeyVault"));
    place.simulate("deploy --yes").ended(0, &["deployed"]);
}

/// A farm of which one node more is asked for than the subscription's quotas let come: what is said.
fn scaled_past(limits: &[(&str, u32)], line: &str) -> (Place, crate::support::Ran) {
    let place = place(&FILE);
    place.simulate("deploy --yes").ended(0, &["deployed"]);
    place.poke(|world| {
        world.advance_by(900);
        for (counter, limit) in limits {
            world.set_limit("westeurope", counter, *limit);
        }
    });
    let ran = place.simulate(line);
    (place, ran)
}

#[test]
fn more_nodes_than_the_subscriptions_quota_lets_come_are_told_by_that_quota_and_not_by_the_accounts() {
    // The Manager has 2 cores and each node 4.
    for (limits, line, quotas) in [
        (
            &[("cores", 12)][..],
            "scale --dedicated 5 --wait",
            &[
                "quota `Total Regional vCPUs` in westeurope is 12 cores, 10 of them in use; the 3 nodes that did not come need 12: ask for 22",
            ][..],
        ),
        (
            &[("lowPriorityCores", 9)],
            "scale --spot 4 --wait",
            &[
                "quota `Total Regional Low-priority vCPUs` in westeurope is 9 cores, 8 of them in use; the 2 nodes that did not come need 8: ask for 16",
            ],
        ),
        (
            &[("cores", 12), ("standardDASv5Family", 9)],
            "scale --dedicated 4 --wait",
            &[
                "`Total Regional vCPUs`",
                "`Standard DASv5 Family vCPUs` in westeurope is 9 cores, 8 of them in use; the 2 nodes that did not come need 8: ask for 16",
            ],
        ),
    ] {
        let (place, ran) = scaled_past(limits, line);
        ran.ended(2, &["the subscription's vCPU quota for ", "(in the Azure portal: Quotas > Compute)"]);
        ran.ended(2, quotas);
        ran.ended(2, &["https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas"]);
        assert!(!ran.err.contains("Batch account"), "{}", ran.err);
        // What is advised is enough.
        place.poke(|world| {
            for quota in ran.err.lines().filter(|line| line.contains("ask for ")) {
                let wanted = quota.split("ask for ").nth(1).unwrap().split(' ').next().unwrap();
                let Ok(wanted) = wanted.parse() else { continue };
                let counters = [
                    ("Regional vCPUs", "cores"),
                    ("Low-priority", "lowPriorityCores"),
                    ("Family", "standardDASv5Family"),
                ];
                let counter = counters.iter().find(|(title, _)| quota.contains(title)).unwrap().1;
                world.set_limit("westeurope", counter, wanted);
            }
        });
        place.simulate(line).said(0, &["nodes allocated"]);
    }
}
