//! Every example runs on the simulator and does what it says.
#![allow(dead_code, unreachable_pub, reason = "each example is included whole, with its main")]

use flamenco_azure_core::plan::Verb;
use flamenco_azure_examples::Azure;

#[path = "../credentials.rs"]
mod credentials;
#[path = "../deploy_and_teardown.rs"]
mod deploy_and_teardown;
#[path = "../long_running_operation.rs"]
mod long_running_operation;
#[path = "../plan_a_farm.rs"]
mod plan_a_farm;
#[path = "../resize_a_pool.rs"]
mod resize_a_pool;
#[path = "../shaman_url.rs"]
mod shaman_url;
#[path = "../simulate_faults.rs"]
mod simulate_faults;

#[tokio::test(start_paused = true)]
async fn plan_a_farm_sends_nothing_and_plans_a_manager_and_a_pool() {
    let azure = Azure::simulated();
    let plan = plan_a_farm::run(azure.clone()).await.unwrap();
    assert!(azure.world().unwrap().log().is_empty());
    let created =
        |kind| plan.steps.iter().filter(|s| s.verb == Verb::Create && s.resource.is_kind(kind)).count();
    assert_eq!(created(manager_vm::wire::VM), 1);
    assert_eq!(created(batch_pool::wire::POOL), 1);
}

#[tokio::test(start_paused = true)]
async fn deploy_and_teardown_leaves_nothing() {
    let azure = Azure::simulated();
    let [first, second, last] = deploy_and_teardown::run(azure.clone()).await.unwrap();
    assert!(first > 10 && last > 5, "{first} and {last} steps");
    assert_eq!(second, 0);
    let world = azure.world().unwrap();
    assert!(world.resources().is_empty() && world.groups().is_empty());
}

#[tokio::test(start_paused = true)]
async fn long_running_operation_survives_its_process() {
    let azure = Azure::simulated();
    let made = long_running_operation::run(azure.clone()).await.unwrap();
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    assert!(azure.world().unwrap().groups().is_empty());
}

#[tokio::test(start_paused = true)]
async fn resize_a_pool_goes_up_and_back() {
    assert_eq!(resize_a_pool::run(Azure::simulated()).await.unwrap(), [1, 3, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn shaman_url_converts_both_ways() {
    let urls = shaman_url::run(Azure::simulated()).await.unwrap();
    assert_eq!(
        urls,
        [
            "shaman+http://10.42.0.4:8080/#shots/010",
            "shaman://studio-example.westeurope.cloudapp.azure.com/",
            "shaman://render.example.org/",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn simulate_faults_ends_with_one_group() {
    let azure = Azure::simulated();
    assert_eq!(simulate_faults::run(azure.clone()).await.unwrap(), 4);
    assert_eq!(azure.world().unwrap().groups().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn credentials_names_what_was_used() {
    assert_eq!(credentials::run(Azure::simulated()).await.unwrap(), "Azure CLI");
}

#[test]
fn the_readme_names_every_example() {
    let readme = include_str!("../README.md");
    let manifest = include_str!("../Cargo.toml");
    let examples: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix(".rs\"")).collect();
    assert_eq!(examples.len(), 8, "seven examples and the library");
    for example in examples.iter().filter(|name| **name != "lib") {
        assert!(readme.contains(&format!("| `{example}` |")), "README.md does not know {example}");
    }
}
