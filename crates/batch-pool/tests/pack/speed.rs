//! How long packing takes beside compression alone: `cargo xtask bench`.

use std::time::Instant;

use flate2::{Compress, Compression, FlushCompress};

use super::samples::{Kind, Place, Tree, file, noise, to_folder};

/// Files of 4 MiB, half of which gets smaller, 256 MiB together.
fn tree() -> Tree {
    let noise = noise(2 << 20);
    (0..64)
        .map(|number: u8| {
            let mut bytes = noise.clone();
            bytes.extend(noise.iter().map(|byte| b'a' + (byte & 15)));
            bytes[0] = number;
            file(&format!("f{number}"), &bytes)
        })
        .collect()
}

#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "the figure is for people")]
fn packing_beside_compression_alone() {
    let tree = tree();
    let mut place = Place::new();
    let root = place.path("tree");
    std::fs::create_dir(&root).unwrap();
    to_folder(&tree, &root);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut alone, mut one, mut all) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..3 {
        let begun = Instant::now();
        for (_, kind) in &tree {
            let Kind::File(bytes, _) = kind else { continue };
            let mut compress = Compress::new(Compression::default(), false);
            let mut squeezed = Vec::with_capacity(bytes.len() + (bytes.len() >> 8) + 1024);
            compress.compress_vec(bytes, &mut squeezed, FlushCompress::Finish).unwrap();
            assert!(!squeezed.is_empty());
        }
        alone = alone.min(begun.elapsed().as_secs_f64());
        for (threads, best) in [(1, &mut one), (cores, &mut all)] {
            place.options.threads = threads;
            let begun = Instant::now();
            let packed = place.pack(&root).unwrap();
            *best = best.min(begun.elapsed().as_secs_f64());
            assert_eq!(packed.entries(), tree.len());
        }
    }
    let speed = |seconds: f64| 268.4 / seconds;
    println!(
        "packing 256 MiB: compression alone {:.0} MB/s on one core; pack {:.0} MB/s on one, {:.0} MB/s on {cores}",
        speed(alone),
        speed(one),
        speed(all)
    );
}
