//! Finds, reads and completes the farm file: its text, then flags, then what the machine offers (an ssh key).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flamenco_azure_core::arm::Cloud;
use flamenco_azure_core::identity::Environment as Credentials;
use flamenco_azure_core::ids::{Location, ResourceId, SubscriptionId};
use flamenco_azure_core::spec::{Farm, FarmSpec, Overrides, validate};
use jiff::Timestamp;

use crate::args::Global;
use crate::failure::{Failure, Outcome};
use crate::files;

/// Names of farm files, the preferred one first; the others are the old tool's.
const NAMES: &[&str] = &["azure_config.yaml", "flamenco_manager_azure.yaml", "flamenco_azure_deploy.yaml"];

/// The default keys of ssh-keygen, the preferred one first.
const KEY_FILES: &[&str] = &["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// A key for simulated farms on a machine that has none. Nobody has its private half.
const SIMULATED_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHNpbXVsYXRlZC1mYXJtLWtleS1ub2JvZHktaGFzLWl0 simulated";

/// What the process's environment offers; read once, in one place.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        }
    }

    /// An environment made by a test.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether colour is unwanted (<https://no-color.org>).
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some()
    }

    /// Where programs are looked for.
    pub fn path(&self) -> &str {
        self.get("PATH").unwrap_or_default()
    }

    /// The home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").or_else(|| self.get("USERPROFILE")).map(PathBuf::from)
    }

    /// What the credential chain looks at, with the old tool's auth file.
    pub fn credentials(&self, beside: &Path) -> Credentials {
        let file = self
            .get("AZURE_AUTH_LOCATION")
            .map_or_else(|| beside.join("client_credentials.json"), PathBuf::from);
        Credentials::from_variables(|name| self.get(name).map(str::to_owned))
            // A file that was named and cannot be read is as wrong as one with nonsense in it: the chain says so.
            .with_auth_file(match files::read(&file) {
                Ok(text) => Some((file, text)),
                Err(_) if self.get("AZURE_AUTH_LOCATION").is_some() => Some((file, String::new())),
                Err(_) => None,
            })
            .with_azure_vm(on_azure_vm())
    }

    /// The key of this machine and where it was found: the agent's first, else ssh-keygen's default files.
    pub fn ssh_key(&self) -> Option<(String, String)> {
        let agent = || self.agent_key().map(|key| (key, "the ssh agent".to_owned()));
        agent().or_else(|| {
            let directory = self.home()?.join(".ssh");
            KEY_FILES
                .iter()
                .find_map(|name| Some((files::read(&directory.join(name)).ok()?, format!("~/.ssh/{name}"))))
        })
    }

    /// The first key of a running ssh agent.
    fn agent_key(&self) -> Option<String> {
        self.get("SSH_AUTH_SOCK")?;
        let output = std::process::Command::new("ssh-add")
            .arg("-L")
            .stdin(std::process::Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.lines().next().map(str::to_owned)).flatten()
    }
}

/// Whether this is an Azure VM: its chassis tag is the same on all of them, and asking for a managed identity
/// elsewhere would only wait for an address that nobody has.
fn on_azure_vm() -> bool {
    std::fs::read_to_string("/sys/class/dmi/id/chassis_asset_tag")
        .is_ok_and(|tag| tag.trim() == "7783-7084-3265-9085-8269-3286-77")
}

/// What a command adds to the farm file.
#[derive(Debug, Clone)]
pub struct Extra {
    /// `--ssh-key`.
    pub ssh_key: Option<PathBuf>,
    /// `--allow-world`.
    pub allow_world: bool,
    /// Now: sizes that are retired by then are refused.
    pub today: Timestamp,
    /// On the simulator a missing ssh key is no obstacle.
    pub simulated: bool,
}

/// A farm file, checked.
#[derive(Debug, Clone)]
pub struct FarmFile {
    /// Where it is.
    pub path: PathBuf,
    /// The farm.
    pub farm: Farm,
    /// What the user should know although it stops nothing.
    pub warnings: Vec<String>,
}

/// Where the farm file is, or would be.
pub fn path(here: &Path, global: &Global) -> PathBuf {
    if let Some(path) = &global.config {
        return here.join(path);
    }
    let found = NAMES.iter().map(|name| here.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| here.join(NAMES[0]))
}

/// A path as shown to people: relative to where they are, if it is below.
pub fn shown(here: &Path, path: &Path) -> String {
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// The directory of the farm file, where the farm's state is kept too.
pub fn directory(here: &Path, global: &Global) -> PathBuf {
    path(here, global).parent().map_or_else(|| here.to_owned(), Path::to_owned)
}

/// Whether there is a farm file.
pub fn exists(here: &Path, global: &Global) -> bool {
    path(here, global).exists()
}

/// Reads the file as written, with the flags laid over it.
pub fn spec(here: &Path, global: &Global) -> Outcome<(PathBuf, FarmSpec)> {
    let path = path(here, global);
    let mut spec = if path.exists() {
        let text = files::read(&path)?;
        FarmSpec::parse(&shown(here, &path), &text).map_err(flamenco_azure_core::Error::from)?
    } else if global.config.is_some() {
        return Err(Failure::user(format!("there is no farm file `{}`", shown(here, &path)))
            .hint("`flamenco-azure init` writes one"));
    } else {
        FarmSpec::default()
    };
    let flags = [
        ("--subscription", &global.subscription),
        ("--location", &global.location),
        ("--group", &global.group),
        ("--sa", &global.sa),
        ("--ba", &global.ba),
        ("--vm", &global.vm),
        ("--farm", &global.farm),
    ];
    for (flag, value) in flags {
        if let Some(value) = value {
            spec.set_flag(flag, value);
        }
    }
    Ok((path, spec))
}

/// Loads, completes and checks the farm file.
pub fn load(here: &Path, global: &Global, environment: &Environment, extra: &Extra) -> Outcome<FarmFile> {
    let (path, mut spec) = spec(here, global)?;
    if let Some(path) = &extra.ssh_key {
        spec.set_flag("--ssh-key", &files::read(&here.join(path))?);
    } else if let Some(key) = found_key(&spec, environment, extra) {
        spec.manager.get_or_insert_default().ssh_public_key = Some(key);
    }
    let overrides = Overrides { allow_world: extra.allow_world, today: extra.today };
    let (farm, warnings) = validate(&spec, &overrides).map_err(|error| {
        let missing = !path.exists();
        let mut failure: Failure = flamenco_azure_core::Error::from(error).into();
        if !missing && !failure.message.contains(&shown(here, &path)) {
            failure.message = format!("{}: {}", shown(here, &path), failure.message);
        }
        if missing {
            failure.message =
                format!("there is no farm file `{}`, and {}", shown(here, &path), failure.message);
            failure.hint = Some("`flamenco-azure init` asks a few questions and writes one".to_owned());
        }
        failure
    })?;
    Ok(FarmFile { path, farm, warnings: warnings.iter().map(ToString::to_string).collect() })
}

/// The key where neither flag nor file names one: the agent's first, else ssh-keygen's default files.
fn found_key(spec: &FarmSpec, environment: &Environment, extra: &Extra) -> Option<String> {
    if spec.manager.as_ref().is_some_and(|manager| manager.ssh_public_key.is_some()) {
        return None;
    }
    let found = environment.ssh_key().map(|(key, _)| key);
    found.or_else(|| extra.simulated.then(|| SIMULATED_KEY.to_owned()))
}

/// The group and farm name that the file names, without checking the rest of it.
#[derive(Debug, Clone)]
pub struct Whereabouts {
    /// The farm's name.
    pub farm: String,
    /// Its group.
    pub group: ResourceId,
}

/// Reads where the farm is.
pub fn whereabouts(here: &Path, global: &Global) -> Outcome<Whereabouts> {
    let file = load(
        here,
        global,
        &Environment::default(),
        &Extra {
            ssh_key: None,
            allow_world: true,
            // Looking at a farm or removing it is possible whatever became of its sizes.
            today: Timestamp::UNIX_EPOCH,
            simulated: true,
        },
    )?;
    Ok(Whereabouts { farm: file.farm.name.to_string(), group: file.farm.group_id() })
}

/// The whole farm, when there is a file and it is in order.
pub fn whole(here: &Path, global: &Global) -> Option<Farm> {
    let extra = Extra { ssh_key: None, allow_world: true, today: Timestamp::UNIX_EPOCH, simulated: true };
    exists(here, global)
        .then(|| load(here, global, &Environment::default(), &extra).ok().map(|file| file.farm))
        .flatten()
}

/// The most nodes that the file grants a pool.
pub fn max_nodes(here: &Path, global: &Global, pool: &str) -> Option<u32> {
    let farm = whole(here, global)?;
    let batch = farm.pool(pool).map(|pool| pool.max_nodes);
    batch.or_else(|| farm.fleet(pool).map(|fleet| fleet.max_nodes))
}

/// The subscription that the file names.
pub fn subscription(here: &Path, global: &Global) -> Option<String> {
    spec(here, global).ok()?.1.subscription_id
}

/// Subscription and region, from flags or the file, which may lack everything else.
pub fn subscription_and_location(here: &Path, global: &Global) -> Outcome<(SubscriptionId, Location)> {
    let spec = if exists(here, global) { Some(spec(here, global)?.1) } else { None };
    let (subscription, location) = spec.map(|s| (s.subscription_id, s.location)).unwrap_or_default();
    let wanted = |name: &str, flag: &Option<String>, value: Option<String>| {
        flag.clone().or(value).ok_or_else(|| {
            Failure::user(format!("{name} is not known"))
                .hint("give --subscription and --location, or a farm file")
        })
    };
    let subscription = wanted("the subscription", &global.subscription, subscription)?;
    let location = wanted("the location", &global.location, location)?;
    let wrong = |error: flamenco_azure_core::ids::IdError| Failure::user(error.to_string());
    Ok((subscription.parse().map_err(wrong)?, location.parse().map_err(wrong)?))
}

/// The cloud that the file names.
pub fn cloud(here: &Path, global: &Global) -> Option<Cloud> {
    Cloud::by_name(whole(here, global)?.cloud.as_str())
}
