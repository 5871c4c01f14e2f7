//! Measures the kernel from user space: `bench`, a boot module that reports `bench` records.
//!
//! A figure is the cycles of one operation, the library's stub included and the cost of reading the counter taken off; under
//! `./hake.sh bench` a cycle is an instruction, so every run gives the same figures. [`caps`] holds the capability operations, [`crowd`]
//! what lives around them, [`threads`] what threads of one domain do.
#![no_std]
#![no_main]

mod caps;
mod crowd;
mod meter;
mod threads;

use aos::testproto::{Kind, Writer};
use aos::{Error, ram};
use meter::{Meter, send};

#[aos::main]
fn main() -> Result<(), Error> {
    ram::add_system_memory()?;
    let mut meter = Meter::new();
    threads::run(&mut meter)?;
    caps::run(&mut meter)?;
    let mut end = Writer::new(Kind::End);
    end.int("passed", 0).int("failed", 0);
    send(end.int("skipped", 0))
}
