//! A service that gives back what it gets: `echo [NAME [PROPERTIES]]`. It is registered as `test/echo` unless told otherwise. If it is passed RAM, it uses
//! that for itself: for messages that are longer than what a program may have from init.
#![no_std]
#![no_main]

use aos::flounder::Limits;
use aos::ram::mm_add;
use aos::service::{Host, Next};
use aos::{Args, Error, event, proc};
use services::echo::{EchoServer, EchoService};

/// Most clients at once.
const CLIENTS: usize = 64;
/// The longest message. While it is answered it is here three times.
const MESSAGE_BYTES: usize = 2 << 20;
/// What all clients together may hold.
const MEMORY_BYTES: usize = 5 << 20;

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    if let Some(ram) = proc::passed(0) {
        mm_add(ram)?;
    }
    let mut words = args.words();
    let name = words.next().unwrap_or("test/echo");
    let properties = words.next().unwrap_or_default();
    let limits = Limits {
        message_bytes: MESSAGE_BYTES,
        ..Limits::default()
    };
    let mut host = Host::new(CLIENTS, limits)?.within(MEMORY_BYTES);
    host.register(name, properties)?;
    let mut service = EchoServer(EchoService::default());
    event::block_on(host.serve(&mut service, |service, _| match service.0.ends {
        true => Next::End,
        false => Next::Serve,
    }));
    Ok(())
}
