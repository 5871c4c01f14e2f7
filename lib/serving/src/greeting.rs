//! The course's init channel. It has a thread of its own, so that a long text keeps nobody waiting who wants something else.

use alloc::boxed::Box;
use aos::Error;
use aos::flounder::Limits;
use aos::rpc::GradingLines;
use aos::service::{Host, Next};
use services::init::{InitServer, InitService};

pub use aos::rpc::INIT as NAME;

/// Most connections at once.
const CONNECTIONS: usize = 64;
/// How much each may use: texts of 1 MiB.
const LIMITS: Limits = Limits {
    message_bytes: 1 << 20,
    caps: 1,
    queued_bytes: 16 << 10,
    calls: 16,
};

/// Its clients.
///
/// # Errors
/// As [`Host::new`].
pub fn host() -> Result<Host, Error> {
    Host::new(CONNECTIONS, LIMITS)
}

/// Serves them on the calling thread, for ever.
pub fn serve(host: &mut Host, grading: bool) {
    let mut service = InitService::default();
    if grading {
        service.grading = Box::new(GradingLines);
    }
    host.run(&mut InitServer(service), |_, _| Next::Serve);
}
