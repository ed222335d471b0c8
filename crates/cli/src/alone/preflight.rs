//! What a scaler that stands alone would run into, found by reading and reported all at once.

use std::collections::BTreeMap;

use flamenco_azure_core::arm::{ArmError, Kind, Request};
use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::spec::network::holds;
use serde_json::Value;
use vmss_scaler::alone::{Alone, FOR, Machine};
use vmss_scaler::skus::Catalog;
use vmss_scaler::surroundings::INSTALLED;
use vmss_scaler::template::ImageReference;
use vmss_scaler::wire::{self, NETWORK_API};

use super::unfit;
use crate::failure::Outcome;
use crate::preflight::{self, Finding};
use crate::roles::permissions;
use crate::session::Session;

/// What whoever deploys does in the scaler's own group.
const IN_GROUP: &[&str] = &[
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Storage/storageAccounts/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/write",
];
/// What they do to an existing VM.
const ON_VM: &[&str] = &[
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachines/runCommand/action",
];
const JOIN: &str = "Microsoft.Network/virtualNetworks/subnets/join/action";

fn finding(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { what: what.into(), remedy: remedy.into() }
}

/// Everything that can be known before the first write.
pub(super) async fn check(session: &Session, alone: &Alone, inventory: &Inventory) -> Outcome<Vec<Finding>> {
    let client = &session.client;
    let place = &alone.place;
    let mut findings = Vec::new();
    let items = client.list(&wire::skus(&place.subscription, &place.location)).await?;
    findings.extend(sizes(alone, &Catalog::read(&items, place.location.as_str()))?);
    findings.extend(subnets(session, alone).await?);
    findings.extend(images(session, alone).await?);
    if inventory.get(&place.account_id()).is_none()
        && let Some(why) = preflight::storage_name_taken(client, &place.subscription, &place.account).await?
    {
        let what = format!("`storageAccount`: the name `{}` is taken: {why}", place.account);
        findings.push(finding(what, "choose another one"));
    }
    if let Machine::Existing(id) = &alone.machine {
        findings.extend(existing(alone, id, inventory.get(id)));
    }
    findings.extend(rights(session, alone).await?);
    Ok(findings)
}

fn sizes(alone: &Alone, catalog: &Catalog) -> Outcome<Vec<Finding>> {
    let file = alone.scaler_file(None, None).map_err(|error| unfit(&error))?;
    let mut findings: Vec<Finding> = file
        .pools(catalog)
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|one| finding(format!("`{}`: {}", one.field, one.what), one.remedy))
        .collect();
    let Machine::Own(own) = &alone.machine else { return Ok(findings) };
    let location = &alone.place.location;
    match catalog.get(&own.vm_size) {
        None => findings.push(finding(
            format!("`machine.vmSize`: there is no size `{}` in {location}", own.vm_size),
            format!("`az vm list-sizes --location {location}` lists its sizes"),
        )),
        Some(sku) => findings.extend(sku.restricted.as_ref().map(|reason| {
            finding(
                format!(
                    "`machine.vmSize`: the subscription may not use `{}` in {location} ({reason})",
                    sku.name
                ),
                "take another size or region, or ask Azure support to lift it",
            )
        })),
    }
    Ok(findings)
}

/// The machines that each subnet has to hold, under the name that the file gives it.
fn tenants(alone: &Alone) -> Outcome<BTreeMap<ResourceId, (String, u32)>> {
    let file = alone.scaler_file(None, None).map_err(|error| unfit(&error))?;
    let mut all: BTreeMap<ResourceId, (String, u32)> = BTreeMap::new();
    if let Machine::Own(own) = &alone.machine {
        all.insert(own.subnet.clone(), ("machine".to_owned(), 1));
    }
    for pool in &file.pools {
        let most = pool.max_nodes.saturating_add(pool.overprovision);
        let (who, machines) = all.entry(pool.subnet.clone()).or_default();
        let name = format!("pool `{}`", pool.name);
        *who = if who.is_empty() { name } else { format!("{who}, {name}") };
        *machines = machines.saturating_add(most);
    }
    Ok(all)
}

async fn subnets(session: &Session, alone: &Alone) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    for (subnet, (who, machines)) in tenants(alone)? {
        let Some(network) = subnet.parent() else { continue };
        let read = Request::get(network.as_str()).api_version(NETWORK_API);
        let body = match session.client.get(&read).await {
            // Who may join it need not read it; that is judged with the rights.
            Err(error) if unseen(&error) => continue,
            other => other?,
        };
        let (name, group) = (network.name(), network.group_name().unwrap_or_default());
        let Some(body) = body else {
            findings.push(finding(
                format!("`subnet` of {who}: there is no virtual network `{name}` in group `{group}`"),
                "`az network vnet list --output table` lists those that this sign-in sees",
            ));
            continue;
        };
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let location = text("/location").replace(' ', "");
        if !location.eq_ignore_ascii_case(alone.place.location.as_str()) {
            findings.push(finding(
                format!(
                    "`subnet` of {who}: `{name}` is in {location}, `location` says {}",
                    alone.place.location
                ),
                "use a network of that region, or another `location`",
            ));
        }
        let all = body.pointer("/properties/subnets").and_then(Value::as_array);
        let named = |one: &&Value| {
            one.get("name")
                .and_then(Value::as_str)
                .is_some_and(|have| have.eq_ignore_ascii_case(subnet.name()))
        };
        match all.into_iter().flatten().find(named) {
            None => findings.push(finding(
                format!("`subnet` of {who}: `{name}` has no subnet `{}`", subnet.name()),
                format!(
                    "`az network vnet subnet list --vnet-name {name} --resource-group {group} --output table`"
                ),
            )),
            Some(body) => findings.extend(lacks(&subnet, &who, machines, body)),
        }
    }
    Ok(findings)
}

fn lacks(subnet: &ResourceId, who: &str, machines: u32, body: &Value) -> Vec<Finding> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let name = subnet.name();
    let mut findings = Vec::new();
    let prefix = text("/properties/addressPrefix").or_else(|| text("/properties/addressPrefixes/0"));
    if let Some(range) = prefix.and_then(|prefix| prefix.parse().ok())
        && !holds(range, machines)
    {
        findings.push(finding(
            format!(
                "`subnet` of {who}: {range} of `{name}` is too small for {machines} machines (`maxNodes` and \
                 `overprovision` of its pools, and the scaler's) and Azure's own five addresses"
            ),
            "use a larger subnet, or lower `maxNodes`",
        ));
    }
    if let Some(service) = text("/properties/delegations/0/properties/serviceName") {
        findings.push(finding(
            format!("`subnet` of {who}: `{name}` is delegated to {service}: no machine can be in it"),
            "use another subnet",
        ));
    }
    findings
}

async fn images(session: &Session, alone: &Alone) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    let location = &alone.place.location;
    let mut wanted: Vec<(String, ResourceId)> = alone
        .place
        .pools
        .iter()
        .filter_map(|pool| Some((format!("pool `{}`: `image`", pool.name), pool.image.clone()?)))
        .collect();
    if let Machine::Own(own) = &alone.machine
        && let ImageReference::Own { id } = &own.image
    {
        wanted.push(("`machine.image`".to_owned(), id.clone()));
    }
    for (key, id) in wanted {
        findings.extend(preflight::image(&session.client, location, &key, &id).await?);
    }
    Ok(findings)
}

fn existing(alone: &Alone, id: &ResourceId, vm: Option<&Observed>) -> Vec<Finding> {
    let (name, group) = (id.name(), id.group_name().unwrap_or_default());
    let Some(vm) = vm else {
        return vec![finding(
            format!("`machine.existing`: there is no VM `{name}` in group `{group}`"),
            "`az vm list --output table` lists those that this sign-in sees",
        )];
    };
    let mut findings = Vec::new();
    let os = vm.text("/properties/storageProfile/osDisk/osType");
    if os.is_some_and(|os| !os.eq_ignore_ascii_case("Linux")) {
        findings
            .push(finding(format!("`machine.existing`: `{name}` does not run Linux"), "take one that does"));
    }
    let statuses = vm.pointer("/properties/instanceView/statuses").and_then(Value::as_array);
    let power = statuses
        .into_iter()
        .flatten()
        .find_map(|status| status.get("code")?.as_str()?.strip_prefix("PowerState/"));
    if power.is_some_and(|power| power != "running") {
        findings.push(finding(
            format!("`machine.existing`: `{name}` is {}", power.unwrap_or_default()),
            format!("`az vm start --name {name} --resource-group {group}`"),
        ));
    }
    // One machine runs one scaler.
    let ours = vm.tag(FOR).is_some_and(|owner| owner.eq_ignore_ascii_case(&alone.owner()));
    if vm.tag(INSTALLED).is_some() && !ours {
        let whose = vm.tag(FOR).unwrap_or("a farm");
        findings.push(finding(
            format!("`machine.existing`: `{name}` runs the scaler of {whose} already"),
            "take another machine, or remove that scaler first",
        ));
    }
    findings
}

/// What this sign-in may not do, action by action and scope by scope. Roles that it may not assign are no obstacle: they are
/// left to an administrator.
async fn rights(session: &Session, alone: &Alone) -> Outcome<Vec<Finding>> {
    let mut needed: Vec<(String, &[&str], &str)> =
        vec![(alone.place.group.to_string(), IN_GROUP, "Contributor")];
    match &alone.machine {
        Machine::Own(own) => {
            needed.push((own.subnet.to_string(), &[JOIN], "Network Contributor"));
            if let ImageReference::Own { id } = &own.image {
                let read: &[&str] = if id.is_kind("Microsoft.Compute/images") {
                    &["Microsoft.Compute/images/read"]
                } else {
                    &["Microsoft.Compute/galleries/images/versions/read"]
                };
                needed.push((id.to_string(), read, "Reader"));
            }
        }
        Machine::Existing(vm) => needed.push((vm.to_string(), ON_VM, "Virtual Machine Contributor")),
    }
    let mut findings = Vec::new();
    for (scope, actions, role) in needed {
        let all = match permissions(&session.client, &scope).await {
            Err(error) if unseen(&error) => Vec::new(),
            other => other?,
        };
        let missing: Vec<&str> =
            actions.iter().copied().filter(|action| !preflight::allows(&all, action)).collect();
        if !missing.is_empty() {
            findings.push(finding(
                format!("this sign-in may not: {} at {scope}", missing.join(", ")),
                format!(
                    "ask an owner: `az role assignment create --role \"{role}\" --assignee YOU --scope {scope}`"
                ),
            ));
        }
    }
    Ok(findings)
}

fn unseen(error: &ArmError) -> bool {
    matches!(error.kind(), Kind::Forbidden { .. } | Kind::SubscriptionUnavailable)
}
