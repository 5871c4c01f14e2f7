//! Lists services: `nslist [QUERY]`, all of them if there is no query. The language of queries is in the book's chapter "Names of services".
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::ToString;
use aos::names::{self, nameservice_enumerate};
use aos::{Args, Error, Status, println};

/// Every service.
const ALL: &str = "**";

#[aos::main]
fn main(args: Args) -> Result<Status, Error> {
    let mut words = args.words();
    let query = words.next().unwrap_or(ALL);
    if words.next().is_some() {
        println!("usage: nslist [QUERY]; double quotes keep a query together");
        return Ok(Status(64));
    }
    if let Err(error) = query.parse::<names::engine::Query>() {
        println!("nslist: {error}");
        return Ok(Status(64));
    }
    println!("{:<24} {:>5} {:>7} PROPERTIES", "NAME", "PID", "SERVICE");
    for found in nameservice_enumerate(query)? {
        let (name, pid) = (found.name.to_string(), found.pid.0);
        println!(
            "{name:<24} {pid:>5} {:>7} {}",
            found.handle, found.properties
        );
    }
    Ok(Status::SUCCESS)
}
