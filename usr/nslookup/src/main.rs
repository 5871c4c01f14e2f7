//! Finds a service: `nslookup NAME` prints its process; `nslookup --wait NAME` waits for it, and for the name server, up to [`PATIENCE`].
#![no_std]
#![no_main]

use aos::names::{self, Found, nameservice_lookup};
use aos::{Args, Error, ErrorCode, Status, event, println, time};
use core::time::Duration;

/// How long it waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before it looks again.
const AGAIN: Duration = Duration::from_millis(2);

/// What is registered under the name, as soon as something is.
fn wait_for(name: &str) -> Result<Found, Error> {
    let deadline = time::after(PATIENCE);
    loop {
        match nameservice_lookup(name) {
            Err(_) if time::now() < deadline => {
                event::block_on(event::sleep_until(time::after(AGAIN)));
            }
            result => return result,
        }
    }
}

#[aos::main]
fn main(args: Args) -> Status {
    let mut words = args.words().peekable();
    let waits = words.next_if_eq(&"--wait").is_some();
    let (Some(name), None) = (words.next(), words.next()) else {
        println!("usage: nslookup [--wait] NAME");
        return Status(64);
    };
    if let Err(error) = name.parse::<names::engine::Name>() {
        println!("nslookup: {error}");
        return Status(64);
    }
    let found = match waits {
        true => wait_for(name),
        false => nameservice_lookup(name),
    };
    match found {
        Ok(found) => {
            println!("{name}: process {}, service {}", found.pid.0, found.handle);
            Status::SUCCESS
        }
        Err(error) if error.contains(ErrorCode::LibNameserviceUnknownName) => {
            println!("nslookup: {name}: no such service; `nslist` shows those there are");
            Status(1)
        }
        Err(error) => {
            println!("nslookup: {error}");
            Status(1)
        }
    }
}
