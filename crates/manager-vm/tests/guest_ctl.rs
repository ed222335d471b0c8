//! The control program `flamenco-azure-ctl`, run for real against a fake Flamenco Manager.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod guest_support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use guest_support::fake_manager::FakeManager;
use guest_support::has;
use serde_json::{Value, json};
use tempfile::TempDir;

const CTL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest/flamenco-azure-ctl");

struct Host {
    root: TempDir,
    manager: FakeManager,
}

impl Host {
    /// A Manager that is up, cloud-init done, the service active.
    fn up() -> Self {
        let host = Self { root: tempfile::tempdir().unwrap(), manager: FakeManager::start("3.8.5") };
        host.file(
            "/run/cloud-init/result.json",
            r#"{"v1": {"datasource": "DataSourceAzure", "errors": []}}"#,
        );
        host.file("/var/lib/flamenco-azure/setup.state", "done\n");
        host.file("/var/log/cloud-init-output.log", "booting\nflamenco-azure: the Manager is set up\n");
        host.file(
            "/etc/flamenco-azure/manager.env",
            "FARM='it'\\''s'\nMOUNT_INPUT=/mnt/flamenco-input\nTLS_MODE=off\n",
        );
        host.file("/mnt/flamenco-input/x", "");
        host.systemctl("echo active");
        host
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn systemctl(&self, body: &str) {
        self.file("/stub/systemctl", format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(self.path("/stub/systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let path = format!("{}:{}", self.path("/stub").display(), std::env::var("PATH").unwrap());
        // An answer that never comes must fail, not hang.
        Command::new("timeout")
            .args(["60", "python3", CTL])
            .args(args)
            .env("PATH", path)
            .env("FLAMENCO_AZURE_ROOT", self.root.path())
            .env("FLAMENCO_AZURE_API", &self.manager.url)
            .env("FLAMENCO_AZURE_POLL", "0.02")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap()
    }

    /// The answer of a verb, with the rules that hold for every answer.
    fn ask(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        one_line(&output)
    }
}

fn one_line(output: &Output) -> Value {
    assert!(output.stdout.len() < 3_000, "{} bytes", output.stdout.len());
    let text = std::str::from_utf8(&output.stdout).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn ready_says_the_version() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    let shelf = "/mnt/flamenco-resources/flamenco-azure";
    host.file("/etc/flamenco-azure/manager.env", "FLAMENCO_VERSION=3.8.5\nBLENDER_VERSION=4.5.14\n");
    host.file(&format!("{shelf}/flamenco-3.8.2-linux-amd64.tar.gz.sha256"), "of the version before\n");
    host.file(&format!("{shelf}/flamenco-3.8.5-linux-amd64.tar.gz.sha256"), "abc\n");
    host.file(&format!("{shelf}/blender-4.5.14-linux-x64.tar.xz.sha256"), "def\n");
    assert_eq!(
        host.ask(&["ready", "--flamenco", "3.8.5", "--wait", "0"]),
        json!({"ready": true, "version": "3.8.5", "sha256": {"flamenco": "abc", "blender": "def"}})
    );
    assert_eq!(host.ask(&["ready", "--flamenco", "3.8", "--wait", "0"])["ready"], true);
}

/// What goes wrong on a host.
type Break = fn(&Host);

#[test]
fn ready_names_what_is_missing_and_shows_the_log() {
    if !has("python3") {
        return;
    }
    let cases: [(Break, &str); 6] = [
        (
            |h| fs::remove_file(h.path("/run/cloud-init/result.json")).unwrap(),
            "cloud-init has not finished (setup: done)",
        ),
        (|h| h.file("/var/lib/flamenco-azure/setup.state", "running\n"), "the setup is running"),
        (
            |h| fs::remove_file(h.path("/var/lib/flamenco-azure/setup.state")).unwrap(),
            "the setup is not started",
        ),
        (|h| h.systemctl("echo activating; exit 3"), "flamenco-manager.service is activating"),
        (
            |h| h.manager.world.lock().unwrap().version = "3.8.51".into(),
            "flamenco-manager is version 3.8.51, not 3.8.5",
        ),
        (
            |h| h.manager.world.lock().unwrap().version = "3.9".into(),
            "flamenco-manager is version 3.9, not 3.8.5",
        ),
    ];
    for (break_it, reason) in cases {
        let host = Host::up();
        break_it(&host);
        let answer = host.ask(&["ready", "--flamenco", "3.8.5", "--wait", "0"]);
        let log = "booting\nflamenco-azure: the Manager is set up\n";
        assert_eq!(answer, json!({"ready": false, "reason": reason, "log": log}));
    }
}

#[test]
fn what_cannot_heal_is_answered_at_once() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    host.file("/var/lib/flamenco-azure/setup.state", "failed: checksum of blender is a, expected b\n");
    let answer = host.ask(&["ready", "--flamenco", "3.8.5", "--wait", "100000"]);
    assert_eq!(answer["reason"], "checksum of blender is a, expected b");
    let host = Host::up();
    host.file("/run/cloud-init/result.json", r#"{"v1": {"errors": ["('scripts_user', RuntimeError())"]}}"#);
    let answer = host.ask(&["ready", "--flamenco", "3.8.5", "--wait", "100000"]);
    assert_eq!(answer["reason"], "cloud-init reports: ('scripts_user', RuntimeError())");
}

#[test]
fn ready_waits_until_the_service_is_up() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    let tries = host.path("/tries");
    host.systemctl(&format!("echo x >>{0}; [ $(wc -l <{0}) -gt 3 ]", tries.display()));
    assert_eq!(host.ask(&["ready", "--flamenco", "3.8.5", "--wait", "50"])["ready"], true);
    assert_eq!(fs::read_to_string(tries).unwrap().lines().count(), 4);
}

#[test]
fn status_counts_workers_and_only_active_tasks_as_busy() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    host.manager.add("a", "awake", Some("active"), None);
    host.manager.add("b", "awake", Some("completed"), None);
    host.manager.add("c", "awake", None, None);
    host.manager.add("d", "offline", Some("active"), None);
    host.manager.world.lock().unwrap().busy_database = 2;
    let answer = host.ask(&["status"]);
    assert_eq!(answer["version"], "3.8.5");
    let workers =
        json!({"starting": 0, "awake": 3, "asleep": 0, "error": 0, "testing": 0, "offline": 1, "restart": 0});
    assert_eq!(answer["workers"], workers);
    assert_eq!(answer["busy"], 1);
    let free: Vec<&String> = answer["free_gib"].as_object().unwrap().keys().collect();
    assert_eq!(free, ["/", "/mnt/flamenco-input"]);
}

/// What a candidate can be, in the order in which it is to be chosen.
const KINDS: [(&str, u32); 8] = [
    ("leaving", 0),
    ("unknown", 1),
    ("offline", 1),
    ("error", 1),
    ("idle", 2),
    ("finished", 2),
    ("asleep", 2),
    ("rendering", 3),
];

fn add(host: &Host, kind: &str) {
    match kind {
        "unknown" => {}
        "leaving" => host.manager.add(kind, "awake", Some("active"), Some("offline")),
        "idle" => host.manager.add(kind, "awake", None, None),
        "finished" => host.manager.add(kind, "awake", Some("completed"), None),
        "rendering" => host.manager.add(kind, "awake", Some("active"), None),
        gone => host.manager.add(gone, gone, Some("failed"), None),
    }
}

#[test]
fn drain_chooses_leaving_then_dead_then_idle_then_rendering_workers() {
    if !has("python3") {
        return;
    }
    for count in 0..=KINDS.len() + 1 {
        // Whatever the order of the candidates.
        for turn in [0, 3, 6] {
            let mut kinds = KINDS;
            kinds.rotate_left(turn);
            if turn == 6 {
                kinds.reverse();
            }
            let host = Host::up();
            for (kind, _) in kinds {
                add(&host, kind);
            }
            let names = kinds.map(|(kind, _)| kind).join(",");
            let args = ["drain", "--count", &count.to_string(), "--wait", "0", "--candidates", &names];
            // Idle workers need a moment to answer: the second, same call sees them offline.
            host.ask(&args);
            let answer = host.ask(&args);
            let mut order: Vec<usize> = (0..kinds.len()).collect();
            order.sort_by_key(|&i| (kinds[i].1, i));
            let mut chosen: Vec<usize> = order.into_iter().take(count).collect();
            chosen.sort_unstable();
            let (pending, drained): (Vec<usize>, Vec<usize>) =
                chosen.into_iter().partition(|&i| matches!(kinds[i].0, "leaving" | "rendering"));
            assert_eq!(answer, json!({"drained": drained, "pending": pending}), "{count} of {names}");
            // Nobody else was touched.
            let rendering = host.manager.worker("rendering").unwrap();
            assert_eq!(rendering.request, (count >= 8).then(|| ("offline".to_owned(), true)));
        }
    }
}

#[test]
fn drain_of_free_ones_leaves_all_that_render() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    for (name, task) in [("rendering", Some("active")), ("idle", None), ("also-rendering", Some("active"))] {
        host.manager.add(name, "awake", task, None);
    }
    let names = "rendering,idle,also-rendering";
    let answer = host.ask(&["drain", "--count", "3", "--wait", "0", "--free", "--candidates", names]);
    let chosen: Vec<&Value> =
        ["drained", "pending"].iter().flat_map(|key| answer[*key].as_array().unwrap()).collect();
    assert_eq!(chosen, [&json!(1)], "{answer}");
    for name in ["rendering", "also-rendering"] {
        assert_eq!(host.manager.worker(name).unwrap().request, None, "{name}");
    }
}

#[test]
fn drain_waits_for_the_frame_to_end() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    add(&host, "rendering");
    host.manager.world.lock().unwrap().tasks_end_at_list = Some(4);
    let answer = host.ask(&["drain", "--count", "1", "--wait", "50", "--candidates", "rendering"]);
    assert_eq!(answer, json!({"drained": [0], "pending": []}));
    assert_eq!(host.manager.world.lock().unwrap().lists, 4);
}

#[test]
fn drain_asks_once_and_lazily() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    add(&host, "rendering");
    for _ in 0..3 {
        host.ask(&["drain", "--count", "1", "--wait", "0", "--candidates", "rendering"]);
    }
    let world = host.manager.world.lock().unwrap();
    let asked: Vec<&String> = world.calls.iter().filter(|call| call.starts_with("POST")).collect();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].ends_with(r#"{"status": "offline", "is_lazy": true}"#), "{}", asked[0]);
}

#[test]
fn a_reimaged_node_is_gone_only_when_all_workers_of_its_name_are() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    host.manager.add("node", "offline", None, None);
    host.manager.add("node", "awake", Some("active"), None);
    let answer = host.ask(&["drain", "--count", "1", "--wait", "0", "--candidates", "node"]);
    assert_eq!(answer, json!({"drained": [], "pending": [0]}));
}

#[test]
fn undrain_takes_back_open_requests_alone() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    for kind in ["idle", "leaving", "offline"] {
        add(&host, kind);
    }
    let answer = host.ask(&["undrain", "--candidates", "idle,unknown,leaving,offline"]);
    assert_eq!(answer, json!({"cleared": [2]}));
    assert_eq!(host.manager.worker("leaving").unwrap().request, None);
    assert_eq!(host.ask(&["undrain", "--candidates", "leaving"]), json!({"cleared": []}));
}

#[test]
fn forget_nodes_deletes_the_dead_workers_of_batch_nodes_alone() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    for (name, status) in
        [("tvmps_a_d", "offline"), ("tvmps_b_p", "error"), ("tvmps_c_d", "awake"), ("workstation", "offline")]
    {
        host.manager.add(name, status, None, None);
    }
    // Two that were imaged anew: one is there again, one not yet.
    for status in ["offline", "error", "asleep"] {
        host.manager.add("tvmps_d_d", status, None, None);
    }
    host.manager.add("tvmps_a_e", "offline", None, None);
    let kept = host.ask(&["forget-nodes", "--keep", "tvmps_a,tvmps_b,tvmps_d"]);
    assert_eq!(kept, json!({"done": true, "deleted": 2}));
    assert_eq!(host.ask(&["forget-nodes", "--keep", "tvmps_a_d,other"]), json!({"done": true, "deleted": 2}));
    assert_eq!(host.ask(&["forget-nodes"]), json!({"done": true, "deleted": 1}));
    let left: Vec<String> =
        host.manager.world.lock().unwrap().workers.iter().map(|w| w.name.clone()).collect();
    assert_eq!(left, ["tvmps_c_d", "workstation", "tvmps_d_d"]);
}

#[test]
fn answers_stay_short_with_five_hundred_workers() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    let names: Vec<String> = (0..500).map(|i| format!("tvmps_{i:064}_d")).collect();
    for (i, name) in names.iter().enumerate() {
        host.manager.add(name, "awake", if i % 2 == 0 { Some("active") } else { None }, None);
    }
    let all = names.join(",");
    let answer = host.ask(&["status"]);
    assert_eq!((&answer["busy"], &answer["workers"]["awake"]), (&json!(250), &json!(500)));
    host.ask(&["drain", "--count", "500", "--wait", "0", "--candidates", &all]);
    let answer = host.ask(&["drain", "--count", "500", "--wait", "0", "--candidates", &all]);
    assert_eq!(answer["drained"].as_array().unwrap().len(), 250);
    assert_eq!(answer["pending"].as_array().unwrap().len(), 250);
    assert_eq!(host.ask(&["undrain", "--candidates", &all])["cleared"].as_array().unwrap().len(), 250);
    assert_eq!(host.ask(&["forget-nodes"]), json!({"done": true, "deleted": 250}));
    // More than fits: a part of the truth, marked as one.
    let many = (0..4_000).map(|i| format!("n{i}")).collect::<Vec<_>>().join(",");
    let answer = host.ask(&["drain", "--count", "4000", "--wait", "0", "--candidates", &many]);
    assert_eq!(answer["truncated"], true);
    assert!(answer["drained"].as_array().unwrap().len() > 400);
}

#[test]
fn logs_of_any_bytes_stay_short_and_keep_their_end() {
    if !has("python3") {
        return;
    }
    for noise in ["\"\\\n", "é\u{1F600}", "\u{1b}[31mred\u{1b}[0m\r\t\u{7}", "x"] {
        let host = Host::up();
        let mut log = noise.repeat(5_000).into_bytes();
        log.extend(b"\xff\xfe THE END");
        host.file("/var/log/cloud-init-output.log", log);
        host.file("/var/lib/flamenco-azure/setup.state", format!("failed: {}", "é".repeat(3_000)));
        for args in [&["bootlog"][..], &["ready", "--flamenco", "3.8.5"]] {
            let answer = host.ask(args);
            let log = answer["log"].as_str().unwrap();
            assert!(log.ends_with("THE END") && !log.contains('\u{1b}'), "{log}");
        }
    }
}

#[test]
fn hostkeys_are_given_without_comments() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    host.file("/etc/ssh/ssh_host_rsa_key.pub", "ssh-rsa AAAAB3 root@manager\n");
    host.file("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAC3 root@manager\n");
    host.file("/etc/ssh/ssh_host_ed25519_key", "private\n");
    assert_eq!(host.ask(&["hostkeys"]), json!({"keys": ["ssh-ed25519 AAAAC3", "ssh-rsa AAAAB3"]}));
}

#[test]
fn tls_describes_the_certificate_that_is_served() {
    if !has("python3") || !has("openssl") {
        return;
    }
    let host = Host::up();
    assert_eq!(host.ask(&["tls"]), json!({"mode": "off"}));
    host.file("/etc/flamenco-azure/manager.env", "TLS_MODE=internal\nTLS_HOST=farm.example\n");
    let (answer, digest) = serve_certificate(host.root.path(), |address| {
        let output = Command::new("python3")
            .args([CTL, "tls"])
            .env("FLAMENCO_AZURE_ROOT", host.root.path())
            .env("FLAMENCO_AZURE_TLS", address)
            .output()
            .unwrap();
        one_line(&output)
    });
    assert_eq!(answer["mode"], "internal");
    assert!(answer["issuer"].as_str().unwrap().contains("Test Authority"), "{answer}");
    assert_eq!(answer["sha256"], digest);
    let not_after = answer["not_after"].as_str().unwrap();
    assert!(not_after.len() == 20 && not_after.ends_with('Z'), "{not_after}");
    let output = Command::new("python3")
        .args([CTL, "tls"])
        .env("FLAMENCO_AZURE_ROOT", host.root.path())
        .env("FLAMENCO_AZURE_TLS", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(one_line(&output)["error"].as_str().unwrap().starts_with("no certificate on port 1 yet"));
}

/// Serves a self-signed certificate on loopback while `look` runs; gives its fingerprint, as openssl prints it.
fn serve_certificate<T>(folder: &Path, look: impl Fn(&str) -> T) -> (T, String) {
    let sh = |script: &str| {
        let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj '/CN=Test Authority' -keyout k -out c 2>/dev/null",
    );
    let digest = sh("openssl x509 -in c -noout -fingerprint -sha256");
    let server = "import socket, ssl\n\
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('c', 'k')\n\
        s = socket.create_server(('127.0.0.1', 0)); s.settimeout(60); print('127.0.0.1:%d' % s.getsockname()[1], flush=True)\n\
        while True:\n  a, _ = s.accept()\n  try: c.wrap_socket(a, server_side=True)\n  except OSError: pass\n";
    let mut child = Command::new("python3")
        .args(["-c", server])
        .current_dir(folder)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut address)
        .unwrap();
    let answer = look(address.trim());
    child.kill().unwrap();
    child.wait().unwrap();
    (answer, digest.trim().rsplit('=').next().unwrap().to_owned())
}

#[test]
fn bad_usage_is_two_and_a_silent_manager_is_one() {
    if !has("python3") {
        return;
    }
    let host = Host::up();
    for args in [
        &[][..],
        &["dance"],
        &["drain", "--count", "-1", "--candidates", "a"],
        &["drain"],
        &["ready"],
        &["forget-nodes", "--keep"],
    ] {
        let output = host.run(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
    }
    let mut host = Host::up();
    host.manager.url = "http://127.0.0.1:1".into();
    let output = host.run(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(one_line(&output)["error"].as_str().unwrap().starts_with("flamenco-manager does not answer"));
    let answer = host.ask(&["ready", "--flamenco", "3.8.5", "--wait", "0"]);
    assert!(answer["reason"].as_str().unwrap().starts_with("flamenco-manager does not answer"));
}
