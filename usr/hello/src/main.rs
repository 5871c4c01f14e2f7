//! Prints its arguments.
//!
//! `hello [--status N] WORD...` ends with status N from 0 to 255, 0 unless told otherwise.
#![no_std]
#![no_main]

use aos::{Args, Status, println};

#[aos::main]
fn main(args: Args) -> Status {
    println!("hello from pid {} on core {}", args.pid(), aos::core_id().0);
    for (index, word) in args.words().enumerate() {
        println!("  argument {}: {word}", index + 1);
    }
    let mut words = args.words();
    match (words.next(), words.next().map(str::parse)) {
        (Some("--status"), Some(Ok(status))) => Status(status),
        (Some("--status"), _) => {
            println!("usage: hello [--status N] WORD..., N from 0 to 255");
            Status(64)
        }
        _ => Status::SUCCESS,
    }
}
