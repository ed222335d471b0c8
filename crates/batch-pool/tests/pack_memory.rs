//! A package of 2 GB does not need 2 GB of memory. Alone in its process, which it measures.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::io::Write as _;

use batch_pool::packages::{PackOptions, pack};
use flamenco_azure_core::exec::NoReporter;

/// The most memory that this process had, in MiB (proc(5): `VmHWM`).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn two_gigabytes_are_packed_in_less_than_200_megabytes() {
    let place = tempfile::tempdir().unwrap();
    let (root, work) = (place.path().join("tree"), place.path().join("work"));
    std::fs::create_dir_all(&root).unwrap();
    std::fs::create_dir(&work).unwrap();
    // Most of it is a hole, which takes no room on the disk; 192 MiB are noise, more than
    // 64 cores may have under way.
    let mut state = 1_u64;
    let mut noise = File::create(root.join("noise")).unwrap();
    for _ in 0..192 {
        let block: Vec<u8> = (0..1 << 20)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        noise.write_all(&block).unwrap();
    }
    File::create(root.join("hole")).unwrap().set_len((2 << 30) - (192 << 20)).unwrap();
    let options = PackOptions { work, threads: 64, ..PackOptions::default() };
    let packed = pack(&root, &options, "it", &NoReporter).unwrap();
    assert_eq!(packed.unpacked(), 2 << 30);
    assert!((192 << 20..208 << 20).contains(&packed.size()), "{}", packed.size());
    let peak = peak();
    assert!(peak < 200, "{peak} MiB");
    println!("peak {peak} MiB");
}
