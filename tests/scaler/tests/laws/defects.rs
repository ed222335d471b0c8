//! The listed defects of Avere's VMScaler: that its model has them on the simulated Azure, and that ours has not those
//! which take the half that talks to Azure to show. The others are in `crates/vmss-scaler/tests/laws/defects.rs`; 7
//! (signals) is a test of the daemon; 14 (idle reads and writes) is one in `speed.rs`.

use std::time::Duration;

use azure_sim::{Action, Exchange, Fault, Finding, Match, ProvisioningState, SetView};
use flamenco_azure_core::arm::Request;
use scaler_yard::old::{OldOptions, OldQueue, OldScaler};
use scaler_yard::yard::{LOCATION, SIZE, Yard};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet};
use vmss_scaler::file::ScalerFile;
use vmss_scaler::run::run;
use vmss_scaler::scaler::{Pool, Standing};
use vmss_scaler::{request, wire};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

struct Old {
    yard: Yard,
    queue: OldQueue,
    task: JoinHandle<()>,
}

fn start_old(yard: &Yard, queue: &OldQueue) -> JoinHandle<()> {
    let options = OldOptions {
        group: yard.group.clone(),
        location: LOCATION.to_owned(),
        sku: SIZE.to_owned(),
        vms_per_vmss: 25,
        subnet: yard.subnet.clone(),
    };
    let mut scaler = OldScaler::new(&yard.arm, options, queue.clone());
    tokio::task::spawn_local(async move { scaler.run_until(jiff::Timestamp::MAX).await })
}

/// The old one with so many nodes, all up.
async fn old(nodes: u32) -> Old {
    let (yard, queue) = (Yard::new(1).await, OldQueue::default());
    yard.want(&nodes.to_string()).await;
    let task = start_old(&yard, &queue);
    yard.wait(20 * MINUTE).await;
    yard.world().take_log();
    Old { yard, queue, task }
}

/// Ours with so many nodes, all up.
async fn new(nodes: u32) -> (Yard, Pool, JoinHandle<()>) {
    let yard = Yard::new(1).await;
    let pool = yard.pools(&yard.file()).remove(0);
    yard.want(&nodes.to_string()).await;
    let mut scaler = yard.scaler(pool.clone(), "one").await;
    let clock = yard.clock;
    let task = tokio::task::spawn_local(async move {
        let (_keep, told) = mpsc::channel(1);
        run(&mut scaler, &clock, told, &mut |_, _| true).await;
    });
    yard.wait(20 * MINUTE).await;
    assert_eq!(yard.nodes(), nodes as usize);
    yard.world().take_log();
    (yard, pool, task)
}

fn tag(yard: &Yard, name: &str) -> Option<String> {
    yard.world().groups().values().next().unwrap().tags.as_ref()?.get(name).cloned()
}

fn target(yard: &Yard) -> u32 {
    tag(yard, "TOTAL_NODES").unwrap().parse().unwrap()
}

fn set(yard: &Yard, name: &str) -> SetView {
    yard.world().scale_sets().into_iter().find(|set| set.id.ends_with(name)).unwrap()
}

fn sent(log: &[Exchange], method: &str, part: &str) -> usize {
    log.iter().filter(|one| one.request.method == method && one.request.url.as_str().contains(part)).count()
}

async fn by_hand(yard: &Yard, id: &str, body: serde_json::Value) {
    yard.client.run(&Request::patch(id, body).api_version(wire::COMPUTE_API)).await.unwrap();
}

macro_rules! law {
    ($name:ident, $body:expr) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            LocalSet::new().run_until($body).await;
        }
    };
}

law!(defect_01_old_one_message_about_nothing_drains_the_target, async {
    let farm = old(100).await;
    farm.queue.send("vmss0,9999");
    farm.yard.wait(61 * MINUTE).await;
    assert!((93..=95).contains(&target(&farm.yard)), "{}", target(&farm.yard));
    assert_eq!(farm.yard.nodes(), 100);
});

law!(defect_02_old_one_bad_id_fails_the_batch_and_all_of_it_is_counted_again, async {
    let farm = old(100).await;
    (0..10).for_each(|id| farm.queue.send(&format!("vmss1,{id}")));
    farm.queue.send("vmss1,9999");
    farm.yard.wait(95 * MINUTE).await;
    assert_eq!((target(&farm.yard), farm.yard.nodes()), (0, 100));
});

law!(defect_03_old_what_cannot_be_read_is_nothing_wanted, async {
    let farm = old(25).await;
    let refused = Action::error(403, "AuthorizationFailed", "No.");
    farm.yard.world().inject(Fault::once(Match::on("GET", "resourcegroups/yard?"), refused));
    farm.yard.wait(3 * MINUTE).await;
    assert_eq!(target(&farm.yard), 0, "for ever");
    farm.yard.want("1,000").await;
    farm.yard.wait(3 * MINUTE).await;
    assert_eq!(target(&farm.yard), 0, "a typo");
});

law!(defect_04_old_a_list_that_fails_is_an_empty_one, async {
    let farm = old(100).await;
    farm.yard.want("60").await;
    farm.yard.wait(2 * MINUTE).await;
    let sets = farm.yard.world().scale_sets();
    for set in &sets {
        by_hand(&farm.yard, &set.id, json!({"tags": {"SEALED": "2026-01-01T00:00:00Z"}})).await;
    }
    farm.yard.wait(2 * MINUTE).await;
    for set in &sets {
        let ids: Vec<String> = (0..10).map(|id| id.to_string()).collect();
        let delete = json!({"instanceIds": ids});
        let delete = Request::post(format!("{}/delete", set.id), Some(delete)).api_version("2020-06-01");
        farm.yard.client.run(&delete).await.unwrap();
    }
    farm.yard.wait(3 * MINUTE).await;
    assert_eq!(farm.yard.nodes(), 60);
    let refused = Action::error(403, "AuthorizationFailed", "No.");
    farm.yard.world().inject(Fault::once(Match::on("GET", "virtualmachinescalesets?"), refused));
    farm.yard.wait(3 * MINUTE).await;
    assert!(farm.yard.nodes() >= 75, "{}: the target is 60", farm.yard.nodes());
});

law!(defect_05_old_a_new_target_is_lost_to_a_message, async {
    let farm = old(100).await;
    // Between two passes.
    while sent(&farm.yard.world().take_log(), "GET", "virtualMachineScaleSets?") == 0 {
        farm.yard.wait(Duration::from_secs(1)).await;
    }
    farm.yard.wait(Duration::from_secs(8)).await;
    farm.yard.want("500").await;
    farm.queue.send("vmss1,3");
    farm.yard.wait(Duration::from_secs(20)).await;
    assert_eq!(target(&farm.yard), 99);
});

law!(defect_06_old_a_node_that_asks_twice_counts_twice, async {
    let farm = old(100).await;
    farm.queue.send("vmss1,3");
    farm.yard.wait(2 * MINUTE).await;
    farm.queue.send("vmss1,3");
    farm.yard.wait(2 * MINUTE).await;
    assert_eq!(target(&farm.yard), 98);
});

law!(defect_09_old_other_peoples_sets_are_grown, async {
    let farm = old(25).await;
    let set = set(&farm.yard, "vmss0");
    let body = json!({"location": LOCATION, "tags": {"owner": "somebody"},
        "sku": {"name": SIZE, "tier": "Standard", "capacity": 3},
        "properties": farm.yard.world().resource(&set.id).unwrap().properties.clone()});
    let mut body = body;
    body["properties"]["virtualMachineProfile"]["osProfile"]["adminPassword"] = json!("Sim-0nly-password");
    let id = set.id.replace("vmss0", "archive");
    farm.yard.client.run(&Request::put(id.as_str(), body).api_version("2020-06-01")).await.unwrap();
    farm.yard.want("60").await;
    farm.yard.wait(10 * MINUTE).await;
    assert_eq!(self::set(&farm.yard, "archive").capacity, 25);
});

law!(defect_11_old_machines_that_failed_count_for_ever, async {
    let farm = old(25).await;
    let set = set(&farm.yard, "vmss0");
    for id in ["3", "4"] {
        assert!(farm.yard.world().break_instance(&set.id, id, false));
    }
    farm.yard.wait(60 * MINUTE).await;
    let all = farm.yard.world().set_instances(&set.id);
    assert_eq!(all.iter().filter(|one| one.state == ProvisioningState::Failed).count(), 2);
});

law!(defect_12_old_a_gap_of_one_in_a_busy_set_makes_a_set_of_25, async {
    let farm = old(100).await;
    let id = set(&farm.yard, "vmss0").id;
    let slow = azure_sim::OperationFault::Takes(600);
    farm.yard.world().inject(Fault::once(Match::on("PATCH", "vmss0"), Action::Operation(slow)));
    let tags = json!({"tags": {"by": "hand"}});
    farm.yard.client.send(&Request::patch(&id, tags).api_version(wire::COMPUTE_API)).await.unwrap();
    assert!(farm.yard.world().evict_in(&id, "3", 0));
    farm.yard.wait(3 * MINUTE).await;
    let sets = farm.yard.world().scale_sets().len();
    assert_eq!((sets, farm.yard.nodes()), (5, 124));
});

law!(defect_14_old_an_idle_farm_is_written_to_all_the_time, async {
    let farm = old(100).await;
    farm.yard.wait(60 * MINUTE).await;
    let writes = sent(&farm.yard.world().take_log(), "PUT", "virtualMachineScaleSets");
    assert!((200..260).contains(&writes), "{writes} for four sets");
});

law!(defect_15_old_what_was_listed_is_written_back, async {
    let farm = old(100).await;
    farm.yard.want("75").await;
    farm.yard.wait(3 * MINUTE).await;
    let slow = Fault::once(Match::on("PUT", "virtualmachinescalesets/vmss0"), Action::Slow(20_000));
    farm.yard.world().inject(slow);
    while !farm.yard.world().faults().is_empty() {
        farm.yard.wait(Duration::from_secs(1)).await;
    }
    let last = set(&farm.yard, "vmss3");
    let delete = json!({"instanceIds": ["1", "2", "3", "4", "5"]});
    let delete = Request::post(format!("{}/delete", last.id), Some(delete)).api_version("2020-06-01");
    farm.yard.client.send(&delete).await.unwrap();
    assert_eq!(set(&farm.yard, "vmss3").capacity, 20);
    farm.yard.wait(MINUTE).await;
    assert_eq!(set(&farm.yard, "vmss3").capacity, 25, "they are back");
});

law!(defect_18_and_21_old_an_emptied_set_is_deleted_its_name_used_again_and_a_late_message_meets_it, async {
    let farm = old(25).await;
    assert_eq!(farm.yard.world().evict_some(25).len(), 25);
    farm.yard.wait(20 * MINUTE).await;
    let log = farm.yard.world().take_log();
    assert!(sent(&log, "DELETE", "virtualMachineScaleSets/vmss0") > 0);
    assert_eq!(farm.yard.nodes(), 25);
    farm.queue.send("vmss0,3");
    farm.yard.wait(MINUTE).await;
    assert_eq!(target(&farm.yard), 24, "a working machine went");
});

law!(defect_20_a_typo_in_the_tag_is_money_with_the_old_one_and_not_with_ours, async {
    let farm = old(25).await;
    farm.yard.want("400").await;
    farm.yard.wait(4 * MINUTE).await;
    assert_eq!(farm.yard.nodes(), 400);
    farm.task.abort();
    let yard = Yard::new(1).await;
    let mut file = yard.file();
    file.pools[0].max_nodes = 50;
    let pool = yard.pools(&file).remove(0);
    let mut scaler = yard.scaler(pool, "one").await;
    yard.want("400").await;
    let end = yard.now() + 10 * MINUTE;
    yard.run(&mut scaler, 10 * MINUTE, |_| false).await;
    assert!(yard.now() >= end);
    assert_eq!(yard.nodes(), 50);
});

law!(defect_16_a_wall_is_not_run_against_each_minute, async {
    let (yard, _, task) = new(50).await;
    yard.world().spot_capacity(LOCATION, SIZE, None, Some(25));
    yard.wait(60 * MINUTE).await;
    let log = yard.world().take_log();
    let tries = sent(&log, "PUT", "virtualMachineScaleSets") + sent(&log, "PATCH", "virtualMachineScaleSets");
    assert!(tries <= 12, "{tries} writes in an hour");
    yard.world().spot_capacity(LOCATION, SIZE, None, None);
    yard.wait(120 * MINUTE).await;
    assert_eq!(yard.nodes(), 50, "when the wall is gone");
    task.abort();
});

law!(defect_16_a_slow_answer_about_one_set_holds_up_no_other, async {
    let (yard, _, task) = new(50).await;
    let sets = yard.world().scale_sets();
    let name = sets[0].id.rsplit('/').next().unwrap().to_ascii_lowercase();
    yard.world().inject(Fault::once(Match::on("PATCH", &name), Action::Slow(15_000)));
    for set in &sets {
        let machine = yard.world().set_instances(&set.id).remove(0);
        yard.world().evict_in(&set.id, &machine.instance_id, 0);
    }
    yard.wait(Duration::from_secs(20)).await;
    let log = yard.world().take_log();
    assert_eq!(sent(&log, "PATCH", "virtualMachineScaleSets"), 2);
    task.abort();
});

law!(defect_17_a_message_waits_until_the_deletion_has_ended_well, async {
    let (yard, pool, task) = new(25).await;
    let id = yard.world().scale_sets().remove(0).id;
    let machine = yard.world().set_instances(&id).remove(0);
    let fails = Action::operation_fails("InternalExecutionError", "An internal execution error occurred.");
    yard.world().inject(Fault::once(Match::on("POST", "/delete?"), fails));
    let name = id.rsplit('/').next().unwrap();
    let text = request::write("r1", name, &machine.instance_id, machine.vm_id.parse().unwrap());
    yard.queue(&pool).send(&text).await.unwrap();
    yard.wait(20 * MINUTE).await;
    assert!(yard.world().set_instances(&id).iter().all(|one| one.vm_id != machine.vm_id), "gone in the end");
    assert_eq!((yard.nodes(), tag(&yard, "TOTAL_NODES_NOW").as_deref()), (24, Some("24")), "counted once");
    assert!(yard.queue(&pool).receive(32).await.unwrap().is_empty(), "the message is done with");
    task.abort();
});

law!(defect_17_machines_whose_deletion_failed_are_nodes_again_as_soon_as_that_is_heard, async {
    let (yard, _, task) = new(25).await;
    let fails = Action::operation_fails("InternalExecutionError", "An internal execution error occurred.");
    yard.world().inject(Fault::once(Match::on("POST", "/delete?"), fails));
    yard.want("15").await;
    yard.wait(30 * SECOND).await;
    assert_eq!(yard.nodes(), 25, "the first deletion was accepted, and nothing of it happens");
    yard.wait(70 * SECOND).await;
    let asked = sent(&yard.world().take_log(), "POST", "/delete?");
    assert_eq!(asked, 2, "told once more as soon as the failure was heard, not when it was forgotten");
    yard.wait(20 * MINUTE).await;
    assert_eq!(yard.nodes(), 15);
    assert_eq!(sent(&yard.world().take_log(), "PATCH", "virtualMachineScaleSets"), 0, "none was made anew");
    task.abort();
});

law!(defect_22_an_operation_that_cannot_be_asked_about_freezes_nothing, async {
    let (yard, _, task) = new(25).await;
    let fails = Action::error(500, "InternalServerError", "No.");
    yard.world().inject(Fault::always(Match::on("GET", "/operations/"), fails));
    for _ in 0..3 {
        yard.world().evict_some(2);
        yard.wait(10 * MINUTE).await;
        assert_eq!(yard.nodes(), 25);
    }
    task.abort();
});

law!(defect_23_no_request_holds_a_secret_and_no_key_is_asked_for, async {
    let (yard, pool, task) = new(5).await;
    let id = yard.world().scale_sets().remove(0).id;
    let machine = yard.world().set_instances(&id).remove(0);
    let name = id.rsplit('/').next().unwrap();
    let text = request::write("r1", name, &machine.instance_id, machine.vm_id.parse().unwrap());
    yard.queue(&pool).send(&text).await.unwrap();
    yard.wait(5 * MINUTE).await;
    yard.want("0").await;
    yard.wait(10 * MINUTE).await;
    let world = yard.world();
    let secrets: Vec<Finding> =
        world.check().into_iter().filter(|one| matches!(one, Finding::Secret { .. })).collect();
    assert!(secrets.is_empty(), "{secrets:?}");
    assert!(world.log().len() > 50);
    assert_eq!(sent(world.log(), "POST", "listKeys"), 0);
    drop(world);
    task.abort();
});

law!(defect_24_sets_without_a_profile_or_a_size_are_passed_over, async {
    let (yard, _, task) = new(5).await;
    let id = format!("{}/providers/{}/bare", yard.group, wire::SCALE_SET);
    let bare = json!({"location": LOCATION, "properties": {"orchestrationMode": "Flexible", "platformFaultDomainCount": 1}});
    yard.client.run(&Request::put(id.as_str(), bare).api_version(wire::COMPUTE_API)).await.unwrap();
    yard.want("7").await;
    yard.wait(10 * MINUTE).await;
    let ours: usize = yard.nodes();
    assert_eq!(ours, 7);
    assert!(yard.world().resource(&id).is_some());
    task.abort();
});

#[test]
fn defect_25_queue_names_fit_whatever_farms_are_called() {
    for (farm, pool) in
        [("a", "b"), ("a-rather-long-name-of-a-farm", "and-a-pool-with-a-name"), ("Ünïcode_(1)", "P.1")]
    {
        let name = vmss_scaler::queue::queue_name(farm, pool);
        assert!((3..=63).contains(&name.len()), "{name}");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        let poison = vmss_scaler::queue::poison_name(&name);
        assert!(poison.len() <= 63 && poison != name, "{poison}");
    }
}

law!(defect_28_of_two_scalers_one_works_and_the_other_says_who, async {
    let (yard, pool, task) = new(25).await;
    let mut second = yard.scaler(pool, "two").await;
    for _ in 0..10 {
        let pass = second.pass().await;
        assert_eq!(pass.standing, Standing::Waiting { by: "one".to_owned() });
        assert!(pass.done.is_empty());
        yard.wait(Duration::from_secs(20)).await;
    }
    assert_eq!(yard.nodes(), 25);
    task.abort();
    // Its lease ends by itself.
    yard.wait(2 * MINUTE).await;
    assert_eq!(second.pass().await.standing, Standing::Leading);
});

law!(defect_08_old_a_restart_with_a_deficit_makes_sets_too_many, async {
    let mut farm = old(100).await;
    farm.task.abort();
    assert_eq!(farm.yard.world().evict_some(4).len(), 4);
    farm.yard.wait(MINUTE).await;
    farm.task = start_old(&farm.yard, &farm.queue);
    farm.yard.wait(20 * MINUTE).await;
    let sets = farm.yard.world().scale_sets().len();
    assert!(farm.yard.nodes() > 100 && sets > 4, "{} nodes in {sets} sets", farm.yard.nodes());
});

law!(defect_13_old_a_set_whose_creation_failed_stays_as_it_is_for_ever, async {
    let (yard, queue) = (Yard::new(1).await, OldQueue::default());
    yard.world().spot_capacity(LOCATION, SIZE, None, Some(5));
    yard.want("25").await;
    let _task = start_old(&yard, &queue);
    let failed = |yard: &Yard| {
        let sets = yard.world().scale_sets();
        sets.first().is_some_and(|set| set.state == ProvisioningState::Failed)
    };
    for _ in 0..20 * 60 {
        if !failed(&yard) {
            yard.wait(SECOND).await;
        }
    }
    // Below its size, before it was seen at it: neither grown while it is Failed nor, without a time, ever sealed.
    let id = set(&yard, "vmss0").id;
    let _ = yard
        .client
        .run(&Request::patch(&id, json!({"sku": {"capacity": 10}})).api_version(wire::COMPUTE_API))
        .await;
    yard.world().spot_capacity(LOCATION, SIZE, None, None);
    yard.want("10").await;
    yard.wait(180 * MINUTE).await;
    let seen = set(&yard, "vmss0");
    assert_eq!((seen.capacity, seen.machines, seen.state), (10, 5, ProvisioningState::Failed));
    let world = yard.world();
    let tags = world.resource(&seen.id).and_then(|one| one.tags.clone()).unwrap_or_default();
    assert!(!tags.contains_key("SEALED"), "{tags:?}");
});

law!(defect_16_old_a_wall_is_run_against_each_minute, async {
    let (yard, queue) = (Yard::new(1).await, OldQueue::default());
    yard.world().spot_capacity(LOCATION, SIZE, None, Some(0));
    yard.want("100").await;
    let _task = start_old(&yard, &queue);
    yard.wait(10 * MINUTE).await;
    yard.world().take_log();
    yard.wait(60 * MINUTE).await;
    let refused = sent(yard.world().log(), "PUT", "/virtualMachineScaleSets/");
    assert!(refused >= 150, "{refused} in an hour");
});

law!(defect_19_old_sealed_sets_pile_up, async {
    let farm = old(100).await;
    let sets = farm.yard.world().scale_sets();
    for set in &sets {
        by_hand(&farm.yard, &set.id, json!({"tags": {"SEALED": "2026-01-01T00:00:00Z"}})).await;
    }
    assert_eq!(farm.yard.world().evict_some(8).len(), 8);
    farm.yard.wait(30 * MINUTE).await;
    // One new set for eight nodes, and no sealed one is ever filled again.
    let now = farm.yard.world().scale_sets();
    assert_eq!(now.len(), 5);
    assert!(now.iter().filter(|set| set.capacity < 25).count() >= 1, "{now:?}");
    assert!(farm.yard.nodes() > 100);
});

law!(defect_17_old_a_deletion_that_fails_later_is_counted_and_forgotten, async {
    let farm = old(25).await;
    let fails = Action::operation_fails("InternalExecutionError", "An internal execution error occurred.");
    farm.yard.world().inject(Fault::once(Match::on("POST", "/delete?"), fails));
    let id = set(&farm.yard, "vmss0").id;
    let machine = farm.yard.world().set_instances(&id).remove(0);
    farm.queue.send(&format!("vmss0,{}", machine.instance_id));
    farm.yard.wait(60 * MINUTE).await;
    assert!(farm.queue.is_empty());
    let stays = farm.yard.world().set_instances(&id).iter().any(|one| one.vm_id == machine.vm_id);
    assert_eq!((target(&farm.yard), stays), (24, true), "counted, and paid for all the same");
});

law!(defect_22_old_an_operation_that_cannot_be_asked_about_freezes_its_set, async {
    let farm = old(25).await;
    farm.yard.world().evict_some(2);
    let fails = Action::error(500, "InternalServerError", "No.");
    farm.yard.world().inject(Fault::always(Match::on("GET", "/operations/"), fails));
    farm.yard.wait(120 * MINUTE).await;
    farm.yard.world().evict_some(2);
    farm.yard.wait(120 * MINUTE).await;
    let frozen = set(&farm.yard, "vmss0");
    assert!(frozen.machines < 25, "{frozen:?}");
    assert!(farm.yard.nodes() > 25, "a new set of 25 makes up for it: {}", farm.yard.nodes());
});

law!(defect_26_computer_names_are_the_farms_own_and_the_old_ones_are_everywheres, async {
    let prefix = |yard: &Yard| {
        let id = yard.world().scale_sets().remove(0).id;
        let text = "/virtualMachineProfile/osProfile/computerNamePrefix";
        yard.world().resource(&id).unwrap().text(text).unwrap().to_owned()
    };
    let farm = old(25).await;
    assert_eq!(prefix(&farm.yard), "vmss0", "whatever the group");
    let mut prefixes = Vec::new();
    for name in ["studio", "studio-2"] {
        let yard = Yard::new(1).await;
        let file = ScalerFile { farm: name.to_owned(), ..yard.file() };
        let mut scaler = yard.scaler(yard.pools(&file).remove(0), "one").await;
        yard.want("1").await;
        yard.run(&mut scaler, 10 * MINUTE, |_| false).await;
        prefixes.push(prefix(&yard));
    }
    assert_ne!(prefixes[0], prefixes[1]);
});

law!(defect_28_old_two_of_them_double_what_is_missing, async {
    let yard = Yard::new(1).await;
    yard.want("100").await;
    let (one, two) = (OldQueue::default(), OldQueue::default());
    let tasks = [start_old(&yard, &one), start_old(&yard, &two)];
    yard.wait(20 * MINUTE).await;
    let writes = |yard: &Yard| sent(&yard.world().take_log(), "PUT", "/virtualMachineScaleSets/");
    writes(&yard);
    yard.wait(60 * MINUTE).await;
    let both = writes(&yard);
    tasks[1].abort();
    yard.wait(60 * MINUTE).await;
    let alone = writes(&yard);
    assert!(both >= 2 * alone - 8 && alone > 100, "{both} writes an hour, {alone} of one");
});

/// The requests of a kind, and the renewals of the lease, in the order in which Azure got them.
fn order(yard: &Yard, method: &str, part: &str) -> Vec<&'static str> {
    let log = yard.world().take_log();
    let kind = |one: &Exchange| {
        let url = one.request.url.as_str();
        if url.contains("comp=lease") {
            Some("lease")
        } else if one.request.method == method && url.contains(part) {
            Some("write")
        } else {
            None
        }
    };
    let first = log.iter().position(|one| kind(one) == Some("write")).unwrap();
    log[first..].iter().filter_map(kind).collect()
}

law!(a_lease_that_grew_old_during_one_request_lets_no_second_one_out, async {
    let slow = || Action::Slow(45_000);
    // The set had changed: it is read again, slowly.
    let (yard, _, task) = new(25).await;
    let id = set(&yard, "").id;
    let name = id.rsplit('/').next().unwrap().to_owned();
    let changed = Action::error(412, "ConditionNotMet", "The etag does not match.");
    yard.world().inject(Fault::once(Match::on("PATCH", &name), changed));
    yard.world().inject(Fault::once(Match::on("GET", &format!("{name}?api-version")), slow()));
    let machine = yard.world().set_instances(&id).remove(0);
    yard.world().evict_in(&id, &machine.instance_id, 0);
    yard.wait(3 * MINUTE).await;
    let seen = order(&yard, "PATCH", &name);
    assert_eq!(&seen[..2], ["write", "lease"], "{seen:?}");
    assert!(seen[2..].contains(&"write"), "later it is sent: {seen:?}");
    task.abort();
    // Azure refuses a batch: its machines are deleted one by one, the first one slowly.
    let (yard, pool, task) = new(25).await;
    let id = set(&yard, "").id;
    let refused = Action::error(400, "InvalidParameter", "The provided instanceId is not an active one.");
    yard.world().inject(Fault::once(Match::on("POST", "/delete?"), refused));
    yard.world().inject(Fault::once(Match::on("DELETE", "/virtualMachines/"), slow()));
    let machines = yard.world().set_instances(&id);
    for (at, machine) in machines.into_iter().take(2).enumerate() {
        let name = id.rsplit('/').next().unwrap();
        let vm = machine.vm_id.parse().unwrap();
        let text = request::write(&format!("r{at}"), name, &machine.instance_id, vm);
        yard.queue(&pool).send(&text).await.unwrap();
    }
    yard.wait(10 * MINUTE).await;
    let seen = order(&yard, "DELETE", "/virtualMachines/");
    assert_eq!(&seen[..2], ["write", "lease"], "{seen:?}");
    assert_eq!(yard.nodes(), 23);
    task.abort();
});
