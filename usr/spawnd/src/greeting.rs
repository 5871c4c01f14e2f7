//! The course's init channel, `service/init`: a thread of its own, so that a long text keeps nobody waiting who wants a process.

use alloc::boxed::Box;
use aos::flounder::Limits;
use aos::rpc::{GradingLines, INIT};
use aos::service::{Host, Next};
use aos::{Error, println, thread};
use services::init::{InitServer, InitService};

/// Most connections at once.
const CONNECTIONS: usize = 64;
/// How much each may use: texts of 1 MiB.
const LIMITS: Limits = Limits {
    message_bytes: 1 << 20,
    caps: 1,
    queued_bytes: 16 << 10,
    calls: 16,
};

/// Begins to take numbers and texts.
///
/// # Errors
/// Why there is no thread.
pub fn start(grading: bool) -> Result<(), Error> {
    let thread = thread::spawn("init channel", move || {
        if let Err(error) = serve(grading) {
            println!("spawnd: no init channel: {error}");
        }
    })?;
    // It never ends.
    drop(thread);
    Ok(())
}

fn serve(grading: bool) -> Result<(), Error> {
    let mut service = InitService::default();
    if grading {
        service.grading = Box::new(GradingLines);
    }
    let mut host = Host::new(CONNECTIONS, LIMITS)?;
    host.register_later(INIT, "")?;
    host.run(&mut InitServer(service), |_, _| Next::Serve);
    Ok(())
}
