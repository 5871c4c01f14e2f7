//! The seed of a random test, for tests to include: `#[path = "../../random/testing/seed.rs"]`.

use random::Random;
use std::time::SystemTime;

/// Random numbers from `BARRELEYE_SEED`, or a new seed each time. The line about it is shown when the test fails.
pub fn new_random() -> Random {
    let seed: u64 = match std::env::var("BARRELEYE_SEED") {
        Ok(text) => text.parse().expect("BARRELEYE_SEED is a number"),
        Err(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(1, |since| since.as_micros() as u64),
    };
    println!("BARRELEYE_SEED={seed}");
    Random::new(seed)
}
