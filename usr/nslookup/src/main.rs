//! Finds a service: `nslookup NAME` prints its process.
#![no_std]
#![no_main]

use aos::names::{self, nameservice_lookup};
use aos::{Args, ErrorCode, Status, println};

#[aos::main]
fn main(args: Args) -> Status {
    let mut words = args.words();
    let (Some(name), None) = (words.next(), words.next()) else {
        println!("usage: nslookup NAME");
        return Status(64);
    };
    if let Err(error) = name.parse::<names::engine::Name>() {
        println!("nslookup: {error}");
        return Status(64);
    }
    match nameservice_lookup(name) {
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
