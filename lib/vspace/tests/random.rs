//! Random operations on a space over a simulated kernel, compared with a simple model after each; any call of the environment may
//! fail, and nodes are always scarce.
//!
//! How many: 30,000 steps, 10^6 with `BARRELEYE_LONG` (`./hake.sh test --long`). A failure tells its seed; `BARRELEYE_SEED=N` begins with
//! that one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::time::SystemTime;
use support::world::{Tally, World};

#[test]
fn random_operations() {
    let steps: u64 = match std::env::var_os("BARRELEYE_LONG") {
        Some(_) => 1_000_000,
        None => 30_000,
    };
    let first = match std::env::var("BARRELEYE_SEED") {
        Ok(text) => text.parse().expect("BARRELEYE_SEED is a number"),
        Err(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_micros() as u64),
    };
    const STEPS: u64 = 1000;
    let mut tally = Tally::default();
    for seed in first..first + steps / STEPS {
        let seeded = std::panic::AssertUnwindSafe(|| {
            let mut world = World::new(seed);
            if seed % 2 == 1 {
                world.space.set_apart(40);
            }
            world.tally = std::mem::take(&mut tally);
            for step in 0..STEPS {
                world.step();
                let stopped = world.tally.stopped.values().sum::<u64>();
                if step % 8 == 0 || stopped % 2 == 1 {
                    world.compare();
                }
            }
            world.empty();
            world.tally
        });
        tally = std::panic::catch_unwind(seeded)
            .unwrap_or_else(|_| panic!("failed with BARRELEYE_SEED={seed}"));
    }
    println!("{tally:#?}");
    for name in [
        "map", "back", "touch", "hole", "unback", "unmap", "protect", "join", "guard", "reserve",
    ] {
        assert!(tally.done[name] > 100, "{name} hardly ever succeeds");
    }
    // Too rare to be there in every short run.
    if steps >= 1_000_000 {
        for name in ["map", "back", "unback", "unmap", "protect"] {
            assert!(tally.stopped[name] > 0, "{name} never stops");
        }
    }
    assert!(tally.lost > 0 && tally.joined > 0);
}
