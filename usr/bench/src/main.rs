//! Measures the kernel from user space: `bench`, a boot module that reports `bench` records.
//!
//! A figure is the cycles of one operation, the library's stub included and the cost of reading the counter taken off; under
//! `./hake.sh bench` a cycle is an instruction, so every run gives the same figures. [`caps`] holds the capability operations, [`crowd`]
//! what lives around them, [`interrupt`] the way to a driver, [`ipc`] messages and calls, [`message`] that of a capability to another domain, [`mem`] pages and mappings, [`protect`] what
//! pages permit, [`servers`] what other domains do for one, [`shortcuts`] what each of those is worth, [`spawn`] programs, [`threads`] what threads of one domain do,
//! [`scheduler`] how long the kernel takes to choose.
#![no_std]
#![no_main]

extern crate alloc;

mod caps;
mod crowd;
mod interrupt;
mod ipc;
mod mem;
mod message;
mod meter;
mod protect;
mod scheduler;
mod servers;
mod shortcuts;
mod spawn;
mod threads;

use aos::kpi::syscall::SendFlags;
use aos::testproto::{Kind, Writer};
use aos::{Args, Error, ram};
use meter::{Meter, send};
use servers::{READER, SERVICES, WRITER};

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    match args.words().next() {
        Some(interrupt::DRIVER) => return interrupt::drive(),
        Some(ipc::SERVER) => return ipc::serve(),
        Some(ipc::DIRECTED) => return ipc::serve_plainly(SendFlags::SYNC),
        Some(ipc::PLAIN) => return ipc::serve_plainly(SendFlags(0)),
        Some(message::SENDER) => return message::drive(),
        Some(WRITER) => return servers::write(),
        Some(READER) => return servers::read(),
        _ => {}
    }
    ram::add_system_memory()?;
    let mut meter = Meter::new();
    match args.words().next() {
        Some(ipc::ONLY) => return ipc::run(&mut meter),
        Some(SERVICES) => return servers::run(&mut meter),
        _ => {}
    }
    threads::run(&mut meter)?;
    scheduler::run(&mut meter)?;
    caps::run(&mut meter)?;
    mem::run(&mut meter)?;
    caps::in_turn(&mut meter)?;
    message::run(&mut meter)?;
    ipc::run(&mut meter)?;
    shortcuts::run(&mut meter)?;
    let mut end = Writer::new(Kind::End);
    end.int("passed", 0).int("failed", 0);
    send(end.int("skipped", 0))
}
