//! Azurite as a child process, and a transport that leads Azure's addresses there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::headers::HeaderName;
use azure_core::http::{AsyncRawResponse, HttpClient, HttpClientOptions, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::ends::{ACCOUNT, End};

/// Where tests/clients/prepare.sh puts it.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/azurite/node_modules/azurite/dist/src/azurite.js");
/// The account's key: this one opens nothing but an emulator on this machine.
const KEY: &[u8] = b"conformance";

/// A running Azurite; it ends with this value.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    blob: u16,
    queue: u16,
    _folder: tempfile::TempDir,
}

impl Azurite {
    /// `None` when it is not installed.
    pub fn start() -> Option<Self> {
        if !Path::new(PROGRAM).is_file() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command.arg(PROGRAM).args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
        command.arg("--inMemoryPersistence");
        for service in ["blob", "queue", "table"] {
            command.args([format!("--{service}Host"), "127.0.0.1".to_owned()]);
            command.args([format!("--{service}Port"), "0".to_owned()]);
        }
        let account = format!("{ACCOUNT}:{}", STANDARD.encode(KEY));
        command.env("AZURITE_ACCOUNTS", account).current_dir(folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut port = |service: &str| {
            let line = lines
                .by_ref()
                .map_while(Result::ok)
                .find(|line| line.contains(service) && line.contains("successfully listening"));
            let line = line.expect("azurite did not start");
            line.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok()).unwrap()
        };
        let (blob, queue) = (port("Blob"), port("Queue"));
        // Azurite stops when nobody reads what it says.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self { child, blob, queue, _folder: folder })
    }

    pub fn end(&self) -> End {
        let options = HttpClientOptions { automatic_decompression: false };
        let inner = azure_core::http::new_http_client(Some(options));
        let transport = Transport { inner, blob: self.blob, queue: self.queue, sas: sas() };
        End::new(Arc::new(transport), true)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signature for everything in the account ("Create an account SAS").
fn sas() -> String {
    let (permissions, services, kinds) = ("rwdlacup", "bq", "sco");
    let (expiry, version) = ("2100-01-01T00:00:00Z", "2018-11-09");
    let signed = format!("{ACCOUNT}\n{permissions}\n{services}\n{kinds}\n\n{expiry}\n\n\n{version}\n");
    let signature: String =
        url::form_urlencoded::byte_serialize(STANDARD.encode(hmac(KEY, signed.as_bytes())).as_bytes())
            .collect();
    format!("sv={version}&ss={services}&srt={kinds}&sp={permissions}&se={expiry}&sig={signature}")
}

/// RFC 2104 with SHA-256, for keys that fit into a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ with).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[derive(Debug)]
struct Transport {
    inner: Arc<dyn HttpClient>,
    blob: u16,
    queue: u16,
    sas: String,
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let port = if host.contains(".blob.") { self.blob } else { self.queue };
        let query = url.query().map(|query| format!("{query}&")).unwrap_or_default();
        let there = format!("http://127.0.0.1:{port}/{ACCOUNT}{}?{query}{}", url.path(), self.sas);
        let mut led = Request::new(there.parse().unwrap(), request.method());
        for (name, value) in request.headers().iter() {
            if *name != HeaderName::from_static("authorization") {
                led.insert_header(name.clone(), value.clone());
            }
        }
        led.set_body(request.body().clone());
        self.inner.execute_request(&led).await
    }
}
