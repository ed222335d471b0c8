//! The scaler as a service, as a process of its own on a simulated Azure in real time: readiness, signals, figures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const FARM: &str = "\
defaultName: sunrise
subscriptionID: 5b3a7c1e-6f5d-4c2b-9a80-0123456789ab
location: westeurope
resourceGroup: sunrise
storageAccountName: sunrisefiles
virtualMachine: sunrise-manager
manager:
  access: {ssh: [203.0.113.7/32], web: [203.0.113.0/24]}
pools:
  - {name: spot, kind: vmss, vmSize: Standard_D2as_v5, maxNodes: 20, nodes: 3}
";

fn cli(here: &Path, args: &[&str]) -> Output {
    let out = Command::new(env!("CARGO_BIN_EXE_flamenco-azure"))
        .current_dir(here)
        .env_clear()
        .args(args)
        .args(["--simulate", "world.json"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out
}

/// A deployed farm and its scaler's own file.
fn farm() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    std::fs::write(here.join("azure_config.yaml"), FARM).unwrap();
    cli(here, &["deploy", "--yes"]);
    std::fs::write(here.join("scaler.yaml"), cli(here, &["scaler", "file"]).stdout).unwrap();
    place
}

struct Daemon {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
    notify: UnixDatagram,
}

impl Daemon {
    fn start(here: &Path) -> Self {
        let socket = here.join("notify");
        let _ = std::fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket).unwrap();
        notify.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_flamenco-azure-scaler"))
            .current_dir(here)
            .env_clear()
            .env("NOTIFY_SOCKET", &socket)
            .args(["--config", "scaler.yaml", "--simulate", "world.json", "--listen", "127.0.0.1:0"])
            .args(["--log-format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new(), notify }
    }

    /// Reads until a line has this in it.
    fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_mins(1));
            let line = line.unwrap_or_else(|_| panic!("no `{text}` in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn told(&self) -> String {
        let mut buffer = [0; 512];
        let size = self.notify.recv(&mut buffer).expect("systemd is told something");
        String::from_utf8_lossy(&buffer[..size]).into_owned()
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    fn ended(&mut self) -> ExitStatus {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        panic!("it did not end: {:#?}", self.seen);
    }

    fn get(address: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

/// Defect 7 of the old scaler was an end at any signal, above all at those that a runtime sends itself.
#[test]
fn defect_07_only_the_signals_that_mean_it_end_the_service_and_they_give_the_lease_back() {
    let place = farm();
    let here = place.path();
    let mut daemon = Daemon::start(here);
    let listening: serde_json::Value = serde_json::from_str(&daemon.until("\"listening\"")).unwrap();
    let address = listening["address"].as_str().unwrap().to_owned();
    daemon.until("\"create sunrise-spot-");
    assert_eq!(daemon.told().trim(), "READY=1");

    // It leads, says so, and its figures are there for this machine.
    let health = Daemon::get(&address, "/healthz");
    assert!(health.starts_with("HTTP/1.1 200") && health.contains("spot: leads"), "{health}");
    let metrics = Daemon::get(&address, "/metrics");
    for row in [
        "flamenco_scaler_target_nodes{pool=\"spot\"} 3",
        "flamenco_scaler_leading{pool=\"spot\"} 1",
        "flamenco_scaler_actions_total{pool=\"spot\",action=\"create\",outcome=\"accepted\"} 1",
    ] {
        assert!(metrics.contains(row), "{row} in {metrics}");
    }

    for harmless in ["URG", "CHLD", "WINCH", "CONT"] {
        daemon.signal(harmless);
    }
    // A file that cannot be used is not taken in, one that can is.
    let good = std::fs::read_to_string(here.join("scaler.yaml")).unwrap();
    std::fs::write(here.join("scaler.yaml"), "pools: 7").unwrap();
    daemon.signal("HUP");
    daemon.until("the old one goes on");
    std::fs::write(here.join("scaler.yaml"), good.replace("\"maxNodes\": 20", "\"maxNodes\": 2")).unwrap();
    daemon.signal("HUP");
    daemon.until("maxNodes allows 2");

    daemon.signal("TERM");
    assert!(daemon.ended().success(), "{:#?}", daemon.seen);
    // The lease is free: the next one leads at once.
    let status = String::from_utf8(cli(here, &["scaler", "status"]).stdout).unwrap();
    assert!(status.contains("none runs"), "{status}");
    let once = String::from_utf8(cli(here, &["scaler", "once"]).stdout).unwrap();
    assert!(!once.contains("waits"), "{once}");
}

#[test]
fn without_a_file_that_can_be_read_nothing_is_started() {
    let place = farm();
    let here = place.path();
    let world = std::fs::read_to_string(here.join("world.json")).unwrap();
    for (name, text) in [("absent.yaml", None), ("odd.yaml", Some("pools: 7")), ("empty.yaml", Some(""))] {
        if let Some(text) = text {
            std::fs::write(here.join(name), text).unwrap();
        }
        let out = Command::new(env!("CARGO_BIN_EXE_flamenco-azure-scaler"))
            .current_dir(here)
            .args(["--config", name, "--simulate", "world.json", "--listen", "127.0.0.1:0"])
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(1), "{name}");
        assert!(String::from_utf8_lossy(&out.stderr).contains(name), "{name}");
    }
    assert_eq!(std::fs::read_to_string(here.join("world.json")).unwrap(), world);
    let out = Command::new(env!("CARGO_BIN_EXE_flamenco-azure-scaler"))
        .current_dir(here)
        .args(["--config", "scaler.yaml", "--simulate", "world.json", "--listen", "0.0.0.0:9464"])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1), "figures are for this machine alone");
}
