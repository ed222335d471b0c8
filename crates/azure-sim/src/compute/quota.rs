//! Core quotas: what is in use is counted from the machines that exist, limits are the world's.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::VM;
use crate::catalogue::{self, Size};
use crate::resource::Resource;
use crate::route::Request;
use crate::wire::SimResponse;
use crate::world::World;

/// Cores and machines in use in a region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Regular cores of all families.
    pub(crate) cores: u32,
    /// Spot cores.
    pub(crate) low_priority: u32,
    /// Regular cores by family.
    pub(crate) families: BTreeMap<&'static str, u32>,
    /// Machines, running or not.
    pub(crate) machines: u32,
}

/// What the machines of a region use; `except` is left out. Deallocated machines hold no cores.
pub(crate) fn used(world: &World, location: &str, except: Option<&str>) -> Used {
    let except = except.map(crate::resource::key);
    let mut used = Used::default();
    for (key, vm) in world.resources() {
        if !vm.is(VM) || vm.location.as_deref() != Some(location) || Some(key) == except.as_ref() {
            continue;
        }
        used.machines += 1;
        let Some(size) = size_of(vm) else { continue };
        if vm.text("/_sim/power") == Some("deallocated") {
            continue;
        }
        used.count(&size, 1, is_spot(vm));
    }
    // Farms have many sets of few sizes.
    let mut last: Option<Size> = None;
    for (_, set) in world.scale.iter().filter(|(_, set)| set.location() == location) {
        used.machines += set.machines();
        last = last.filter(|size| size.name == set.size()).or_else(|| catalogue::size(set.size()));
        let Some(size) = last else { continue };
        let [regular, spot] = set.allocated();
        used.count(&size, regular, false);
        used.count(&size, spot, true);
    }
    for (size, [regular, spot]) in crate::batch::on_subscription(world, location) {
        used.count(&size, regular, false);
        used.count(&size, spot, true);
    }
    used
}

impl Used {
    fn count(&mut self, size: &Size, machines: u32, spot: bool) {
        let cores = size.vcpus * machines;
        if spot {
            self.low_priority += cores;
        } else if machines > 0 {
            self.cores += cores;
            *self.families.entry(size.family.name).or_default() += cores;
        }
    }
}

/// The size of a stored VM.
pub(crate) fn size_of(vm: &Resource) -> Option<Size> {
    catalogue::size(vm.text("/hardwareProfile/vmSize")?)
}

/// Whether a stored VM is Spot.
pub(crate) fn is_spot(vm: &Resource) -> bool {
    vm.text("/priority").is_some_and(|p| p.eq_ignore_ascii_case("Spot") || p.eq_ignore_ascii_case("Low"))
}

/// A limit: what the world was told, else its general number of cores.
pub(crate) fn limit(world: &World, location: &str, counter: &str) -> u32 {
    let key = format!("{location}/{counter}").to_ascii_lowercase();
    world.limits.get(&key).copied().unwrap_or(world.config.quota_cores)
}

/// The refusal when a machine of this size does not fit (409 OperationNotAllowed, quoted traffic).
pub(crate) fn refuse(
    world: &World,
    location: &str,
    size: &Size,
    spot: bool,
    except: Option<&str>,
) -> Option<SimResponse> {
    refuse_cores(world, location, size, spot, size.vcpus, except)
}

/// The same for so many more cores of a size.
pub(crate) fn refuse_cores(
    world: &World,
    location: &str,
    size: &Size,
    spot: bool,
    more: u32,
    except: Option<&str>,
) -> Option<SimResponse> {
    if more == 0 {
        return None;
    }
    let used = used(world, location, except);
    let family = used.families.get(size.family.name).copied().unwrap_or(0);
    let family_words = family_words(size.family.name);
    let rows = if spot {
        vec![("lowPriorityCores", "LowPriorityCores".to_owned(), used.low_priority)]
    } else {
        vec![
            ("cores", "Total Regional Cores".to_owned(), used.cores),
            (size.family.name, family_words, family),
        ]
    };
    rows.into_iter().find_map(|(counter, words, usage)| {
        let limit = limit(world, location, counter);
        (usage + more > limit).then(|| exceeded(location, &words, limit, usage, more))
    })
}

fn exceeded(location: &str, what: &str, limit: u32, usage: u32, more: u32) -> SimResponse {
    let message = format!(
        "Operation could not be completed as it results in exceeding approved {what} quota. Additional details - Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {usage}, Additional Required: {more}, (Minimum) New Limit Required: {}. Setup Alerts when Quota reaches threshold. Learn more at https://aka.ms/quotamonitoringalerting . Submit a request for Quota increase at https://aka.ms/ProdportalCRP/#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView/Parameters/ by specifying parameters listed in the ‘Details’ section for deployment to succeed. Please read more about quota limits at https://docs.microsoft.com/en-us/azure/azure-supportability/regional-quota-requests",
        usage + more
    );
    SimResponse::arm_error(409, "OperationNotAllowed", &message)
}

/// `standardDASv5Family` in quota messages is `standardDASv5Family Cores`.
fn family_words(name: &str) -> String {
    format!("{name} Cores")
}

/// Whether the subscription may not use a size in a region: its series is retired, or a test restricted it.
pub(crate) fn is_restricted(world: &World, location: &str, size: &Size) -> bool {
    let today = world.now().to_zoned(TimeZone::UTC).date();
    let key = format!("{location}/{}", size.name).to_ascii_lowercase();
    size.is_retired(today) || world.market.restricted.contains(&key)
}

/// `GET …/locations/{l}/usages`
pub(super) fn list(world: &World, request: &Request) -> SimResponse {
    let location = request.region();
    if catalogue::location(&location).is_none() {
        return super::check::no_such_location(&location);
    }
    let used = used(world, &location, None);
    let row = |value: &str, words: &str, current: u32, limit: u32| {
        json!({
            "limit": limit,
            "unit": "Count",
            "currentValue": current,
            "name": {"value": value, "localizedValue": words},
        })
    };
    let cores = |counter: &str| limit(world, &location, counter);
    let sets = world.scale.iter().filter(|(_, set)| set.location() == location).count();
    let sets = u32::try_from(sets).unwrap_or(u32::MAX);
    let mut value: Vec<Value> = vec![
        row("availabilitySets", "Availability Sets", 0, 2500),
        row("cores", "Total Regional vCPUs", used.cores, cores("cores")),
        row("virtualMachines", "Virtual Machines", used.machines, 25_000),
        row("virtualMachineScaleSets", "Virtual Machine Scale Sets", sets, 2500),
        row(
            "lowPriorityCores",
            "Total Regional Low-priority vCPUs",
            used.low_priority,
            cores("lowPriorityCores"),
        ),
    ];
    for family in catalogue::families() {
        let short = family.name.trim_end_matches("Family").trim_end();
        let short = match short.strip_prefix("standard") {
            Some(rest) => format!("Standard {rest}"),
            None => short.to_owned(),
        };
        let current = used.families.get(family.name).copied().unwrap_or(0);
        value.push(row(family.name, &format!("{short} Family vCPUs"), current, cores(family.name)));
    }
    let disks = world.resources().values().filter(|r| r.is(super::DISK)).count();
    let disks = u32::try_from(disks).unwrap_or(u32::MAX);
    value.push(row("StandardSSDDiskCount", "StandardSSDStorageDisks", disks, 50_000));
    SimResponse::json(200, &json!({"value": value}))
}

impl World {
    /// Cores in use by `region/counter` in lower case: machines, and Batch accounts under `region/batch/counter`.
    pub fn cores_in_use(&self) -> BTreeMap<String, u32> {
        let mut all = crate::batch::cores_in_use(self);
        for location in catalogue::locations() {
            let used = used(self, location.name, None);
            let mut note = |counter: &str, cores: u32| {
                if cores > 0 {
                    all.insert(format!("{}/{counter}", location.name).to_ascii_lowercase(), cores);
                }
            };
            note("cores", used.cores);
            note("lowPriorityCores", used.low_priority);
            for (family, cores) in &used.families {
                note(family, *cores);
            }
        }
        all
    }
}
