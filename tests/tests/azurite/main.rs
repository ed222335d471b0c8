//! The life of application packages with their blobs in Azurite, Microsoft's emulator, and everything else simulated: each
//! request for a blob goes to the simulator too, and both answer alike.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../../support/azurite.rs"]
mod azurite;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::http::{AsyncRawResponse, HttpClient, Method, Request, Url};
use azure_sim::SimRequest;
use azurite::{Azurite, sas};
use flamenco_azure_cli::failure::Exit;
use flamenco_azure_tests::mirror::InRealTime;
use flamenco_azure_tests::yard::{FARM_FILE, POOL, Yard};

const ACCOUNT: &str = "crunchpackages";
const HOST: &str = "crunchpackages.blob.core.windows.net";

fn farm_file() -> String {
    format!(
        "packageStorageAccountName: {ACCOUNT}\n{FARM_FILE}    packages: [blender#5.0.1, ffmpeg#7.1, flamenco-worker#3.8.5]\n"
    )
}

/// Azurite as the account of packages: containers are made when they are first asked for, as Batch makes them in Azure.
#[derive(Debug)]
struct Packages {
    azurite: Arc<dyn HttpClient>,
    containers: Mutex<BTreeSet<String>>,
    /// What was put together.
    committed: Mutex<BTreeSet<Url>>,
}

impl Packages {
    fn new(azurite: Arc<dyn HttpClient>) -> Self {
        Self { azurite, containers: Mutex::default(), committed: Mutex::default() }
    }
}

fn request(method: Method, url: &str) -> Request {
    let mut request = Request::new(url.parse().unwrap(), method);
    request.insert_header("x-ms-version", "2025-11-05");
    request.insert_header("content-length", "0");
    request
}

#[async_trait]
impl HttpClient for Packages {
    async fn execute_request(&self, asked: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = asked.url();
        let container = url.path_segments().and_then(|mut parts| parts.next()).unwrap_or_default().to_owned();
        if self.containers.lock().unwrap().insert(container.clone()) {
            let made = request(Method::Put, &format!("https://{HOST}/{container}?restype=container"));
            assert_eq!(self.azurite.execute_request(&made).await?.status(), 201);
        }
        let answer = self.azurite.execute_request(asked).await?;
        if asked.method() == Method::Put && url.query().is_some_and(|query| query.contains("comp=blocklist"))
        {
            assert_eq!(answer.status(), 201);
            let mut url = url.clone();
            url.set_query(None);
            self.committed.lock().unwrap().insert(url);
        }
        Ok(answer)
    }
}

fn program(yard: &Yard, folder: &str, name: &str, text: &str) -> String {
    let folder = yard.path().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\necho {text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder.display().to_string()
}

fn idle(yard: &Yard) -> usize {
    yard.poke(|world| world.advance_by(900));
    yard.world().nodes(POOL).iter().filter(|(_, state)| *state == "idle").count()
}

fn orders(yard: &Yard, verb: &str) -> usize {
    yard.last_log().iter().filter(|(method, path)| method == "POST" && path.ends_with(verb)).count()
}

/// What Azurite has of each package, and the simulator's nodes with it.
fn contents(yard: &Yard, packages: &Packages, server: &InRealTime) -> Vec<Bytes> {
    let read = |url: &Url| {
        let here = server.ask(&request(Method::Get, url.as_str())).unwrap();
        let mut there = None;
        yard.poke(|world| {
            let asked = SimRequest::new("GET", url.clone()).header("authorization", "Bearer any");
            there = Some(world.handle(&asked.header("x-ms-version", "2025-11-05")));
        });
        let there = there.unwrap();
        assert_eq!((u16::from(here.status()), there.status), (200, 200), "{url}");
        assert!(here.body().as_ref() == there.body, "{url}");
        here.into_body().into()
    };
    packages.committed.lock().unwrap().iter().map(read).collect()
}

#[test]
fn three_packages_live_and_go_with_their_blobs_in_azurite() {
    let Some(azurite) = Azurite::start(ACCOUNT, "the life of packages with Azurite", &["--loose"]) else {
        return;
    };
    let everything = sas(ACCOUNT, "rwdlac", "b", "sco", "2100-01-01T00:00:00Z".parse().unwrap());
    let packages = Arc::new(Packages::new(azurite.wire(Some(everything))));
    let server = Arc::new(InRealTime::new(Arc::clone(&packages) as _));
    let yard = Yard::new(&farm_file(), |_| {}).mirrored(HOST, Arc::clone(&server) as _);

    assert_eq!(yard.run("deploy --yes"), Exit::Drift, "the pool waits for its packages");
    for (id, version, folder) in
        [("blender", "5.0.1", "b"), ("ffmpeg", "7.1", "f"), ("flamenco-worker", "3.8.5", "w")]
    {
        let folder = program(&yard, folder, id, version);
        let push = format!("app push {id} --version {version} {folder}");
        assert_eq!(yard.run(&push), Exit::Done);
        assert!(yard.last_log().iter().any(|(method, url)| method == "PUT" && url.contains(HOST)), "{id}");
        yard.run(&push);
        assert!(
            yard.last_log().iter().all(|(method, url)| method != "PUT" || !url.contains(HOST)),
            "sent again"
        );
    }
    assert_eq!(yard.run("deploy --yes"), Exit::Done);
    assert_eq!(idle(&yard), 2);
    let first = contents(&yard, &packages, &server);
    assert_eq!(first.len(), 3);

    let node = yard.world().nodes(POOL)[0].0.clone();
    yard.poke(|world| assert!(world.fail_start_task(&node, 1, "no share today\n")));
    yard.run(&format!("pool logs render {node} stderr"));
    let shown = |exchange: &azure_sim::Exchange| exchange.response.body.ends_with(b"no share today\n");
    assert!(yard.last_traffic().iter().any(shown));
    yard.run(&format!("pool reimage render {node}"));
    assert_eq!(yard.run("scale render --dedicated 3 --wait"), Exit::Done);
    assert_eq!(idle(&yard), 3);

    let folder = program(&yard, "b", "blender", "5.0.1, mended");
    let push = format!("app push blender --version 5.0.1 {folder}");
    assert!(yard.outcome(&push).is_err(), "other content is not taken for the same");
    assert_eq!(contents(&yard, &packages, &server), first);
    yard.run(&format!("{push} --replace"));
    let second = contents(&yard, &packages, &server);
    assert_eq!(first.iter().zip(&second).filter(|(before, after)| before != after).count(), 1);
    yard.run("pool rollout render --batch 2");
    assert_eq!(orders(&yard, "/reimage"), 3);
    assert_eq!(idle(&yard), 3);
    yard.run("pool rollout render");
    assert_eq!(orders(&yard, "/reimage"), 0);

    for id in ["blender", "ffmpeg", "flamenco-worker"] {
        yard.run(&format!("app remove {id} --yes --force"));
    }
    yard.run("teardown --yes");
    assert!(yard.world().groups().is_empty());
}
