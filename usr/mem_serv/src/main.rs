//! The memory server: a domain around [`serving::memory`], over the RAM that it is passed.
//!
//! `module /sbin/mem_serv supervised ready=service/memory ram=128` in the boot menu. Arguments: `limit=MIB` (bytes that each client may have; a quarter of
//! the RAM), `count=NUMBER` (allocations; 256), `grading`: a line for each call.
//!
//! It waits for init only: what is taken back is revoked by it. Its books are in memory of its own, so that clients can have all of the RAM but its first
//! page. It trusts nobody: who ends it has to be trusted to give its RAM to the next one only when it has been revoked, which spawnd does.
#![no_std]
#![no_main]

use aos::{Args, Error, ErrorCode, println, proc};
use serving::memory::{self, ALLOCATIONS, Limit, NAME, Pool};

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    let ram = proc::passed(0).ok_or(Error::new(ErrorCode::SysCapNotFound))?;
    let pool = Pool::new(ram)?;
    let mut limit = Limit {
        bytes: pool.bytes() / 4,
        allocations: ALLOCATIONS,
    };
    let mut grading = false;
    for word in args.words() {
        let value = |key: &str| word.strip_prefix(key)?.parse::<u32>().ok();
        match (word, value("limit="), value("count=")) {
            ("grading", ..) => grading = true,
            (_, Some(mebibytes), _) => limit.bytes = u64::from(mebibytes) << 20,
            (_, _, Some(count)) => limit.allocations = count.into(),
            _ => println!(
                "mem_serv: argument \"{word}\" is not known (limit=MIB, count=NUMBER, grading are)"
            ),
        }
    }
    let mut host = memory::host()?;
    host.register(NAME, "")?;
    memory::serve(&mut host, pool, limit, grading);
    Ok(())
}
