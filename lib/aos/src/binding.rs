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
use crate::channel::{Channel, Listening, Side, error_of, later, settle_all};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::proc::Pid;
use crate::{event, monitor};
use core::task::Waker;
use initproto::{Told, Wish};

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
            let endpoint = listening.endpoint.cap();
            let order = || monitor::order(Wish::Bind { service }, &[], Some(endpoint));
            match order() {
                Err(error) if error.contains(ErrorCode::MonTooManyConnections) => {
                    // Those that were dropped and that the broker does not know of yet count no more.
                    settle_all();
                    order()?
                }
                result => result?,
            }
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
                    return Ok(listening.into_channel(connection, remote, Side::Client));
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

/// Hears of those who want to be connected to a service. Dropped, the service is offered no more; who is connected stays so.
#[derive(Debug)]
pub struct Acceptor {
    /// Only a drop takes it.
    listening: Option<Listening>,
    service: u32,
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let service = self.service;
        later(Wish::Withdraw { service }, self.listening.take());
    }
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

/// A domain that wants to be connected. Dropped, it is rejected.
#[derive(Debug)]
pub struct Asked {
    connection: u32,
    pid: Pid,
    /// Missing when it was answered.
    remote: Option<AnyCap>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        let connection = self.connection;
        if self.remote.take().is_some() {
            later(Wish::Reject { connection }, None);
        }
    }
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
        let listening = Listening::new()?;
        let endpoint = listening.endpoint.cap();
        match monitor::order(Wish::Export { is_name_server }, &[], Some(endpoint)) {
            Ok([service, ..]) => Ok(Self {
                listening: Some(listening),
                service: service as u32,
            }),
            Err(error) => {
                listening.retire();
                Err(error)
            }
        }
    }

    /// The number to bind to.
    pub const fn service(&self) -> u32 {
        self.service
    }

    /// What was heard, if anything.
    pub fn hear(&mut self) -> Option<Heard> {
        while let Some((message, cap)) = self.listening.as_mut()?.receive() {
            match (Told::decode(message.words()), cap) {
                (Some(Told::Asked { connection, pid }), Some(remote)) => {
                    return Some(Heard::Asked(Asked {
                        connection,
                        pid,
                        remote: Some(remote),
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
        if let Some(listening) = &self.listening {
            event::watch(listening.endpoint.id(), waker);
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// No endpoint or slot, and the asking domain is rejected; `MON_ERR_NO_CONNECTION`: it has gone.
    pub fn accept(&self, mut asked: Asked) -> Result<Channel, Error> {
        let connection = asked.connection;
        let listening = Listening::new()?;
        let Some(remote) = asked.remote.take() else {
            listening.retire();
            return Err(Error::new(ErrorCode::MonNoConnection));
        };
        let endpoint = listening.endpoint.cap();
        match monitor::order(Wish::Accept { connection }, &[], Some(endpoint)) {
            Ok(_) => Ok(listening.into_channel(connection, remote, Side::Service)),
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
    pub fn reject(&self, mut asked: Asked) -> Result<(), Error> {
        let connection = asked.connection;
        drop(asked.remote.take());
        monitor::order(Wish::Reject { connection }, &[], None).map(drop)
    }
}
