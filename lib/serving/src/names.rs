//! The name server. It cannot be looked up itself: its number is the one that everybody knows.

use aos::binding::Acceptor;
use aos::flounder::{Finished, Limits};
use aos::service::{Host, Next};
use aos::{Error, time};
use core::time::Duration;
use names::{Pulse, Ticks};
use services::names::{NameService, NamesServer};

/// Most clients at once.
const CLIENTS: usize = 128;
/// How much each may use: all of them together at most 6 MiB, of the 16 that init gives a program. The heap is lazy, so what is too much would end the
/// name server at the first touch, not at the allocation.
const LIMITS: Limits = Limits {
    message_bytes: 16 << 10,
    caps: 1,
    queued_bytes: 16 << 10,
    calls: 64,
};
/// Services that one answer tells of: records of 1 KiB, so that they fit a message.
const PAGE: usize = 8;
/// A service that was silent so long is asked.
const INTERVAL: Duration = Duration::from_secs(5);
/// It has so long to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Its clients.
///
/// # Errors
/// As [`Acceptor::of_name_server`].
pub fn host() -> Result<Host, Error> {
    Ok(Host::with(Acceptor::of_name_server()?, CLIENTS, LIMITS))
}

/// Serves them on the calling thread, for ever.
pub fn serve(host: &mut Host) {
    let pulse = Pulse {
        interval: Ticks(time::ticks(INTERVAL)),
        patience: Ticks(time::ticks(PATIENCE)),
    };
    let limits = names::Limits {
        clients: CLIENTS,
        page: PAGE,
        ..names::Limits::default()
    };
    let mut service = NamesServer(NameService::new(limits, pulse));
    host.run(&mut service, |service, round| {
        let NamesServer(names) = service;
        names.set_time(time::now());
        for (connection, pid) in &round.opened {
            // Who is one too many is told so by whatever it asks.
            let _ = names.opened(*connection, *pid);
        }
        let finished = names.take_finished().into_iter();
        round.finished.extend(finished.map(Finished::any));
        round.deadline = names.next_deadline();
        Next::Serve
    });
}
