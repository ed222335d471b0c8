//! Lists: of sets, of instances; a set's summary and sizes. Long ones come in pages. The lists lag as the world says:
//! what is new comes late, what is gone stays a while.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::render::{Texts, What};
use super::state::{Instance, Mode, ScaleSet};
use super::{SET, cache, named, no_set};
use crate::catalogue;
use crate::operation::{ARM, later};
use crate::resource::{ProvisioningState, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Sets on one page. UNCONFIRMED: Azure documents no number.
const SETS: usize = 100;
/// Instances on one page. UNCONFIRMED: Azure documents no number.
pub(super) const INSTANCES: usize = 200;

/// One page of a list whose items have keys: up to so many after the one that the token names.
pub(super) struct Page<'a> {
    request: &'a Request,
    out: String,
    items: usize,
    most: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(request: &'a Request, most: usize) -> Self {
        Self { request, out: "{\"value\":[".to_owned(), items: 0, most }
    }

    /// Where the page begins: after this.
    pub(super) fn after(request: &Request) -> Option<&str> {
        request.query("$skiptoken")
    }

    /// Makes room for one more item; `false` when the page is full.
    pub(super) fn next(&mut self) -> Option<&mut String> {
        if self.items == self.most {
            return None;
        }
        if self.items > 0 {
            self.out.push(',');
        }
        self.items += 1;
        Some(&mut self.out)
    }

    /// The answer; `last` names the last item when there are more.
    pub(super) fn end(mut self, last: Option<&str>) -> SimResponse {
        self.out.push(']');
        if let Some(last) = last {
            let mut query = vec![format!("api-version={}", self.request.api_version)];
            for name in ["$filter", "$expand", "$select"] {
                if let Some(text) = self.request.query(name) {
                    let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                    query.push(format!("%24{}={text}", &name[1..]));
                }
            }
            let last: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
            query.push(format!("%24skiptoken={last}"));
            let link = json!(format!("{ARM}{}?{}", self.request.path, query.join("&")));
            self.out.push_str(",\"nextLink\":");
            self.out.push_str(&link.to_string());
        }
        self.out.push('}');
        SimResponse::json_text(200, self.out)
    }
}

/// `GET …/virtualMachineScaleSets` of a group or of the subscription.
pub(super) fn sets(world: &mut World, request: &Request) -> SimResponse {
    let (now, lag) = (world.now(), world.list_lag_s);
    let below = format!("{}/", key(&request.scope));
    let after = Page::after(request).unwrap_or_default();
    let living = world.scale.iter().filter(|(key, _)| {
        key.starts_with(&below) && world.resource(key).is_some_and(|set| later(set.created_at, lag) <= now)
    });
    let gone =
        world.scale.ghosts.iter().filter(|(key, (until, _))| {
            key.starts_with(&below) && *until > now && world.resource(key).is_none()
        });
    let keys: BTreeSet<String> =
        living.map(|(key, _)| key).chain(gone.map(|(key, _)| key)).cloned().collect();
    let mut page = Page::new(request, SETS);
    let mut last = None;
    for key in keys.iter().filter(|key| key.as_str() > after) {
        let Some(out) = page.next() else { return page.end(last) };
        match cache::body_of(world, key) {
            Some(text) => out.push_str(&text),
            None => out.push_str(world.scale.ghosts.get(key).map_or("{}", |(_, text)| text)),
        }
        last = Some(key.as_str());
    }
    page.end(None)
}

/// The instances of a set that a list shows, by number.
pub(super) fn shown<'a>(world: &World, set: &'a ScaleSet) -> impl Iterator<Item = (u64, &'a Instance)> {
    let (now, lag) = (world.now(), world.list_lag_s);
    let visible = move |instance: &Instance| later(instance.created, lag) <= now;
    let gone = set
        .ghosts
        .iter()
        .filter(move |(_, (until, _))| *until > now)
        .map(|(number, ghost)| (*number, &ghost.1));
    let ghosts: BTreeMap<u64, &Instance> = gone.collect();
    let living = set.instances.iter().map(|(number, instance)| (*number, instance));
    merged(living, ghosts).filter(move |(_, instance)| lag == 0 || visible(instance))
}

/// Two lists by number in one.
fn merged<'a>(
    living: impl Iterator<Item = (u64, &'a Instance)>,
    mut ghosts: BTreeMap<u64, &'a Instance>,
) -> impl Iterator<Item = (u64, &'a Instance)> {
    let mut living = living.peekable();
    std::iter::from_fn(move || {
        let ghost = ghosts.first_key_value().map(|(number, _)| *number);
        match (living.peek(), ghost) {
            (Some((number, _)), Some(ghost)) if ghost < *number => ghosts.pop_first(),
            (None, Some(_)) => ghosts.pop_first(),
            _ => living.next(),
        }
    })
}

/// Whether the query asks for instance views.
pub(super) fn wants_view(request: &Request) -> bool {
    request.query("$expand").is_some_and(|expand| expand.to_ascii_lowercase().contains("instanceview"))
}

/// `GET …/{set}/virtualMachines`: whole bodies of Uniform instances, ids of Flexible ones.
pub(super) fn instances(world: &mut World, request: &Request) -> SimResponse {
    let Some(key) = named(world, request) else { return no_set(request) };
    let what = match world.scale.sets.get(&key).map(|set| set.mode) {
        Some(Mode::Flexible) => What::Id,
        _ if wants_view(request) => What::BodyWithView,
        _ => What::Body,
    };
    let texts = Texts::of(world, &key, what);
    let (Some(texts), Some(set)) = (texts, world.scale.sets.get(&key)) else { return no_set(request) };
    let renderer = texts.renderer(world, set);
    let after: Option<u64> = Page::after(request).and_then(|token| token.parse().ok());
    let mut page = Page::new(request, INSTANCES);
    let mut last = String::new();
    for (number, instance) in
        shown(world, set).filter(|(number, _)| after.is_none_or(|after| *number > after))
    {
        let Some(out) = page.next() else { return page.end(Some(&last)) };
        renderer.write(out, number, instance);
        last = number.to_string();
    }
    page.end(None)
}

/// `GET …/{set}/instanceView`: counts by state. Flexible sets have none (Microsoft Learn "Orchestration modes").
pub(super) fn summary(world: &World, request: &Request) -> SimResponse {
    let found =
        named(world, request).and_then(|key| Some((world.resource(&key)?, world.scale.sets.get(&key)?)));
    let Some((resource, set)) = found else { return no_set(request) };
    if set.mode == Mode::Flexible {
        return SimResponse::arm_error(
            400,
            "BadRequest",
            "The instance view of a Virtual Machine Scale Set with Flexible orchestration mode is not supported.",
        );
    }
    let now = world.now();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for instance in set.instances.values() {
        let state = instance.state(now).as_str().to_ascii_lowercase();
        *counts.entry(format!("ProvisioningState/{state}")).or_default() += 1;
    }
    let counts: Vec<Value> =
        counts.iter().map(|(code, count)| json!({"code": code, "count": count})).collect();
    let (state, words) = match resource.state {
        ProvisioningState::Creating => ("creating", "Creating"),
        ProvisioningState::Updating => ("updating", "Updating"),
        ProvisioningState::Deleting => ("deleting", "Deleting"),
        ProvisioningState::Succeeded => ("succeeded", "Provisioning succeeded"),
        ProvisioningState::Failed => ("failed", "Provisioning failed"),
    };
    let level = if state == "failed" { "Error" } else { "Info" };
    let body = json!({
        "virtualMachine": {"statusesSummary": counts},
        "statuses": [{"code": format!("ProvisioningState/{state}"), "level": level, "displayStatus": words, "time": now.to_string()}],
    });
    SimResponse::json(200, &body)
}

/// `GET …/{set}/skus`: the sizes of its family.
pub(super) fn skus(world: &World, request: &Request) -> SimResponse {
    let Some(set) = named(world, request).and_then(|key| world.scale.sets.get(&key)) else {
        return no_set(request);
    };
    let family = catalogue::size(&set.size).map(|size| size.family.name);
    let item = |size: catalogue::Size| {
        json!({
            "resourceType": SET,
            "sku": {"name": size.name, "tier": "Standard"},
            "capacity": {"minimum": 0, "maximum": 1000, "defaultCapacity": 1, "scaleType": "Automatic"},
        })
    };
    let value: Vec<Value> =
        catalogue::sizes().filter(|size| Some(size.family.name) == family).map(item).collect();
    SimResponse::json(200, &json!({"value": value}))
}

/// `GET …/{set}/osUpgradeHistory`: nothing was ever upgraded by itself.
pub(super) fn history(world: &World, request: &Request) -> SimResponse {
    match named(world, request) {
        Some(_) => SimResponse::json(200, &json!({"value": []})),
        None => no_set(request),
    }
}
