//! Domains that invoke shared objects at random: `capfuzz [CALLS [SEED]]`, from the boot menu: `module /sbin/capfuzz kernel`.
//!
//! [`CHILDREN`] unprivileged domains share an [`arena`] of slots and the objects in it, and throw invocations at them that a
//! [`grammar`] makes: unlike `fuzz`, most could succeed, and many do. The parent, which has the authority of a monitor, lets them
//! work for [`EPOCH`] calls, kills them (in some epochs in the middle of their work), checks the invariants of the capability
//! database, revokes the arena, and proves that all its memory is free again by making one frame of it. It fails (status 1) when
//! anything is lost, when too few calls succeed, or when some command was never tried.
#![no_std]
#![no_main]

extern crate alloc;

mod arena;
mod child;
mod grammar;
mod monitor;
mod parent;
mod supply;
mod tally;

use aos::{Args, Status, println};

/// Domains at a time.
pub const CHILDREN: usize = 3;
/// Calls between two looks at everything.
pub const EPOCH: u64 = 10_000;

#[aos::main]
fn main(args: Args) -> Status {
    let numbers = |skip| {
        let mut numbers = args.words().skip(skip).map(|word| word.parse::<u64>().ok());
        (numbers.next().flatten(), numbers.next().flatten())
    };
    if args.words().next() == Some("--child") {
        let (calls, seed) = numbers(1);
        return match child::play(calls.unwrap_or(0), seed.unwrap_or(0)) {
            Ok(()) => Status(0),
            Err(error) => {
                println!("capfuzz: child: {error}");
                Status(1)
            }
        };
    }
    let (calls, seed) = numbers(0);
    match parent::run(calls.unwrap_or(100_000), seed.unwrap_or(1)) {
        Ok(verdict) => Status(u8::from(!verdict)),
        Err(error) => {
            println!("capfuzz: {error}");
            Status(1)
        }
    }
}
