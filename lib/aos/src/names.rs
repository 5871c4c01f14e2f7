//! The name server's client: registering services, finding them.
//!
//! There is one connection for all threads, made when it is first needed, and made anew when the name server has been started again. A program that
//! is a service registers by [`Host::register`](crate::service::Host::register), which also gives signs of life and registers again.
//!
//! Queries and properties are texts of the languages in the book's chapter "Names of services".
//!
//! Barrelfish counterpart: `nameservice_client`; the course's `nameservice_*`, whose names stand here too.

mod messages;

use crate::binding::bind;
use crate::channel::Channel;
use crate::error::{Error, ErrorCode};
use crate::event;
use crate::sync::{Mutex, Shared};
use ::names::{Name, Properties, Query, RegisterOptions, Ticks};
use alloc::vec::Vec;
use core::str::FromStr;
use core::time::Duration;
use flounder::{Call, Limits};
use initproto::NAME_SERVER;
use services::names::NamesClient;

pub use ::names as engine;
pub use messages::{NameserviceChannel, nameservice_channel, nameservice_rpc, nameservice_serve};
pub use services::names::Found;

/// The client's side of the interface.
pub type Client = NamesClient<Channel, Shared>;

static CONNECTION: Mutex<Option<Client>> = Mutex::new(None);

/// Services that one answer tells of.
const PAGE: u32 = 32;
/// Before a service is looked for again.
const AGAIN: Duration = Duration::from_millis(1);

/// The connection to the name server.
///
/// # Errors
/// `LIB_ERR_NAMESERVICE_NOT_BOUND` above why there is none.
pub fn client() -> Result<Client, Error> {
    event::block_on(connect())
}

/// The same, without blocking the thread.
///
/// # Errors
/// As [`client`].
pub async fn connect() -> Result<Client, Error> {
    let present = CONNECTION.lock().clone();
    if let Some(client) = present.filter(|client| client.connection().lost().is_none()) {
        return Ok(client);
    }
    let bound = async { Client::bind(bind(NAME_SERVER).await?, Limits::default()).await }.await;
    let client = bound.map_err(|error| error.push(ErrorCode::LibNameserviceNotBound))?;
    // Who was faster is replaced: his connection lives as long as he uses it.
    *CONNECTION.lock() = Some(client.clone());
    Ok(client)
}

/// Makes a call to the name server, a second time if the connection was lost meanwhile.
fn ask<V>(make: impl Fn(&Client) -> Call<'_, Channel, Shared, V>) -> Result<V, Error> {
    let first = client()?;
    match event::call(make(&first)) {
        Err(error) if error.contains(ErrorCode::FlounderConnectionLost) => {
            event::call(make(&client()?))
        }
        result => result,
    }
}

fn parse<T: FromStr>(text: &str, code: ErrorCode) -> Result<T, Error> {
    text.parse().map_err(|_| Error::new(code))
}

/// A name, checked.
///
/// # Errors
/// `LIB_ERR_NAMESERVICE_INVALID_NAME`.
pub fn name(text: &str) -> Result<Name, Error> {
    parse(text, ErrorCode::LibNameserviceInvalidName)
}

/// A query, checked.
///
/// # Errors
/// `OCT_ERR_PARSER_FAIL`.
pub fn query(text: &str) -> Result<Query, Error> {
    parse(text, ::names::codes::QUERY)
}

/// Properties, checked; an empty text is none.
///
/// # Errors
/// `NAMESERVICE_ERR_INVALID_PROPERTIES`.
pub fn properties(text: &str) -> Result<Properties, Error> {
    let text = match text.trim() {
        "" => "{}",
        text => text,
    };
    parse(text, ::names::codes::PROPERTIES)
}

/// Registers an exported service, once; in place of this domain's own of that name, if there is one. [`Host::register`](crate::service::Host::register) does it for good.
///
/// # Errors
/// As [`name`], [`properties`], [`client`]; the name server's: `NAMESERVICE_ERR_NAME_TAKEN` and others.
pub fn nameservice_register(text: &str, service: u32, with: &str) -> Result<(), Error> {
    register(text, service, with).map(drop)
}

/// The same; answers with the connection by which it is registered.
pub(crate) fn register(text: &str, service: u32, with: &str) -> Result<Client, Error> {
    let (name, properties) = (name(text)?, properties(with)?);
    let options = RegisterOptions { replace: true };
    let by = |client: Client| {
        event::call(client.register(name.clone(), service, properties.clone(), options))?;
        Ok(client)
    };
    match by(client()?) {
        Err(error) if Error::contains(error, ErrorCode::FlounderConnectionLost) => by(client()?),
        // Only what is this domain's own is replaced.
        Err(error) if Error::contains(error, ErrorCode::NameserviceNotOwner) => {
            Err(Error::new(ErrorCode::NameserviceNameTaken))
        }
        result => result,
    }
}

/// Removes a registration of this domain's.
///
/// # Errors
/// As [`name`], [`client`]; `LIB_ERR_NAMESERVICE_UNKNOWN_NAME`, `NAMESERVICE_ERR_NOT_OWNER`.
pub fn nameservice_deregister(text: &str) -> Result<(), Error> {
    let name = name(text)?;
    ask(|client| client.deregister(name.clone()))
}

/// What is registered under a name.
///
/// # Errors
/// As [`name`], [`client`]; `LIB_ERR_NAMESERVICE_UNKNOWN_NAME`.
pub fn nameservice_lookup(text: &str) -> Result<Found, Error> {
    let name = name(text)?;
    ask(|client| client.lookup(name.clone()))
}

/// The first service that a query means, now or when it comes within that time.
///
/// # Errors
/// As [`query`], [`client`]; `NAMESERVICE_ERR_TIMED_OUT`.
pub fn nameservice_wait_for(text: &str, within: Duration) -> Result<Found, Error> {
    let query = query(text)?;
    let deadline = Some(Ticks(crate::time::after(within)));
    ask(|client| client.wait_for(query.clone(), deadline))
}

/// All services that a query means, by name.
///
/// # Errors
/// As [`query`], [`client`].
pub fn nameservice_enumerate(text: &str) -> Result<Vec<Found>, Error> {
    let query = query(text)?;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (found, next) =
            ask(|client| client.enumerate(query.clone(), Option::clone(&after), PAGE))?;
        all.extend(found);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// Connects to the service of that name.
///
/// # Errors
/// As [`nameservice_lookup`], [`bind`].
pub fn connect_to(text: &str) -> Result<Channel, Error> {
    let found = nameservice_lookup(text)?;
    event::block_on(bind(found.handle))
}

/// As [`connect_to`], for who may be there before the service is, or while it is started again: tries until it succeeds or that time is over.
///
/// # Errors
/// As [`name`], [`connect_to`].
pub fn connect_within(text: &str, within: Duration) -> Result<Channel, Error> {
    name(text)?;
    let deadline = crate::time::after(within);
    loop {
        match connect_to(text) {
            Err(_) if crate::time::now() < deadline => {
                event::block_on(event::sleep_until(crate::time::after(AGAIN)));
            }
            result => return result,
        }
    }
}
