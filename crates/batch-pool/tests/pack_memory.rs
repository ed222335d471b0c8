//! A package of 2 GB does not need 2 GB of memory, neither while it is packed nor while it is pushed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Method, Request, StatusCode};
use azure_sim::SimTransport;
use batch_pool::packages::{BatchPackages, BlobOptions, PackOptions, PackageId, Packed, Pushed, pack, push};
use flamenco_azure_core::arm::{ArmClient, ArmOptions, Cloud, RetryPolicy};
use flamenco_azure_core::clock::SystemClock;
use flamenco_azure_core::exec::NoReporter;

const MIB: u64 = 1 << 20;
/// Of the folder and the archive, unpacked.
const SIZE: u64 = 2 << 30;

/// The most memory that this process had, in MB (proc(5): `VmHWM`).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024 / 1_000_000
}

/// Has `work` done by a process of its own, whose peak is that of the work alone: not of what `prepare` takes to put into the
/// folder, nor of the other tests.
fn less_than_200_megabytes(test: &str, prepare: fn(&Path), work: fn(&Path)) {
    const PLACE: &str = "PACK_MEMORY_PLACE";
    if let Some(place) = std::env::var_os(PLACE) {
        work(Path::new(&place));
        let peak = peak();
        println!("peak {peak} MB");
        assert!(peak < 200, "{peak} MB");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("work")).unwrap();
    prepare(place.path());
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone.args([test, "--exact", "--nocapture"]).env(PLACE, place.path());
    assert!(alone.status().unwrap().success(), "{test}");
}

/// Bytes that do not get smaller.
fn noise(mebibytes: u64, to: &mut dyn Write) {
    let mut state = 1_u64;
    for _ in 0..mebibytes {
        let block: Vec<u8> = (0..MIB)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        to.write_all(&block).unwrap();
    }
}

fn packed(place: &Path, source: &str, threads: usize) -> Packed {
    let options = PackOptions { work: place.join("work"), threads, ..PackOptions::default() };
    pack(&place.join(source), &options, "it", &NoReporter).unwrap()
}

#[test]
fn two_gigabytes_are_packed_in_less_than_200_megabytes() {
    // Most of it is a hole, which takes no room on the disk; 192 MiB are noise, more than
    // 64 cores may have under way.
    let prepare = |place: &Path| {
        let root = place.join("tree");
        std::fs::create_dir(&root).unwrap();
        noise(192, &mut File::create(root.join("noise")).unwrap());
        File::create(root.join("hole")).unwrap().set_len(SIZE - 192 * MIB).unwrap();
    };
    less_than_200_megabytes("two_gigabytes_are_packed_in_less_than_200_megabytes", prepare, |place| {
        let packed = packed(place, "tree", 64);
        assert_eq!(packed.unpacked(), SIZE);
        assert!((192 * MIB..208 * MIB).contains(&packed.size()), "{}", packed.size());
    });
}

/// As `xz -9` makes it, which takes the most memory to unpack: a dictionary of 64 MiB.
#[test]
fn two_gigabytes_of_an_archive_are_packed_in_less_than_200_megabytes() {
    fn xz(dictionary: u32, of: &mut dyn FnMut(&mut dyn Write)) -> Vec<u8> {
        let mut options = lzma_rust2::XzOptions::with_preset(0);
        options.lzma_options.dict_size = dictionary;
        let mut out = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        of(&mut out);
        out.finish().unwrap()
    }
    fn zeros(mebibytes: u64, to: &mut dyn Write) {
        std::io::copy(&mut std::io::repeat(0).take(mebibytes * MIB), to).unwrap();
    }
    fn header(name: &str, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }
    // Streams may follow each other in an .xz: what is made once is written many times.
    let prepare = |place: &Path| {
        let (small, large) = (1 << 20, 64 << 20);
        let headers = [header("noise", 128 * MIB), header("zeros", SIZE - 128 * MIB)];
        let [first, second] =
            headers.map(|header| xz(small, &mut |to| to.write_all(header.as_bytes()).unwrap()));
        let bodies = [xz(small, &mut |to| noise(8, to)), xz(large, &mut |to| zeros(64, to))];
        let end = xz(small, &mut |to| to.write_all(&[0; 1024]).unwrap());
        let mut file = File::create(place.join("archive.tar.xz")).unwrap();
        file.write_all(&first).unwrap();
        file.write_all(&bodies[0].repeat(16)).unwrap();
        file.write_all(&second).unwrap();
        file.write_all(&bodies[1].repeat((SIZE / MIB / 64 - 2) as usize)).unwrap();
        file.write_all(&end).unwrap();
    };
    less_than_200_megabytes(
        "two_gigabytes_of_an_archive_are_packed_in_less_than_200_megabytes",
        prepare,
        |place| {
            let packed = packed(place, "archive.tar.xz", 64);
            assert_eq!(packed.unpacked(), SIZE);
            assert!((128 * MIB..144 * MIB).contains(&packed.size()), "{}", packed.size());
        },
    );
}

/// An Azure that keeps nothing and takes its time with each block.
#[derive(Debug, Default)]
struct Drain {
    bytes: AtomicU64,
}

#[async_trait]
impl HttpClient for Drain {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (url, mut headers) = (request.url(), Headers::new());
        let blocks = url.query().is_some_and(|query| query.contains("comp=block"));
        let (status, body) = match request.method() {
            Method::Put if blocks => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                if url.query_pairs().any(|(_, value)| value == "block") {
                    self.bytes.fetch_add(request.body().len().unwrap_or_default(), Ordering::Relaxed);
                }
                (StatusCode::Created, "")
            }
            Method::Get if blocks => {
                headers.insert("x-ms-error-code", "BlobNotFound");
                (StatusCode::NotFound, "<Error><Code>BlobNotFound</Code></Error>")
            }
            Method::Get if url.path().contains("/versions/") => (StatusCode::NotFound, "{}"),
            Method::Get if url.path().contains("/applications") => (StatusCode::Ok, "{\"value\": []}"),
            Method::Get => {
                (StatusCode::Ok, "{\"properties\": {\"autoStorage\": {\"storageAccountId\": \"drain\"}}}")
            }
            _ => (
                StatusCode::Ok,
                "{\"properties\": {\"storageUrl\": \"https://drain.blob.core.windows.net/app/1?sig=x\"}}",
            ),
        };
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

#[test]
fn a_push_takes_less_than_200_megabytes() {
    // More than the limit is enough to see whether it is kept in memory.
    let prepare = |place: &Path| {
        std::fs::create_dir(place.join("tree")).unwrap();
        noise(208, &mut File::create(place.join("tree/noise")).unwrap());
    };
    less_than_200_megabytes("a_push_takes_less_than_200_megabytes", prepare, |place| {
        let packed = packed(place, "tree", 2);
        assert!(packed.size() > 208 * MIB);
        let drain = Arc::new(Drain::default());
        let client = ArmClient::new(ArmOptions {
            cloud: Cloud::public(),
            credential: SimTransport::credential(),
            transport: Some(Arc::<Drain>::clone(&drain)),
            clock: Arc::new(SystemClock),
            seed: 1,
            retry: RetryPolicy::default(),
        });
        let account = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/farm/providers/\
                       Microsoft.Batch/batchAccounts/drain";
        let packages = BatchPackages::new(client.clone(), account.parse().unwrap());
        let (blobs, id) = (BlobOptions::of(&client), PackageId::new("it", "1").unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let pushed = runtime.block_on(push(&packages, &blobs, &id, &packed, false, &NoReporter)).unwrap();
        assert_eq!(pushed, Pushed::Sent { sent: packed.size(), kept: 0 });
        assert_eq!(drain.bytes.load(Ordering::Relaxed), packed.size());
    });
}
