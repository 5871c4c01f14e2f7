//! The name server: a domain around [`serving::names`].
//!
//! `module /sbin/nameserver service` in the boot menu. It cannot be looked up itself: its number is the one that everybody knows.
#![no_std]
#![no_main]

use aos::Error;
use serving::names;

#[aos::main]
fn main() -> Result<(), Error> {
    names::serve(&mut names::host()?);
    Ok(())
}
