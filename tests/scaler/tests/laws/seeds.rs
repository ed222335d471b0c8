//! Whole farms by seed. `cargo xtask sim --seed N` plays one again with its trace, `cargo xtask sim --seeds 10000` more.

use scaler_yard::seeds::{play, play_all};

#[test]
fn whatever_happens_the_judges_agree_and_the_farm_comes_to_rest() {
    let failed = play_all(0..200, |played| {
        if !played.wrong.is_empty() {
            for line in played.trace.iter().chain(&played.wrong) {
                println!("{line}");
            }
            println!("play it again: cargo xtask sim --seed {}", played.seed);
        }
    });
    assert!(failed.is_empty(), "cargo xtask sim --seed N, for N in {failed:?}");
}

#[test]
fn a_seed_plays_the_same_every_time() {
    assert_eq!(play(7), play(7));
}
