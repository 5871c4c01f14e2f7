//! The memory server: a domain around [`services::memory`], over the RAM that it is passed.
//!
//! `module /sbin/mem_serv supervised ready=service/memory ram=128` in the boot menu. Arguments: `limit=MIB` (bytes that each client may have; a quarter of
//! the RAM), `count=NUMBER` (allocations; 256), `grading`: a line for each call.
//!
//! It waits for init only: what is taken back is revoked by it. Its books are in memory of its own, so that clients can have all of the RAM but its first
//! page. It trusts nobody: who ends it has to be trusted to give its RAM to the next one only when it has been revoked, which spawnd does.
#![no_std]
#![no_main]

extern crate alloc;

mod pool;

use alloc::boxed::Box;
use aos::flounder::Limits;
use aos::rpc::GradingLines;
use aos::service::{Host, Next};
use aos::{Args, Error, ErrorCode, println, proc, time};
use core::time::Duration;
use pool::Pool;
use services::memory::{Limit, MemoryServer, MemoryService};

/// Its name.
const NAME: &str = "service/memory";
/// Most connections at once.
const CONNECTIONS: usize = 96;
/// How much each may use: all messages are short.
const LIMITS: Limits = Limits {
    message_bytes: 1 << 10,
    caps: 1,
    queued_bytes: 4 << 10,
    calls: 32,
};
/// Allocations that a client may have, unless told otherwise.
const ALLOCATIONS: u64 = 256;
/// So often it is asked whether processes without a connection are still there.
const INTERVAL: Duration = Duration::from_secs(1);

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    let ram = proc::passed(0).ok_or(Error::new(ErrorCode::SysCapNotFound))?;
    let pool = Pool::new(ram)?;
    let mut limit = Limit {
        bytes: pool.bytes() / 4,
        allocations: ALLOCATIONS,
    };
    let mut grades = false;
    for word in args.words() {
        let value = |key: &str| word.strip_prefix(key)?.parse::<u32>().ok();
        match (word, value("limit="), value("count=")) {
            ("grading", ..) => grades = true,
            (_, Some(mebibytes), _) => limit.bytes = u64::from(mebibytes) << 20,
            (_, _, Some(count)) => limit.allocations = count.into(),
            _ => println!(
                "mem_serv: argument \"{word}\" is not known (limit=MIB, count=NUMBER, grading are)"
            ),
        }
    }
    let interval = time::after(INTERVAL).saturating_sub(time::now());
    let mut service = MemoryService::new(pool, limit, interval);
    if grades {
        service.grading = Box::new(GradingLines);
    }
    let mut service = MemoryServer(service);
    let mut host = Host::new(CONNECTIONS, LIMITS)?;
    host.register(NAME, "")?;
    host.run(&mut service, |service, round| {
        let MemoryServer(memory) = service;
        memory.set_time(time::now());
        for (connection, pid) in &round.opened {
            // Who is one too many is told so by whatever it asks.
            let _ = memory.opened(*connection, *pid);
        }
        round.deadline = match memory.work() {
            // Clients have their turn between two steps.
            true => Some(time::now()),
            false => memory.next_deadline(),
        };
        Next::Serve
    });
    Ok(())
}
