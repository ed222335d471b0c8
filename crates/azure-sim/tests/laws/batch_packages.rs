//! Laws of application packages: records, uploads, activation, what pools and nodes have of them.

use azure_sim::{SimRequest, SimResponse, World};
use serde_json::{Value, json};

use crate::farm::*;
use crate::support::*;

const ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn packages() -> String {
    provider("Microsoft.Storage/storageAccounts/farmpackages")
}

/// The identity that Batch writes with.
fn writer() -> String {
    provider("Microsoft.ManagedIdentity/userAssignedIdentities/writer")
}

fn application(name: &str) -> String {
    format!("{}/applications/{name}", account())
}

fn version(name: &str, version: &str) -> String {
    format!("{}/versions/{version}", application(name))
}

/// A farm whose Batch account has a storage account with shared keys.
fn linked(mode: &str) -> World {
    let mut w = world();
    farm(&mut w);
    let mut body = tagged(json!({"allowSharedKeyAccess": mode == "StorageKeys"}));
    body["kind"] = json!("StorageV2");
    body["sku"] = json!({"name": "Standard_LRS"});
    make(&mut w, &packages(), &body);
    let link = json!({"storageAccountId": packages(), "authenticationMode": mode});
    let mut batch = tagged(json!({"autoStorage": link}));
    if mode != "StorageKeys" {
        assert_eq!(put(&mut w, &account(), &batch).status, 400, "no identity to authenticate with");
        let identity = make(&mut w, &writer(), &tagged(json!({})));
        assign(&mut w, CONTRIBUTOR, identity["properties"]["principalId"].as_str().unwrap());
        batch["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {writer(): {}}});
    }
    assert_eq!(put(&mut w, &account(), &batch).status, 200);
    w
}

fn url(shown: &SimResponse) -> String {
    shown.json_body()["properties"]["storageUrl"].as_str().unwrap().to_owned()
}

fn upload(w: &mut World, url: &str, bytes: &[u8]) -> SimResponse {
    let mut request = SimRequest::new("PUT", url.parse().unwrap());
    request = request.header("x-ms-version", "2025-11-05").header("x-ms-blob-type", "BlockBlob");
    request.body = bytes.to_vec();
    w.handle(&request)
}

fn activate(w: &mut World, name: &str, of: &str, format: &str) -> SimResponse {
    let body = json!({"format": format});
    send(w, "POST", &format!("{}/activate", version(name, of)), Some(&body))
}

/// Pushes a version from nothing to active.
fn push(w: &mut World, name: &str, of: &str, bytes: &[u8]) {
    if get(w, &application(name)).status == 404 {
        assert_eq!(put(w, &application(name), &json!({})).status, 200);
    }
    let made = put(w, &version(name, of), &json!({}));
    assert_eq!(upload(w, &url(&made), bytes).status, 201);
    assert_eq!(activate(w, name, of, "zip").status, 200);
}

fn referring(references: Value) -> Value {
    let mut body = pool_body(1, 0);
    body["properties"]["applicationPackages"] = references;
    body
}

#[test]
fn an_account_without_storage_has_no_applications() {
    let mut w = world();
    farm(&mut w);
    let refused = (409, "AccountNotEnabledForAutoStorage".to_owned());
    let activate = format!("{}/activate", version("blender", "5"));
    for (method, path) in [
        ("GET", format!("{}/applications", account())),
        ("PUT", application("blender")),
        ("PUT", version("blender", "5")),
        ("POST", activate),
    ] {
        assert_eq!(code(&send(&mut w, method, &path, Some(&json!({})))), refused, "{method} {path}");
    }
}

#[test]
fn a_package_is_pending_until_its_blob_is_there_and_activated() {
    let mut w = linked("StorageKeys");
    assert_eq!(put(&mut w, &application("blender"), &json!({})).status, 200);
    assert_eq!(code(&get(&mut w, &version("blender", "5.0"))).0, 404);
    let made = put(&mut w, &version("blender", "5.0"), &json!({}));
    assert_eq!((made.status, made.json_body()["properties"]["state"].clone()), (200, json!("Pending")));
    assert_eq!(
        code(&activate(&mut w, "blender", "5.0", "zip")),
        (409, "ApplicationPackageBlobNotFound".to_owned())
    );
    assert_eq!(upload(&mut w, &url(&made), ZIP).status, 201);
    assert_eq!(code(&activate(&mut w, "blender", "5.0", "tar")), (400, "InvalidPropertyValue".to_owned()));
    let active = activate(&mut w, "blender", "5.0", "zip").json_body()["properties"].clone();
    assert_eq!((active["state"].clone(), active["format"].clone()), (json!("Active"), json!("zip")));
    assert_eq!(active["lastActivationTime"], w.now().to_string());
    // Recorded: once more is fine, and the list shows it too.
    w.advance_by(5);
    assert_ne!(activate(&mut w, "blender", "5.0", "zip").json_body()["etag"], made.json_body()["etag"]);
    let list = get(&mut w, &format!("{}/versions", application("blender"))).json_body();
    assert_eq!(list["value"][0]["properties"]["state"], "Active");
}

#[test]
fn the_link_expires_and_each_look_gives_a_fresh_one() {
    let mut w = linked("StorageKeys");
    put(&mut w, &application("blender"), &json!({}));
    let made = put(&mut w, &version("blender", "5.0"), &json!({}));
    let expiry =
        made.json_body()["properties"]["storageUrlExpiry"].as_str().unwrap().parse::<jiff::Timestamp>();
    assert_eq!(expiry.unwrap().duration_since(w.now()).as_secs(), 4 * 3600);
    w.advance_by(4 * 3600 + 1);
    let late = upload(&mut w, &url(&made), ZIP);
    assert_eq!((late.status, late.header("x-ms-error-code")), (403, Some("AuthenticationFailed")));
    let again = get(&mut w, &version("blender", "5.0"));
    assert_eq!(again.json_body()["etag"], made.json_body()["etag"], "a look changes nothing");
    assert_eq!(upload(&mut w, &url(&again), ZIP).status, 201);
    // Links without the right to read.
    w.package_links("cw", 600);
    let blind = url(&get(&mut w, &version("blender", "5.0")));
    let look = blind.replace('?', "?comp=blocklist&blocklisttype=all&");
    let look = SimRequest::new("GET", look.parse().unwrap()).header("x-ms-version", "2025-11-05");
    let refused = w.handle(&look);
    assert_eq!(
        (refused.status, refused.header("x-ms-error-code")),
        (403, Some("AuthorizationPermissionMismatch"))
    );
    assert_eq!(upload(&mut w, &blind, ZIP).status, 201);
}

#[test]
fn later_api_versions_show_the_link_at_put_only() {
    let mut w = linked("StorageKeys");
    put(&mut w, &application("blender"), &json!({}));
    let path = version("blender", "5.0");
    let ask = |w: &mut World, method: &str, api: &str| {
        let url = format!("https://management.azure.com{path}?api-version={api}").parse().unwrap();
        let request = SimRequest::new(method, url).header("authorization", "Bearer any");
        w.handle(&request.json_body(&json!({}))).json_body()["properties"]["storageUrl"].is_string()
    };
    assert!(ask(&mut w, "PUT", "2025-06-01") && ask(&mut w, "PUT", "2026-10-01"));
    assert!(ask(&mut w, "GET", "2025-06-01") && !ask(&mut w, "GET", "2026-10-01"));
    w.hide_package_links();
    assert!(ask(&mut w, "PUT", "2025-06-01") && !ask(&mut w, "GET", "2025-06-01"));
}

#[test]
fn an_account_with_its_own_identity_signs_nothing_and_one_without_keys_refuses_signatures() {
    let mut w = linked("BatchAccountManagedIdentity");
    put(&mut w, &application("blender"), &json!({}));
    let made = put(&mut w, &version("blender", "5.0"), &json!({}));
    assert!(!url(&made).contains('?') && made.json_body()["properties"]["storageUrlExpiry"].is_null());
    assert_eq!(upload(&mut w, &url(&made), ZIP).status, 401);
    let mut w = linked("StorageKeys");
    put(&mut w, &application("blender"), &json!({}));
    let made = put(&mut w, &version("blender", "5.0"), &json!({}));
    assert!(w.edit(&packages(), |storage| storage.set("allowSharedKeyAccess", json!(false))));
    let refused = upload(&mut w, &url(&made), ZIP);
    assert_eq!(refused.header("x-ms-error-code"), Some("KeyBasedAuthenticationNotPermitted"));
}

#[test]
fn batchs_own_identity_has_to_be_allowed_to_write_before_there_are_packages() {
    let mut w = linked("BatchAccountManagedIdentity");
    let lag = 600;
    w.role_lag(lag);
    put(&mut w, &application("blender"), &json!({}));
    let refused = (409, "AutoStorageNoPermission".to_owned());
    assert_eq!(code(&put(&mut w, &version("blender", "5.0"), &json!({}))), refused);
    w.role_lag(0);
    assert_eq!(put(&mut w, &version("blender", "5.0"), &json!({})).status, 200);
    assert!(w.upload_package(&version("blender", "5.0"), ZIP));
    w.role_lag(lag);
    assert_eq!(code(&activate(&mut w, "blender", "5.0", "zip")), refused);
    w.role_lag(0);
    assert_eq!(activate(&mut w, "blender", "5.0", "zip").status, 200);
}

#[test]
fn ids_versions_and_counts_have_limits() {
    let mut w = linked("StorageKeys");
    let long = "x".repeat(65);
    for bad in ["a.b", "a%20b", long.as_str()] {
        assert_eq!(put(&mut w, &application(bad), &json!({})).status, 400, "{bad}");
    }
    w.set_limit("westeurope", "batch/applications", 2);
    w.set_limit("westeurope", "batch/packages", 1);
    for name in ["Blender_4-2", "ffmpeg"] {
        assert_eq!(put(&mut w, &application(name), &json!({})).status, 200);
    }
    assert_eq!(put(&mut w, &application("third"), &json!({})).status, 409);
    assert_eq!(put(&mut w, &application("ffmpeg"), &json!({})).status, 200, "an old one is no third");
    for bad in [".5", "5+1", long.as_str()] {
        assert_eq!(put(&mut w, &version("ffmpeg", bad), &json!({})).status, 400, "{bad}");
    }
    assert_eq!(put(&mut w, &version("ffmpeg", "7.0.1-a_b"), &json!({})).status, 200);
    assert_eq!(put(&mut w, &version("ffmpeg", "7.1"), &json!({})).status, 409);
    assert_eq!(put(&mut w, &version("none", "1"), &json!({})).error_code().unwrap(), "ApplicationNotFound");
}

#[test]
fn a_default_is_an_active_version_and_locked_versions_stay() {
    let mut w = linked("StorageKeys");
    push(&mut w, "blender", "5.0", ZIP);
    put(&mut w, &version("blender", "5.1"), &json!({}));
    let prefer = |w: &mut World, version: &str| {
        let body = json!({"properties": {"defaultVersion": version, "allowUpdates": false}});
        send(w, "PATCH", &application("blender"), Some(&body))
    };
    assert_eq!(code(&prefer(&mut w, "5.1")), (409, "RequestedDefaultVersionNotActive".to_owned()));
    assert_eq!(prefer(&mut w, "6").status, 404);
    assert_eq!(prefer(&mut w, "5.0").json_body()["properties"]["defaultVersion"], "5.0");
    assert_eq!(put(&mut w, &version("blender", "5.0"), &json!({})).status, 409);
    assert_eq!(put(&mut w, &version("blender", "5.1"), &json!({})).status, 200, "one that is pending");
    assert_eq!(
        code(&delete(&mut w, &application("blender"))),
        (409, "ApplicationPackagesNotEmpty".to_owned())
    );
    // Recorded: the default version can be deleted; a second time 204.
    for (path, wanted) in [
        (version("blender", "5.0"), 200),
        (version("blender", "5.0"), 204),
        (version("blender", "5.1"), 200),
        (application("blender"), 200),
        (application("blender"), 204),
    ] {
        assert_eq!(delete(&mut w, &path).status, wanted, "{path}");
    }
}

#[test]
fn the_blob_goes_with_the_record() {
    let mut w = linked("StorageKeys");
    push(&mut w, "blender", "5.0", ZIP);
    delete(&mut w, &version("blender", "5.0"));
    put(&mut w, &version("blender", "5.0"), &json!({}));
    assert_eq!(activate(&mut w, "blender", "5.0", "zip").status, 409);
}

#[test]
fn pools_refer_to_active_packages_in_both_planes() {
    let mut w = linked("StorageKeys");
    push(&mut w, "blender", "5.0", ZIP);
    put(&mut w, &version("blender", "5.1"), &json!({}));
    let refused = (409, "InvalidApplicationPackageReferences".to_owned());
    let many: Vec<Value> = (0..11).map(|_| json!({"id": application("blender"), "version": "5.0"})).collect();
    for references in [
        json!([{"id": application("blender")}]),
        json!([{"id": application("blender"), "version": "5.1"}]),
        json!([{"id": application("ffmpeg"), "version": "7"}]),
        json!(many),
    ] {
        assert_eq!(code(&put(&mut w, &pool(), &referring(references.clone()))), refused, "{references}");
    }
    let wanted = json!([{"id": application("blender"), "version": "5.0"}]);
    let made = put(&mut w, &pool(), &referring(wanted.clone()));
    assert_eq!(made.json_body()["properties"]["applicationPackages"], wanted, "{}", made.json_body());
    let shown = data(&mut w, "GET", "/pools/render?$select=applicationPackageReferences", None).json_body();
    assert_eq!(
        shown["applicationPackageReferences"],
        json!([{"applicationId": application("blender"), "version": "5.0"}])
    );
    let change = |references: Value| json!({"applicationPackageReferences": references});
    let none = change(json!([{"applicationId": "blender"}]));
    assert_eq!(code(&data(&mut w, "PATCH", "/pools/render", Some(&none))), refused);
    let body = json!({"properties": {"defaultVersion": "5.0"}});
    send(&mut w, "PATCH", &application("blender"), Some(&body));
    assert_eq!(data(&mut w, "PATCH", "/pools/render", Some(&none)).status, 200);
    let shown = get(&mut w, &pool()).json_body();
    assert_eq!(shown["properties"]["applicationPackages"], json!([{"id": application("blender")}]));
    let emptied = data(&mut w, "PATCH", "/pools/render", Some(&change(json!([]))));
    assert_eq!(emptied.status, 200);
    assert_eq!(get(&mut w, &pool()).json_body()["properties"]["applicationPackages"], json!([]));
}

#[test]
fn a_node_whose_packages_are_gone_or_no_zip_is_unusable_and_others_keep_theirs() {
    let mut w = linked("StorageKeys");
    push(&mut w, "blender", "5.0", ZIP);
    let references = json!([{"id": application("blender"), "version": "5.0"}]);
    assert_eq!(put(&mut w, &pool(), &referring(references.clone())).status, 200);
    w.advance_by(400);
    assert_eq!(states(&w), ["idle"]);
    w.lose_package(&version("blender", "5.0"));
    resize(&mut w, 2, 0);
    w.advance_by(400);
    let mut now = states(&w);
    now.sort_unstable();
    assert_eq!(now, ["idle", "unusable"]);
    let list = data(&mut w, "GET", "/pools/render/nodes?$filter=state eq 'unusable'", None).json_body();
    assert_eq!(list["value"][0]["errors"][0]["code"], "ApplicationPackageError");
    push(&mut w, "tools", "1", b"no zip");
    let references = json!([{"id": application("tools"), "version": "1"}]);
    let body = json!({"properties": {"applicationPackages": references}});
    assert_eq!(send(&mut w, "PATCH", &pool(), Some(&body)).status, 200);
    let node = w.nodes(&pool()).into_iter().find(|(_, state)| *state == "idle").unwrap().0;
    assert_eq!(data(&mut w, "POST", &format!("/pools/render/nodes/{node}/reimage"), None).status, 202);
    w.advance_by(400);
    assert_eq!(states(&w), ["unusable"; 2]);
}

/// The roles "Storage Blob Data Reader" and "Storage Blob Data Contributor" (Microsoft's page "Azure built-in roles").
const READER: &str = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1";
const CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

fn assign(w: &mut World, role: &str, principal: &str) {
    let name = format!("{}{}", &role[..24], &principal[principal.len() - 12..]);
    let id = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", packages());
    let definition = format!("/subscriptions/{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role}");
    let body = json!({"properties": {"roleDefinitionId": definition, "principalId": principal}});
    assert_eq!(put(w, &id, &body).status, 201);
}

#[test]
fn nodes_read_with_the_identity_that_the_account_names() {
    // Microsoft's page "Use managed identities in an Azure Batch account or pool": without the right a node goes on without
    // the package, without a reference it stays as it is, with another identity it is unusable.
    for (named, given, allowed, wanted) in [
        (true, true, true, "idle"),
        (true, true, false, "idle"),
        (false, true, true, "starting"),
        (true, false, true, "unusable"),
    ] {
        let mut w = linked("BatchAccountManagedIdentity");
        let reader = provider("Microsoft.ManagedIdentity/userAssignedIdentities/nodes");
        let made = make(&mut w, &reader, &tagged(json!({})));
        let mut link = json!({
            "storageAccountId": packages(), "authenticationMode": "BatchAccountManagedIdentity",
        });
        if named {
            link["nodeIdentityReference"] = json!({"resourceId": reader});
        }
        let mut batch = tagged(json!({"autoStorage": link}));
        batch["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {writer(): {}}});
        assert_eq!(put(&mut w, &account(), &batch).status, 200);

        let me = w.principal_mut().object_id.clone();
        assign(&mut w, CONTRIBUTOR, &me);
        put(&mut w, &application("blender"), &json!({}));
        let link = url(&put(&mut w, &version("blender", "5.0"), &json!({})));
        let mut request = SimRequest::new("PUT", link.parse().unwrap()).header("authorization", "Bearer any");
        request = request.header("x-ms-version", "2025-11-05").header("x-ms-blob-type", "BlockBlob");
        request.body = ZIP.to_vec();
        assert_eq!(w.handle(&request).status, 201);
        assert_eq!(activate(&mut w, "blender", "5.0", "zip").status, 200);

        if allowed {
            assign(&mut w, READER, made["properties"]["principalId"].as_str().unwrap());
        }
        let mut body = referring(json!([{"id": application("blender"), "version": "5.0"}]));
        if given {
            body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {reader: {}}});
        }
        assert_eq!(put(&mut w, &pool(), &body).status, 200);
        w.advance_by(400);
        assert_eq!(states(&w), [wanted], "named {named}, identity {given}, role {allowed}");
    }
}
