//! Commands of the shell that are processes of their own: long work, and what may go wrong.

mod bench;
mod memtest;
mod threads;

use crate::USAGE;
use alloc::string::String;
use aos::{Error, Status, println};
use core::fmt::Write;

/// Runs one.
///
/// # Errors
/// Its own.
pub fn run<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Result<Status, Error> {
    let (mut number, mut is_json) = (None, false);
    for word in words {
        match (word, word.parse::<u32>()) {
            ("--json", _) => is_json = true,
            (_, Ok(given)) if number.is_none() => number = Some(given),
            _ => {
                println!("{name}: its only argument is a number");
                return Ok(USAGE);
            }
        }
    }
    match name {
        "bench" => bench::run(number),
        // For who measures how long a program takes.
        "nothing" => Ok(Status::SUCCESS),
        "memtest" => memtest::run(number),
        "threads" => threads::run(number, is_json),
        _ => {
            println!("shell: there is no applet {name}");
            Ok(USAGE)
        }
    }
}

/// Whether a number is in a range; says so if it is not.
fn in_range(name: &str, number: u32, most: u32) -> bool {
    if (1..=most).contains(&number) {
        return true;
    }
    println!("{name}: from 1 to {most}, not {number}");
    false
}

/// Microseconds with what is behind the point.
fn micros(ticks: u64, times: u64) -> String {
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(aos::time::frequency());
    let nanos = nanos / u128::from(times.max(1));
    let mut out = String::new();
    let _ = write!(out, "{}.{:03}", nanos / 1_000, nanos % 1_000);
    out
}
