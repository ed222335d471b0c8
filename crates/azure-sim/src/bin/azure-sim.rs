//! The simulated Azure on a loopback port.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use azure_sim::server::{AfterCall, Served, serve};
use azure_sim::tls::{Certificate, TlsListener};
use azure_sim::{NowFn, World, WorldConfig};
use jiff::Timestamp;
use tokio::net::TcpListener;

const USAGE: &str = "\
azure-sim [OPTION]...
  --port N           the port on 127.0.0.1; 0 takes a free one (8787)
  --world FILE       the world is read from here, where it exists, and kept here
  --seed N           of a new world (1)
  --subscription ID  of a new world
  --speed N          virtual seconds per second; Retry-After shrinks as much (1)
  --tls              https, with a certificate made at the start
  --ca-file FILE     where to write what clients have to trust (REQUESTS_CA_BUNDLE, SSL_CERT_FILE)
  --cert FILE --key FILE
                     https with this PEM certificate instead
";

struct Options {
    port: u16,
    world: Option<PathBuf>,
    seed: u64,
    subscription: String,
    speed: u32,
    tls: bool,
    ca_file: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        port: 8787,
        world: None,
        seed: 1,
        subscription: "00000000-0000-0000-0000-000000000001".to_owned(),
        speed: 1,
        tls: false,
        ca_file: None,
        certificate: None,
        key: None,
    };
    while let Some(word) = words.next() {
        if word == "--tls" {
            options.tls = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"))?;
        match word.as_str() {
            "--port" => options.port = number(&word, &value)?,
            "--world" => options.world = Some(value.into()),
            "--seed" => options.seed = number(&word, &value)?,
            "--subscription" => options.subscription = value,
            "--speed" => options.speed = number::<u32>(&word, &value)?.max(1),
            "--ca-file" => options.ca_file = Some(value.into()),
            "--cert" => options.certificate = Some(value.into()),
            "--key" => options.key = Some(value.into()),
            _ => return Err(format!("unknown option {word}\n{USAGE}")),
        }
    }
    if options.certificate.is_some() != options.key.is_some() {
        return Err("--cert and --key go together".to_owned());
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option}: '{text}' is no number that it can be"))
}

/// The one place that reads the real clock: this server lives in real time.
#[allow(clippy::disallowed_methods)]
fn real_now() -> Timestamp {
    Timestamp::now()
}

fn load(options: &Options) -> Result<World, String> {
    match &options.world {
        Some(file) if file.exists() => {
            let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
            World::from_json(&text).map_err(|e| format!("{}: {e}", file.display()))
        }
        _ => {
            let mut config = WorldConfig::new(&options.subscription);
            config.seed = options.seed;
            config.start = real_now();
            Ok(World::new(config))
        }
    }
}

/// Writes beside the file and renames, so that a crash leaves the old world.
fn save(world: &World, file: &Path) {
    let beside = file.with_extension("tmp");
    if let Ok(text) = world.to_json()
        && std::fs::write(&beside, text).is_ok()
    {
        let _ = std::fs::rename(&beside, file);
    }
}

/// Virtual time: the world's own, from now on so much faster than real time.
fn clock(world: &World, speed: u32) -> NowFn {
    let (begun, start) = (real_now(), world.now());
    Arc::new(move || {
        let passed = real_now().duration_since(begun);
        passed
            .checked_mul(i32::try_from(speed).unwrap_or(i32::MAX))
            .and_then(|passed| start.checked_add(passed).ok())
            .unwrap_or(Timestamp::MAX)
    })
}

/// The certificate of https, if it is wanted.
fn certificate(options: &Options) -> Result<Option<Certificate>, String> {
    let read = |file: &Path| std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()));
    if let (Some(chain), Some(key)) = (&options.certificate, &options.key) {
        return Ok(Some(Certificate { authority: String::new(), chain: read(chain)?, key: read(key)? }));
    }
    if !options.tls {
        return Ok(None);
    }
    let made = Certificate::for_loopback().map_err(chain)?;
    if let Some(file) = &options.ca_file {
        std::fs::write(file, &made.authority).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(Some(made))
}

/// An error with its sources.
#[allow(clippy::needless_pass_by_value, reason = "fits map_err")]
fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn run(options: Options) -> Result<(), String> {
    let mut world = load(&options)?;
    world.limit_log(1000);
    let certificate = certificate(&options)?;
    let listener = TcpListener::bind(("127.0.0.1", options.port))
        .await
        .map_err(|e| format!("port {}: {e}", options.port))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let _ = writeln!(
        std::io::stdout(),
        "azure-sim listens on {scheme}://{address}, subscription {}",
        world.subscription_id()
    );
    let now = clock(&world, options.speed);
    let after = options.world.map(|file| -> AfterCall { Arc::new(move |world: &World| save(world, &file)) });
    let served = Served { world: Arc::new(Mutex::new(world)), now, after, scheme, speed: options.speed };
    match certificate {
        Some(certificate) => serve(TlsListener::new(listener, &certificate).map_err(chain)?, served).await,
        None => serve(listener, served).await,
    }
    .map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    let result = options(std::env::args().skip(1)).and_then(|options| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(run(options))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "azure-sim: {message}");
            ExitCode::FAILURE
        }
    }
}
