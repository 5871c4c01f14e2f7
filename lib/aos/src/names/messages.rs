//! Services of messages without a type, as the course has them: a name and a function of a message; and calling them.

use super::connect_to;
use crate::channel::Channel;
use crate::error::Error;
use crate::event;
use crate::service::{Host, Next};
use crate::sync::{Mutex, Semaphore, Shared};
use crate::thread;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use services::messages::{LIMITS, MessageService, MessagesClient, MessagesServer};

/// Most clients of a service at once.
const CLIENTS: usize = 64;
/// What all of them together may have here.
const BYTES: usize = 4 << 20;

/// A connection to a service of messages: the course's `nameservice_chan_t`.
#[derive(Clone, Debug)]
pub struct NameserviceChannel(MessagesClient<Channel, Shared>);

/// Registers a name and has `handler` answer each message that comes by it, in a thread of its own, as long as the program runs. The course's
/// `nameservice_register` with its receive handler; a closure's variables are its `st`. Any number of services may be in one program.
///
/// # Errors
/// As [`nameservice_register`](super::nameservice_register), [`Host::new`], [`thread::spawn`].
pub fn nameservice_serve(
    name: &str,
    handler: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static,
) -> Result<(), Error> {
    let begun = Arc::new((Mutex::new(Ok(())), Semaphore::new(0)));
    let (told, text) = (begun.clone(), name.to_string());
    let serve = move || {
        let made = Host::new(CLIENTS, LIMITS).map(|host| host.within(BYTES));
        let made = made.and_then(|mut host| host.register(&text, "").map(|()| host));
        let host = made.map_err(|error| *told.0.lock() = Err(error));
        told.1.post();
        if let Ok(mut host) = host {
            host.run(&mut MessagesServer(MessageService(handler)), |_, _| {
                Next::Serve
            });
        }
    };
    thread::spawn(name, serve)?.detach();
    begun.1.wait();
    core::mem::replace(&mut *begun.0.lock(), Ok(()))
}

/// Connects to the service of messages of that name: the course's `nameservice_lookup`.
///
/// # Errors
/// As [`connect_to`]; `FLOUNDER_ERR_` and why: it is a service of another kind.
pub fn nameservice_channel(name: &str) -> Result<NameserviceChannel, Error> {
    let channel = connect_to(name)?;
    let client = event::block_on(MessagesClient::bind(channel, LIMITS))?;
    Ok(NameserviceChannel(client))
}

/// Sends a message and waits for its answer.
///
/// # Errors
/// The call's: `FLOUNDER_ERR_TX_MSG_SIZE` for a message of more than a MiB; the connection is lost.
pub fn nameservice_rpc(channel: &NameserviceChannel, message: &[u8]) -> Result<Vec<u8>, Error> {
    event::call(channel.0.rpc(message))
}
