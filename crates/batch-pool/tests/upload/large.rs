//! The size of real packages. Not every day: `cargo test -p batch-pool --test upload -- --ignored` (a minute, 4 GB of
//! disk and memory, most of it the ends').

use std::time::Instant;

use batch_pool::packages::Pushed;

use super::azurite::{Azurite, skipped};
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
    let Some(azurite) = Azurite::start() else { return skipped() };
    a_gigabyte(&azurite.end(), "azurite").await;
}
