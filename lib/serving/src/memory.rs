//! The memory server over RAM that the domain has.

mod pool;

pub use pool::Pool;
pub use services::memory::Limit;

use alloc::boxed::Box;
use aos::flounder::Limits;
use aos::rpc::GradingLines;
use aos::service::{Host, Next};
use aos::{Error, time};
use core::time::Duration;
use services::memory::{MemoryServer, MemoryService};

pub use aos::rpc::MEMORY as NAME;

/// Allocations that a client may have, unless told otherwise.
pub const ALLOCATIONS: u64 = 256;

/// Most connections at once.
const CONNECTIONS: usize = 96;
/// How much each may use: all messages are short.
const LIMITS: Limits = Limits {
    message_bytes: 1 << 10,
    caps: 1,
    queued_bytes: 4 << 10,
    calls: 32,
};
/// So often it is asked whether processes without a connection are still there.
const INTERVAL: Duration = Duration::from_secs(1);

/// Its clients.
///
/// # Errors
/// As [`Host::new`].
pub fn host() -> Result<Host, Error> {
    Host::new(CONNECTIONS, LIMITS)
}

/// Serves them on the calling thread, for ever.
pub fn serve(host: &mut Host, pool: Pool, limit: Limit, grading: bool) {
    let mut service = MemoryService::new(pool, limit, time::ticks(INTERVAL));
    if grading {
        service.grading = Box::new(GradingLines);
    }
    let mut service = MemoryServer(service);
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
}
