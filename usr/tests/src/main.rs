//! Tests of kernel and library OS from user space.
//!
//! Started by init at boot (`module /sbin/tests boot`), it runs every suite and reports each test by a record. It starts
//! itself as a child too: the first argument `--child` and a part to play, see [`parts`]. With the argument `privileged` it tests
//! what takes init's authority, see [`privileged`]: `module /sbin/tests kernel privileged`.
//!
//! A test returns what it expected and what it saw when these differ; nothing in it may panic the program.
#![no_std]
#![no_main]

extern crate alloc;

mod attack;
mod caps;
mod harness;
mod messages;
mod paging;
mod parts;
mod privileged;
mod root;
mod spawning;
mod world;

use aos::{Args, Status};
use harness::Harness;
use world::World;

#[aos::main]
fn main(args: Args) -> Status {
    let mut words = args.words();
    match words.next() {
        Some("--child") => return parts::play(words.next().unwrap_or("")),
        Some("privileged") => return privileged::run(),
        _ => {}
    }
    let mut harness = Harness::new();
    let world = match World::new() {
        Ok(world) => world,
        Err(error) => {
            aos::println!(
                "tests: start them from the boot menu, `module /sbin/tests boot`: {error}"
            );
            return Status(1);
        }
    };
    caps::run(&mut harness);
    paging::run(&mut harness, &world);
    messages::run(&mut harness);
    spawning::run(&mut harness, &world);
    attack::run(&mut harness, &world);
    root::run(&mut harness);
    harness.end()
}
