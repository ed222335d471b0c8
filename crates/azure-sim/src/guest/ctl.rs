//! The answers of `flamenco-azure-ctl`: one line of JSON, always below 3,000 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, SetUp, Worker, set_up, setting};
use crate::compute;
use crate::operation::later;
use crate::resource::Resource;
use crate::world::World;

pub(super) fn answer(world: &mut World, vm: &Resource, call: &str) -> Answer {
    let mut words = call.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let args: Vec<&str> = words.collect();
    let said = match verb {
        "ready" => ready(world, vm, &args),
        "bootlog" => (json!({"log": log(world, vm)}), 0),
        "hostkeys" => (host_keys(vm), 0),
        "tls" => (tls(world, vm), 0),
        "status" | "drain" | "undrain" | "forget-nodes" if !is_ready(world, vm) => {
            (json!({"error": "the Manager does not answer"}), 0)
        }
        "status" => (status(world, vm), 0),
        "drain" => drain(world, vm, &args),
        "undrain" => (undrain(world, vm, &args), 0),
        "forget-nodes" => (forget_nodes(world, vm, &args), 0),
        _ => {
            let stderr = format!("flamenco-azure-ctl: unknown verb {verb}\n");
            return Answer { stderr, ..Answer::default() };
        }
    };
    Answer { stdout: format!("{}\n", said.0), stderr: String::new(), seconds: said.1 }
}

fn option<'a>(args: &[&'a str], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| *arg == name)?;
    args.get(at + 1).copied()
}

fn number(args: &[&str], name: &str) -> u64 {
    option(args, name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn names<'a>(args: &[&'a str], name: &str) -> Vec<&'a str> {
    option(args, name).unwrap_or_default().split(',').filter(|n| !n.is_empty()).collect()
}

fn is_ready(world: &World, vm: &Resource) -> bool {
    matches!(set_up(world, vm), SetUp::Done(at) if at <= world.now())
}

fn ready(world: &World, vm: &Resource, args: &[&str]) -> (Value, u64) {
    let wait = number(args, "--wait");
    let wanted = option(args, "--flamenco").unwrap_or_default();
    let version = version(vm);
    let now = world.now();
    let not_ready = |reason: &str| json!({"ready": false, "reason": reason, "log": log(world, vm)});
    match set_up(world, vm) {
        SetUp::Done(at) if at <= later(now, wait) && version.starts_with(wanted) => {
            let programs = ["FLAMENCO", "BLENDER"].into_iter();
            let sha256: serde_json::Map<String, Value> = programs
                .filter_map(|program| {
                    Some((program.to_ascii_lowercase(), pretended_sha256(vm, program)?.into()))
                })
                .collect();
            (json!({"ready": true, "version": version, "sha256": sha256}), seconds_until(at, now))
        }
        SetUp::Done(at) if at <= later(now, wait) => {
            (not_ready(&format!("Flamenco {version} runs, {wanted} is wanted")), wait)
        }
        SetUp::Done(_) | SetUp::Never(None) => (not_ready("cloud-init has not finished"), wait),
        // A set-up that failed says so at once, yet not before it ran.
        SetUp::Never(Some(reason)) => {
            let at = compute::ready_at(vm).unwrap_or(now);
            (not_ready(&format!("set-up failed: {reason}")), seconds_until(at, now).min(wait))
        }
    }
}

fn version(vm: &Resource) -> String {
    setting(&compute::custom_data(vm), "FLAMENCO_VERSION").unwrap_or_default()
}

/// The checksum of an archive that nobody downloaded, made from its version.
fn pretended_sha256(vm: &Resource, program: &str) -> Option<String> {
    let settings = compute::custom_data(vm);
    setting(&settings, &format!("{program}_VERSION")).map(|version| {
        let hexadecimal = |byte: u8| char::from_digit(u32::from(byte % 16), 16).unwrap_or('0');
        format!("{program}{version}").bytes().map(hexadecimal).cycle().take(64).collect()
    })
}

fn seconds_until(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(at.duration_since(now).as_secs()).unwrap_or(0)
}

fn log(world: &World, vm: &Resource) -> String {
    let version = version(vm);
    let mut lines = vec![
        "Cloud-init v. 24.4 running 'init'".to_owned(),
        format!("flamenco-azure: setting up Flamenco {version}"),
    ];
    match set_up(world, vm) {
        SetUp::Done(at) if at <= world.now() => lines.push("flamenco-azure: done".to_owned()),
        SetUp::Never(Some(reason)) => lines.push(format!("flamenco-azure: failed: {reason}")),
        _ => lines.push("flamenco-azure: installing packages".to_owned()),
    }
    lines.join("\n")
}

fn of_manager<'a>(world: &'a World, vm: &Resource) -> impl Iterator<Item = (&'a String, &'a Worker)> {
    let key = vm.key();
    world.guests.workers.iter().filter(move |(_, worker)| worker.manager == key)
}

fn status(world: &World, vm: &Resource) -> Value {
    let now = world.now();
    let count = |test: &dyn Fn(&Worker) -> bool| of_manager(world, vm).filter(|(_, w)| test(w)).count();
    let former = world.guests.former.iter().filter(|(_, manager)| *manager == vm.key()).count();
    json!({
        "version": version(vm),
        "workers": {
            "awake": count(&|w| w.is_awake(now)),
            "asleep": 0,
            "error": 0,
            "offline": count(&|w| !w.is_awake(now)) + former,
            "starting": 0,
        },
        "busy": count(&|w| w.is_busy(now)),
        "free_gib": {"/": 52, "/mnt/flamenco-input": 90},
    })
}

fn drain(world: &mut World, vm: &Resource, args: &[&str]) -> (Value, u64) {
    let now = world.now();
    let (count, wait) = (number(args, "--count"), number(args, "--wait"));
    let candidates = names(args, "--candidates");
    let key = vm.key();
    let known = |world: &World, name: &str| {
        world.guests.workers.get(name).filter(|worker| worker.manager == key).cloned()
    };
    // Pending requests first, then who is not there, then idle ones, then rendering ones.
    let rank = |worker: Option<&Worker>| match worker {
        Some(worker) if worker.is_leaving(now) => 0,
        Some(worker) if worker.is_busy(now) => 3,
        Some(worker) if worker.is_awake(now) => 2,
        _ => 1,
    };
    let free = args.contains(&"--free");
    let ranks: Vec<u8> = candidates.iter().map(|name| rank(known(world, name).as_ref())).collect();
    let mut order: Vec<usize> = (0..candidates.len()).filter(|i| ranks[*i] < 3 || !free).collect();
    order.sort_by_key(|i| (ranks[*i], *i));
    let (mut drained, mut pending, mut longest) = (Vec::new(), Vec::new(), 0);
    for index in order.into_iter().take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let name = candidates[index];
        if known(world, name).is_none() {
            drained.push(index);
            continue;
        }
        let Some(worker) = world.guests.workers.get_mut(name) else { continue };
        worker.ask_to_leave(name, now);
        let left = worker.offline_at.map_or(0, |at| seconds_until(at, now));
        if left <= wait {
            drained.push(index);
            longest = longest.max(left);
        } else {
            pending.push(index);
            longest = wait;
        }
    }
    drained.sort_unstable();
    pending.sort_unstable();
    (json!({"drained": drained, "pending": pending}), longest.min(wait))
}

fn undrain(world: &mut World, vm: &Resource, args: &[&str]) -> Value {
    let now = world.now();
    let key = vm.key();
    let mut cleared = Vec::new();
    for (index, name) in names(args, "--candidates").into_iter().enumerate() {
        if let Some(worker) = world.guests.workers.get_mut(name)
            && worker.manager == key
            && worker.is_leaving(now)
        {
            worker.offline_at = None;
            cleared.push(index);
        }
    }
    json!({"cleared": cleared})
}

/// Forgets the dead workers of Batch nodes, but for those that are there; beside a living one of the same name, all.
fn forget_nodes(world: &mut World, vm: &Resource, args: &[&str]) -> Value {
    let (now, key) = (world.now(), vm.key());
    let keep = names(args, "--keep");
    let may_go = |name: &str, manager: &str| name.starts_with("tvmps_") && manager == key;
    let kept = |name: &str| keep.iter().any(|start| name.starts_with(start));
    let guests = &mut world.guests;
    let before = guests.workers.len() + guests.former.len();
    guests.workers.retain(|name, w| w.is_awake(now) || kept(name) || !may_go(name, &w.manager));
    let lives = |name: &str| guests.workers.get(name).is_some_and(|w| w.is_awake(now));
    guests.former.retain(|(name, manager)| !may_go(name, manager) || (kept(name) && !lives(name)));
    json!({"done": true, "deleted": before - guests.workers.len() - guests.former.len()})
}

/// Keys of the right form, the same for the life of the VM.
fn host_keys(vm: &Resource) -> Value {
    let id = vm.text("/vmId").unwrap_or_default();
    let key = |kind: &str| {
        let mut blob = Vec::new();
        let seed = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{kind}/{id}").as_bytes());
        let half = seed.as_bytes();
        for part in [kind.as_bytes(), &[half.as_slice(), half.as_slice()].concat()] {
            blob.extend(u32::try_from(part.len()).unwrap_or(0).to_be_bytes());
            blob.extend(part);
        }
        format!("{kind} {}", STANDARD.encode(blob))
    };
    json!({"keys": [key("ssh-ed25519"), key("ecdsa-sha2-nistp256")]})
}

/// The certificate. An authority's challenge that cannot come in leaves the web server with one of its own.
fn tls(world: &World, vm: &Resource) -> Value {
    let mode = setting(&compute::custom_data(vm), "TLS_MODE").unwrap_or_else(|| "off".to_owned());
    if mode == "off" {
        return json!({"mode": "off"});
    }
    let id = vm.text("/vmId").unwrap_or_default();
    let seed = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("tls/{id}").as_bytes());
    let bytes: Vec<String> =
        seed.as_bytes().iter().chain(seed.as_bytes()).map(|b| format!("{b:02X}")).collect();
    let challenged = [80, 443].iter().any(|port| crate::network::internet_reaches(world, vm, *port));
    let issuer = if mode == "acme" && challenged { "Let's Encrypt" } else { "Caddy Local Authority" };
    let start: Timestamp = vm.created_at;
    let end = later(start, 90 * 24 * 3600);
    json!({"mode": mode, "issuer": issuer, "sha256": bytes.join(":"), "not_after": end.to_string()})
}
