//! Time.

// ANCHOR: example
use aos::prelude::*;
use aos::{thread, time};

pub fn main(_args: Args) -> Result<(), Error> {
    let start = time::now();
    thread::sleep(Duration::from_millis(20));
    let micros = time::micros(time::now() - start);
    println!("slept for at least 20 ms: {}", micros >= 20_000);
    Ok(())
}
// ANCHOR_END: example
