//! Connecting to a service, and being one.
//!
//! Whoever offers a service makes an [`Acceptor`], whose number ([`Acceptor::service`]) others bind to; they learn it from the name server,
//! whose own number everybody knows ([`initproto::NAME_SERVER`]). [`crate::service`] does the rest for most services.
//!
//! The broker (init, as long as there is no monitor) introduces the two, knows who each is, and tells each of the other's end; it
//! sees none of their messages.
//!
//! Barrelfish counterpart: `idc_export`, `idc_bind`.

use crate::cap::AnyCap;
use crate::channel::{Channel, Listening, error_of};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::lmp::endpoint_create;
use crate::proc::Pid;
use crate::{event, monitor};
use core::task::Waker;
use initproto::{Told, Wish};
use kpi::lmp::LMP_MESSAGE_WORDS;

/// Words of an acceptor's buffer: sixteen of the broker's messages; more wait at the broker.
const ACCEPTOR_WORDS: u32 = 16 * LMP_MESSAGE_WORDS as u32 + 1;

/// Connects to the service of that number.
///
/// # Errors
/// `FLOUNDER_ERR_BIND`, and why: `MON_ERR_INVALID_IREF` (nobody offers it), `MON_ERR_TOO_MANY_CONNECTIONS`, `MON_ERR_BIND_REJECTED`,
/// `MON_ERR_PEER_DIED`, no memory or slot.
pub async fn bind(service: u32) -> Result<Channel, Error> {
    bind_to(service).await.push_err(ErrorCode::FlounderBind)
}

async fn bind_to(service: u32) -> Result<Channel, Error> {
    let mut asking = Asking(Some(Listening::new()?), 0);
    let values = match &asking.0 {
        Some(listening) => {
            monitor::order(Wish::Bind { service }, &[], Some(listening.endpoint.cap()))?
        }
        None => return Err(Error::new(ErrorCode::FlounderInvalidState)),
    };
    let [connection, ..] = values;
    asking.1 = connection as u32;
    loop {
        let Some(listening) = &mut asking.0 else {
            return Err(Error::new(ErrorCode::FlounderInvalidState));
        };
        while let Some((message, cap)) = listening.receive() {
            match (Told::decode(message.words()), cap) {
                (Some(Told::Opened { connection }), Some(remote)) => {
                    let listening = asking.0.take();
                    let listening = listening.ok_or(Error::new(ErrorCode::FlounderInvalidState))?;
                    return Ok(listening.into_channel(connection, remote));
                }
                (Some(Told::Closed { why, .. }), _) => return Err(error_of(why)),
                _ => {}
            }
        }
        event::ready(&listening.endpoint).await;
    }
}

/// A connection that is asked for; dropped, it is not wanted any more.
struct Asking(Option<Listening>, u32);

impl Drop for Asking {
    fn drop(&mut self) {
        let Self(listening, connection) = self;
        if let Some(listening) = listening.take() {
            match connection {
                0 => listening.retire(),
                _ => listening.close(*connection),
            }
        }
    }
}

/// Hears of those who want to be connected to a service.
#[derive(Debug)]
pub struct Acceptor {
    listening: Listening,
    service: u32,
}

/// What an acceptor hears.
#[derive(Debug)]
pub enum Heard {
    /// A domain wants to be connected: [`Acceptor::accept`] or [`Acceptor::reject`] it.
    Asked(Asked),
    /// Somebody who was asking does not any more.
    Gone {
        /// The connection's number.
        connection: u32,
    },
}

/// A domain that wants to be connected.
#[derive(Debug)]
pub struct Asked {
    connection: u32,
    pid: Pid,
    remote: AnyCap,
}

impl Asked {
    /// Who it is: the broker knows.
    pub const fn pid(&self) -> Pid {
        self.pid
    }
}

impl Acceptor {
    /// Offers a service.
    ///
    /// # Errors
    /// No endpoint or slot; the broker's: `MON_ERR_TOO_MANY_CONNECTIONS`, `MON_ERR_IREF_ALLOC`.
    pub fn new() -> Result<Self, Error> {
        Self::export(false)
    }

    /// Offers the service that all know without asking.
    ///
    /// # Errors
    /// As [`Acceptor::new`]; `MON_ERR_INVALID_IREF`: this domain was not started to be that.
    pub fn of_name_server() -> Result<Self, Error> {
        Self::export(true)
    }

    fn export(is_name_server: bool) -> Result<Self, Error> {
        let listening = Listening::arming(endpoint_create(ACCEPTOR_WORDS)?)?;
        let endpoint = listening.endpoint.cap();
        let [service, ..] = monitor::order(Wish::Export { is_name_server }, &[], Some(endpoint))?;
        Ok(Self {
            listening,
            service: service as u32,
        })
    }

    /// The number to bind to.
    pub const fn service(&self) -> u32 {
        self.service
    }

    /// What was heard, if anything.
    pub fn hear(&mut self) -> Option<Heard> {
        while let Some((message, cap)) = self.listening.receive() {
            match (Told::decode(message.words()), cap) {
                (Some(Told::Asked { connection, pid }), Some(remote)) => {
                    return Some(Heard::Asked(Asked {
                        connection,
                        pid,
                        remote,
                    }));
                }
                (Some(Told::Closed { connection, .. }), _) => {
                    return Some(Heard::Gone { connection });
                }
                _ => {}
            }
        }
        None
    }

    /// Wakes this task when something is heard.
    pub fn watch(&self, waker: &Waker) {
        event::watch(self.listening.endpoint.id(), waker);
    }

    /// Connects.
    ///
    /// # Errors
    /// No endpoint or slot, and the asking domain is rejected; `MON_ERR_NO_CONNECTION`: it has gone.
    pub fn accept(&self, asked: Asked) -> Result<Channel, Error> {
        let Asked {
            connection, remote, ..
        } = asked;
        let listening = Listening::new().inspect_err(|_| {
            let _ = monitor::order(Wish::Reject { connection }, &[], None);
        })?;
        let endpoint = listening.endpoint.cap();
        match monitor::order(Wish::Accept { connection }, &[], Some(endpoint)) {
            Ok(_) => Ok(listening.into_channel(connection, remote)),
            Err(error) => {
                listening.retire();
                Err(error)
            }
        }
    }

    /// Does not connect.
    ///
    /// # Errors
    /// `MON_ERR_NO_CONNECTION`: it has gone.
    pub fn reject(&self, asked: Asked) -> Result<(), Error> {
        let connection = asked.connection;
        monitor::order(Wish::Reject { connection }, &[], None).map(drop)
    }
}
