//! Random programs over all operations: with the naive model beside them, and call by call among each other.
//!
//! How many: `BARRELEYE_LONG` gives 10^6 operations for 20,000 (`./hake.sh test --long`). Random numbers come from a seed that is
//! printed when a program fails, with the program made as short as possible; `BARRELEYE_SEED=N` (or `--seed N`) begins with
//! that one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::cell::RefCell;
use std::time::SystemTime;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::program::ops::{Op, op, steps};
use support::program::{Tally, interleaved, program};

/// Operations of a program.
const LENGTH: std::ops::Range<usize> = 80..121;

/// Programs to run, of 100 operations on average: surely more than 10^6 or 20,000.
fn programs() -> u64 {
    match std::env::var_os("BARRELEYE_LONG") {
        Some(_) => 10_100,
        None => 210,
    }
}

/// The first program's seed; each has its own, so that one alone can be run again.
fn first_seed() -> u64 {
    match std::env::var("BARRELEYE_SEED") {
        Ok(text) => text.parse().expect("BARRELEYE_SEED is a number"),
        Err(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_micros() as u64),
    }
}

/// What a single call may do: as much as the kernel's, or so little that nearly everything takes several.
const WORK: [u32; 3] = [16_000, 9_000, 4_500];

/// Runs random programs, of which at least `success` % of the operations must succeed.
fn run_many(
    ops: impl Strategy<Value = Op> + Clone,
    test: fn(&[Op], u32, &mut Tally),
    success: u64,
) {
    let tally = RefCell::new(Tally::default());
    let first = first_seed();
    for seed in first..first + programs() {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config {
            cases: 1,
            max_shrink_iters: 3000,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let program = prop::collection::vec(ops.clone(), LENGTH);
        let work = WORK[seed as usize % WORK.len()];
        let result = TestRunner::new_with_rng(config, rng).run(&program, |ops| {
            test(&ops, work, &mut tally.borrow_mut());
            Ok(())
        });
        if let Err(error) = result {
            panic!("with seed {seed} (BARRELEYE_SEED={seed} runs it again): {error}");
        }
    }
    let tally = tally.into_inner();
    tally.print();
    assert!(
        tally.success() >= success,
        "only {}% succeeded: that tests little",
        tally.success()
    );
}

#[test]
fn the_model_agrees_after_every_step() {
    run_many(op().boxed(), program, 30);
}

#[test]
fn steps_may_come_between_anything() {
    run_many(steps().boxed(), interleaved, 30);
}
