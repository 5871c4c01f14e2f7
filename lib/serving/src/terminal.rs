//! The terminal over some line: a UART, or the kernel's console.

use alloc::boxed::Box;
use aos::Error;
use aos::flounder::Finished;
use aos::rpc::GradingLines;
use aos::service::{Host, Next, Round};
use services::terminal::{LIMITS, TerminalServer, TerminalService};

pub use services::terminal::NAME;

/// Connections at once: more than the processes that the terminal has room for.
const CONNECTIONS: usize = 96;

/// Its clients.
///
/// # Errors
/// As [`Host::new`].
pub fn host() -> Result<Host, Error> {
    Host::new(CONNECTIONS, LIMITS)
}

/// Serves them, for ever. In each round `line` gives the terminal what was received, sends what there is to send, and says whether all that it took from
/// the terminal is sent: as long as it is not, nobody is told that it is.
pub async fn serve(
    host: &mut Host,
    grading: bool,
    mut line: impl FnMut(&mut TerminalService, &mut Round) -> bool,
) {
    let mut service = TerminalService::new(terminal::Limits::default());
    if grading {
        service.grading = Box::new(GradingLines);
    }
    let mut service = TerminalServer(service);
    host.serve(&mut service, |service, round| {
        for (connection, pid) in &round.opened {
            // Who is one too many is told so by whatever it asks.
            let _ = service.0.opened(*connection, *pid);
        }
        if line(&mut service.0, round) {
            let finished = service.0.take_finished();
            round
                .finished
                .extend(finished.into_iter().map(Finished::any));
        }
        Next::Serve
    })
    .await;
}
