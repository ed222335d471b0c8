//! The judges themselves: each wrong is found, and the same thing done right is not complained of.

use std::time::Duration;

use azure_sim::World;
use flamenco_azure_core::arm::Request;
use jiff::Timestamp;
use scaler_yard::check::{Judge, Limits, WINDOW};
use scaler_yard::tap::{Call, Listener as _};
use scaler_yard::yard::Yard;
use serde_json::{Value, json};
use vmss_scaler::store::WRITE_WITHIN;
use vmss_scaler::wire;

const NODES: u32 = 12;
const ME: &str = "one";

/// A farm at rest.
struct Farm {
    yard: Yard,
    limits: Limits,
    set: String,
}

async fn farm() -> Farm {
    let yard = Yard::new(1).await;
    let pool = yard.pools(&yard.file()).remove(0);
    let limits = Limits::of(&yard, &pool);
    let mut scaler = yard.scaler(pool, ME).await;
    yard.want(&NODES.to_string()).await;
    yard.run(&mut scaler, Duration::from_mins(20), |_| false).await;
    assert_eq!(yard.nodes(), NODES as usize);
    let set = yard.world().scale_sets().remove(0).id;
    Farm { yard, limits, set }
}

impl Farm {
    async fn show(&self, nodes: u32) {
        let tags =
            json!({"operation": "Merge", "properties": {"tags": {"TOTAL_NODES_NOW": nodes.to_string()}}});
        let url = format!("{}/providers/Microsoft.Resources/tags/default", self.yard.group);
        self.yard.client.run(&Request::patch(&url, tags).api_version("2021-04-01")).await.unwrap();
    }

    /// A judge that knows that so many were wanted long ago, as the scaler shows, and of a lease renewed just now.
    async fn judge(&self, wanted: u32) -> Judge {
        self.show(wanted).await;
        let mut judge = Judge::new(self.limits.clone(), &self.yard.world());
        judge.wants(self.yard.now() - Duration::from_hours(1), wanted);
        let renewal = Call {
            lease: Some("renew".to_owned()),
            ..self.call("PUT", "https://a.blob.core.windows.net/b", &Value::Null)
        };
        judge.after(&self.yard.world(), &renewal, 200);
        judge.tick(&self.yard.world());
        assert_eq!(judge.wrong, Vec::<String>::new());
        judge
    }

    fn call(&self, method: &str, url: &str, body: &Value) -> Call {
        let now: Timestamp = self.yard.now();
        Call {
            process: ME.to_owned(),
            method: method.to_owned(),
            url: url.to_owned(),
            body: if body.is_null() { String::new() } else { body.to_string() },
            conditional: true,
            lease: None,
            sent: now,
            arrived: now,
        }
    }

    fn on_set(&self, method: &str, rest: &str, body: &Value) -> Call {
        self.call(method, &format!("https://management.azure.com{}{rest}?api-version=1", self.set), body)
    }
}

/// What the judge says of one call that Azure accepts.
fn says(mut judge: Judge, world: &World, call: &Call) -> String {
    judge.before(world, call);
    judge.after(world, call, 200);
    judge.wrong.join("\n")
}

#[track_caller]
fn found(words: &str, said: &str) {
    assert!(said.contains(words), "not found: {words}; said: {said}");
}

#[tokio::test(start_paused = true)]
async fn machines_that_nobody_asked_to_go() {
    let farm = farm().await;
    let one = farm.yard.world().set_instances(&farm.set).remove(0);
    let delete = farm.on_set("POST", "/delete", &json!({"instanceIds": [one.instance_id]}));
    let judge = farm.judge(NODES).await;
    found("deletes 1 working nodes", &says(judge, &farm.yard.world(), &delete));
    let mut asked = farm.judge(NODES).await;
    asked.asks(farm.yard.now(), &one.vm_id);
    assert_eq!(says(asked, &farm.yard.world(), &delete), "");
    let lower = farm.judge(NODES - 1).await;
    assert_eq!(says(lower, &farm.yard.world(), &delete), "");
    let all: Vec<String> =
        farm.yard.world().set_instances(&farm.set).into_iter().map(|one| one.instance_id).collect();
    let many = farm.on_set("POST", "/delete", &json!({"instanceIds": all[..2]}));
    let lower = farm.judge(NODES - 1).await;
    found("deletes 2 working nodes", &says(lower, &farm.yard.world(), &many));
    let judge = farm.judge(NODES).await;
    found("was deleted with", &says(judge, &farm.yard.world(), &farm.on_set("DELETE", "", &Value::Null)));
}

#[tokio::test(start_paused = true)]
async fn nodes_above_what_is_wanted() {
    let farm = farm().await;
    let grow = farm.on_set("PATCH", "", &json!({"sku": {"capacity": 20}}));
    let most = farm.limits.overprovision;
    let few = farm.judge(NODES - 1 - most).await;
    found("are wanted", &says(few, &farm.yard.world(), &grow));
    let judge = farm.judge(NODES).await;
    assert_eq!(says(judge, &farm.yard.world(), &grow), "");
    // A deletion that was accepted and does not happen: for a short time nobody can know.
    let mut deceived = farm.judge(NODES - 1 - most).await;
    let one = farm.yard.world().set_instances(&farm.set).remove(0);
    let delete = farm.on_set("POST", "/delete", &json!({"instanceIds": [one.instance_id]}));
    for (status, wrong) in [(409, true), (202, false)] {
        deceived.after(&farm.yard.world(), &delete, status);
        deceived.after(&farm.yard.world(), &grow, 200);
        assert_eq!(!std::mem::take(&mut deceived.wrong).is_empty(), wrong, "{status}");
    }
    farm.yard.wait(WINDOW + Duration::from_secs(1)).await;
    deceived.after(&farm.yard.world(), &farm.on_set("PATCH", "", &json!({"sku": {"capacity": 20}})), 200);
    found("are wanted", &deceived.wrong.join("; "));
    let judge = farm.judge(NODES - 1).await;
    assert!(judge.rest(&farm.yard.world(), NODES - 1).is_err());
    let judge = farm.judge(NODES).await;
    assert_eq!(judge.rest(&farm.yard.world(), NODES), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn writes_that_are_not_its_own() {
    let farm = farm().await;
    let seal = || farm.on_set("PATCH", "", &json!({"tags": {}}));
    let judge = farm.judge(NODES).await;
    assert_eq!(says(judge, &farm.yard.world(), &seal()), "");
    let judge = farm.judge(NODES).await;
    found("not ours to write", &says(judge, &farm.yard.world(), &Call { conditional: false, ..seal() }));
    let stranger = Judge::new(Limits { farm: "other".to_owned(), ..farm.limits.clone() }, &farm.yard.world());
    found("not ours to write", &says(stranger, &farm.yard.world(), &seal()));
    let tags = |name: &str, operation: &str| {
        let url = format!(
            "https://management.azure.com{}/providers/Microsoft.Resources/tags/default",
            farm.yard.group
        );
        farm.call("PATCH", &url, &json!({"operation": operation, "properties": {"tags": {name: "12"}}}))
    };
    for (name, operation, fine) in [
        ("TOTAL_NODES_NOW", "Merge", true),
        ("TOTAL_NODES_NOW", "Replace", false),
        ("TOTAL_NODES", "Merge", false),
    ] {
        let judge = farm.judge(NODES).await;
        let said = says(judge, &farm.yard.world(), &tags(name, operation));
        assert_eq!(said.is_empty(), fine, "{name} {operation}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_without_a_fresh_lease() {
    let farm = farm().await;
    let seal = farm.on_set("PATCH", "", &json!({"tags": {}}));
    for (after, fine) in [(WRITE_WITHIN, true), (WRITE_WITHIN + Duration::from_secs(1), false)] {
        let judge = farm.judge(NODES).await;
        let said = says(
            judge,
            &farm.yard.world(),
            &Call { sent: seal.sent + after, arrived: seal.sent + after, ..seal.clone() },
        );
        assert_eq!(!said.contains("without a fresh lease"), fine, "{said}");
    }
    let judge = farm.judge(NODES).await;
    let other = Call { process: "two".to_owned(), ..seal };
    found("two writes without a fresh lease", &says(judge, &farm.yard.world(), &other));
}

#[tokio::test(start_paused = true)]
async fn secrets_on_the_wire() {
    let farm = farm().await;
    for secret in ["?sig=abc", "?key=SharedKey", "?t=Bearer x"] {
        let judge = farm.judge(NODES).await;
        let read = farm.call("GET", &format!("https://management.azure.com/{secret}"), &Value::Null);
        found("a secret", &says(judge, &farm.yard.world(), &read));
    }
}

#[tokio::test(start_paused = true)]
async fn a_count_that_nobody_asked_for_and_hands_on_what_is_foreign() {
    let farm = farm().await;
    let mut judge = farm.judge(NODES).await;
    farm.show(7).await;
    judge.tick(&farm.yard.world());
    found("which nobody asked for", &judge.wrong.join("\n"));

    let mut judge = farm.judge(7).await;
    let network = farm.yard.subnet.parent().unwrap().to_string();
    let patch = Request::patch(&network, json!({"tags": {"by": "the scaler"}})).api_version("2024-05-01");
    farm.yard.client.run(&patch).await.unwrap();
    judge.tick(&farm.yard.world());
    found("what is not ours has changed", &judge.wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_used_again() {
    let farm = farm().await;
    let mut judge = farm.judge(NODES).await;
    let client = &farm.yard.client;
    let body = client.get(&Request::get(&farm.set).api_version(wire::COMPUTE_API)).await.unwrap().unwrap();
    client.run(&Request::delete(&farm.set).api_version(wire::COMPUTE_API)).await.unwrap();
    farm.yard.wait(Duration::from_mins(20)).await;
    judge.tick(&farm.yard.world());
    let again = json!({
        "location": body["location"], "sku": body["sku"], "tags": body["tags"], "properties": body["properties"],
    });
    client.run(&Request::put(&farm.set, again).api_version(wire::COMPUTE_API)).await.unwrap();
    judge.tick(&farm.yard.world());
    found("is used again", &judge.wrong.join("\n"));
}
