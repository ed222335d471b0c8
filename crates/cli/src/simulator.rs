//! The embedded simulated Azure of `--simulate`: the same client and commands, another transport and clock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use azure_sim::{SimTransport, World, WorldConfig};
use flamenco_azure_core::clock::{Clock as _, TokioClock};
use jiff::Timestamp;

use crate::failure::{Failure, Outcome};
use crate::files;

/// Where a new world's time begins: fixed, so that runs can be repeated.
const BEGINNING: &str = "2026-11-21T08:00:00Z";

/// A simulated Azure and the file it is kept in.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<Mutex<World>>,
    file: Option<PathBuf>,
    clock: TokioClock,
}

impl Simulator {
    /// Opens the world in `file`, or makes a new one with this subscription. Must be called on a runtime with paused
    /// time.
    pub fn open(file: Option<&Path>, subscription: &str) -> Outcome<Self> {
        let kept = file.filter(|path| path.exists());
        let world = if let Some(path) = kept {
            World::from_json(&files::read(path)?).map_err(|error| {
                Failure::user(format!("`{}` does not hold a simulated world: {error}", path.display()))
                    .hint("name another file: it will be made")
            })?
        } else {
            let mut config = WorldConfig::new(subscription);
            config.start = BEGINNING.parse().unwrap_or(Timestamp::UNIX_EPOCH);
            World::new(config)
        };
        Ok(Self::over(world, file.map(Path::to_owned)))
    }

    /// A simulator over a world made by a test.
    pub fn over(world: World, file: Option<PathBuf>) -> Self {
        let clock = TokioClock::starting_at(world.now());
        Self { world: Arc::new(Mutex::new(world)), file, clock }
    }

    /// The world.
    pub fn world(&self) -> Arc<Mutex<World>> {
        Arc::clone(&self.world)
    }

    /// Its time, which moves as fast as everybody waits.
    pub fn clock(&self) -> TokioClock {
        self.clock
    }

    /// Requests to Azure's unchanged URLs end here.
    pub fn transport(&self) -> SimTransport {
        let clock = self.clock;
        SimTransport::new(self.world(), Arc::new(move || clock.now()))
    }

    /// Keeps the world for the next command.
    pub fn save(&self) -> Outcome<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(self.clock.now());
        let text = world.to_json().map_err(|error| Failure::bug(&error.into()))?;
        files::write_private(file, &text)
    }
}
