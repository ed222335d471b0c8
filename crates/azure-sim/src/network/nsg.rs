//! Network security groups; rules stand inline and answer as children too.

use serde_json::{Value, json};

use super::{NIC, NSG, SUBNET, refs, refuse_busy};
use crate::durations::{Verb, seconds};
use crate::operation::{Spec, Style};
use crate::resource::{ProvisioningState, Resource, parent_of};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// name, description, source, destination, access, priority, direction
type DefaultRule = (&'static str, &'static str, &'static str, &'static str, &'static str, u32, &'static str);

const DEFAULTS: &[DefaultRule] = &[
    (
        "AllowVnetInBound",
        "Allow inbound traffic from all VMs in VNET",
        "VirtualNetwork",
        "VirtualNetwork",
        "Allow",
        65000,
        "Inbound",
    ),
    (
        "AllowAzureLoadBalancerInBound",
        "Allow inbound traffic from azure load balancer",
        "AzureLoadBalancer",
        "*",
        "Allow",
        65001,
        "Inbound",
    ),
    ("DenyAllInBound", "Deny all inbound traffic", "*", "*", "Deny", 65500, "Inbound"),
    (
        "AllowVnetOutBound",
        "Allow outbound traffic from all VMs to all VMs in VNET",
        "VirtualNetwork",
        "VirtualNetwork",
        "Allow",
        65000,
        "Outbound",
    ),
    (
        "AllowInternetOutBound",
        "Allow outbound traffic from all VMs to Internet",
        "*",
        "Internet",
        "Allow",
        65001,
        "Outbound",
    ),
    ("DenyAllOutBound", "Deny all outbound traffic", "*", "*", "Deny", 65500, "Outbound"),
];

pub(super) fn read(_world: &mut World, body: &Value, nsg: &mut Resource) -> Result<(), SimResponse> {
    let sent = body.pointer("/properties/securityRules").and_then(Value::as_array);
    let mut rules: Vec<Value> = Vec::new();
    for rule in sent.into_iter().flatten() {
        check_rule(rule, &rules)?;
        rules.push(json!({"name": rule.get("name"), "properties": rule.get("properties")}));
    }
    nsg.set("securityRules", json!(rules));
    Ok(())
}

fn member<'a>(rule: &'a Value, name: &str) -> Option<&'a Value> {
    rule.pointer(&format!("/properties/{name}"))
}

fn check_rule(rule: &Value, others: &[Value]) -> Result<(), SimResponse> {
    let bad = |code: &str, message: String| Err(SimResponse::network_error(400, code, &message));
    let name = rule.get("name").and_then(Value::as_str).unwrap_or_default();
    for required in ["protocol", "access", "direction", "priority"] {
        if member(rule, required).is_none_or(Value::is_null) {
            return bad(
                "MissingRequiredField",
                format!("Security rule {name} lacks the required member {required}."),
            );
        }
    }
    let ports =
        member(rule, "destinationPortRange").is_some() || member(rule, "destinationPortRanges").is_some();
    let sources =
        member(rule, "sourceAddressPrefix").is_some() || member(rule, "sourceAddressPrefixes").is_some();
    if !ports || !sources {
        return bad(
            "SecurityRuleParameterNotSpecified",
            format!("Security rule {name} names no destination port or no source address."),
        );
    }
    let priority = member(rule, "priority").and_then(Value::as_u64).unwrap_or(0);
    if !(100..=4096).contains(&priority) {
        return bad(
            "SecurityRuleInvalidPriority",
            format!(
                "Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096. To learn more, see aka.ms/nsgrules."
            ),
        );
    }
    let clash = others.iter().find(|other| {
        member(other, "priority") == member(rule, "priority")
            && member(other, "direction") == member(rule, "direction")
    });
    if let Some(other) = clash {
        let other = other.get("name").and_then(Value::as_str).unwrap_or_default();
        return bad(
            "SecurityRuleConflict",
            format!(
                "Security rule {name} conflicts with rule {other}. Rules cannot have the same Priority and Direction. To learn more, see aka.ms/nsgrules."
            ),
        );
    }
    Ok(())
}

/// A rule as Azure shows it: identity, state, and the plural members it was not given.
fn rendered(nsg: &Resource, rule: &Value, word: &str) -> Value {
    let name = rule.get("name").and_then(Value::as_str).unwrap_or_default();
    let mut properties = json!({"provisioningState": nsg.state.as_str()});
    for (member, value) in rule.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if member != "provisioningState" {
            properties[member] = value.clone();
        }
    }
    for plural in
        ["sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes"]
    {
        if properties.get(plural).is_none() {
            properties[plural] = json!([]);
        }
    }
    json!({
        "name": name,
        "id": format!("{}/{word}/{name}", nsg.id),
        "etag": nsg.etag,
        "type": format!("{NSG}/{word}"),
        "properties": properties,
    })
}

pub(super) fn complete(world: &World, nsg: &Resource, properties: &mut Value) {
    let stored = nsg.property("/securityRules").and_then(Value::as_array);
    let rules: Vec<Value> = stored.into_iter().flatten().map(|r| rendered(nsg, r, "securityRules")).collect();
    let defaults: Vec<Value> = DEFAULTS
        .iter()
        .map(|(name, description, source, destination, access, priority, direction)| {
            let rule = json!({"name": name, "properties": {
                "description": description,
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": destination,
                "access": access,
                "priority": priority,
                "direction": direction,
            }});
            rendered(nsg, &rule, "defaultSecurityRules")
        })
        .collect();
    properties["securityRules"] = json!(rules);
    properties["defaultSecurityRules"] = json!(defaults);
    for (member, kind) in [("networkInterfaces", NIC), ("subnets", SUBNET)] {
        let users = refs::referrers(world, kind, "networkSecurityGroup", &nsg.id);
        if !users.is_empty() {
            properties[member] = users.into_iter().map(|id| json!({"id": id})).collect();
        }
    }
}

/// `…/networkSecurityGroups/{nsg}/securityRules[/{rule}]`
pub(super) fn rules(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let group =
        if request.is_collection() { id.clone() } else { parent_of(&id).unwrap_or_default().to_owned() };
    let Some(nsg) = world.resource(&group).cloned() else { return request.parent_not_found(&group) };
    let stored: Vec<Value> =
        nsg.property("/securityRules").and_then(Value::as_array).cloned().unwrap_or_default();
    if request.is_collection() {
        let value: Vec<Value> = stored.iter().map(|r| rendered(&nsg, r, "securityRules")).collect();
        return crate::resources::page(request, value);
    }
    let name = request.names.last().cloned().unwrap_or_default();
    let is_it =
        |r: &Value| r.get("name").and_then(Value::as_str).is_some_and(|n| n.eq_ignore_ascii_case(&name));
    let found = stored.iter().find(|r| is_it(r)).cloned();
    let others: Vec<Value> = stored.into_iter().filter(|r| !is_it(r)).collect();
    match (request.method.as_str(), found) {
        ("GET", Some(rule)) => {
            SimResponse::json(200, &rendered(&nsg, &rule, "securityRules")).with_header("etag", &nsg.etag)
        }
        ("GET", None) => super::absent(request),
        ("DELETE", None) => SimResponse::empty(204),
        ("PUT" | "DELETE", found) => {
            if let Some(refusal) = refuse_busy(world, &nsg.id, &nsg) {
                return refusal;
            }
            let mut rules = others;
            let rule = json!({"name": name, "properties": request.body.get("properties")});
            if request.method == "PUT" {
                if let Err(refusal) = check_rule(&rule, &rules) {
                    return refusal;
                }
                rules.push(rule.clone());
            }
            change_rules(world, request, &nsg, &rules, if found.is_none() { 201 } else { 200 }, &rule)
        }
        _ => request.no_such_method(),
    }
}

fn change_rules(
    world: &mut World,
    request: &Request,
    nsg: &Resource,
    rules: &[Value],
    status: u16,
    rule: &Value,
) -> SimResponse {
    let mut changed = nsg.clone();
    changed.set("securityRules", json!(rules));
    changed.state = ProvisioningState::Updating;
    changed.etag = world.etag();
    let location = nsg.location.clone().unwrap_or_default();
    let body = rendered(&changed, rule, "securityRules");
    world.put(changed);
    let verb = if request.method == "PUT" { Verb::Create } else { Verb::Delete };
    let kind = format!("{NSG}/securityRules");
    let spec = Spec::new(Style::Network, &location, seconds(&kind, verb)).settles(&nsg.id);
    let operation = world.begin(spec, &request.api_version);
    let response = if request.method == "PUT" {
        SimResponse::json(status, &body).with_headers(&operation.put_headers())
    } else {
        SimResponse::empty(202).with_headers(&operation.action_headers())
    };
    response.with_header("x-ms-request-id", &operation.id)
}
