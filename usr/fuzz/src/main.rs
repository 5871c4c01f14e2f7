//! Random system calls from an unprivileged domain: `fuzz [COUNT [SEED]]`, 10000 and 1 unless told otherwise.
//!
//! The kernel must survive every call and answer each with a result. The domain must survive too, or else the run would
//! say nothing about the calls that did not happen; so [`sanitize`] turns away the few that would end it rightfully. What
//! ends it in spite of that is a finding.
//!
//! When the boot menu marks it `boot` it gets memory and makes objects of every kind to play with; from the prompt it has
//! only what any program has.
#![no_std]
#![no_main]

mod generate;
mod playground;
mod sanitize;

use aos::{Args, Error, println};
use generate::Generator;
use random::Random;

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    let mut numbers = args.words().map(str::parse::<u64>);
    let count = numbers.next().and_then(Result::ok).unwrap_or(10_000);
    let seed = numbers.next().and_then(Result::ok).unwrap_or(1);
    let objects = playground::build();
    println!("fuzz: {count} calls, seed {seed}, {objects} objects to play with");
    let mut generator = Generator::new(Random::new(seed));
    let (mut accepted, mut refused) = (0u64, 0u64);
    for _ in 0..count {
        let mut words = generator.call();
        sanitize::sanitize(&mut words);
        // SAFETY: `sanitize` turned away what would touch this program's own memory or dispatcher.
        let results = unsafe { aos::syscall::raw(words) };
        match results.error {
            0 => accepted += 1,
            _ => refused += 1,
        }
    }
    println!("fuzz: done, {count} calls, seed {seed}, {accepted} accepted, {refused} refused");
    Ok(())
}
