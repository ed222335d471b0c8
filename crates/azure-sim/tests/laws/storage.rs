//! Laws of storage accounts and shares.

use serde_json::json;

use crate::farm::*;
use crate::support::*;

fn prepared() -> azure_sim::World {
    let mut w = world();
    network(&mut w);
    make(&mut w, &subnet("manager"), &subnet_body("10.0.0.0/24"));
    make(&mut w, &subnet("workers"), &subnet_body("10.0.8.0/22"));
    w
}

#[test]
fn a_new_account_is_202_and_empty_an_existing_one_200() {
    let mut w = prepared();
    let accepted = put(&mut w, &storage(), &storage_body());
    assert_eq!((accepted.status, accepted.body.len()), (202, 0));
    assert_eq!(accepted.header("retry-after"), Some("17"));
    let link = accepted.header("location").unwrap().to_owned();
    assert!(link.contains("/asyncoperations/") && link.contains("monitor=true"), "{link}");
    assert_eq!(get(&mut w, &link).status, 202);
    w.advance_by(30);
    let done = get(&mut w, &link);
    assert_eq!((done.status, done.json_body()["kind"].clone()), (200, json!("FileStorage")));
    assert_eq!(put(&mut w, &storage(), &storage_body()).status, 200);
    assert_eq!(delete(&mut w, &storage()).status, 200);
    assert_eq!(delete(&mut w, &storage()).status, 204);
}

#[test]
fn names_are_unique_in_the_world() {
    let mut w = prepared();
    w.take_name("storage", "farmstore");
    let refused = put(&mut w, &storage(), &storage_body());
    assert_eq!(
        (refused.status, refused.error_code().unwrap()),
        (409, "StorageAccountAlreadyTaken".to_owned())
    );
    let check = format!("/subscriptions/{SUB}/providers/Microsoft.Storage/checkNameAvailability");
    let mut ask = |name: &str| {
        let body = json!({"name": name, "type": "Microsoft.Storage/storageAccounts"});
        send(&mut w, "POST", &check, Some(&body)).json_body()
    };
    assert_eq!(ask("farmstore")["reason"], "AlreadyExists");
    assert_eq!(ask("Farm-Store")["reason"], "AccountNameInvalid");
    assert_eq!(ask("farmstore2"), json!({"nameAvailable": true}));
}

#[test]
fn network_rules_need_a_subnet_with_the_endpoint() {
    let mut w = world();
    network(&mut w);
    make(&mut w, &subnet("workers"), &subnet_body("10.0.8.0/22"));
    let refused = put(&mut w, &storage(), &storage_body());
    assert_eq!(
        (refused.status, refused.error_code().unwrap()),
        (400, "NetworkAclsValidationFailure".to_owned())
    );
    let mut nowhere = storage_body();
    nowhere["properties"]["networkAcls"]["virtualNetworkRules"] = json!([{"id": subnet("none")}]);
    assert_eq!(put(&mut w, &storage(), &nowhere).status, 400);
    assert_eq!(get(&mut w, &storage()).status, 404);
}

#[test]
fn nfs_needs_premium_files_and_a_share_keeps_its_protocol() {
    let mut w = prepared();
    let mut standard = tagged(json!({}));
    standard["kind"] = json!("StorageV2");
    standard["sku"] = json!({"name": "Standard_LRS"});
    make(&mut w, &storage(), &standard);
    let nfs = json!({"properties": {"enabledProtocols": "NFS", "shareQuota": 100}});
    assert_eq!(put(&mut w, &share(), &nfs).status, 400);
    delete(&mut w, &storage());
    make(&mut w, &storage(), &storage_body());
    assert_eq!(put(&mut w, &share(), &nfs).status, 201);
    assert_eq!(put(&mut w, &share(), &nfs).status, 200);
    let smb = json!({"properties": {"enabledProtocols": "SMB"}});
    assert_eq!(put(&mut w, &share(), &smb).status, 400);
    let grown = send(&mut w, "PATCH", &share(), Some(&json!({"properties": {"shareQuota": 200}})));
    assert_eq!(grown.json_body()["properties"]["shareQuota"], 200);
    let too_small = json!({"properties": {"enabledProtocols": "NFS", "shareQuota": 50}});
    assert_eq!(put(&mut w, &share(), &too_small).status, 400);
    let shown = get(&mut w, &share()).json_body();
    assert_eq!(
        (shown["properties"]["rootSquash"].clone(), shown["properties"]["enabledProtocols"].clone()),
        (json!("NoRootSquash"), json!("NFS"))
    );
    let list = get(&mut w, &format!("{}/fileServices/default/shares", storage())).json_body();
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    assert_eq!(delete(&mut w, &share()).status, 200);
    let absent = get(&mut w, &share());
    assert_eq!((absent.status, absent.error_code().unwrap()), (404, "ShareNotFound".to_owned()));
}

#[test]
fn keys_are_answered_and_leave_a_trace() {
    let mut w = prepared();
    make(&mut w, &storage(), &storage_body());
    assert_eq!(send(&mut w, "POST", &format!("{}/listKeys", storage()), None).status, 200);
    assert!(w.log().iter().any(|e| e.request.url.path().ends_with("/listKeys")));
}
