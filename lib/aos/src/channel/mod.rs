//! LMP as a transport of `flounder`: one end of a connection to another domain of this core.
//!
//! A [`Channel`] is an endpoint of its own and a capability to the other side's. Messages that come with a capability need an empty slot,
//! which is armed ahead; while there is none, such a message waits at the sender. The broker speaks to the same endpoint
//! ([`initproto::broker`]): that the other side has closed, or died, is heard in the order of its messages.
//!
//! Dropping a channel ends the connection. That never waits: what is to be said to the broker, and the endpoint, are left for the next wait of
//! some thread, as with dropped capabilities.
//!
//! Barrelfish counterpart: `lmp_chan.c`, and what monitors do at `lmp_bind`.

mod closing;
mod listening;
mod transport;
mod unsent;
mod window;

pub use closing::closing;
pub(crate) use closing::{later, settle_all, settle_some};
pub(crate) use listening::Listening;
pub(crate) use unsent::{has_unsent, send_unsent, set_stuck_aside};
pub(crate) use window::Side;

use crate::arch::scheduler;
use crate::cap::{AnyCap, CapRef};
use crate::error::{Error, ErrorCode, is_transient};
use crate::event;
use crate::lmp::{self, Endpoint, EndpointId};
use crate::slot::slot_free;
use closing::later_with;
use core::sync::atomic::{AtomicBool, Ordering};
use flounder::SendError;
use initproto::{Told, Why, Wish};
use kpi::syscall::SendFlags;
use unsent::{forget_unsent, is_unsent};
use window::{State, Window};

/// [`Shortcut::Window`](crate::lmp::Shortcut::Window) is switched off.
static WITHOUT_WINDOWS: AtomicBool = AtomicBool::new(false);

/// Whether clients make windows.
pub(crate) fn set_windows(on: bool) {
    WITHOUT_WINDOWS.store(!on, Ordering::Relaxed);
}

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    /// Only a drop takes it.
    endpoint: Option<Endpoint>,
    connection: u32,
    remote: AnyCap,
    armed: Option<CapRef>,
    closed: Option<Error>,
    /// The broker has said why.
    is_sure: bool,
    side: Side,
    window: State,
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint.take() {
            let armed = self.armed.take();
            let own = endpoint.id().place();
            let _ = scheduler::send_held(own);
            // What has no room is not sent any more: the capability to send to goes.
            let _ = scheduler::take_held(Some(own));
            forget_unsent(own);
            let connection = self.connection;
            later_with(
                Wish::Close { connection },
                Some(Listening { endpoint, armed }),
                self.window.take(),
            );
        }
    }
}

/// Why a connection is over, as an error.
pub(crate) fn error_of(why: Why) -> Error {
    Error::new(match why {
        Why::Closed => ErrorCode::MonPeerClosed,
        Why::Died => ErrorCode::MonPeerDied,
        Why::Rejected => ErrorCode::MonBindRejected,
    })
}

impl Channel {
    /// Its number at the broker.
    pub const fn connection(&self) -> u32 {
        self.connection
    }

    /// Whether that is its endpoint.
    #[inline]
    pub(crate) fn receives_at(&self, endpoint: EndpointId) -> bool {
        self.own() == endpoint.place()
    }

    /// Whether these words are the broker's; takes note of them.
    #[inline]
    fn is_news(&mut self, words: &[u64]) -> bool {
        let is_news = words.first().is_some_and(|first| Told::is_one(*first));
        if is_news {
            self.note(words);
        }
        is_news
    }

    #[cold]
    fn note(&mut self, words: &[u64]) {
        if let Some(Told::Closed { why, .. }) = Told::decode(words) {
            // It knows better than the kernel.
            if !core::mem::replace(&mut self.is_sure, true) {
                self.closed = Some(error_of(why));
            }
        }
    }

    /// Makes the window, or asks the other side for it.
    #[cold]
    fn begin_window(&mut self) -> Result<(), SendError<AnyCap>> {
        let head = [flounder::header::WINDOW];
        if self.side == Side::Service {
            self.send_with(&head, None, SendFlags::YIELD)?;
            self.window = State::Wanted;
            return Ok(());
        }
        if let State::None = self.window {
            let is_wanted = !WITHOUT_WINDOWS.load(Ordering::Relaxed);
            self.window = match is_wanted.then(Window::make) {
                Some(Ok(window)) => State::Made(window),
                _ => State::Without,
            };
        }
        let State::Made(window) = &self.window else {
            return Ok(());
        };
        let cap = window.copy().map_err(SendError::Refused)?;
        self.send_with(&head, Some(cap), SendFlags::YIELD)
            .map_err(|error| match error {
                // Another copy next time.
                SendError::Full(_) => SendError::Full(None),
                error => error,
            })?;
        self.window = match core::mem::replace(&mut self.window, State::Without) {
            State::Made(window) => State::Open(window),
            other => other,
        };
        Ok(())
    }

    /// Sends what was to go out with the next wait. `false`: there is no room for it.
    #[inline]
    fn has_sent_all(&self) -> bool {
        scheduler::send_held(self.own()) && !is_unsent(self.own())
    }

    /// The place of its endpoint.
    #[inline]
    fn own(&self) -> u32 {
        (self.endpoint.as_ref()).map_or(0, |endpoint| endpoint.id().place())
    }

    fn send_with(
        &mut self,
        words: &[u64],
        cap: Option<AnyCap>,
        flags: SendFlags,
    ) -> Result<(), SendError<AnyCap>> {
        if let Some(error) = self.closed {
            return Err(SendError::Lost(error));
        }
        if !self.has_sent_all() {
            return Err(SendError::Full(cap));
        }
        let flags = match cap {
            Some(_) => SendFlags(flags.0 | SendFlags::GIVEAWAY.0),
            None => flags,
        };
        let slot = cap.as_ref().map(AnyCap::slot);
        match lmp::send(self.remote.slot(), words, slot, flags) {
            Ok(()) => {
                event::sent();
                if let Some(cap) = cap {
                    // Empty now.
                    let _ = slot_free(cap.into_slot());
                }
                Ok(())
            }
            Err(error) => Err(self.refused(error, cap)),
        }
    }

    /// What a refused send means.
    fn refused(&mut self, error: Error, cap: Option<AnyCap>) -> SendError<AnyCap> {
        if is_transient(error) {
            return SendError::Full(cap);
        }
        if error.contains(ErrorCode::SysLmpCaptransferSrcLookup) {
            return SendError::Refused(error);
        }
        // The endpoint is gone. Who closes tells before; so most likely it is its domain.
        let died = error.push(ErrorCode::MonPeerDied);
        SendError::Lost(*self.closed.get_or_insert(died))
    }
}
