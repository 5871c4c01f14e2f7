//! Tests of kernel and library OS from user space.
//!
//! Started by init at boot (`module /sbin/tests boot`), it runs every suite and reports each test by a record. It starts
//! itself as a child too: the first argument `--child` and a part to play, see [`parts`]. With the argument `privileged` it tests
//! what takes init's authority, see [`privileged`]: `module /sbin/tests kernel privileged`. With `heavy` and `worst` it looks how long
//! the kernel works at a time, on much and on what was prepared to be slow, see [`heavy`] and [`worst`]. `kernel rbed` is for a kernel with
//! that scheduler, see [`rbed`], and `boot shares` prints who got the core, see [`shares`].
//! `spawnd terminal` serves a script with programs at the terminal, see [`terminal`].
//! `boot supervised` and `boot restarts CALLS` are for menus with the process server, `boot course` for the profile course, see [`supervised`].
//! `boot checks` takes long or much memory, see [`checks`].
//!
//! A test returns what it expected and what it saw when these differ; nothing in it may panic the program.
#![no_std]
#![no_main]

extern crate alloc;

mod asking;
mod attack;
mod busy;
mod calls;
mod caps;
mod checks;
mod crowd;
mod dispatchers;
mod harness;
mod heavy;
mod lazy;
mod longest;
mod messages;
mod own_space;
mod owned;
mod paging;
mod parts;
mod privileged;
mod processes;
mod rbed;
mod reply_wait;
mod root;
mod services;
mod shares;
mod spawning;
mod supervised;
mod tables;
mod terminal;
mod threads;
mod tight;
mod world;
mod worst;

use aos::{Args, Status};
use harness::Harness;
use world::World;

#[aos::main]
fn main(args: Args) -> Status {
    let mut words = args.words();
    match words.next() {
        Some("--child") => {
            let part = words.next().unwrap_or("");
            let seed = words.next().and_then(|seed| seed.parse().ok());
            return parts::play(part, seed.unwrap_or(0));
        }
        Some("privileged") => return privileged::run(),
        Some("terminal") => return terminal::run(),
        Some("heavy") => return heavy::run(),
        Some("worst") => return worst::run(),
        _ => {}
    }
    let suite = args.words().next();
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
    match suite {
        Some("rbed") => {
            rbed::run(&mut harness, &world);
            return harness.end();
        }
        Some("checks") => {
            checks::run(&mut harness);
            return harness.end();
        }
        Some("shares") => return shares::run(&world),
        Some("supervised") => {
            supervised::run(&mut harness);
            return harness.end();
        }
        Some("course") => {
            supervised::run_course(&mut harness);
            return harness.end();
        }
        Some("hostile") => {
            let messages = args.words().nth(1).and_then(|word| word.parse().ok());
            let only = args.words().nth(2);
            supervised::run_hostile(&mut harness, messages.unwrap_or(5_000), only);
            return harness.end();
        }
        Some("restarts") => {
            let calls = args.words().nth(1).and_then(|word| word.parse().ok());
            supervised::run_restarts(&mut harness, calls.unwrap_or(500));
            return harness.end();
        }
        _ => {}
    }
    caps::run(&mut harness);
    paging::run(&mut harness, &world);
    lazy::run(&mut harness, &world);
    tables::run(&mut harness, &world);
    dispatchers::run(&mut harness, &world);
    calls::run(&mut harness);
    messages::run(&mut harness);
    reply_wait::run(&mut harness);
    owned::run(&mut harness, &world);
    spawning::run(&mut harness, &world);
    processes::run(&mut harness, &world);
    tight::run(&mut harness);
    asking::run(&mut harness);
    attack::run(&mut harness, &world);
    threads::run(&mut harness, &world);
    services::run(&mut harness);
    root::run(&mut harness);
    harness.end()
}
