//! `pool logs`: files of a node, by Batch's data plane.

use std::time::Duration;

use batch_pool::BatchPool;
use batch_pool::files::{NodeFile, PART, START_STDERR, START_STDOUT, WORKER_LOG};
use batch_pool::follow::{Follower, Next};
use batch_pool::nodes::named;
use flamenco_azure_core::pool::WorkerPool as _;
use indicatif::HumanBytes;
use serde_json::json;

use super::{failed, open, unnamed};
use crate::args::PoolLogsArgs;
use crate::failure::{Exit, Outcome};
use crate::printer::{Mode, Printer};
use crate::session::Session;
use crate::text::Text;

/// How often a followed file is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// As much of a long file is shown before it is followed.
const BEFORE: u64 = 64 << 10;
/// Looks after which a simulated follower ends: there time passes as fast as it can, and nobody presses Ctrl-C.
const LOOKS: u32 = 100;

/// Runs `pool logs`.
pub(super) async fn run(session: &Session, args: &PoolLogsArgs) -> Outcome {
    let (_, _, pool) = open(session, Some(&args.pool)).await?;
    let nodes = pool.list_nodes().await?;
    let node = named(&nodes, &args.node).map_err(|error| unnamed(pool.name(), &error))?.id.clone();
    let Some(file) = args.file.as_deref() else {
        return list(session.printer, &pool, &node, &["startup", "shared"]).await;
    };
    if file.ends_with('/') {
        return list(session.printer, &pool, &node, &[file]).await;
    }
    let path = match file {
        "stdout" => START_STDOUT,
        "stderr" => START_STDERR,
        "worker" => WORKER_LOG,
        path => path.trim_start_matches('/'),
    };
    let mut reader = Reader { session, pool: &pool, node: &node, path, out: Text::new(session.printer) };
    if args.follow { reader.follow().await } else { reader.all().await }
}

async fn list(printer: Printer, pool: &BatchPool, node: &str, folders: &[&str]) -> Outcome {
    let mut files: Vec<NodeFile> = Vec::new();
    for folder in folders {
        let found = pool.list_files(node, folder).await.map_err(|error| failed(pool.name(), error))?;
        files.extend(found.into_iter().filter(|file| !file.is_directory));
    }
    if printer.mode() == Mode::Json {
        printer.event("files", json!({"pool": pool.name(), "node": node, "files": files}));
        return Ok(Exit::Done);
    }
    let width = files.iter().map(|file| file.name.chars().count()).max().unwrap_or(0);
    for file in &files {
        let size = HumanBytes(file.size.unwrap_or(0)).to_string();
        let at = file.modified.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
        let word = match file.name.as_str() {
            START_STDOUT => "  (stdout)",
            START_STDERR => "  (stderr)",
            WORKER_LOG => "  (worker)",
            _ => "",
        };
        printer.result(format!("{:<width$}  {size:>10}  {at}{word}", file.name).trim_end());
    }
    if files.is_empty() {
        printer.info("no files there");
    }
    Ok(Exit::Done)
}

struct Reader<'a> {
    session: &'a Session,
    pool: &'a BatchPool,
    node: &'a str,
    path: &'a str,
    out: Text,
}

impl Reader<'_> {
    async fn size(&self) -> Outcome<u64> {
        let size = self.pool.file_size(self.node, self.path).await;
        size.map_err(|error| failed(self.pool.name(), error))
    }

    /// Shows what is new of a file of this size.
    async fn read_on(&mut self, follower: &mut Follower, size: u64) -> Outcome<()> {
        loop {
            let part = match follower.next(size, PART) {
                Next::Nothing => return Ok(()),
                Next::Rotated => None,
                Next::Read(part) => Some(part),
            };
            let bytes = match part {
                Some(part) => {
                    let bytes = self.pool.read_file(self.node, self.path, part).await;
                    let bytes = bytes.map_err(|error| failed(self.pool.name(), error))?;
                    follower.take(bytes)
                }
                None => None,
            };
            match bytes {
                // It has become shorter since its size was read.
                Some(bytes) if bytes.is_empty() => return Ok(()),
                Some(bytes) => self.out.write(self.path, &bytes),
                None => {
                    self.out.end(self.path);
                    let words = format!("── `{}` was cut or replaced: from its beginning", self.path);
                    self.session.printer.info(words);
                }
            }
        }
    }

    async fn all(&mut self) -> Outcome {
        let size = self.size().await?;
        self.read_on(&mut Follower::default(), size).await?;
        self.out.end(self.path);
        if size == 0 {
            self.session.printer.info(format!("`{}` is empty", self.path));
        }
        Ok(Exit::Done)
    }

    async fn follow(&mut self) -> Outcome {
        let size = self.size().await?;
        let from = size.saturating_sub(BEFORE);
        if from > 0 {
            let left = HumanBytes(from);
            self.session.printer.info(format!("── {left} before this; without --follow all of it is shown"));
        }
        let mut follower = Follower::starting_at(from);
        let mut looks = 0;
        loop {
            let size = self.size().await?;
            self.read_on(&mut follower, size).await?;
            looks += 1;
            if self.session.simulator.is_some() && looks >= LOOKS {
                self.out.end(self.path);
                return Ok(Exit::Done);
            }
            self.session.clock.sleep(LOOK).await;
        }
    }
}
