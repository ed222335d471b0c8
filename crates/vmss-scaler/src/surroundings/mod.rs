//! What a farm's pools of scale sets need around them: the scaler's storage account with its queues, the nodes'
//! identity, roles, and the tags of the targets. Pure but for [`observe`].
//!
//! The scale sets themselves are the scaler's: no plan makes or changes one.

mod file;
mod grants;
mod install;
mod observe;
mod place;

use flamenco_azure_core::ids::ResourceId;
use flamenco_azure_core::inventory::{Inventory, Observed};
use flamenco_azure_core::plan::{
    Action, Desired, Order, Principal, STORAGE_API, Verb, identity, keyless_storage, tag_request,
};
use flamenco_azure_core::spec::{Farm, Fleet};
use flamenco_azure_core::tags::{self, Tags};
use serde_json::{Value, json};

pub use file::{NodeDocuments, scaler_file};
pub use grants::{foreign_scopes, grants};
pub(crate) use install::scaler_guest;
pub use install::{EXPECT, Install, install};
pub use observe::observe;
pub use place::{Place, PlacePool};

use crate::observe::POOL;
use crate::store::CONTAINER;
use crate::target::{self, TOTAL_NODES, TagNames};
use crate::wire::SCALE_SET;

/// The container of the scaler's program.
pub const PROGRAMS: &str = "bin";
/// The tag on the Manager VM with the digest of the scaler's file and program that it runs.
pub const INSTALLED: &str = "flamenco-farm-scaler";
/// Tags on the nodes' identity: the scopes beyond the group at which the farm assigns roles, so that a teardown finds them
/// without the farm file.
pub const SCOPE: &str = "flamenco-farm-scope.";

/// What the farm has that its pools of scale sets use.
#[derive(Debug, Clone)]
pub struct Around {
    /// The identity that the scaler signs in with: the Manager's.
    pub scaler: ResourceId,
    /// The nodes' subnet.
    pub subnet: ResourceId,
    /// What must be there, complete, before the first node boots: the network with its way out.
    pub after: Vec<ResourceId>,
    /// Who deploys, if known: they upload the scaler's program, look at its state and ask for deletions.
    pub person: Option<Principal>,
}

/// The nodes' identity of a farm.
pub fn node_identity(farm: &Farm) -> ResourceId {
    farm.identity("nodes")
}

/// The address of a fleet's queue.
pub fn queue_url(farm: &Farm, fleet: &Fleet) -> String {
    let name = crate::queue::queue_name(farm.name.as_str(), &fleet.name);
    format!("https://{}.queue.{}/{name}", farm.scaler_account, farm.cloud.storage_suffix())
}

/// The name of the blob with the scaler's program of this SHA-256.
pub fn program_blob(sha256: &str) -> String {
    format!("flamenco-azure-scaler-{sha256}")
}

/// The names of a fleet's tags on the group.
pub fn tag_names(farm: &Farm, fleet: &Fleet, group: &Tags) -> TagNames {
    TagNames::on(group, farm.name.as_str(), &fleet.name, farm.fleets.len() == 1)
}

/// The account, its containers and queues, the nodes' identity and the roles `grants` (see [`grants()`]); nothing where
/// there are no pools.
pub fn resources(place: &Place, around: &Around, roles: &[flamenco_azure_core::plan::Grant]) -> Vec<Desired> {
    if place.pools.is_empty() {
        return Vec::new();
    }
    let account = storage(place);
    let child = |id: ResourceId, properties: Value, purpose| Desired {
        after: vec![account.id.clone()],
        ..Desired::new(id, STORAGE_API, purpose, json!({"properties": properties}))
    };
    let container = |name: &str, purpose| {
        let id = account.id.child("blobServices", "default").child("containers", name);
        child(id, json!({"publicAccess": "None"}), purpose)
    };
    let mut all = vec![
        container(CONTAINER, "the scaler's state"),
        container(PROGRAMS, "the scaler's program"),
        nodes(place, around),
    ];
    for pool in place.pools.iter().filter(|pool| pool.delete_by_message) {
        all.push(child(place.queue(&pool.name), json!({}), "where nodes ask to be deleted"));
        all.push(child(place.poison_queue(&pool.name), json!({}), "requests that could not be met"));
    }
    // The scope of a role has to be there first.
    let made: Vec<ResourceId> =
        all.iter().map(|desired| desired.id.clone()).chain([account.id.clone()]).collect();
    all.extend(roles.iter().filter_map(|grant| {
        let scope: Option<ResourceId> = grant.scope.parse().ok();
        grant.desired(&place.farm, scope.into_iter().filter(|scope| made.contains(scope)).collect())
    }));
    all.push(account);
    all
}

fn storage(place: &Place) -> Desired {
    let tags = tags::for_resource(&place.farm, &place.tags);
    let remedy = "give the farm file another `scalerStorageAccountName`";
    keyless_storage(place.account_id(), &place.location, &tags, "the scaler's state and queue", remedy)
}

fn nodes(place: &Place, around: &Around) -> Desired {
    let mut all = tags::for_resource(&place.farm, &place.tags);
    for scope in foreign_scopes(place, around) {
        all.insert(scope_tag(&scope), scope);
    }
    identity(place.node_identity.clone(), &place.location, &all, "nodes' identity")
}

/// A tag of its own for each scope: an update keeps the tags of scopes that the farm had before.
fn scope_tag(scope: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let hash = Sha256::digest(scope.to_ascii_lowercase().as_bytes());
    let number = hash.iter().take(4).fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    format!("{SCOPE}{number:08x}")
}

/// The first target of each pool whose tag is not there: later it belongs to whoever scales.
pub fn orders(place: &Place, around: &Around, inventory: &Inventory) -> Vec<Order> {
    let have = inventory.group.as_ref().map(Observed::tags).unwrap_or_default();
    let missing: Tags = place
        .pools
        .iter()
        // A pool's own tag counts also where there is only one.
        .filter(|pool| tags::get(&have, &target::tag(&place.farm, &pool.name)).is_none())
        .map(|pool| {
            let was_alone = tags::get(&have, TOTAL_NODES).filter(|_| alone(place, &pool.name, inventory));
            let nodes = was_alone.map_or_else(|| pool.nodes.to_string(), str::to_owned);
            (place.tag_names(&pool.name, &have).target, nodes)
        })
        .filter(|(name, _)| tags::get(&have, name).is_none())
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let mut after = around.after.clone();
    after.extend([place.account_id(), place.node_identity.clone(), around.scaler.clone()]);
    vec![order(&place.group, &missing, "the nodes to start with".to_owned(), after)]
}

/// Whether the scale sets that there are all belong to this pool: the plain tag was meant for it.
fn alone(place: &Place, pool: &str, inventory: &Inventory) -> bool {
    let of = |set: &Observed| set.tag(POOL).is_some_and(|tag| tag.eq_ignore_ascii_case(pool));
    let owned = |set: &&Observed| inventory.owner(set).as_deref() == Some(place.farm.as_str());
    let mut sets = inventory.of_kind(SCALE_SET).filter(owned).peekable();
    sets.peek().is_some() && sets.all(of)
}

/// Sets targets of a farm's pools.
pub fn set_targets(farm: &Farm, counts: &Tags, reason: String, after: Vec<ResourceId>) -> Order {
    order(&farm.group_id(), counts, reason, after)
}

fn order(group: &ResourceId, counts: &Tags, reason: String, after: Vec<ResourceId>) -> Order {
    Order {
        resource: group.resource("Microsoft.Resources/tags", "default"),
        verb: Verb::Update,
        purpose: "node count",
        reason,
        after,
        action: Action::Send { request: tag_request(group, "Merge", &json!(counts)) },
    }
}

/// The tags of the group that belong to a farm's pools of scale sets, without a farm file: those with the farm's name in
/// them, and the plain ones of a farm that has the nodes' identity or scale sets.
pub fn target_tags(farm: &str, inventory: &Inventory) -> Vec<String> {
    let have = inventory.group.as_ref().map(Observed::tags).unwrap_or_default();
    let plain = TagNames::of(farm, "", true);
    let plain = [plain.target, plain.now, plain.set];
    let marked = |r: &Observed| {
        r.id.is_kind(SCALE_SET) || r.tags().keys().any(|name| name.to_ascii_lowercase().starts_with(SCOPE))
    };
    let ours = inventory.iter().any(|r| marked(r) && inventory.owner(r).as_deref() == Some(farm));
    have.into_keys()
        .filter(|name| {
            plain.iter().any(|base| {
                let rest = name.get(..base.len()).filter(|head| head.eq_ignore_ascii_case(base));
                rest.is_some_and(|_| {
                    let rest = &name[base.len()..];
                    (rest.is_empty() && ours) || rest.starts_with(&format!(".{farm}."))
                })
            })
        })
        .collect()
}

/// Whether a tag is a target: it is set to 0 before anything is deleted.
pub fn is_target(tag: &str) -> bool {
    let plain = crate::target::TOTAL_NODES;
    tag.eq_ignore_ascii_case(plain)
        || tag.get(..plain.len() + 1).is_some_and(|head| head.eq_ignore_ascii_case(&format!("{plain}.")))
}
