//! Azurite as a child process, and a transport that leads Azure's addresses there. Of the tests of
//! several crates.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::print_stdout,
    reason = "each test binary uses a part, and says what it skips"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, HttpClientOptions, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Where tests/clients/prepare.sh puts it, from the root of the project.
const PROGRAM: &str = "target/azurite/node_modules/azurite/dist/src/azurite.js";
/// The account's key: this one opens nothing but an emulator on this machine.
const KEY: &[u8] = b"emulated";

/// A running Azurite; it ends with this value.
#[derive(Debug)]
pub struct Azurite {
    account: &'static str,
    child: Child,
    blob: u16,
    queue: u16,
    _folder: tempfile::TempDir,
}

impl Azurite {
    /// Starts it with one account and these options. Where it is not installed, says that `what` is skipped, unless everything is required.
    pub fn start(account: &'static str, what: &str, options: &[&str]) -> Option<Self> {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let Some(program) = above.map(|folder| folder.join(PROGRAM)).find(|path| path.is_file()) else {
            let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!required, "azurite is missing (bash tests/clients/prepare.sh)");
            println!("SKIPPED: {what}: Azurite is not installed (bash tests/clients/prepare.sh)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        command.arg(program).args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]).args(options);
        command.arg("--location").arg(folder.path());
        for service in ["blob", "queue", "table"] {
            command.args([format!("--{service}Host"), "127.0.0.1".to_owned()]);
            command.args([format!("--{service}Port"), "0".to_owned()]);
        }
        let accounts = format!("{account}:{}", STANDARD.encode(KEY));
        command.env("AZURITE_ACCOUNTS", accounts).current_dir(folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut port = |service: &str| {
            let listens = |line: &String| line.contains(service) && line.contains("successfully listening");
            let line = lines.by_ref().map_while(Result::ok).find(listens);
            let line = line.expect("azurite did not start");
            line.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok()).unwrap()
        };
        let (blob, queue) = (port("Blob"), port("Queue"));
        // Azurite stops when nobody reads what it says.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self { account, child, blob, queue, _folder: folder })
    }

    /// How the Azure CLI reaches it.
    pub fn connection(&self) -> String {
        let (account, key, port) = (self.account, STANDARD.encode(KEY), self.blob);
        let blobs = format!("http://127.0.0.1:{port}/{account}");
        format!("DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};BlobEndpoint={blobs};")
    }

    /// The way to it. With a signature, requests have that instead of their tokens; without, they have their own.
    pub fn wire(&self, sas: Option<String>) -> Arc<dyn HttpClient> {
        let options = HttpClientOptions { automatic_decompression: false };
        let inner = azure_core::http::new_http_client(Some(options));
        Arc::new(Transport { inner, account: self.account, blob: self.blob, queue: self.queue, sas })
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signature for services (`b`, `q`) and kinds (`s`, `c`, `o`) of an account ("Create an account SAS").
pub fn sas(account: &str, permissions: &str, services: &str, kinds: &str, expiry: jiff::Timestamp) -> String {
    let expiry = expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let version = "2018-11-09";
    let signed = format!("{account}\n{permissions}\n{services}\n{kinds}\n\n{expiry}\n\n\n{version}\n");
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let signature = encode(&STANDARD.encode(hmac(KEY, signed.as_bytes())));
    let expiry = encode(&expiry);
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
    account: &'static str,
    blob: u16,
    queue: u16,
    sas: Option<String>,
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let port = if host.contains(".blob.") { self.blob } else { self.queue };
        let query: Vec<&str> = url.query().into_iter().chain(self.sas.as_deref()).collect();
        let there = format!("http://127.0.0.1:{port}/{}{}?{}", self.account, url.path(), query.join("&"));
        let mut led = Request::new(there.parse().unwrap(), request.method());
        for (name, value) in request.headers().iter() {
            if name.as_str() == "authorization" {
                assert!(self.sas.is_some(), "a token beside a signature");
            } else {
                led.insert_header(name.clone(), value.clone());
            }
        }
        led.set_body(request.body().clone());
        self.inner.execute_request(&led).await
    }
}
