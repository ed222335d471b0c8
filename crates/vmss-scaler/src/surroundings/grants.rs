//! Who may do what: for the scaler just what it needs, scope by scope; for nodes one queue and nothing else.

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::plan::{Grant, Principal, roles};

use super::{Around, Place};

/// The longest tag value (Microsoft's page "Use tags to organize your Azure resources").
const LONGEST_TAG: usize = 256;

/// All roles of a place with pools (Microsoft's page "Azure built-in roles" for what each allows).
pub fn grants(place: &Place, around: &Around) -> Vec<Grant> {
    if place.pools.is_empty() {
        return Vec::new();
    }
    let group = place.group.to_string();
    let account = place.account_id().to_string();
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
            place.node_identity.to_string(),
            "the scaler gives nodes their identity",
        ),
        grant(&scaler, roles::BLOB_CONTRIBUTOR, account.clone(), "the scaler keeps its state"),
        grant(&scaler, roles::QUEUE_CONTRIBUTOR, account.clone(), "the scaler reads requests"),
        // Sizes and quotas are read of the subscription; no smaller scope has them.
        grant(&scaler, roles::READER, subscription(place), "the scaler reads sizes and quotas"),
    ];
    for scope in subnet_scopes(place) {
        all.push(grant(&scaler, roles::VM_CONTRIBUTOR, scope, "the scaler joins nodes to the subnet"));
    }
    for scope in image_scopes(place) {
        all.push(grant(&scaler, roles::READER, scope, "the scaler reads the image"));
    }
    let nodes = Principal::Identity(place.node_identity.clone());
    for pool in place.pools.iter().filter(|pool| pool.delete_by_message) {
        let scope = place.queue(&pool.name).to_string();
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

/// The scopes of [`grants()`] beyond the place's own group.
pub fn foreign_scopes(place: &Place, around: &Around) -> Vec<String> {
    let group = place.group.key();
    let mut all: Vec<String> = grants(place, around)
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

fn subscription(place: &Place) -> String {
    format!("/subscriptions/{}", place.subscription)
}

/// The subnets that the role on the place's group does not reach.
fn subnet_scopes(place: &Place) -> Vec<String> {
    let foreign = |subnet: &&ResourceId| group_of(subnet) != Some(place.group.key());
    sorted(place.pools.iter().map(|pool| &pool.subnet).filter(foreign).map(scope))
}

/// The galleries and managed images that nodes boot from. No role for machines reads them, wherever they are.
fn image_scopes(place: &Place) -> Vec<String> {
    // `…/galleries/{g}/images/{i}[/versions/{v}]`: versions and their definition are read. A managed image has no parent.
    let whole = |id: &ResourceId| {
        let top = std::iter::successors(Some(id.clone()), ResourceId::parent).last();
        scope(&top.unwrap_or_else(|| id.clone()))
    };
    sorted(place.pools.iter().filter_map(|pool| pool.image.as_ref()).map(whole))
}

fn sorted(scopes: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = scopes.collect();
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
