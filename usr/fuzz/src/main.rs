//! x
#![no_std]
#![no_main]
#[aos::main]
fn main() {}
