//! Every exchange of whole lives on the simulator, judged by the models.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that reports figures")]

use flamenco_azure_tests::lives;
use serde_json::Value;
use wire_oracle::judge::{Exchange, Judge};
use wire_oracle::known::KNOWN;

/// A whole life sends each of these.
const SENT: &[&str] = &[
    "batch::ActivateApplicationPackageParameters",
    "batch::Application",
    "batch::ApplicationPackage",
    "batch::BatchAccountCreateParameters",
    "batch::BatchAccountUpdateParameters",
    "batch::Pool",
    "compute::RunCommandInput",
    "compute::VirtualMachine",
    "compute::VirtualMachineScaleSet",
    "compute::VirtualMachineScaleSetUpdate",
    "compute::VirtualMachineScaleSetVmInstanceRequiredIDs",
    "compute::VirtualMachineUpdate",
    "network::NatGateway",
    "network::NetworkInterface",
    "network::NetworkSecurityGroup",
    "network::PublicIpAddress",
    "network::VirtualNetwork",
];

/// `ours`: the requests are those of our client, so their bodies are judged too.
fn judge_all(judge: &mut Judge, traffic: &[azure_sim::Exchange], ours: bool) {
    for exchange in traffic {
        judge.exchange(&Exchange {
            method: &exchange.request.method,
            url: &exchange.request.url,
            sent: if ours { &exchange.request.body } else { &[] },
            status: exchange.response.status,
            answered: &exchange.response.body,
        });
    }
}

fn whole_lives() -> Judge {
    let mut judge = Judge::new(KNOWN);
    judge_all(&mut judge, &lives::traffic(), true);
    judge
}

#[test]
fn every_body_survives_microsofts_models() {
    let mut judge = whole_lives();
    judge_all(&mut judge, &lives::tour(), false);
    println!("{judge}");
    let failures: Vec<&str> = judge.failures.iter().map(String::as_str).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let unused: Vec<String> =
        judge.unused().iter().map(|known| format!("{} {}", known.model, known.what)).collect();
    assert!(unused.is_empty(), "exceptions that nothing needs: {unused:#?}");
    for model in SENT {
        assert!(judge.scores.get(*model).is_some_and(|score| score.sent > 0), "no {model} was sent");
    }
    let total = judge.total();
    assert!(
        total.sent >= 60 && total.answered >= 1000 && total.distinct >= 400 && total.properties >= 15_000,
        "too little was judged: {total:?}"
    );
}

/// Every object member of a body, but for dictionaries whose names are ours.
fn members(body: &Value, pointer: &str, found: &mut Vec<(String, String)>) {
    match body {
        Value::Object(object) => {
            for (name, value) in object {
                found.push((pointer.to_owned(), name.clone()));
                if !["tags", "userAssignedIdentities"].contains(&name.as_str()) {
                    members(value, &format!("{pointer}/{name}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                members(item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn no_misspelt_property_passes() {
    let judge = whole_lives();
    let mut misspelt = 0;
    for (model, body) in &judge.sent {
        let mut found = Vec::new();
        members(body, "", &mut found);
        for (pointer, name) in found {
            let mut wrong = body.clone();
            let object = wrong.pointer_mut(&pointer).and_then(Value::as_object_mut).unwrap();
            let value = object.remove(&name).unwrap();
            object.insert(format!("{name}X"), value);
            let mut judge = Judge::new(KNOWN);
            judge.document(*model, &wrong, "is sent");
            assert!(!judge.failures.is_empty(), "{} did not miss {pointer}/{name}", model.name());
            misspelt += 1;
        }
    }
    println!("misspelt properties refused: {misspelt} of {misspelt}");
    assert!(misspelt >= 600, "{misspelt}");
}
