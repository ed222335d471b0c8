//! What both halves look at: what a deploy sent, and what stands on the machines.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use azure_sim::SimTransport;
use flamenco_azure_cli::args::Global;
use flamenco_azure_cli::farmfile;
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, RetryPolicy};
use flamenco_azure_core::clock::{Clock as _, TokioClock};
use flamenco_azure_core::spec::Farm;
use flamenco_azure_tests::yard::Yard;
use serde_json::Value;

/// The bodies of the last run's PUTs by the kind and name at the end of their path.
pub(crate) fn sent(yard: &Yard) -> BTreeMap<String, Value> {
    let tail = |url: &str| {
        let path = url.split('?').next().unwrap_or(url);
        let parts: Vec<&str> = path.rsplitn(3, '/').collect();
        format!("{}/{}", parts[1], parts[0])
    };
    yard.last_exchanges()
        .into_iter()
        .filter(|(method, ..)| method == "PUT")
        .filter_map(|(_, url, body)| Some((tail(&url), serde_json::from_str(&body).ok()?)))
        .collect()
}

/// What the first deploy of the usual farm sends.
pub(crate) fn first_deploy() -> (Yard, BTreeMap<String, Value>) {
    let yard = Yard::default();
    yard.run("deploy --yes");
    let bodies = sent(&yard);
    (yard, bodies)
}

/// The farm of a yard's file.
pub(crate) fn farm(yard: &Yard) -> Farm {
    farmfile::whole(yard.path(), &no_flags()).unwrap()
}

/// No flag at all.
pub(crate) fn no_flags() -> Global {
    Global {
        config: None,
        simulate: None,
        json: false,
        quiet: false,
        debug: false,
        no_input: true,
        subscription: None,
        location: None,
        group: None,
        farm: None,
        sa: None,
        ba: None,
        vm: None,
    }
}

/// Everything that we put on machines, as name and text: the Manager's files, the nodes' scripts, cloud-init.
pub(crate) fn guest_files(farm: &Farm) -> Vec<(String, String)> {
    use manager_vm::guest;
    let config = manager_vm::desired::guest_config(farm);
    let mut files: Vec<(String, String)> = guest::manager_files(&config)
        .unwrap()
        .into_iter()
        .map(|file| (file.path.to_owned(), file.content))
        .collect();
    files.push(("cloud-init".to_owned(), guest::cloud_init(&config).unwrap()));
    files.push(("node-setup".to_owned(), guest::node_setup_script(&config).unwrap()));
    files.push(("node-start".to_owned(), guest::start_task_script(&config).unwrap()));
    files
}

/// Runs a future on a runtime with paused time.
pub(crate) fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

/// A client of a copy of the yard's world, for reads.
pub(crate) fn client(yard: &Yard) -> ArmClient {
    let world = yard.world();
    let clock = TokioClock::starting_at(world.now());
    let world = Arc::new(Mutex::new(world));
    let transport = SimTransport::new(world, Arc::new(move || clock.now()));
    ArmClient::new(ArmOptions {
        cloud: Cloud::public(),
        credential: SimTransport::credential(),
        transport: Some(Arc::new(transport)),
        clock: Arc::new(clock),
        seed: 1,
        retry: RetryPolicy::default(),
    })
}

/// What `--debug` would write while `run` goes on in this thread.
pub(crate) fn logged(run: impl FnOnce()) -> String {
    thread_local! {
        static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    struct ToThread;
    impl std::io::Write for ToThread {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    // For the whole process: a subscriber of one thread races with the others' first events.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new("off,flamenco_azure_core=trace"))
        .with_writer(|| ToThread)
        .with_ansi(false)
        .init();
    LINES.take();
    run();
    String::from_utf8(LINES.take()).unwrap()
}
