//! Laws of queues and blobs: who may use them, and that both planes know the same ones. What they answer is judged in
//! crates/vmss-scaler/tests/conformance, beside Azurite.

use azure_sim::{SimRequest, SimResponse, World};
use serde_json::json;

use crate::support::*;

const ME: &str = "0b1ec700-51a0-4000-a000-0b1ec7000001";
const QUEUE_CONTRIBUTOR: &str = "974c5e8b-45b9-4653-ba55-5f855dd0fb88";
const QUEUE_READER: &str = "19e7f393-937e-4f77-808e-94535e297925";
const QUEUE_PROCESSOR: &str = "8a0f0c08-91a1-4084-bc3d-661d67233fed";
const QUEUE_SENDER: &str = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a";
const BLOB_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
const BLOB_READER: &str = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";
const TEXT: &str = "<QueueMessage><MessageText>x</MessageText></QueueMessage>";

fn account() -> String {
    format!("{}/providers/Microsoft.Storage/storageAccounts/farmstate", group_path())
}

fn queue() -> String {
    format!("{}/queueServices/default/queues/requests", account())
}

fn container() -> String {
    format!("{}/blobServices/default/containers/state", account())
}

fn prepared() -> World {
    let mut w = world();
    group(&mut w);
    let mut body = tagged(json!({"allowSharedKeyAccess": false}));
    body["kind"] = json!("StorageV2");
    body["sku"] = json!({"name": "Standard_LRS"});
    make(&mut w, &account(), &body);
    assert_eq!(put(&mut w, &queue(), &json!({"properties": {"metadata": {"farm": "f"}}})).status, 200);
    assert_eq!(put(&mut w, &container(), &json!({})).status, 201);
    w
}

fn give(w: &mut World, role: &str, scope: &str) {
    let id = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{role}");
    let role = format!("/subscriptions/{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role}");
    let properties = json!({"roleDefinitionId": role, "principalId": ME, "principalType": "User"});
    assert_eq!(put(w, &id, &json!({"properties": properties})).status, 201);
}

fn plain(method: &str, url: &str) -> SimRequest {
    SimRequest::new(method, url.parse().unwrap()).header("x-ms-version", "2025-11-05")
}

fn data(w: &mut World, method: &str, service: &str, path: &str, body: &str) -> SimResponse {
    let url = format!("https://farmstate.{service}.core.windows.net/{path}");
    let mut request = plain(method, &url).header("authorization", "Bearer any");
    request = request.header("x-ms-blob-type", "BlockBlob");
    request.body = body.as_bytes().to_vec();
    w.handle(&request)
}

const FORBIDDEN: (u16, &str) = (403, "AuthorizationPermissionMismatch");

#[test]
fn an_owner_without_a_data_role_sees_no_data() {
    let mut w = prepared();
    for (method, service, path) in [
        ("GET", "queue", "?comp=list"),
        ("PUT", "queue", "another"),
        ("GET", "queue", "requests/messages"),
        ("GET", "queue", "nothing/messages"),
        ("GET", "blob", "state/b"),
        ("PUT", "blob", "state/b"),
        ("GET", "blob", "?comp=list"),
        ("PUT", "blob", "another?restype=container"),
    ] {
        assert_eq!(data_code(&data(&mut w, method, service, path, "")), FORBIDDEN, "{method} {path}");
    }
}

#[test]
fn each_role_allows_what_it_is_for() {
    // Put, get, peek, extend, delete, clear; the queue's metadata.
    for (role, wanted) in [
        (QUEUE_SENDER, [true, false, false, false, false, false, false]),
        (QUEUE_PROCESSOR, [false, true, true, false, true, false, false]),
        (QUEUE_READER, [false, false, true, false, false, false, true]),
        (QUEUE_CONTRIBUTOR, [true, true, true, true, true, true, true]),
    ] {
        let mut w = prepared();
        give(&mut w, role, &queue());
        let unknown = "requests/messages/0?popreceipt=x&visibilitytimeout=1";
        let tried = [
            ("POST", "requests/messages", TEXT),
            ("GET", "requests/messages", ""),
            ("GET", "requests/messages?peekonly=true", ""),
            ("PUT", unknown, ""),
            ("DELETE", unknown, ""),
            ("DELETE", "requests/messages", ""),
            ("GET", "requests?comp=metadata", ""),
        ];
        let allowed = tried
            .map(|(method, path, body)| data_code(&data(&mut w, method, "queue", path, body)) != FORBIDDEN);
        assert_eq!(allowed, wanted, "{role}");
        // On this queue, and no other.
        assert_eq!(data_code(&data(&mut w, "GET", "queue", "others/messages", "")), FORBIDDEN);
        assert_eq!(data_code(&data(&mut w, "GET", "queue", "?comp=list", "")), FORBIDDEN);
    }
    for (role, wanted) in [(BLOB_READER, [true, false, false]), (BLOB_CONTRIBUTOR, [true, true, true])] {
        let mut w = prepared();
        give(&mut w, role, &account());
        let allowed = ["GET", "PUT", "DELETE"]
            .map(|method| data_code(&data(&mut w, method, "blob", "state/b", "x")) != FORBIDDEN);
        assert_eq!(allowed, wanted, "{role}");
    }
}

#[test]
fn nobody_gets_in_without_a_credential_and_keys_are_off() {
    let mut w = prepared();
    give(&mut w, QUEUE_CONTRIBUTOR, &account());
    let url = "https://farmstate.queue.core.windows.net/requests/messages";
    let nobody = w.handle(&plain("GET", url));
    assert_eq!(data_code(&nobody), (401, "NoAuthenticationInformation"));
    assert!(nobody.header("www-authenticate").unwrap().contains("https://storage.azure.com"));
    let key = plain("GET", url).header("authorization", "SharedKey farmstate:c2lnbmF0dXJl");
    assert_eq!(data_code(&w.handle(&key)), (403, "KeyBasedAuthenticationNotPermitted"));
    // A script that forgets the version is not understood.
    let old = SimRequest::new("GET", url.parse().unwrap()).header("authorization", "Bearer any");
    let old = w.handle(&old);
    assert_eq!(data_code(&old), (403, "AuthenticationFailed"));
    assert!(String::from_utf8_lossy(&old.body).contains("Bearer is not supported in this version"));
    assert_eq!(data(&mut w, "GET", "queue", "requests/messages", "").status, 200);
    w.expire_tokens();
    assert_eq!(
        data_code(&data(&mut w, "GET", "queue", "requests/messages", "")),
        (401, "InvalidAuthenticationInfo")
    );
    // Another account has another address, which is none.
    assert!(w.handle(&plain("GET", "https://nobodys.queue.core.windows.net/?comp=list")).lost);
}

#[test]
fn a_signature_is_good_for_what_it_says_and_as_long_as_it_says() {
    let mut w = prepared();
    let until = w.now() + std::time::Duration::from_mins(10);
    let url = w.blob_sas("farmstate", "state", "package.zip", "rw", until);
    let send = |w: &mut World, method: &str, url: &str| {
        let mut request = plain(method, url).header("x-ms-blob-type", "BlockBlob");
        request.body = b"zip".to_vec();
        let response = w.handle(&request);
        let (status, code) = data_code(&response);
        (status, code.to_owned())
    };
    let no = |code: &str| (403, code.to_owned());
    assert_eq!(send(&mut w, "PUT", &url), (201, String::new()));
    assert_eq!(send(&mut w, "GET", &url), (200, String::new()));
    assert_eq!(send(&mut w, "DELETE", &url), no("AuthorizationPermissionMismatch"));
    assert_eq!(send(&mut w, "PUT", &url.replace("sp=rw", "sp=rwd")), no("AuthenticationFailed"));
    assert_eq!(send(&mut w, "PUT", &url.replace("package", "another")), no("AuthenticationFailed"));
    let queue = w.queue_sas("farmstate", "requests", "r", until);
    let peek = queue.replace("requests?", "requests/messages?peekonly=true&");
    assert_eq!(send(&mut w, "GET", &peek).0, 200);
    assert_eq!(send(&mut w, "GET", &peek.replace("peekonly", "no")), no("AuthorizationPermissionMismatch"));
    w.advance_by(601);
    assert_eq!(send(&mut w, "GET", &url), no("AuthenticationFailed"));
    // The upload's target is the one place where a signature is no finding.
    let findings = w.check();
    assert!(findings.iter().all(|finding| !format!("{finding:?}").contains("PUT")), "{findings:?}");
    assert!(findings.iter().any(|finding| format!("{finding:?}").contains("GET")), "{findings:?}");
}

#[test]
fn both_planes_know_the_same_queues_and_containers() {
    let mut w = prepared();
    give(&mut w, QUEUE_CONTRIBUTOR, &account());
    give(&mut w, BLOB_CONTRIBUTOR, &account());
    let shown = data(&mut w, "GET", "queue", "requests?comp=metadata", "");
    assert_eq!(shown.header("x-ms-meta-farm"), Some("f"));
    assert_eq!(data(&mut w, "POST", "queue", "requests/messages", TEXT).status, 201);
    assert_eq!(data(&mut w, "PUT", "blob", "state/b", "x").status, 201);
    assert_eq!(data(&mut w, "PUT", "queue", "made-here", "").status, 201);
    let listed = get(&mut w, &format!("{}/queueServices/default/queues", account())).json_body();
    let names: Vec<&str> =
        listed["value"].as_array().unwrap().iter().filter_map(|q| q["name"].as_str()).collect();
    assert_eq!(names, ["made-here", "requests"]);

    // Everything survives the world's own file.
    let mut w = World::from_json(&w.to_json().unwrap()).unwrap();
    assert_eq!(data(&mut w, "GET", "blob", "state/b", "").body, b"x");

    // What is deleted in one is gone in the other, with what was in it.
    assert_eq!(delete(&mut w, &queue()).status, 204);
    assert_eq!(data_code(&data(&mut w, "GET", "queue", "requests/messages", "")), (404, "QueueNotFound"));
    assert_eq!(put(&mut w, &queue(), &json!({})).status, 200);
    let fresh = data(&mut w, "GET", "queue", "requests?comp=metadata", "");
    assert_eq!(fresh.header("x-ms-approximate-messages-count"), Some("0"));
    assert_eq!(data(&mut w, "DELETE", "blob", "state?restype=container", "").status, 202);
    assert_eq!(get(&mut w, &container()).status, 404);
    // Its name is taken for another half minute.
    let again = |w: &mut World| data(w, "PUT", "blob", "state?restype=container", "");
    assert_eq!(data_code(&again(&mut w)), (409, "ContainerBeingDeleted"));
    w.advance_by(31);
    assert_eq!(again(&mut w).status, 201);
    assert_eq!(data_code(&data(&mut w, "GET", "blob", "state/b", "")), (404, "BlobNotFound"));
    assert_eq!(delete(&mut w, &account()).status, 200);
    assert!(data(&mut w, "GET", "blob", "state/b", "").lost);
}

#[test]
fn the_control_plane_shows_a_containers_lease() {
    let mut w = prepared();
    give(&mut w, BLOB_CONTRIBUTOR, &account());
    let url = "https://farmstate.blob.core.windows.net/state?restype=container&comp=lease";
    let lease = plain("PUT", url).header("authorization", "Bearer any");
    let lease = lease.header("x-ms-lease-action", "acquire").header("x-ms-lease-duration", "15");
    assert_eq!(w.handle(&lease).status, 201);
    let shown = |w: &mut World| get(w, &container()).json_body()["properties"]["leaseState"].clone();
    assert_eq!(shown(&mut w), "Leased");
    let refused = data(&mut w, "DELETE", "blob", "state?restype=container", "");
    assert_eq!(data_code(&refused), (412, "LeaseIdMissing"));
    w.advance_by(16);
    assert_eq!(shown(&mut w), "Expired");
    assert_eq!(data(&mut w, "DELETE", "blob", "state?restype=container", "").status, 202);
}

#[test]
fn a_package_is_uploaded_to_the_linked_account() {
    let mut w = prepared();
    let batch = format!("{}/providers/Microsoft.Batch/batchAccounts/farmbatch", group_path());
    let body = tagged(json!({"autoStorage": {"storageAccountId": account()}}));
    make(&mut w, &batch, &body);
    // The link is signed with the account's key.
    assert!(w.edit(&account(), |storage| storage.set("allowSharedKeyAccess", json!(true))));
    put(&mut w, &format!("{batch}/applications/Blender_4"), &json!({}));
    let made = put(&mut w, &format!("{batch}/applications/Blender_4/versions/1"), &json!({})).json_body();
    let url = made["properties"]["storageUrl"].as_str().unwrap();
    assert!(url.starts_with("https://farmstate.blob.core.windows.net/app-blender-4/1?"), "{url}");
    let mut upload = plain("PUT", url).header("x-ms-blob-type", "BlockBlob");
    upload.body = b"zip".to_vec();
    assert_eq!(w.handle(&upload).status, 201);
    let block = url.replace('?', "?comp=block&blockid=YQ%3D%3D&");
    let mut block = plain("PUT", &block);
    assert_eq!(w.handle(&block).status, 400);
    block.body = b"zip".to_vec();
    assert_eq!(w.handle(&block).status, 201);
}
