//! Programs: from the order to init's answer, and until the program has ended and its parent was told.
//!
//! init takes a program apart, and has its memory back, before it tells the end. The program is `hello`, which prints one line.

use crate::meter::{Meter, one};
use aos::proc::{Child, Command};
use aos::{Error, time};
use core::cell::Cell;

/// Runs all of them.
///
/// # Errors
/// The first that an operation returns.
pub fn run(meter: &mut Meter) -> Result<(), Error> {
    let hello = Command::new("hello");
    let started: Cell<Option<Child>> = Cell::new(None);
    meter.measure(
        one("spawn a small program, request to answer", 1_000_000),
        || {
            started.set(Some(hello.spawn()?));
            Ok(())
        },
        || {
            started
                .take()
                .map_or(Ok(()), |child| child.wait().map(drop))
        },
    )?;
    meter.measure_by(
        one("the same, until it has ended and all is back", 0),
        || {
            let before = time::cycles();
            hello.spawn()?.wait()?;
            Ok(time::cycles().wrapping_sub(before))
        },
    )
}
