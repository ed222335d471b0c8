//! The simulated Azure on a loopback port: `azure-sim [--port N] [--world FILE] [--seed N] [--subscription ID]`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use azure_sim::server::{AfterCall, serve};
use azure_sim::{NowFn, World, WorldConfig};
use jiff::Timestamp;

struct Options {
    port: u16,
    world: Option<PathBuf>,
    seed: u64,
    subscription: String,
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        port: 8787,
        world: None,
        seed: 1,
        subscription: "00000000-0000-0000-0000-000000000001".to_owned(),
    };
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = |v: &str| v.parse::<u64>().map_err(|_| format!("{word}: '{v}' is no number"));
        match word.as_str() {
            "--port" => {
                options.port =
                    u16::try_from(number(&value)?).map_err(|_| format!("--port: {value} is too large"))?;
            }
            "--world" => options.world = Some(value.into()),
            "--seed" => options.seed = number(&value)?,
            "--subscription" => options.subscription = value,
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(options)
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

async fn run(options: Options) -> Result<(), String> {
    let mut world = load(&options)?;
    world.limit_log(1000);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", options.port))
        .await
        .map_err(|e| format!("port {}: {e}", options.port))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let _ = writeln!(
        std::io::stdout(),
        "azure-sim listens on http://{address}, subscription {}",
        world.subscription_id()
    );
    let now: NowFn = Arc::new(real_now);
    let after = options.world.map(|file| -> AfterCall { Arc::new(move |world: &World| save(world, &file)) });
    serve(listener, Arc::new(Mutex::new(world)), now, after).await.map_err(|e| e.to_string())
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
