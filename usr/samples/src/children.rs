//! Starting other programs.

// ANCHOR: example
use aos::prelude::*;
use aos::proc::{self, Command};

pub fn main(_args: Args) -> Result<(), Error> {
    let end = proc::spawn("hello --status 3")?.wait()?;
    println!("hello: {end}");
    let child = Command::new("crash")
        .arg("spin")
        .env("COLOUR", "blue")
        .spawn()?;
    child.suspend()?;
    child.resume()?;
    child.kill()?;
    println!("{}: {}", child.name(), child.wait()?);
    Ok(())
}
// ANCHOR_END: example
