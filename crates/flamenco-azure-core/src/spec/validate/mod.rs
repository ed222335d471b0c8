//! [`FarmSpec`] to [`Farm`]: defaults applied, everything checked, all findings at once.

mod batch;
mod fleets;
mod manager;
mod mode;
mod network;
mod pools;
mod syntax;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::defaults;
use super::error::{Finding, Origin, Problem, SpecError};
use super::farm::{BatchMode, Farm, FarmName, Storage, most_nodes};
use super::file::FarmSpec;
use super::fleet::{self, Priority};
use super::retired::{self, Size};
use crate::name::{self, Kind};
use crate::tags::{self, Tags};

/// What only the caller knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overrides {
    /// `--allow-world`: ranges that admit the whole internet are wanted.
    pub allow_world: bool,
    /// The day on which retired sizes are judged.
    pub today: Timestamp,
}

impl Overrides {
    fn date(&self) -> Date {
        self.today.to_zoned(TimeZone::UTC).date()
    }
}

/// Something that works, but deserves a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub origin: Origin,
    /// The key's path.
    pub key: String,
    /// The words.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.origin, self.message)
    }
}

/// Checks the farm file and completes it to a [`Farm`], with what deserves a word although the farm can be made.
/// The error holds everything that is wrong, not the first only.
pub fn validate(spec: &FarmSpec, overrides: &Overrides) -> Result<(Farm, Vec<Warning>), SpecError> {
    let mut check = Check { spec, overrides, findings: Vec::new() };
    let farm = check.farm();
    SpecError::unless_empty(check.findings)?;
    // Without findings there is a farm: every path that gives none has said why.
    let farm = farm.ok_or_else(|| {
        SpecError::one(Finding {
            origin: Origin::Absent,
            key: String::new(),
            problem: Problem::Value("the farm file is incomplete".to_owned()),
            remedy: "run `flamenco-azure init`".to_owned(),
        })
    })?;
    Ok((farm, warnings(spec, overrides)))
}

fn warnings(spec: &FarmSpec, overrides: &Overrides) -> Vec<Warning> {
    let mut all = Vec::new();
    let mut warn = |key: &str, message: String| {
        all.push(Warning { origin: spec.source.of(key), key: key.to_owned(), message });
    };
    if spec.worker_registration_secret.is_some() {
        let message = "`workerRegistrationSecret` is not used: Flamenco 3 has no registration secret. It is kept as \
                       it is; you may delete it";
        warn("workerRegistrationSecret", message.to_owned());
    }
    for (key, size) in sizes(spec) {
        if let Some(row) = retired::retirement(size).filter(|row| !row.is_over(overrides.date())) {
            let message = format!(
                "{size} will be retired on {} ({}), and new subscriptions may not get it; use {}",
                row.date, row.family, row.instead
            );
            warn(&key, message);
        }
    }
    let manager = spec.manager.as_ref();
    let web = manager.and_then(|m| m.access.as_ref()).and_then(|access| access.web.as_ref());
    if web.is_some_and(|list| !list.is_empty()) && manager.and_then(|m| m.tls) == Some(super::Tls::Off) {
        let message = "`manager.access.web` has no effect while `manager.tls` is off: the web interface is then \
                       reached through `flamenco-azure tunnel` only";
        warn("manager.access.web", message.to_owned());
    }
    for (key, message) in batch::warnings(spec) {
        warn(&key, message);
    }
    for (i, pool) in spec.pools.iter().flatten().enumerate() {
        let mut words = pool.placements.iter().flatten().filter_map(|one| filled(one.priority.as_ref()));
        let regular = words.any(|word| Priority::parse(word) == Some(Priority::Regular));
        if pool.on_demand_percent.is_some() && !regular {
            let key = format!("pools[{i}].onDemandPercent");
            let message = format!("`{key}` has no effect: no placement has `priority: regular`");
            warn(&key, message);
        }
    }
    all
}

/// Every VM size that the farm file names, with its key.
fn sizes(spec: &FarmSpec) -> Vec<(String, &str)> {
    let manager = spec.manager.as_ref().and_then(|manager| manager.vm_size.as_deref());
    let batch =
        spec.batch.as_ref().and_then(|batch| batch.vm_size.as_deref()).filter(|_| spec.pools.is_none());
    let pools = spec.pools.iter().flatten().enumerate();
    let mut all: Vec<(String, &str)> = Vec::new();
    all.extend(manager.map(|size| ("manager.vmSize".to_owned(), size)));
    all.extend(batch.map(|size| ("batch.vmSize".to_owned(), size)));
    for (i, pool) in pools {
        all.extend(pool.vm_size.as_deref().map(|size| (format!("pools[{i}].vmSize"), size)));
        let placements = pool.placements.iter().flatten().enumerate();
        all.extend(placements.filter_map(|(n, placement)| {
            Some((format!("pools[{i}].placements[{n}].vmSize"), placement.vm_size.as_deref()?))
        }));
    }
    all
}

/// The value unless absent or empty: the old tool writes `poolID: ""`.
fn filled(value: Option<&String>) -> Option<&str> {
    value.map(|text| text.trim()).filter(|text| !text.is_empty())
}

struct Check<'a> {
    spec: &'a FarmSpec,
    overrides: &'a Overrides,
    findings: Vec<Finding>,
}

impl Check<'_> {
    fn find(&mut self, key: &str, problem: Problem, remedy: impl Into<String>) {
        let origin = self.spec.source.of(key);
        self.findings.push(Finding { origin, key: key.to_owned(), problem, remedy: remedy.into() });
    }

    fn value(&mut self, key: &str, why: impl Into<String>, remedy: impl Into<String>) {
        self.find(key, Problem::Value(why.into()), remedy);
    }

    fn farm(&mut self) -> Option<Farm> {
        let spec = self.spec;
        self.missing();
        let subscription = filled(spec.subscription_id.as_ref()).and_then(|text| {
            let remedy = "`az account list --output table` shows the ids of your subscriptions";
            text.parse().map_err(|error| self.value("subscriptionID", words(&error), remedy)).ok()
        });
        let location = filled(spec.location.as_ref()).and_then(|text| {
            let remedy = "`az account list-locations --output table` shows the names of locations";
            text.parse().map_err(|error| self.value("location", words(&error), remedy)).ok()
        });
        let resource_group = self.name("resourceGroup", Kind::ResourceGroup, spec.resource_group.as_ref());
        let vm = self.name("virtualMachine", Kind::VirtualMachine, spec.virtual_machine.as_ref());
        let storage_account =
            self.name("storageAccountName", Kind::StorageAccount, spec.storage_account_name.as_ref());
        let batch_account =
            self.name("batchAccountName", Kind::BatchAccount, spec.batch_account_name.as_ref());
        let manager = self.manager(vm.clone().unwrap_or_default());
        let blender = self.blender();
        let name = self.farm_name(vm.as_deref());
        let (pools, fleets) = self.pools(name.as_ref());
        let network = self.network(most_nodes(&pools, &fleets));
        let storage = self.storage();
        let tags = self.tags();
        let own_storage = matches!(storage, Some(Storage::Own { .. }));
        let scaler_account =
            self.general_account("scalerStorageAccountName", spec.scaler_storage_account_name.as_ref());
        let package_account =
            self.general_account("packageStorageAccountName", spec.package_storage_account_name.as_ref());
        let mode = self.batch_mode();
        let (name, subscription, resource_group) = (name?, subscription?, resource_group?);
        let derived = |prefix| fleet::account_name(prefix, &subscription, &resource_group, &name);
        // Without Batch pools the account is never made, and may have no name: this one is free and legal.
        let batch_account =
            if pools.is_empty() { batch_account.or_else(|| Some(derived("fzb"))) } else { batch_account };
        Some(Farm {
            batch_account: batch_account?,
            storage_account: if own_storage { storage_account? } else { storage_account.unwrap_or_default() },
            scaler_account: scaler_account.unwrap_or_else(|| derived("fzs")),
            package_account: package_account.unwrap_or_else(|| derived("fzp")),
            batch_mode: match mode {
                None => BatchMode::BatchService,
                Some((key_vault, service_principal)) => BatchMode::UserSubscription {
                    key_vault: key_vault.unwrap_or_else(|| derived("fzk")),
                    service_principal,
                },
            },
            name,
            subscription,
            location: location?,
            resource_group,
            manager: manager?,
            blender: blender?,
            network: network?,
            storage: storage?,
            tags,
            cloud: spec.cloud.unwrap_or(defaults::CLOUD),
            pools,
            fleets,
        })
    }

    /// A general-purpose account, where the file names it.
    fn general_account(&mut self, key: &str, name: Option<&String>) -> Option<String> {
        let name = self.name(key, Kind::StorageAccount, name)?;
        if filled(self.spec.storage_account_name.as_ref()) == Some(name.as_str()) {
            let why = "the account of the share has premium files only, no blobs and queues";
            self.value(key, why, "choose another name, or delete the key to get one made");
        }
        Some(name)
    }

    fn missing(&mut self) {
        let spec = self.spec;
        let existing_storage = spec.storage.as_ref().is_some_and(|storage| storage.existing.is_some());
        let given = |key: &str| match key {
            "subscriptionID" => filled(spec.subscription_id.as_ref()),
            "location" => filled(spec.location.as_ref()),
            "resourceGroup" => filled(spec.resource_group.as_ref()),
            "virtualMachine" => filled(spec.virtual_machine.as_ref()),
            "storageAccountName" if existing_storage => Some(""),
            "batchAccountName" if pools::are_fleets(spec) => Some(""),
            "storageAccountName" => filled(spec.storage_account_name.as_ref()),
            _ => filled(spec.batch_account_name.as_ref()),
        };
        let missing: Vec<_> = defaults::REQUIRED.iter().filter(|(key, _)| given(key).is_none()).collect();
        if missing.is_empty() {
            return;
        }
        let keys: Vec<&str> = missing.iter().map(|(key, _)| *key).collect();
        let flags: Vec<&str> = missing.iter().map(|(_, flag)| *flag).collect();
        let remedy = format!("run `flamenco-azure init`, or give {}", flags.join(" "));
        self.find(keys[0], Problem::Missing(keys.clone()), remedy);
    }

    fn name(&mut self, key: &str, kind: Kind, value: Option<&String>) -> Option<String> {
        let name = filled(value)?;
        match name::check(kind, name) {
            Ok(()) => Some(name.to_owned()),
            Err(error) => {
                self.find(
                    key,
                    Problem::Name(error),
                    format!("for example `{key}: {}`", name::suggest(kind, name)),
                );
                None
            }
        }
    }

    fn farm_name(&self, vm: Option<&str>) -> Option<FarmName> {
        let wanted = filled(self.spec.default_name.as_ref()).and_then(FarmName::folded);
        wanted.or_else(|| vm.map(|vm| FarmName::folded(vm).unwrap_or_else(FarmName::fallback)))
    }

    /// A VM size: of the right form, not retired, not Arm. `None` once a finding says why.
    fn size(&mut self, key: &str, size: &str) -> Option<String> {
        let Some(parsed) = Size::parse(size) else {
            let prefixed = format!("Standard_{size}");
            let remedy = if Size::parse(&prefixed).is_some() {
                format!("did you mean `{prefixed}`?")
            } else {
                "sizes look like Standard_D4as_v5; `az vm list-skus --location LOCATION` shows them"
                    .to_owned()
            };
            self.value(key, format!("`{size}` is not a VM size"), remedy);
            return None;
        };
        if parsed.is_arm() {
            let why = format!("{size} has an Arm processor, and Flamenco has no Linux build for it");
            self.value(key, why, "use a size without `p` after its number, such as Standard_D4as_v5");
            return None;
        }
        if let Some(row) = retired::retirement(size).filter(|row| row.is_over(self.overrides.date())) {
            let problem = Problem::RetiredSize { size: size.to_owned(), family: row.family, since: row.date };
            self.find(key, problem, format!("use {} for `{key}`", row.instead));
            return None;
        }
        Some(size.to_owned())
    }

    fn tags(&mut self) -> Tags {
        let tags = self.spec.tags.clone().unwrap_or_default();
        if tags.len() > MOST_TAGS {
            let why = format!(
                "{} tags; a resource carries 50 at most, a few of them are the tool's own",
                tags.len()
            );
            self.value("tags", why, format!("keep {MOST_TAGS} at most"));
        }
        let mut seen: Vec<String> = Vec::new();
        for (tag, value) in &tags {
            let key = format!("tags.{tag}");
            if tags::is_reserved(tag) {
                let why =
                    "names beginning with `flamenco-farm` are the tool's own: they say who owns a resource";
                self.value(&key, why, "choose another name for the tag");
            } else if tag.is_empty()
                || tag.chars().count() > 128
                || tag.contains(['<', '>', '%', '&', '\\', '?', '/'])
            {
                let why = "a tag's name has 1 to 128 characters and none of `<>%&\\?/`";
                self.value(&key, why, "choose another name for the tag");
            } else if value.chars().count() > 256 {
                self.value(&key, "a tag's value has 256 characters at most", "shorten the value");
            } else if seen.contains(&tag.to_lowercase()) {
                let why = "the same tag stands here in another spelling, and Azure does not tell them apart";
                self.value(&key, why, "keep one of the two");
            }
            seen.push(tag.to_lowercase());
        }
        tags
    }
}

/// Tags of the user's own: Azure allows 50, the rest is left for the tool.
const MOST_TAGS: usize = 45;

fn words(error: &crate::ids::IdError) -> String {
    error.to_string()
}
