//! The pools of scale sets, and the keys that only one kind of pool has.

use super::{Check, filled};
use crate::name::{self, Kind};
use crate::spec::defaults;
use crate::spec::farm::FarmName;
use crate::spec::file::PoolSpec;
use crate::spec::fleet::{
    BOOT_BUDGET_MINUTES, Fleet, FleetImage, MOST_OVERPROVISION, MaxPrice, Placement, Priority, SET_NAME_ROOM,
};

/// A key that Batch pools do not have: whether it is given, and what to write instead.
type Foreign = (&'static str, fn(&PoolSpec) -> bool, &'static str);

const COUNTS: &str = "say `dedicated` and `spot` on a Batch pool, or make it `kind: vmss`";
const SCALER: &str = "delete the key, or make the pool `kind: vmss`";

const NOT_OF_BATCH: &[Foreign] = &[
    ("nodes", |pool| pool.nodes.is_some(), COUNTS),
    (
        "placements",
        |pool| pool.placements.is_some(),
        "a Batch pool has one `vmSize`, `dedicated` and `spot` nodes; or make it `kind: vmss`",
    ),
    ("onDemandPercent", |pool| pool.on_demand_percent.is_some(), COUNTS),
    ("overprovision", |pool| pool.overprovision.is_some(), SCALER),
    ("vmsPerScaleSet", |pool| pool.vms_per_scale_set.is_some(), SCALER),
    ("vmsPerVMSS", |pool| pool.vms_per_vmss.is_some(), SCALER),
    ("payload", |pool| pool.payload.is_some(), SCALER),
    ("orchestration", |pool| pool.orchestration.is_some(), SCALER),
    ("maxPrice", |pool| pool.max_price.is_some(), SCALER),
    ("bootBudgetMinutes", |pool| pool.boot_budget_minutes.is_some(), SCALER),
    ("deleteByMessage", |pool| pool.delete_by_message.is_some(), SCALER),
];

const BATCH: &str = "delete the key, or make the pool `kind: batch`";

const NOT_OF_FLEETS: &[Foreign] = &[
    (
        "packages",
        |pool| pool.packages.is_some(),
        "nodes of scale sets take their programs from the share or from an image of your own; or make the pool \
         `kind: batch`",
    ),
    (
        "autoscale",
        |pool| pool.autoscale.is_some(),
        "the scaler keeps the count that `flamenco-azure scale` sets; or make the pool `kind: batch`",
    ),
    ("environment", |pool| pool.environment.is_some(), BATCH),
    ("nodeAgent", |pool| pool.node_agent.is_some(), BATCH),
];

impl Check<'_> {
    /// Refuses what a pool of scale sets does not have.
    fn not_of_fleets(&mut self, at: &str, spec: &PoolSpec) {
        for (key, is_given, remedy) in NOT_OF_FLEETS {
            if is_given(spec) {
                self.value(&format!("{at}.{key}"), "only pools of kind `batch` have this key", *remedy);
            }
        }
    }

    /// Refuses what a Batch pool does not have.
    pub(super) fn not_of_batch(&mut self, at: &str, spec: &PoolSpec) {
        for (key, is_given, remedy) in NOT_OF_BATCH {
            if is_given(spec) {
                self.value(&format!("{at}.{key}"), "only pools of kind `vmss` have this key", *remedy);
            }
        }
    }

    pub(super) fn fleet(&mut self, at: &str, spec: &PoolSpec, farm: Option<&FarmName>) -> Option<Fleet> {
        let name = self.fleet_name(&format!("{at}.name"), spec, farm);
        self.not_of_fleets(at, spec);
        let image = self.fleet_image(&format!("{at}.image"), spec);
        let nodes = self.nodes(at, spec);
        let max_nodes = self.max_nodes(at, nodes, spec);
        let placements = self.placements(at, spec);
        let per_set = self.per_set(at, spec, image.as_ref());
        let percent = spec.on_demand_percent.unwrap_or(defaults::ON_DEMAND_PERCENT.into());
        let percent = self.within(&format!("{at}.onDemandPercent"), percent, 0..=100, "percent");
        let overprovision = spec.overprovision.unwrap_or(0);
        self.within(&format!("{at}.overprovision"), overprovision, 0..=MOST_OVERPROVISION, "nodes");
        let boot = spec.boot_budget_minutes.unwrap_or(defaults::BOOT_BUDGET_MINUTES);
        self.within(&format!("{at}.bootBudgetMinutes"), boot, BOOT_BUDGET_MINUTES, "minutes");
        let max_price = self.max_price(&format!("{at}.maxPrice"), spec, placements.as_deref());
        Some(Fleet {
            name: name?,
            image: image?,
            max_nodes: max_nodes?,
            nodes: nodes?,
            placements: placements?,
            on_demand_percent: u8::try_from(percent).ok()?,
            overprovision,
            vms_per_scale_set: per_set,
            payload: spec.payload.unwrap_or_default(),
            orchestration: spec.orchestration.unwrap_or_default(),
            max_price,
            boot_budget_minutes: boot,
            delete_by_message: spec.delete_by_message.unwrap_or(true),
        })
    }

    /// The pool's name: scale sets are named after farm and pool, so both must fit.
    fn fleet_name(&mut self, key: &str, spec: &PoolSpec, farm: Option<&FarmName>) -> Option<String> {
        let name = self.pool_name(key, Kind::Fleet, spec)?;
        let farm = farm?.as_str();
        if !farm.starts_with(|c: char| c.is_ascii_lowercase()) {
            let why =
                format!("scale sets begin with the farm's name, and so with a letter; `{farm}` does not");
            let remedy = format!("for example `defaultName: {}`", name::suggest(Kind::ScaleSet, farm));
            self.value("defaultName", why, remedy);
        }
        let have = farm.len() + name.len();
        if have > SET_NAME_ROOM {
            let why = format!(
                "farm `{farm}` and pool `{name}` have {have} characters together, and the names of their scale sets \
                 have room for {SET_NAME_ROOM}"
            );
            self.value(key, why, format!("shorten `{key}` or `defaultName`"));
        }
        Some(name)
    }

    fn fleet_image(&mut self, key: &str, spec: &PoolSpec) -> Option<FleetImage> {
        let text = filled(spec.image.as_ref()).unwrap_or(defaults::POOL_IMAGE);
        let image = FleetImage::parse(text);
        if image.is_none() {
            self.unknown_image(key, text, "a Compute Gallery image or a managed image");
        }
        image
    }

    /// The nodes to start with. `None` only where the file says none that can be taken.
    fn nodes(&mut self, at: &str, spec: &PoolSpec) -> Option<u32> {
        if spec.dedicated.is_some() {
            let remedy = "say how many with `nodes`; list `placements` with `priority: regular`, and limit their share \
                          with `onDemandPercent`";
            self.value(&format!("{at}.dedicated"), "scale sets have no dedicated nodes", remedy);
        }
        if spec.nodes.is_some() && spec.spot.is_some() {
            let why = "`spot` is another word for `nodes` here, and both are given";
            self.value(&format!("{at}.spot"), why, "keep `nodes` and delete `spot`");
            return None;
        }
        Some(spec.nodes.or(spec.spot).unwrap_or(0))
    }

    fn max_nodes(&mut self, at: &str, nodes: Option<u32>, spec: &PoolSpec) -> Option<u32> {
        let word = if spec.spot.is_some() { "spot" } else { "nodes" };
        self.limit(&format!("{at}.maxNodes"), &format!("{at}.{word}"), word, nodes?, spec.max_nodes)
    }

    fn placements(&mut self, at: &str, spec: &PoolSpec) -> Option<Vec<Placement>> {
        let key = format!("{at}.placements");
        let size = filled(spec.vm_size.as_ref());
        let Some(list) = &spec.placements else {
            let vm_size = self.size(&format!("{at}.vmSize"), size.unwrap_or(defaults::FLEET_VM_SIZE))?;
            return Some(vec![Placement { vm_size, zone: None, priority: Priority::Spot }]);
        };
        if let Some(size) = size {
            let why = "`vmSize` is short for a list of one placement, and both are given";
            let remedy = format!(
                "delete the key, and list `{{vmSize: {size}}}` under `placements` if it is meant too"
            );
            self.value(&format!("{at}.vmSize"), why, remedy);
        }
        if list.is_empty() {
            let remedy = format!("for example `placements: [{{vmSize: {}}}]`", defaults::FLEET_VM_SIZE);
            self.value(&key, "the list is empty, so that no node could ever be had", remedy);
            return None;
        }
        let mut placements: Vec<Placement> = Vec::new();
        for (n, item) in list.iter().enumerate() {
            let key = format!("{key}[{n}]");
            let size = filled(item.vm_size.as_ref());
            if size.is_none() {
                let remedy = format!("for example `vmSize: {}`", defaults::FLEET_VM_SIZE);
                self.value(&format!("{key}.vmSize"), "the placement has no size", remedy);
            }
            let vm_size = size.and_then(|size| self.size(&format!("{key}.vmSize"), size));
            let zone = filled(item.zone.as_ref());
            if let Some(zone) = zone.filter(|zone| !["1", "2", "3"].contains(zone)) {
                let why = format!("`{zone}` is not an availability zone");
                self.value(
                    &format!("{key}.zone"),
                    why,
                    "use 1, 2 or 3, or delete the key to let Azure choose",
                );
            }
            let word = filled(item.priority.as_ref()).unwrap_or(Priority::Spot.as_str());
            let priority = Priority::parse(word);
            if priority.is_none() {
                let why = format!("`{word}` is neither `spot` nor `regular`");
                self.value(&format!("{key}.priority"), why, "use `spot`, or `regular` for pay-as-you-go");
            }
            let (Some(vm_size), Some(priority)) = (vm_size, priority) else { continue };
            let placement = Placement { vm_size, zone: zone.map(str::to_owned), priority };
            if placements.iter().any(|other| same(other, &placement)) {
                self.value(&key, format!("{placement} is listed twice"), "keep the first of them");
            }
            placements.push(placement);
        }
        (placements.len() == list.len()).then_some(placements)
    }

    fn per_set(&mut self, at: &str, spec: &PoolSpec, image: Option<&FleetImage>) -> Option<u32> {
        let word = if spec.vms_per_vmss.is_some() { "vmsPerVMSS" } else { "vmsPerScaleSet" };
        let key = format!("{at}.{word}");
        if spec.vms_per_vmss.is_some() && spec.vms_per_scale_set.is_some() {
            let why = "it is the old name of `vmsPerScaleSet`, and both are given";
            self.value(&key, why, "keep `vmsPerScaleSet` and delete `vmsPerVMSS`");
        }
        let given = spec.vms_per_scale_set.or(spec.vms_per_vmss)?;
        let most = image.map_or(crate::spec::fleet::MOST_PER_SET, FleetImage::most_per_set);
        let of = if matches!(image, Some(FleetImage::Managed { .. })) {
            "nodes of a managed image"
        } else {
            "nodes"
        };
        Some(self.within(&key, given, 1..=most, of))
    }

    fn max_price(
        &mut self,
        key: &str,
        spec: &PoolSpec,
        placements: Option<&[Placement]>,
    ) -> Option<MaxPrice> {
        let usd = spec.max_price?;
        let price = MaxPrice::new(usd);
        if price.is_none() {
            let why =
                format!("{usd} is no price: USD an hour, above 0, below 10,000, with five decimals at most");
            self.value(
                key,
                why,
                "for example `maxPrice: 0.25`; without the key the limit is the pay-as-you-go price",
            );
        }
        if placements.is_some_and(|list| list.iter().all(|one| one.priority == Priority::Regular)) {
            let why = "it limits the price of Spot nodes, and every placement is `regular`";
            self.value(key, why, "delete the key, or list a placement with `priority: spot`");
        }
        price
    }

    /// The number, with a finding when it is not within the limits.
    fn within(&mut self, key: &str, number: u32, limits: std::ops::RangeInclusive<u32>, unit: &str) -> u32 {
        if !limits.contains(&number) {
            let (least, most) = (limits.start(), limits.end());
            let word = key.rsplit('.').next().unwrap_or(key);
            let near = number.clamp(*least, *most);
            let why = format!("it may be {least} to {most} {unit}, not {number}");
            self.value(key, why, format!("use `{word}: {near}`, or delete the key to get the default"));
        }
        number
    }
}

/// Whether two placements are one; Azure does not mind the case of sizes.
fn same(one: &Placement, other: &Placement) -> bool {
    one.vm_size.eq_ignore_ascii_case(&other.vm_size)
        && one.zone == other.zone
        && one.priority == other.priority
}
