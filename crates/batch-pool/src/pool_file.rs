//! Pools as entries of the farm file: from the old `azure_batch_pool.json`, and from what runs now.
//!
//! The old tool gave its file to Batch as it was, so that it has the data plane's shape (`BatchService.json`,
//! "PoolAddParameter"). A farm's pool has its own start task, network and user: of the old ones only what nodes of today
//! need is carried over, and each thing that is not is named, with its place in the file. Pure: text and values in,
//! values out.

use std::collections::BTreeMap;

use flamenco_azure_core::spec::{
    AGENT_2404, AutoscaleSpec, KNOWN_IMAGES, PackageRef, Pool, PoolImage, PoolSpec, suspicious, unbounded,
};
use serde_json::{Map, Value};

use crate::desired::PACKAGES_VARIABLE;
use crate::formula::Running;
use crate::rollout::references_of;
use crate::service::state_of;

/// Something of a pool file that a farm's pool does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands, such as `startTask.environmentSettings[0].value`.
    pub path: String,
    /// What about it.
    pub what: String,
    /// Whether nothing can be imported because of it; otherwise it is left behind.
    pub refused: bool,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// A text that is no pool file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolFileError {
    /// It is not JSON.
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    /// It is JSON, and no object.
    #[error("a pool file is one JSON object with members such as `id` and `vmSize`")]
    NoObject,
}

const IDENTITIES: &str = "nodes need no keys: the share is mounted by the farm's network, packages come by the account's \
                          identity; for your own storage use identities, and take this out";

/// Members that a farm decides itself: known, and left behind with this reason.
const LEFT: &[(&str, &str)] = &[
    ("displayName", "a farm's pool goes by its name"),
    ("resizeTimeout", "the tool's own is used"),
    ("enableInterNodeCommunication", "renders do not talk to one another: off"),
    ("networkConfiguration", "nodes are in the farm's own network"),
    ("taskSchedulingPolicy", "a farm has no Batch tasks"),
    ("maxTasksPerNode", "a farm has no Batch tasks: each node runs one Flamenco Worker"),
    ("taskSlotsPerNode", "a farm has no Batch tasks: each node runs one Flamenco Worker"),
    ("userAccounts", "nodes have no accounts of their own"),
    ("metadata", "the farm's own says whose it is"),
    ("mountConfiguration", "the start task mounts the farm's share"),
    ("applicationLicenses", "Batch no longer gives licences by this"),
    ("resourceTags", "`tags` of the farm file are on every resource"),
    ("upgradePolicy", "a rollout brings nodes to the newest definition"),
    ("identity", "the farm gives its pools what they need"),
];
/// Members that Azure took away.
const REMOVED: &[(&str, &str)] = &[
    (
        "cloudServiceConfiguration",
        "pools of Cloud Services ended on 2024-02-29: use `virtualMachineConfiguration`, or delete it to get Ubuntu 24.04",
    ),
    (
        "certificateReferences",
        "certificates on pools ended on 2024-02-29: use Key Vault and an identity, and delete them",
    ),
    (
        "certificates",
        "certificates on pools ended on 2024-02-29: use Key Vault and an identity, and delete them",
    ),
];
/// Members of a pool that was read from Azure, which say how it is and not what is wanted.
const READ: &[&str] = &[
    "url",
    "eTag",
    "odata.metadata",
    "lastModified",
    "creationTime",
    "state",
    "stateTransitionTime",
    "allocationState",
    "allocationStateTransitionTime",
    "currentDedicatedNodes",
    "currentLowPriorityNodes",
    "currentNodeCommunicationMode",
    "autoScaleRun",
    "resizeErrors",
    "stats",
];
/// Members of a start task that the farm's own has.
const TASK: &[&str] = &[
    "commandLine",
    "userIdentity",
    "maxTaskRetryCount",
    "waitForSuccess",
    "resourceFiles",
    "containerSettings",
];
/// Members of a machine's configuration that the farm decides.
const MACHINE: &[&str] = &[
    "osDisk",
    "dataDisks",
    "licenseType",
    "containerConfiguration",
    "diskEncryptionConfiguration",
    "nodePlacementConfiguration",
    "extensions",
    "securityProfile",
];

/// What an image is named by, in the data plane (`BatchVmImageReference`) and in the control plane (`id`); `exactVersion` is what
/// nodes got of it.
const IMAGE: [&str; 9] = [
    "publisher",
    "offer",
    "sku",
    "version",
    "exactVersion",
    "virtualMachineImageId",
    "id",
    "sharedGalleryImageId",
    "communityGalleryImageId",
];

struct Reader {
    findings: Vec<Finding>,
}

impl Reader {
    fn refuse(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.findings.push(Finding { path: path.into(), what: what.into(), refused: true });
    }

    fn leave(&mut self, path: impl Into<String>, what: impl Into<String>) {
        self.findings.push(Finding { path: path.into(), what: what.into(), refused: false });
    }

    fn unknown(&mut self, path: impl Into<String>) {
        self.refuse(path, "a pool file has no such member; delete it, or correct its spelling");
    }

    fn text(&mut self, path: &str, value: &Value) -> Option<String> {
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            _ => {
                self.refuse(path, "must be a text");
                None
            }
        }
    }

    fn count(&mut self, path: &str, value: &Value) -> Option<u32> {
        let count = value.as_u64().and_then(|number| u32::try_from(number).ok());
        if count.is_none() && !value.is_null() {
            self.refuse(path, "must be a whole number, 0 or more");
        }
        count
    }

    fn items<'a>(&mut self, path: &str, value: &'a Value) -> &'a [Value] {
        match value {
            Value::Null => &[],
            Value::Array(items) => items,
            _ => {
                self.refuse(path, "must be a list");
                &[]
            }
        }
    }

    fn members<'a>(&mut self, path: &str, value: &'a Value) -> Vec<(&'a String, &'a Value)> {
        match value {
            Value::Null => Vec::new(),
            Value::Object(members) => members.iter().collect(),
            _ => {
                self.refuse(path, "must be an object");
                Vec::new()
            }
        }
    }

    /// The texts of an object that has these members and no others; `None` where something about it is refused.
    fn texts<const N: usize>(
        &mut self,
        path: &str,
        value: &Value,
        known: [&str; N],
    ) -> Option<[Option<String>; N]> {
        let before = self.findings.len();
        let mut texts = [const { None }; N];
        for (name, value) in self.members(path, value) {
            let path = format!("{path}.{name}");
            match known.iter().position(|known| known == name) {
                Some(at) => texts[at] = self.text(&path, value),
                None => self.unknown(path),
            }
        }
        (self.findings.len() == before).then_some(texts)
    }

    /// Secrets and what stands for them, wherever they are.
    fn secrets(&mut self, path: &str, value: &Value) {
        match value {
            Value::String(text) => {
                if let Some(what) = suspicious(text) {
                    // The value itself is not repeated.
                    self.refuse(path, format!("holds {what}: {IDENTITIES}"));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.secrets(&format!("{path}[{index}]"), item);
                }
            }
            Value::Object(members) => {
                for (name, item) in members {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.secrets(&path, item);
                }
            }
            _ => {}
        }
    }

    fn machine(&mut self, value: &Value, spec: &mut PoolSpec) {
        let at = "virtualMachineConfiguration";
        for (name, value) in self.members(at, value) {
            let path = format!("{at}.{name}");
            match name.as_str() {
                "imageReference" => spec.image = self.image(&path, value),
                "nodeAgentSKUId" | "nodeAgentSkuId" => spec.node_agent = self.text(&path, value),
                "windowsConfiguration" => self.refuse(path, "nodes run Ubuntu"),
                known if MACHINE.contains(&known) => {
                    if !value.is_null() {
                        self.leave(path, "the farm's nodes have the usual one");
                    }
                }
                _ => self.unknown(path),
            }
        }
        // Aliases bring their agent; only an image of one's own has to say which it is.
        let own = spec.image.as_ref().is_some_and(|image| image.starts_with('/'));
        if !own || spec.node_agent.as_deref() == Some(AGENT_2404) {
            spec.node_agent = None;
        }
    }

    fn image(&mut self, path: &str, value: &Value) -> Option<String> {
        let [publisher, offer, sku, version, _exact, own, id, shared, community] =
            self.texts(path, value, IMAGE)?;
        if shared.is_some() || community.is_some() {
            self.refuse(
                path,
                "images of a gallery that is shared are named by no farm file: use one of your own",
            );
            return None;
        }
        let marketplace = publisher.is_some() || offer.is_some() || sku.is_some();
        if let Some(id) = own.or(id) {
            if marketplace {
                self.refuse(
                    path,
                    "names two images, one by its id and one by its publisher: delete one of them",
                );
            } else if PoolImage::parse(&id).is_none() {
                self.refuse(path, "only images of a Compute Gallery: make one of it");
            }
            return Some(id);
        }
        let version = version.filter(|version| !version.is_empty()).unwrap_or_else(|| "latest".to_owned());
        let publisher = publisher.unwrap_or_default();
        let urn = format!("{publisher}:{}:{}:{version}", offer.unwrap_or_default(), sku.unwrap_or_default());
        match PoolImage::parse(&urn) {
            Some(image) => Some(image_text(&image)),
            None if publisher.eq_ignore_ascii_case("canonical") => {
                self.leave(path, format!("a farm's nodes do not run `{urn}`: ubuntu-24.04 takes its place"));
                None
            }
            None => {
                let aliases: Vec<&str> = KNOWN_IMAGES.iter().map(|row| row.0).collect();
                self.refuse(path, format!("`{urn}`: nodes run Ubuntu ({})", aliases.join(", ")));
                None
            }
        }
    }

    fn packages(&mut self, value: &Value, spec: &mut PoolSpec) {
        let at = "applicationPackageReferences";
        let mut packages = Vec::new();
        for (index, item) in self.items(at, value).iter().enumerate() {
            let path = format!("{at}[{index}]");
            let Some(texts) = self.texts(&path, item, ["applicationId", "version"]) else { continue };
            let [id, version] =
                texts.map(|text| text.map(|text| text.trim().to_owned()).filter(|t| !t.is_empty()));
            let Some(id) = id else {
                self.refuse(path, "names no `applicationId`");
                continue;
            };
            let text = version.map_or_else(|| id.clone(), |version| format!("{id}#{version}"));
            match text.parse::<PackageRef>() {
                Ok(package) => packages.push(package.to_string()),
                Err(error) => self.refuse(path, error.to_string()),
            }
        }
        spec.packages = (!packages.is_empty()).then_some(packages);
    }

    fn environment(&mut self, at: &str, value: &Value, spec: &mut PoolSpec) {
        let mut environment = BTreeMap::new();
        for (index, item) in self.items(at, value).iter().enumerate() {
            let path = format!("{at}[{index}]");
            let Some([name, value]) = self.texts(&path, item, ["name", "value"]) else { continue };
            match name.filter(|name| !name.is_empty()) {
                // The farm's own, of a pool that was made with it.
                Some(name) if name == PACKAGES_VARIABLE => {}
                Some(name) if environment.contains_key(&name) => {
                    self.refuse(path, format!("sets `{name}` a second time: delete one of them"));
                }
                Some(name) => {
                    environment.insert(name, value.unwrap_or_default());
                }
                None => self.refuse(path, "has no `name`"),
            }
        }
        spec.environment = (!environment.is_empty()).then_some(environment);
    }

    fn start_task(&mut self, value: &Value, spec: &mut PoolSpec) {
        for (name, value) in self.members("startTask", value) {
            let path = format!("startTask.{name}");
            match name.as_str() {
                "environmentSettings" => self.environment(&path, value, spec),
                "commandLine" => {
                    self.leave(path, "the farm's own start task mounts the share and starts the Worker");
                }
                known if TASK.contains(&known) => {
                    if !value.is_null() {
                        self.leave(path, "the farm's own start task has its own");
                    }
                }
                _ => self.unknown(path),
            }
        }
    }
}

/// The image as the farm file writes it.
fn image_text(image: &PoolImage) -> String {
    match image {
        PoolImage::Gallery { id, .. } => id.to_string(),
        PoolImage::Marketplace { publisher, offer, sku, version, .. } => {
            let same = |row: &&(&str, &str, &str, &str, &str)| {
                row.1.eq_ignore_ascii_case(publisher)
                    && row.2.eq_ignore_ascii_case(offer)
                    && row.3.eq_ignore_ascii_case(sku)
            };
            match KNOWN_IMAGES.iter().find(same) {
                Some(row) if version == "latest" => row.0.to_owned(),
                _ => format!("{publisher}:{offer}:{sku}:{version}"),
            }
        }
    }
}

/// Reads an old pool file: the farm file's entry, and all that is not in it. Where a finding is a refusal, the entry is
/// incomplete and not to be used.
pub fn import(text: &str) -> Result<(PoolSpec, Vec<Finding>), PoolFileError> {
    let value: Value =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(PoolFileError::Json)?;
    let Value::Object(members) = &value else { return Err(PoolFileError::NoObject) };
    let mut reader = Reader { findings: Vec::new() };
    let mut spec = PoolSpec::default();
    reader.secrets("", &value);
    if members.get("id").and_then(Value::as_str).is_none_or(str::is_empty) {
        reader.refuse("id", "the pool has no name");
    }
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        match name.as_str() {
            "id" => spec.name = reader.text(name, value),
            "vmSize" => spec.vm_size = reader.text(name, value).map(|size| size_text(&size)),
            "targetDedicatedNodes" => spec.dedicated = reader.count(name, value),
            "targetLowPriorityNodes" => spec.spot = reader.count(name, value),
            "virtualMachineConfiguration" => reader.machine(value, &mut spec),
            "applicationPackageReferences" => reader.packages(value, &mut spec),
            "startTask" => reader.start_task(value, &mut spec),
            "targetNodeCommunicationMode" => {
                if value.as_str().is_some_and(|mode| mode.eq_ignore_ascii_case("classic")) {
                    reader.refuse(name, "classic communication ended on 2026-03-31: delete it");
                }
            }
            "enableAutoScale" | "autoScaleFormula" | "autoScaleEvaluationInterval" => {}
            other => {
                let row =
                    |rows: &[(&str, &'static str)]| rows.iter().find(|row| row.0 == other).map(|row| row.1);
                if let Some(why) = row(REMOVED) {
                    // Files of the old days say `[]`.
                    if value.as_array().is_none_or(|items| !items.is_empty()) {
                        reader.refuse(other, why);
                    }
                } else if let Some(why) = row(LEFT) {
                    reader.leave(other, why);
                } else if !READ.contains(&other) {
                    reader.unknown(other);
                }
            }
        }
    }
    autoscale(&mut reader, members, &mut spec);
    Ok((spec, reader.findings))
}

fn autoscale(reader: &mut Reader, members: &Map<String, Value>, spec: &mut PoolSpec) {
    let formula = members.get("autoScaleFormula").and_then(Value::as_str);
    let given = |name: &str| members.get(name).filter(|value| !value.is_null());
    let switch = given("enableAutoScale");
    if switch.is_some_and(|switch| !switch.is_boolean()) {
        reader.refuse("enableAutoScale", "has to be true or false, without quotation marks");
        return;
    }
    if switch.and_then(Value::as_bool) != Some(true) {
        if formula.is_some() {
            reader.leave("autoScaleFormula", "autoscale is off in this file");
        }
        return;
    }
    let Some(formula) = formula else {
        reader.refuse("autoScaleFormula", "autoscale is on, and there is no formula");
        return;
    };
    let interval = given("autoScaleEvaluationInterval").cloned();
    let body = serde_json::json!({"properties": {"scaleSettings": {"autoScale": {
        "formula": formula, "evaluationInterval": &interval,
    }}}});
    if interval.is_some() && Running::read(&body).is_none_or(|running| running.evaluation_minutes.is_none()) {
        reader.refuse("autoScaleEvaluationInterval", "has to be whole minutes such as PT15M");
        return;
    }
    formula_of(&body, spec);
    // What the pool had when it was read, not what is wanted.
    (spec.dedicated, spec.spot) = (None, None);
}

fn formula_of(body: &Value, spec: &mut PoolSpec) {
    let Some(running) = Running::read(body) else { return };
    let (formula, most) = unbounded(&running.formula);
    spec.max_nodes = most.or(spec.max_nodes);
    spec.autoscale = Some(AutoscaleSpec {
        formula: Some(formula.to_owned()),
        evaluation_minutes: running.evaluation_minutes,
    });
}

/// A size as Microsoft writes it, from the capitals of the control plane: `STANDARD_D4AS_V5` is `Standard_D4as_v5`.
fn size_text(size: &str) -> String {
    let shouted = size.chars().all(|c| !c.is_ascii_lowercase());
    let whispered = size.chars().all(|c| !c.is_ascii_uppercase());
    let Some(rest) = size.get(..9).filter(|head| head.eq_ignore_ascii_case("standard_")).map(|_| &size[9..])
    else {
        return size.to_owned();
    };
    if !(shouted || whispered) {
        return size.to_owned();
    }
    let digit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    format!("Standard_{}{}", rest[..digit].to_ascii_uppercase(), rest[digit..].to_ascii_lowercase())
}

/// What runs now, from the pool's control-plane body, as an entry of the farm file, and what no entry can say: with any of
/// that the entry is another pool than the one that runs. `known` is the farm file's own entry of this pool: it says what
/// Azure does not keep.
pub fn export(body: &Value, known: Option<&Pool>) -> (PoolSpec, Vec<Finding>) {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let size = text("/properties/vmSize").unwrap_or_default();
    let size = match known {
        Some(pool) if pool.vm_size.eq_ignore_ascii_case(size) => pool.vm_size.clone(),
        _ => size_text(size),
    };
    let machine = "/properties/deploymentConfiguration/virtualMachineConfiguration";
    let image = body.pointer(&format!("{machine}/imageReference"));
    let mut reader = Reader { findings: Vec::new() };
    let image = image.and_then(|image| reader.image("image", image));
    let own = image.as_ref().is_some_and(|image| image.starts_with('/'));
    let agent = text(&format!("{machine}/nodeAgentSkuId")).filter(|agent| own && *agent != AGENT_2404);
    let packages: Vec<String> = references_of(body).iter().map(ToString::to_string).collect();
    let variables = body.pointer("/properties/startTask/environmentSettings").and_then(Value::as_array);
    let variable = |item: &Value| {
        let of = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((of("name")?, of("value").unwrap_or_default()))
    };
    let environment: BTreeMap<String, String> = variables
        .into_iter()
        .flatten()
        .filter_map(variable)
        .filter(|(name, _)| name != PACKAGES_VARIABLE)
        .collect();
    let mut spec = PoolSpec {
        name: text("/name").map(str::to_owned),
        vm_size: Some(size),
        image,
        node_agent: agent.map(str::to_owned),
        packages: (!packages.is_empty()).then_some(packages),
        environment: (!environment.is_empty()).then_some(environment),
        max_nodes: known.map(|pool| pool.max_nodes),
        ..PoolSpec::default()
    };
    formula_of(body, &mut spec);
    if spec.autoscale.is_none() {
        let target = state_of(body).target;
        (spec.dedicated, spec.spot) = (Some(target.dedicated), Some(target.spot));
        spec.max_nodes = spec.max_nodes.map(|most| most.max(target.total()));
    }
    (spec, reader.findings)
}
