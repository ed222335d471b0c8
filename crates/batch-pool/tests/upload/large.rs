//! The size of real packages. Not every day, but in each complete run (`cargo xtask test --require-all`): `cargo test -p
//! batch-pool --test upload -- --ignored a_gigabyte` (a minute, 4 GB of disk and memory, most of it the ends').

use std::process::Command;
use std::time::Instant;

use batch_pool::packages::Pushed;

use super::ends::{End, id, packed};
use super::gate::Tricks;

#[allow(clippy::disallowed_methods, reason = "the figure is for people")]
async fn a_gigabyte(end: &End, name: &str) {
    let (id, it) = (id("large", "1"), packed(1 << 30, 14));
    end.gate.play(Tricks { cut_after: Some(120), ..Tricks::default() });
    end.push(&id, &it).await.unwrap_err();
    let (_, before) = end.gate.staged();
    assert!(before > 0);
    end.gate.play(Tricks::default());
    let begun = Instant::now();
    let pushed = end.push(&id, &it).await.unwrap();
    let sent = it.size() - before;
    assert_eq!(pushed, Pushed::Sent { sent, kept: before });
    println!("{name}: {:.0} MB/s", sent as f64 / 1e6 / begun.elapsed().as_secs_f64());
    end.assert_active(&id, &it).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "a gigabyte"]
async fn a_gigabyte_to_the_simulator() {
    a_gigabyte(&End::simulator(), "the simulator").await;
}

#[tokio::test]
#[ignore = "a gigabyte"]
async fn a_gigabyte_to_azurite() {
    if let Some((_azurite, end)) = End::azurite() {
        a_gigabyte(&end, "azurite").await;
    }
}

/// 500 MB beside `az storage blob upload`, three times each in turn: `AZ=path/to/az cargo test --release -p batch-pool --test
/// upload -- --ignored --nocapture beside_az`. The figures of docs/performance.md are its.
#[tokio::test]
#[ignore = "a measurement, with the Azure CLI"]
#[allow(clippy::disallowed_methods, reason = "the figure is for people")]
async fn five_hundred_megabytes_beside_az() {
    let Some((azurite, mut end)) = End::azurite() else { return };
    let Some(az) = std::env::var_os("AZ") else { return println!("SKIPPED: AZ names no Azure CLI") };
    // Without the tricks and sums of the tests.
    end.blobs.transport = Some(azurite.wire(None));
    let it = packed(500_000_000, 15);
    let copy = tempfile::NamedTempFile::new().unwrap();
    it.copy_to(&mut copy.as_file()).unwrap();
    let connection = azurite.connection();
    let run = |words: &[&str]| {
        let mut command = Command::new(&az);
        command.args(words).args([
            "--connection-string",
            &connection,
            "--only-show-errors",
            "--output",
            "none",
        ]);
        assert!(command.status().unwrap().success(), "{words:?}");
    };
    run(&["storage", "container", "create", "--name", "azcli"]);
    // Its interpreter starts before it uploads: what an upload of one byte takes is not counted.
    let tiny = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(tiny.path(), "1").unwrap();
    let upload = |name: &str, file: &std::path::Path| {
        let begun = Instant::now();
        let file = file.display().to_string();
        run(&[
            "storage",
            "blob",
            "upload",
            "--container-name",
            "azcli",
            "--name",
            name,
            "--file",
            &file,
            "--overwrite",
            "true",
        ]);
        begun.elapsed().as_secs_f64()
    };
    let megabytes = it.size() as f64 / 1e6;
    for round in 1..=3 {
        let begun = Instant::now();
        let pushed = end.push(&id("beside", &round.to_string()), &it).await.unwrap();
        assert_eq!(pushed, Pushed::Sent { sent: it.size(), kept: 0 });
        let ours = megabytes / begun.elapsed().as_secs_f64();
        let start = upload("tiny", tiny.path());
        let whole = upload(&format!("az{round}"), copy.path());
        let theirs = megabytes / (whole - start);
        println!(
            "round {round}: {ours:.0} MB/s; az {theirs:.0} MB/s without its start of {start:.1} s ({:.0} MB/s with it): {:.2} x",
            megabytes / whole,
            ours / theirs
        );
    }
}
