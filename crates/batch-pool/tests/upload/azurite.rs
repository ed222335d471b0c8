//! Azurite as a child process, and a transport that leads Azure's addresses there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::{AsyncRawResponse, HttpClient, HttpClientOptions, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::ends::{ACCOUNT, End};

/// Where tests/clients/prepare.sh puts it.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/azurite/node_modules/azurite/dist/src/blob/main.js");
/// The account's key: this one opens nothing but an emulator on this machine.
const KEY: &[u8] = b"packages";

/// A running Azurite; it ends with this value.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

pub fn skipped() {
    let required = std::env::var("FLAMENCO_AZURE_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "azurite is missing (bash tests/clients/prepare.sh)");
    println!("SKIPPED: uploads to Azurite: not installed (bash tests/clients/prepare.sh)");
}

impl Azurite {
    /// `None` when it is not installed.
    pub fn start() -> Option<Self> {
        if !Path::new(PROGRAM).is_file() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("node");
        // Strict, it refuses sums that it does not compute.
        command.arg(PROGRAM).args(["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--loose"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--location"]).arg(folder.path());
        let account = format!("{ACCOUNT}:{}", STANDARD.encode(KEY));
        command.env("AZURITE_ACCOUNTS", account).current_dir(folder.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains("successfully listens"));
        let line = line.expect("azurite did not start");
        let port = line.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok()).unwrap();
        // Azurite stops when nobody reads what it says.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self { child, port, _folder: folder })
    }

    /// How the Azure CLI reaches it.
    pub fn connection(&self) -> String {
        let (key, port) = (STANDARD.encode(KEY), self.port);
        let blobs = format!("http://127.0.0.1:{port}/{ACCOUNT}");
        format!("DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={blobs};")
    }

    pub fn end(&self) -> End {
        End::shelf(self.wire())
    }

    /// The way to it, without the tricks and sums of the tests.
    pub fn wire(&self) -> Arc<dyn HttpClient> {
        let options = HttpClientOptions { automatic_decompression: false };
        let inner = azure_core::http::new_http_client(Some(options));
        Arc::new(Transport { inner, port: self.port })
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A signature for blobs of the account ("Create an account SAS").
pub fn sas(permissions: &str, kinds: &str, expiry: jiff::Timestamp) -> String {
    let expiry = expiry.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let version = "2018-11-09";
    let signed = format!("{ACCOUNT}\n{permissions}\nb\n{kinds}\n\n{expiry}\n\n\n{version}\n");
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let signature = encode(&STANDARD.encode(hmac(KEY, signed.as_bytes())));
    let expiry = encode(&expiry);
    format!("sv={version}&ss=b&srt={kinds}&sp={permissions}&se={expiry}&sig={signature}")
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
    port: u16,
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = request.url();
        assert!(request.headers().iter().all(|(name, _)| name.as_str() != "authorization"));
        let query = url.query().unwrap_or_default();
        let there = format!("http://127.0.0.1:{}/{ACCOUNT}{}?{query}", self.port, url.path());
        let mut led = Request::new(there.parse().unwrap(), request.method());
        for (name, value) in request.headers().iter() {
            led.insert_header(name.clone(), value.clone());
        }
        led.set_body(request.body().clone());
        self.inner.execute_request(&led).await
    }
}
