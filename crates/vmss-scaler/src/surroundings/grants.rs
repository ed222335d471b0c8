//! Who may do what: for the scaler just what it needs, scope by scope; for nodes one queue and nothing else.

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Grant, Principal, roles};
use flamenco_azure_core::spec::{Farm, FleetImage};

use super::{Around, account, node_identity, queue};

/// The longest tag value (Microsoft's page "Use tags to organize your Azure resources").
const LONGEST_TAG: usize = 256;

/// All roles of a farm with fleets (Microsoft's page "Azure built-in roles" for what each allows).
pub fn grants(farm: &Farm, around: &Around) -> Vec<Grant> {
    if farm.fleets.is_empty() {
        return Vec::new();
    }
    let group = farm.group_id().to_string();
    let account = account(farm).to_string();
    let scaler = Principal::Identity(around.scaler.clone());
    let grant = |principal: &Principal, role, scope: String, purpose| Grant {
        purpose,
        scope,
        principal: principal.clone(),
        role,
    };
    let mut all = vec![
        grant(&scaler, roles::VM_CONTRIBUTOR, group.clone(), "the scaler makes and deletes nodes"),
        grant(&scaler, roles::TAG_CONTRIBUTOR, group, "the scaler shows its count"),
        grant(
            &scaler,
            roles::IDENTITY_OPERATOR,
            node_identity(farm).to_string(),
            "the scaler gives nodes their identity",
        ),
        grant(&scaler, roles::BLOB_CONTRIBUTOR, account.clone(), "the scaler keeps its state"),
        grant(&scaler, roles::QUEUE_CONTRIBUTOR, account.clone(), "the scaler reads requests"),
        // Sizes and quotas are read of the subscription; no smaller scope has them.
        grant(&scaler, roles::READER, subscription(farm), "the scaler reads sizes and quotas"),
    ];
    if let Some(scope) = subnet_scope(farm, around) {
        all.push(grant(&scaler, roles::VM_CONTRIBUTOR, scope, "the scaler joins nodes to the subnet"));
    }
    for scope in image_scopes(farm) {
        all.push(grant(&scaler, roles::READER, scope, "the scaler reads the image"));
    }
    let nodes = Principal::Identity(node_identity(farm));
    for fleet in farm.fleets.iter().filter(|fleet| fleet.delete_by_message) {
        let scope = queue(farm, fleet).to_string();
        all.push(grant(&nodes, roles::QUEUE_SENDER, scope, "nodes ask to be deleted"));
    }
    if let Some(person) = &around.person {
        all.push(grant(
            person,
            roles::BLOB_CONTRIBUTOR,
            account.clone(),
            "you upload the scaler and see its state",
        ));
        // Not just to send: who runs the scaler by hand reads and answers requests.
        all.push(grant(
            person,
            roles::QUEUE_CONTRIBUTOR,
            account,
            "you ask for deletions, or run the scaler",
        ));
    }
    all
}

/// The scopes of [`grants()`] beyond the farm's group.
pub fn foreign_scopes(farm: &Farm, around: &Around) -> Vec<String> {
    let group = farm.group_id().key();
    let mut all: Vec<String> = grants(farm, around)
        .into_iter()
        .map(|grant| grant.scope)
        .filter(|scope| {
            let scope = scope.to_ascii_lowercase();
            scope != group && !scope.starts_with(&format!("{group}/"))
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn subscription(farm: &Farm) -> String {
    format!("/subscriptions/{}", farm.subscription)
}

/// The subnet, where the role on the farm's group does not reach it.
fn subnet_scope(farm: &Farm, around: &Around) -> Option<String> {
    (group_of(&around.subnet) != Some(farm.group_id().key())).then(|| scope(&around.subnet))
}

/// The galleries and managed images that nodes boot from. No role for machines reads them, wherever they are.
fn image_scopes(farm: &Farm) -> Vec<String> {
    let own = farm.fleets.iter().filter_map(|fleet| match &fleet.image {
        FleetImage::Marketplace { .. } => None,
        FleetImage::Managed { id } => Some(scope(id)),
        // `…/galleries/{g}/images/{i}[/versions/{v}]`: versions and their definition are read.
        FleetImage::Gallery { id } => {
            let gallery = std::iter::successors(Some(id.clone()), ResourceId::parent).last();
            Some(scope(&gallery.unwrap_or_else(|| id.clone())))
        }
    });
    let mut all: Vec<String> = own.collect();
    all.sort();
    all.dedup();
    all
}

/// The resource itself, or its group where a tag cannot hold its id.
fn scope(id: &ResourceId) -> String {
    let whole = id.to_string();
    if whole.len() <= LONGEST_TAG {
        return whole;
    }
    whole.split("/providers/").next().map(str::to_owned).unwrap_or(whole)
}

fn group_of(id: &ResourceId) -> Option<String> {
    id.key().split("/providers/").next().map(str::to_owned)
}
