//! Laws of the judge itself.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use wire_oracle::judge::{Exchange, Judge};
use wire_oracle::known::{KNOWN, Known};

const VNET: &str = "Microsoft.Network/virtualNetworks/studio";

fn judged(known: &'static [Known], method: &str, provider_path: &str, sent: &Value) -> Judge {
    let mut judge = Judge::new(known);
    let url =
        format!("https://management.azure.com/subscriptions/s/resourceGroups/g/providers/{provider_path}");
    let sent = sent.to_string();
    judge.exchange(&Exchange {
        method,
        url: &url.parse().unwrap(),
        sent: sent.as_bytes(),
        status: 202,
        answered: &[],
    });
    judge
}

fn refused(body: &Value) -> bool {
    !judged(&[], "PUT", VNET, body).failures.is_empty()
}

#[test]
fn an_operation_without_a_model_fails_and_another_provider_is_counted() {
    assert_eq!(judged(&[], "PUT", "Microsoft.Network/virtualNetworkz/studio", &json!({})).failures.len(), 1);
    let other = judged(&[], "PUT", "Microsoft.Storage/storageAccounts/files", &json!({}));
    assert!(other.failures.is_empty() && other.outside["Microsoft.Storage"] == 1);
}

#[test]
fn a_misspelt_name_does_not_hide_behind_an_empty_value() {
    for empty in [json!([]), json!(null)] {
        assert!(!refused(&json!({"properties": {"subnets": empty}})), "{empty}");
        assert!(refused(&json!({"properties": {"subnetz": empty}})), "{empty}");
    }
}

#[test]
fn a_wrong_type_and_an_unknown_value_are_refused() {
    let subnet = |policy: Value| json!({"properties": {"subnets": [{"name": "a", "properties": {"privateEndpointNetworkPolicies": policy}}]}});
    assert!(!refused(&subnet(json!("Disabled"))));
    assert!(refused(&subnet(json!("Off"))));
    assert!(refused(&subnet(json!(false))));
}

#[test]
fn an_exception_that_nothing_needs_is_told() {
    let judge = judged(KNOWN, "PUT", VNET, &json!({"location": "westeurope"}));
    assert_eq!(judge.unused().len(), KNOWN.len());
}
