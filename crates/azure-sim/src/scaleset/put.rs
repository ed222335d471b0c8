//! PUT, PATCH and GET of a scale set.

use serde_json::{Map, Value, json};

use super::check::{self, Wanted};
use super::state::{Mode, ScaleSet};
use super::{Change, SET, begin, body, changed, grow, model, no_set, set_capacity, shrink};
use crate::catalogue::{self, Size};
use crate::compute::check as machine;
use crate::operation::{Spec, Style};
use crate::resource::{ProvisioningState, Resource, Tags};
use crate::resources::tags::read_tags;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Seconds of an operation that makes and takes no machine.
const SMALL: u64 = 20;

pub(super) fn get(world: &World, request: &Request) -> SimResponse {
    let id = request.id(world);
    match (world.resource(&id), world.scale.get(&id)) {
        (Some(resource), Some(set)) => {
            SimResponse::json_text(200, body::text(resource, set)).with_header("etag", &set.etag())
        }
        // Put there by a test.
        (Some(resource), None) => SimResponse::json(200, &resource.body()),
        _ => no_set(request),
    }
}

pub(super) fn write(world: &mut World, request: &Request) -> SimResponse {
    let id = request.id(world);
    let tags = match read_tags(&request.body) {
        Ok(tags) => tags,
        Err(refusal) => return refusal,
    };
    let old = world.resource(&id).cloned();
    let etag = world.scale.get(&id).map(ScaleSet::etag);
    if let Some(refusal) = request.precondition(etag.as_deref()) {
        return refusal;
    }
    match old.filter(|_| etag.is_some()) {
        None if request.method == "PATCH" => no_set(request),
        None => create(world, request, &id, tags),
        Some(old) if old.state == ProvisioningState::Deleting => SimResponse::arm_error(
            409,
            "OperationNotAllowed",
            &format!(
                "Operation 'update' is not allowed on Virtual Machine Scale Set '{}' since the Virtual Machine Scale Set is marked for deletion.",
                old.name
            ),
        ),
        Some(old) => update(world, request, &old, tags),
    }
}

/// `sku.capacity`, when it is a number.
fn capacity(body: &Value) -> Result<Option<u64>, SimResponse> {
    match body.pointer("/sku/capacity") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(capacity) => Ok(Some(capacity)),
            None => Err(machine::invalid(
                "sku.capacity",
                &format!("The value {value} of parameter 'sku.capacity' is invalid."),
            )),
        },
    }
}

/// Members of a body beside location, tags, identity and properties.
fn keep_extra(extra: &mut Map<String, Value>, body: &Value, size: Option<&Size>, capacity: u32) {
    for name in ["zones", "plan", "extendedLocation"] {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            extra.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(size) = size {
        let tier = body.pointer("/sku/tier").and_then(Value::as_str).unwrap_or("Standard");
        extra.insert("sku".to_owned(), json!({"name": size.name, "tier": tier, "capacity": capacity}));
    }
}

fn create(world: &mut World, request: &Request, id: &str, tags: Option<Tags>) -> SimResponse {
    let Some(location) = request.location() else {
        return SimResponse::arm_error(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        );
    };
    if catalogue::location(&location).is_none() {
        return machine::no_such_location(&location);
    }
    let mut properties = json!({});
    model::merge(&mut properties, request.body.get("properties").unwrap_or(&Value::Null));
    if !properties.is_object() {
        properties = json!({});
    }
    let mode = model::mode(&properties);
    let empty = mode == Mode::Flexible && properties.get("virtualMachineProfile").is_none();
    let sku = request.body.get("sku").filter(|sku| sku.is_object());
    let spot = properties.get("virtualMachineProfile").is_some_and(model::is_spot);
    // A Flexible set without a profile is only a name under which machines are put.
    let size = match check::name(&request.names[0]) {
        Some(refusal) => Err(refusal),
        None if empty && sku.is_none() => Ok(None),
        None => check::size(world, &location, sku, spot).map(Some),
    };
    let (size, capacity) = match (size, capacity(&request.body)) {
        (Err(refusal), _) | (_, Err(refusal)) => return refusal,
        (Ok(size), Ok(capacity)) => (size, capacity.unwrap_or(0)),
    };
    let mut resource = Resource::new(id, SET, world.now());
    keep_extra(
        &mut resource.extra,
        &request.body,
        size.as_ref(),
        u32::try_from(capacity).unwrap_or(u32::MAX),
    );
    let zones = model::zones(&resource.extra);
    let wanted = Wanted {
        id,
        location: &location,
        mode,
        properties: &properties,
        zones: &zones,
        capacity,
        new: true,
        identity: request.body.get("identity"),
    };
    if let Some(refusal) = size.as_ref().and_then(|size| check::shape(world, &wanted, size)) {
        return refusal;
    }
    match machine::identity(world, &request.body, id) {
        Ok(identity) => {
            resource.extra.extend(identity.map(|identity| ("identity".to_owned(), identity)));
        }
        Err(refusal) => return refusal,
    }
    model::complete(world, &mut properties, mode, !zones.is_empty(), size.as_ref());
    resource.location = Some(location.clone());
    resource.tags = tags;
    resource.properties = properties;
    let salt = rand::RngCore::next_u32(world.rng());
    let mut set = ScaleSet::new(id, &location, mode, salt);
    model::adopt(&mut set, &resource, size.as_ref());
    set.capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
    if let Some(refusal) = size.as_ref().and_then(|size| room(world, &set, size)) {
        return refusal;
    }
    if set.capacity > 0 && set.spot && set.mix.is_none() && !grow::has_spot(world, &set) {
        // Quoted traffic: no Spot machine at all is refused at once.
        let shortage = grow::shortage(&set, true, false);
        return SimResponse::arm_error(shortage.status, shortage.code, &shortage.message);
    }
    resource.state = ProvisioningState::Creating;
    let key = resource.key();
    world.put(resource);
    world.scale.sets.insert(key.clone(), set);
    let operation = start(world, &key, Change::Creation, &request.api_version);
    accepted(world, 201, &key, &operation)
}

/// Addresses and cores for what the capacity lacks.
fn room(world: &World, set: &ScaleSet, size: &Size) -> Option<SimResponse> {
    let more = set.capacity.saturating_sub(shrink::staying(set));
    let spot = match set.mix {
        None if set.spot => more,
        None => 0,
        Some((base, percent)) => {
            let above = set.capacity.saturating_sub(base);
            let regular = set.capacity.min(base) + above * percent.min(100) / 100;
            let [there, _] = set.allocated();
            more.saturating_sub(regular.saturating_sub(there))
        }
    };
    check::room(world, set, size, spot, more - spot)
}

/// Brings the set to its capacity, in an operation that ends when its machines are up.
fn start(world: &mut World, key: &str, change: Change, api_version: &str) -> crate::operation::Operation {
    let growth = grow::fill(world, key);
    let location = world.scale.sets.get(key).map(|set| set.location.clone()).unwrap_or_default();
    let mut spec =
        Spec::new(Style::Compute, &location, growth.seconds.max(SMALL).max(still_booting(world, key)));
    if let Some(failure) = growth.failure {
        spec = spec.fails(failure.status, failure.code, &failure.message);
    }
    begin(world, key, change, spec, api_version)
}

fn accepted(world: &World, status: u16, key: &str, operation: &crate::operation::Operation) -> SimResponse {
    let (Some(resource), Some(set)) = (world.resource(key), world.scale.sets.get(key)) else {
        return SimResponse::empty(500);
    };
    SimResponse::json_text(status, body::text(resource, set))
        .with_headers(&operation.put_headers())
        .with_header("etag", &set.etag())
}

/// What may not change once the set exists.
const FIXED: &[(&str, &str)] = &[
    ("/orchestrationMode", "orchestrationMode"),
    ("/platformFaultDomainCount", "platformFaultDomainCount"),
    ("/virtualMachineProfile/osProfile/adminUsername", "osProfile.adminUsername"),
    ("/virtualMachineProfile/osProfile/computerNamePrefix", "osProfile.computerNamePrefix"),
    ("/virtualMachineProfile/priority", "priority"),
    ("/virtualMachineProfile/evictionPolicy", "evictionPolicy"),
];

fn refuse_change(old: &Resource, sent: &Value) -> Option<SimResponse> {
    let refused = |target: &str| {
        let message = format!("Changing property '{target}' is not allowed.");
        Some(SimResponse::json(
            400,
            &json!({"error": {"code": "PropertyChangeNotAllowed", "message": message, "target": target}}),
        ))
    };
    for (pointer, target) in FIXED {
        let asked = sent.pointer(pointer).filter(|value| !value.is_null());
        let same = |asked: &Value| match (asked.as_str(), old.text(pointer)) {
            (Some(asked), Some(there)) => asked.eq_ignore_ascii_case(there),
            _ => old.property(pointer) == Some(asked),
        };
        if asked.is_some_and(|asked| !same(asked)) {
            return refused(target);
        }
    }
    // One way only (Microsoft Learn "Placement groups").
    let single = |properties: &Value| properties.get("singlePlacementGroup").and_then(Value::as_bool);
    if single(sent) == Some(true) && single(&old.properties) == Some(false) {
        return refused("singlePlacementGroup");
    }
    None
}

fn update(world: &mut World, request: &Request, old: &Resource, tags: Option<Tags>) -> SimResponse {
    let key = old.key();
    let location = old.location.clone().unwrap_or_default();
    if let Some(elsewhere) = request.location().filter(|place| *place != location) {
        let message = format!(
            "The resource '{}' already exists in location '{location}' in resource group '{}'. A resource with the same name cannot be created in location '{elsewhere}'. Please select a new resource name.",
            old.name, old.group
        );
        return SimResponse::arm_error(409, "InvalidResourceLocation", &message).by_gateway();
    }
    let empty = json!({});
    let asked = request.body.get("properties").filter(|asked| asked.is_object()).unwrap_or(&empty);
    if let Some(refusal) = refuse_change(old, asked) {
        return refusal;
    }
    let capacity = match capacity(&request.body) {
        Ok(capacity) => capacity,
        Err(refusal) => return refusal,
    };
    let Some(mut set) = world.scale.sets.get(&key).map(ScaleSet::shape) else { return no_set(request) };
    let mut resource = old.clone();
    model::merge(&mut resource.properties, asked);
    let named = request.body.pointer("/sku/name").and_then(Value::as_str);
    let renamed = named.is_some_and(|name| !name.eq_ignore_ascii_case(&set.size));
    let size = if renamed {
        match check::size(world, &location, request.body.get("sku"), set.spot) {
            Ok(size) => Some(size),
            Err(refusal) => return refusal,
        }
    } else {
        catalogue::size(&set.size)
    };
    let wished = capacity.unwrap_or(u64::from(set.capacity));
    keep_extra(&mut resource.extra, &request.body, None, 0);
    if let Some(sku) = request.body.get("sku").filter(|sku| sku.is_object())
        && let Some(size) = &size
    {
        let tier = sku.get("tier").and_then(Value::as_str).unwrap_or("Standard");
        resource.extra.insert("sku".to_owned(), json!({"name": size.name, "tier": tier, "capacity": wished}));
    }
    let zones = model::zones(&resource.extra);
    let wanted = Wanted {
        id: &old.id,
        location: &location,
        mode: set.mode,
        properties: &resource.properties,
        zones: &zones,
        capacity: wished,
        new: false,
        identity: request.body.get("identity"),
    };
    if let Some(refusal) = size.as_ref().and_then(|size| check::shape(world, &wanted, size)) {
        return refusal;
    }
    match machine::identity(world, &request.body, &old.id) {
        Ok(Some(identity)) => {
            resource.extra.insert("identity".to_owned(), identity);
        }
        Ok(None) => {}
        Err(refusal) => return refusal,
    }
    let mode = set.mode;
    model::complete(world, &mut resource.properties, mode, !zones.is_empty(), size.as_ref());
    if tags.is_some() {
        resource.tags = tags;
    }
    let modelled = resource.properties != old.properties || renamed;
    model::adopt(&mut set, &resource, size.as_ref());
    // A PUT asks for the whole state, a PATCH for what it names: only those with the number in them fill a set up.
    let counts = capacity.is_some() || request.method == "PUT";
    let capacity = u32::try_from(wished).unwrap_or(u32::MAX);
    let staying = world.scale.sets.get(&key).map_or(0, shrink::staying);
    if counts
        && let Some(size) = &size
        && let Some(refusal) = more_room(world, &key, &set, size, capacity)
    {
        return refusal;
    }
    world.put(resource);
    set.take_instances(world.scale.sets.remove(&key));
    set.model += u32::from(modelled);
    let automatic = world.resource(&key).and_then(|r| r.text("/upgradePolicy/mode")) == Some("Automatic");
    let model = set.model;
    if automatic && modelled {
        set.instances.values_mut().for_each(|instance| instance.model = model);
    }
    world.scale.sets.insert(key.clone(), set);
    set_capacity(world, &key, capacity);
    changed(world, &key);
    if counts && staying > capacity {
        let rule = world
            .resource(&key)
            .and_then(|r| r.text("/scaleInPolicy/rules/0"))
            .unwrap_or("Default")
            .to_owned();
        let victims = world.scale.sets.get(&key).map(|set| shrink::victims(set, &rule, staying - capacity));
        shrink::delete(world, &key, &victims.unwrap_or_default());
        let spec = Spec::new(Style::Compute, &location, shrink::DELETION);
        let operation = begin(world, &key, Change::Other, spec, &request.api_version);
        return accepted(world, 200, &key, &operation);
    }
    let operation = if counts {
        start(world, &key, Change::Growth, &request.api_version)
    } else {
        let spec = Spec::new(Style::Compute, &location, SMALL);
        begin(world, &key, Change::Other, spec, &request.api_version)
    };
    accepted(world, 200, &key, &operation)
}

/// Seconds until the last machine that is booting is up.
fn still_booting(world: &World, key: &str) -> u64 {
    let now = world.now();
    let latest =
        world.scale.sets.get(key).and_then(|set| set.instances.values().filter_map(|i| i.ready).max());
    latest.map_or(0, |ready| ready.duration_since(now).as_secs().max(0).unsigned_abs())
}

/// Room for what a set with its instances lacks of a new capacity. `shape` has what else is new about it.
fn more_room(world: &World, key: &str, shape: &ScaleSet, size: &Size, capacity: u32) -> Option<SimResponse> {
    let mut probe = shape.clone();
    let there = world.scale.sets.get(key)?;
    probe.capacity = capacity.saturating_sub(shrink::staying(there));
    if probe.capacity == 0 {
        return None;
    }
    if probe.mix.is_none() {
        return room(world, &probe, size);
    }
    let mut whole = there.clone();
    whole.capacity = capacity;
    whole.mix = probe.mix;
    room(world, &whole, size)
}
