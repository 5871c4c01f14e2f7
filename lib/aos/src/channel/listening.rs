//! An endpoint of the domain, and the slot for what comes with the next message.

use super::window::{Side, State};
use super::{Channel, later, settle_some};
use crate::cap::{AnyCap, CapRef};
use crate::error::Error;
use crate::event;
use crate::lmp::{Endpoint, Received, endpoint_create};
use crate::slot::slot_alloc;
use crate::sync::Mutex;
use alloc::vec::Vec;
use initproto::Wish;
use kpi::lmp::LMP_MESSAGE_WORDS;

/// Words of a channel's buffer: twenty full messages.
const BUFFER_WORDS: u32 = 20 * LMP_MESSAGE_WORDS as u32 + 1;

/// Endpoints that were used, and can be used again.
static SPARE: Mutex<Vec<Endpoint>> = Mutex::new(Vec::new());

/// An endpoint, and the slot for what comes with the next message.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) endpoint: Endpoint,
    pub(super) armed: Option<CapRef>,
}

impl Listening {
    /// Takes one that was used before, or makes one.
    ///
    /// # Errors
    /// As [`endpoint_create`]; no slot.
    pub(crate) fn new() -> Result<Self, Error> {
        // Who is busy may never wait, and who makes connections and drops them shall not have more and more.
        settle_some();
        // Whom nobody else can send to any more; what cannot be made that is not used again.
        let spare = loop {
            let Some(endpoint) = SPARE.lock().pop() else {
                break None;
            };
            if endpoint.renew().is_ok() {
                break Some(endpoint);
            }
        };
        let endpoint = match spare {
            Some(endpoint) => endpoint,
            None => endpoint_create(BUFFER_WORDS)?,
        };
        Self::arming(endpoint)
    }

    /// With this endpoint.
    pub(crate) fn arming(endpoint: Endpoint) -> Result<Self, Error> {
        let mut this = Self {
            endpoint,
            armed: None,
        };
        match rearm(&this.endpoint, &mut this.armed) {
            Ok(()) => Ok(this),
            Err(error) => {
                this.retire();
                Err(error)
            }
        }
    }

    /// The next message, and what came with it.
    pub(crate) fn receive(&mut self) -> Option<(Received, Option<AnyCap>)> {
        receive(&self.endpoint, &mut self.armed)
    }

    /// It is not needed any more, and nobody knows of it.
    pub(crate) fn retire(self) {
        retire(self.endpoint, self.armed);
    }

    /// The broker is to forget the connection, then it can be used again.
    pub(crate) fn close(self, connection: u32) {
        later(Wish::Close { connection }, Some(self));
    }

    /// As one end of a connection.
    pub(crate) fn into_channel(self, connection: u32, remote: AnyCap, side: Side) -> Channel {
        Channel {
            endpoint: Some(self.endpoint),
            connection,
            remote,
            armed: self.armed,
            closed: None,
            is_sure: false,
            side,
            window: State::None,
        }
    }
}

/// Names a slot for what comes next, unless one is named.
fn rearm(endpoint: &Endpoint, armed: &mut Option<CapRef>) -> Result<(), Error> {
    if armed.is_none() {
        let slot = slot_alloc()?;
        endpoint.arm(slot);
        *armed = Some(slot);
    }
    Ok(())
}

fn receive(endpoint: &Endpoint, armed: &mut Option<CapRef>) -> Option<(Received, Option<AnyCap>)> {
    prepare(endpoint, armed);
    let message = endpoint.receive()?;
    match message.has_cap() {
        true => Some((message, take_cap(endpoint, armed))),
        false => Some((message, None)),
    }
}

/// Names a slot, if one is missing.
#[inline]
pub(super) fn prepare(endpoint: &Endpoint, armed: &mut Option<CapRef>) {
    if armed.is_none() {
        // For lack of slots; a sender waits meanwhile.
        let _ = rearm(endpoint, armed);
    }
}

/// What came with the last message.
#[cold]
pub(super) fn take_cap(endpoint: &Endpoint, armed: &mut Option<CapRef>) -> Option<AnyCap> {
    let slot = armed.take();
    endpoint.disarm();
    let cap = slot.and_then(|slot| AnyCap::adopt(slot).ok());
    let _ = rearm(endpoint, armed);
    cap
}

fn retire(endpoint: Endpoint, armed: Option<CapRef>) {
    event::unwatch(endpoint.id());
    endpoint.disarm();
    // What came last and was not read goes with it.
    drop(armed.and_then(|slot| AnyCap::adopt(slot).ok()));
    // Who has unread messages looks at all endpoints whenever something comes.
    while endpoint.receive().is_some() {}
    SPARE.lock().push(endpoint);
}
