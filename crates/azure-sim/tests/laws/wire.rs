//! The conventions of ARM: long-running styles, paging, refusals, tags, locks, rights.

use azure_sim::{Action, Fault, LockLevel, Match, Role, SimRequest, World, WorldConfig};
use serde_json::json;

use crate::support::*;

fn link(response: &azure_sim::SimResponse, name: &str) -> String {
    response.header(name).unwrap_or_else(|| panic!("no {name}: {response:?}")).to_owned()
}

#[test]
fn network_put_is_updating_until_its_operation_succeeded() {
    let mut w = world();
    group(&mut w);
    let path = net("virtualNetworks/v");
    let body = tagged(json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}));
    let accepted = put(&mut w, &path, &body);
    assert_eq!((accepted.status, accepted.header("retry-after")), (201, Some("3")));
    assert!(accepted.header("location").is_none());
    assert_eq!(accepted.json_body()["properties"]["provisioningState"], "Updating");
    let poll = link(&accepted, "azure-asyncoperation");
    assert!(poll.contains("/providers/Microsoft.Network/locations/westeurope/operations/"));
    let running = get(&mut w, &poll);
    assert_eq!(running.json_body(), json!({"status": "InProgress"}));
    assert_eq!(running.header("retry-after"), Some("10"));
    w.advance_by(10);
    let done = get(&mut w, &poll);
    assert_eq!(done.json_body(), json!({"status": "Succeeded"}));
    assert_eq!(done.header("retry-after"), None);
    let read = get(&mut w, &path);
    assert_eq!(read.json_body()["properties"]["provisioningState"], "Succeeded");
    assert_eq!(read.header("etag"), read.json_body()["etag"].as_str());
    assert_eq!(put(&mut w, &path, &body).status, 200);
}

#[test]
fn network_delete_has_both_links_and_ends_204() {
    let mut w = world();
    network(&mut w);
    let accepted = delete(&mut w, &net("networkInterfaces/nic"));
    assert_eq!((accepted.status, accepted.body.len(), accepted.header("retry-after")), (202, 0, Some("10")));
    let (status, result) = (link(&accepted, "azure-asyncoperation"), link(&accepted, "location"));
    assert!(result.contains("/operationResults/"));
    assert_eq!(get(&mut w, &result).status, 202);
    let again = delete(&mut w, &net("networkInterfaces/nic"));
    assert_eq!(
        (again.status, link(&again, "location")),
        (202, result.clone()),
        "the running deletion, once more"
    );
    w.advance_by(11);
    assert_eq!(get(&mut w, &status).json_body()["status"], "Succeeded");
    assert_eq!(get(&mut w, &result).status, 204);
    assert_eq!(get(&mut w, &net("networkInterfaces/nic")).error_code().as_deref(), Some("ResourceNotFound"));
    assert_eq!(delete(&mut w, &net("networkInterfaces/nic")).status, 204);
}

#[test]
fn group_deletion_is_location_only_and_takes_everything_along() {
    let mut w = world();
    network(&mut w);
    let accepted = delete(&mut w, &group_path());
    assert_eq!((accepted.status, accepted.header("retry-after")), (202, Some("15")));
    assert!(accepted.header("azure-asyncoperation").is_none());
    let poll = link(&accepted, "location");
    assert!(poll.contains("/operationresults/eyJqb2JJZCI6"));
    let running = get(&mut w, &poll);
    assert_eq!((running.status, link(&running, "location")), (202, poll.clone()));
    let refused = put(&mut w, &net("virtualNetworks/v2"), &tagged(json!({})));
    assert_eq!(refused.error_code().as_deref(), Some("ResourceGroupBeingDeleted"));
    w.advance_by(120);
    let done = get(&mut w, &poll);
    assert_eq!((done.status, done.body.len()), (200, 0));
    assert!(w.resources().is_empty());
    assert_eq!(send(&mut w, "HEAD", &group_path(), None).status, 404);
    assert_eq!(delete(&mut w, &group_path()).error_code().as_deref(), Some("ResourceGroupNotFound"));
}

#[test]
fn used_things_are_not_deleted() {
    let mut w = world();
    network(&mut w);
    for (path, code) in [
        ("virtualNetworks/vnet", "InUseSubnetCannotBeDeleted"),
        ("virtualNetworks/vnet/subnets/manager", "InUseSubnetCannotBeDeleted"),
        ("networkSecurityGroups/nsg", "InUseNetworkSecurityGroupCannotBeDeleted"),
        ("publicIPAddresses/in", "PublicIPAddressCannotBeDeleted"),
        ("publicIPAddresses/out", "PublicIPAddressCannotBeDeleted"),
        ("natGateways/nat", "InUseNatGatewayCannotBeDeleted"),
    ] {
        let refused = delete(&mut w, &net(path));
        assert_eq!((refused.status, refused.error_code().as_deref()), (400, Some(code)), "{path}");
    }
    // The order that works, each step only after the one before has ended.
    for path in [
        "networkInterfaces/nic",
        "publicIPAddresses/in",
        "virtualNetworks/vnet",
        "networkSecurityGroups/nsg",
        "natGateways/nat",
        "publicIPAddresses/out",
    ] {
        assert_eq!(delete(&mut w, &net(path)).status, 202, "{path}");
        w.advance_by(60);
    }
    assert!(w.resources().is_empty());
}

#[test]
fn back_references_and_addresses_are_filled_in() {
    let mut w = world();
    network(&mut w);
    let subnet = get(&mut w, &net("virtualNetworks/vnet/subnets/manager")).json_body();
    let user = net("networkInterfaces/nic/ipConfigurations/ip");
    assert_eq!(subnet["properties"]["ipConfigurations"][0]["id"], json!(user));
    let address = get(&mut w, &net("publicIPAddresses/in")).json_body();
    assert_eq!(address["properties"]["ipConfiguration"]["id"], json!(user));
    assert_eq!(address["properties"]["dnsSettings"]["fqdn"], "manager.westeurope.cloudapp.azure.com");
    assert!(address["properties"]["ipAddress"].is_string());
    let nic = get(&mut w, &net("networkInterfaces/nic")).json_body();
    assert_eq!(nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.0.0.4");
    let nat = get(&mut w, &net("natGateways/nat")).json_body();
    assert_eq!(nat["properties"]["subnets"][0]["id"], subnet["id"]);
    let nsg = get(&mut w, &net("networkSecurityGroups/nsg")).json_body();
    assert_eq!(nsg["properties"]["defaultSecurityRules"].as_array().unwrap().len(), 6);
    let vnet = get(&mut w, &net("virtualNetworks/vnet")).json_body();
    assert_eq!(vnet["properties"]["subnets"][0]["id"], subnet["id"]);
}

#[test]
fn bad_network_bodies_are_refused_with_azures_codes() {
    let mut w = world();
    network(&mut w);
    let subnet = |prefix: &str| json!({"properties": {"addressPrefix": prefix}});
    let absent = json!({"properties": {"addressPrefix": "10.0.9.0/24", "networkSecurityGroup": {"id": net("networkSecurityGroups/none")}}});
    let label = standard(
        json!({"publicIPAllocationMethod": "Static", "dnsSettings": {"domainNameLabel": "manager"}}),
    );
    for (path, body, code) in [
        ("virtualNetworks/vnet/subnets/x", subnet("10.0.0.128/25"), "NetcfgSubnetRangesOverlap"),
        ("virtualNetworks/vnet/subnets/x", subnet("10.9.0.0/24"), "NetcfgSubnetRangeOutsideVnet"),
        ("virtualNetworks/vnet/subnets/x", subnet("10.0.1.1/24"), "InvalidCIDRNotation"),
        ("virtualNetworks/vnet/subnets/x", absent, "InvalidResourceReference"),
        ("publicIPAddresses/again", label, "DnsRecordInUse"),
        ("publicIPAddresses/basic", tagged(json!({})), "IPv4BasicSkuPublicIpCountLimitReached"),
        ("virtualNetworks/none/subnets/x", subnet("10.0.1.0/24"), "ParentResourceNotFound"),
        ("flyingCarpets/x", tagged(json!({})), "InvalidResourceType"),
    ] {
        let before = w.canonical();
        let refused = put(&mut w, &net(path), &body);
        assert_eq!(refused.error_code().as_deref(), Some(code), "{path} {body}");
        assert_eq!(w.canonical(), before, "{code} changed the world");
    }
    assert_eq!(put(&mut w, &net("virtualNetworks/vnet/subnets/a"), &subnet("10.0.1.0/24")).status, 201);
    let busy = put(&mut w, &net("virtualNetworks/vnet/subnets/b"), &subnet("10.0.2.0/24"));
    assert_eq!((busy.status, busy.error_code().as_deref()), (429, Some("RetryableError")));
}

#[test]
fn lists_page_until_there_is_no_next_link() {
    let mut w = world();
    group(&mut w);
    for n in 0..7 {
        make(&mut w, &net(&format!("networkSecurityGroups/n{n}")), &tagged(json!({})));
    }
    make(
        &mut w,
        &net("virtualNetworks/v"),
        &tagged(json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}})),
    );
    let filter = "$filter=resourceType eq 'Microsoft.Network/networkSecurityGroups'";
    let mut next = format!("{}/resources?$top=3&{filter}", group_path());
    let mut pages = Vec::new();
    loop {
        let page = get(&mut w, &next).json_body();
        pages.push(page["value"].as_array().unwrap().len());
        match page["nextLink"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
    }
    assert_eq!(pages, [3, 3, 1]);
    let by_tag =
        format!("/subscriptions/{SUB}/resources?$filter=tagName eq 'flamenco-farm' and tagValue eq 'f'");
    assert_eq!(get(&mut w, &by_tag).json_body()["value"].as_array().unwrap().len(), 8);
    let other =
        format!("/subscriptions/{SUB}/resources?$filter=tagName eq 'flamenco-farm' and tagValue eq 'g'");
    assert_eq!(get(&mut w, &other).json_body()["value"], json!([]));
}

#[test]
fn unauthenticated_unversioned_and_foreign_requests_are_refused() {
    let mut w = world();
    let path = format!("https://management.azure.com/subscriptions/{SUB}");
    let bare = SimRequest::new("GET", format!("{path}?api-version=1").parse().unwrap());
    assert_eq!(w.handle(&bare).status, 401);
    assert_eq!(get(&mut w, &path).error_code().as_deref(), Some("MissingApiVersionParameter"));
    let other = get(&mut w, "/subscriptions/22222222-2222-4222-8222-222222222222/resourcegroups");
    assert_eq!((other.status, other.error_code().as_deref()), (404, Some("SubscriptionNotFound")));
    assert_eq!(get(&mut w, &format!("{path}?api-version=1")).status, 200);
    w.expire_tokens();
    let expired = get(&mut w, &format!("{path}?api-version=1"));
    assert_eq!((expired.status, expired.error_code().as_deref()), (401, Some("ExpiredAuthenticationToken")));
}

#[test]
fn providers_register_in_half_a_minute() {
    let mut config = WorldConfig::new(SUB);
    config.providers_registered = false;
    let mut w = World::new(config);
    group(&mut w);
    let refused = put(&mut w, &net("networkSecurityGroups/n"), &tagged(json!({})));
    assert_eq!(
        (refused.status, refused.error_code().as_deref()),
        (409, Some("MissingSubscriptionRegistration"))
    );
    let provider = format!("/subscriptions/{SUB}/providers/Microsoft.Network");
    let answer = send(&mut w, "POST", &format!("{provider}/register"), None);
    assert_eq!(answer.json_body()["registrationState"], "Registering");
    w.advance_by(31);
    assert_eq!(get(&mut w, &provider).json_body()["registrationState"], "Registered");
    assert_eq!(put(&mut w, &net("networkSecurityGroups/n"), &tagged(json!({}))).status, 201);
}

#[test]
fn locks_and_rights_are_obeyed() {
    let mut w = world();
    network(&mut w);
    w.lock(&group_path(), "keep", LockLevel::CanNotDelete);
    assert_eq!(delete(&mut w, &net("networkInterfaces/nic")).error_code().as_deref(), Some("ScopeLocked"));
    assert_eq!(delete(&mut w, &group_path()).status, 409);
    w.principal_mut().set_subscription_role(Some(Role::Reader));
    let permissions = get(&mut w, &format!("{}/providers/Microsoft.Authorization/permissions", group_path()));
    assert_eq!(permissions.json_body()["value"][0]["actions"], json!(["*/read"]));
    let refused = put(&mut w, &net("networkSecurityGroups/n"), &tagged(json!({})));
    assert_eq!(refused.status, 403);
    assert!(
        refused.json_body()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("Microsoft.Network/networkSecurityGroups/write")
    );
    w.principal_mut().set_group_role("farm", Some(Role::Contributor));
    assert_eq!(put(&mut w, &net("networkSecurityGroups/n"), &tagged(json!({}))).status, 201);
}

#[test]
fn a_young_identity_gets_its_role_only_later() {
    let mut w = world();
    group(&mut w);
    let identity =
        format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/manager", group_path());
    let made = put(&mut w, &identity, &tagged(json!({})));
    assert_eq!(made.status, 201);
    let principal = made.json_body()["properties"]["principalId"].clone();
    let role = format!("/subscriptions/{SUB}/providers/Microsoft.Authorization/roleDefinitions/reader");
    let body = json!({"properties": {"roleDefinitionId": role, "principalId": principal}});
    let path = |n: u8| {
        format!(
            "{}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-00000000000{n}",
            group_path()
        )
    };
    let early = put(&mut w, &path(1), &body);
    assert_eq!((early.status, early.error_code().as_deref()), (400, Some("PrincipalNotFound")));
    w.advance_by(30);
    assert_eq!(put(&mut w, &path(1), &body).status, 201);
    assert_eq!(put(&mut w, &path(2), &body).error_code().as_deref(), Some("RoleAssignmentExists"));
}

#[test]
fn tags_merge_replace_and_delete_at_any_scope() {
    let mut w = world();
    network(&mut w);
    for scope in [format!("/subscriptions/{SUB}"), group_path(), net("virtualNetworks/vnet")] {
        let path = format!("{scope}/providers/Microsoft.Resources/tags/default");
        let change = |w: &mut World, operation: &str, tags: serde_json::Value| {
            let body = json!({"operation": operation, "properties": {"tags": tags}});
            send(w, "PATCH", &path, Some(&body)).json_body()["properties"]["tags"].clone()
        };
        assert_eq!(change(&mut w, "Replace", json!({"a": "1"})), json!({"a": "1"}));
        assert_eq!(change(&mut w, "Merge", json!({"b": "2"})), json!({"a": "1", "b": "2"}));
        assert_eq!(change(&mut w, "Delete", json!({"a": "1"})), json!({"b": "2"}), "{scope}");
    }
}

#[test]
fn a_failed_operation_leaves_a_failed_resource() {
    let mut w = world();
    group(&mut w);
    w.inject(Fault::once(
        Match::on("PUT", "/natGateways/"),
        Action::operation_fails("InternalServerError", "An error occurred."),
    ));
    let accepted = put(&mut w, &net("natGateways/nat"), &standard(json!({})));
    assert_eq!(accepted.status, 201);
    w.advance_by(60);
    let poll = link(&accepted, "azure-asyncoperation");
    let end = get(&mut w, &poll);
    assert_eq!((end.status, end.json_body()["status"].as_str()), (200, Some("Failed")));
    assert_eq!(end.json_body()["error"]["code"], "InternalServerError");
    assert_eq!(get(&mut w, &net("natGateways/nat")).json_body()["properties"]["provisioningState"], "Failed");
    assert_eq!(get(&mut w, &poll.replace("/operations/", "/operations/0")).status, 404);
}
