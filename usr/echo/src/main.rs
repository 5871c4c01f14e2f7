//! A service that gives back what it gets: `echo [NAME [PROPERTIES]]`. It is registered as `test/echo` unless told otherwise. If it is passed RAM, it uses
//! that for itself: for messages that are longer than what a program may have from init.
#![no_std]
#![no_main]

use aos::flounder::Limits;
use aos::ram::mm_add;
use aos::service::{Host, Next};
use aos::{Args, Error, proc};
use services::echo::{EchoServer, EchoService};

/// Most clients at once.
const CLIENTS: usize = 64;
/// The longest message, which is here three times while it is answered; and what all clients together may hold.
const BYTES: (usize, usize) = (2 << 20, 5 << 20);
/// The same with RAM that is passed: 96 MiB is enough.
const BYTES_WITH_RAM: (usize, usize) = (Limits::MESSAGE_BYTES_MAX, 40 << 20);

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    let (message_bytes, memory_bytes) = match proc::passed(0) {
        Some(ram) => {
            mm_add(ram)?;
            BYTES_WITH_RAM
        }
        None => BYTES,
    };
    let mut words = args.words();
    let name = words.next().unwrap_or("test/echo");
    let properties = words.next().unwrap_or_default();
    let limits = Limits {
        message_bytes,
        ..Limits::default()
    };
    let mut host = Host::new(CLIENTS, limits)?.within(memory_bytes);
    host.register(name, properties)?;
    let mut service = EchoServer(EchoService::default());
    host.run(&mut service, |service, _| match service.0.ends {
        true => Next::End,
        false => Next::Serve,
    });
    Ok(())
}
