//! Instances of Flexible sets by the routes of virtual machines, which they are.

use super::instance;
use super::list::{self, shown, wants_view};
use super::render::{Texts, What};
use super::state::{Mode, ScaleSet};
use crate::compute::VM;
use crate::resource::{Resource, key};
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// The set and the number of a machine `{set}_{eight digits}` in a group.
pub(crate) fn find(world: &World, group: &str, name: &str) -> Option<(String, u64)> {
    let (set, _) = name.rsplit_once('_')?;
    let key = key(&format!("{}/providers/{}/{set}", world.group_id(group), super::SET));
    let there = world.scale.sets.get(&key).filter(|set| set.mode == Mode::Flexible)?;
    there.find(name).map(|number| (key, number))
}

/// Answers a request about one machine, if it is an instance of a set.
pub(crate) fn handle(world: &mut World, request: &Request) -> Option<SimResponse> {
    let (set, number) = find(world, request.group.as_deref()?, request.names.first()?)?;
    let kind = request.kind();
    Some(match (request.method.as_str(), kind.as_str()) {
        ("GET", "virtualmachines") => instance::get(world, &set, number, wants_view(request)),
        ("DELETE", "virtualmachines") => instance::delete_machine(world, request, &set, number),
        ("GET", "virtualmachines/instanceview") => instance::view_of(world, &set, number),
        ("POST", _) => instance::act_on(world, request, &set, number),
        _ => request.no_such_method(),
    })
}

/// The set that a `$filter` of a list asks for: `'virtualMachineScaleSet/id' eq '/subscriptions/…'` (REST reference
/// "Virtual Machines - List").
pub(crate) fn wanted_set(request: &Request) -> Option<String> {
    let filter = request.query("$filter")?.trim();
    let field = "virtualmachinescaleset/id";
    let rest = filter.trim_start_matches('\'');
    let rest = rest
        .get(..field.len())
        .filter(|start| start.eq_ignore_ascii_case(field))
        .map(|_| &rest[field.len()..])?;
    let value = rest.trim_start_matches('\'').trim().strip_prefix("eq")?.trim();
    Some(key(value.trim_matches('\'')))
}

/// The rest of a list of virtual machines: the instances of Flexible sets below a scope, or of one set.
pub(crate) fn append(world: &mut World, request: &Request, mut value: Vec<String>) -> SimResponse {
    let below = format!("{}/", key(&request.scope));
    let only = wanted_set(request);
    let fits = |entry: &(&String, &ScaleSet)| {
        entry.1.mode == Mode::Flexible
            && entry.0.starts_with(&below)
            && only.as_ref().is_none_or(|only| only == entry.0)
    };
    if only.is_some() {
        value.clear();
    }
    let after = list::Page::after(request).unwrap_or_default().to_owned();
    let mut page = list::Page::new(request, MACHINES);
    let mut last = String::new();
    if after.is_empty() {
        for body in value {
            if let Some(out) = page.next() {
                out.push_str(&body);
            }
        }
    }
    // The token: the set, and the number of the last instance of it.
    let (after_set, after_number) = match after.rsplit_once('#') {
        Some((set, number)) => (set, number.parse::<u64>().ok()),
        None => ("", None),
    };
    let what = if wants_view(request) { What::BodyWithView } else { What::Body };
    let keys: Vec<String> = world.scale.iter().filter(fits).map(|(key, _)| key.clone()).collect();
    for key in &keys {
        if key.as_str() < after_set {
            continue;
        }
        let Some(texts) = Texts::of(world, key, what) else { continue };
        let Some(set) = world.scale.sets.get(key) else { continue };
        let renderer = texts.renderer(world, set);
        for (number, instance) in shown(world, set) {
            if key == after_set && after_number.is_some_and(|after| number <= after) {
                continue;
            }
            let Some(out) = page.next() else { return page.end(Some(&last)) };
            renderer.write(out, number, instance);
            last = format!("{key}#{number}");
        }
    }
    page.end(None)
}

/// The instances of Flexible sets below a scope, as lists of all resources know them. Their interfaces and disks, which
/// are resources on Azure too, are not kept.
pub(crate) fn each(world: &World, below: &str, mut take: impl FnMut(&Resource)) {
    for (key, set) in world.scale.iter().filter(|(_, set)| set.mode == Mode::Flexible) {
        let Some(owner) = world.resource(key).filter(|_| key.starts_with(below)) else { continue };
        let group = world.group_id(&owner.group);
        for (number, instance) in shown(world, set) {
            let id = format!("{group}/providers/{VM}/{}", set.instance_name(number));
            let mut machine = Resource::new(&id, VM, instance.created);
            machine.location.clone_from(&owner.location);
            machine.tags.clone_from(&owner.tags);
            machine.state = instance.state(world.now());
            take(&machine);
        }
    }
}

/// Machines on one page. UNCONFIRMED: Azure documents no number.
const MACHINES: usize = 1000;
