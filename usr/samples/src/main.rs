//! The book's short programs, each a `main` of about ten lines: `samples NAME` runs one, `samples` all. The test `samples` compares what
//! they print.
#![no_std]
#![no_main]

extern crate alloc;

mod capabilities;
mod children;
mod collections;
mod memory;
mod passing;
mod threads;
mod time;

use aos::prelude::*;

/// An example.
struct Example {
    name: &'static str,
    main: fn(Args) -> Result<(), Error>,
}

const ALL: &[Example] = &[
    example("collections", collections::main),
    example("time", time::main),
    example("threads", threads::main),
    example("memory", memory::main),
    example("capabilities", capabilities::main),
    example("children", children::main),
    example("passing", passing::main),
];

const fn example(name: &'static str, main: fn(Args) -> Result<(), Error>) -> Example {
    Example { name, main }
}

#[aos::main]
fn main(args: Args) -> Result<Status, Error> {
    let wanted = args.words().next();
    let mut ran = false;
    for example in ALL {
        if wanted.is_none_or(|wanted| wanted == example.name) {
            ran = true;
            (example.main)(args)?;
        }
    }
    if !ran {
        println!("usage: samples [NAME]; there are");
        for example in ALL {
            println!("  {}", example.name);
        }
        return Ok(Status(64));
    }
    Ok(Status::SUCCESS)
}
