//! Messages of up to 16 MiB, to an echo that has the memory for them.

use crate::harness::{Outcome, equal, that};
use crate::processes::Test;
use crate::services::{client_of, pattern, soon};
use aos::flounder::Limits;
use aos::{event, names, println, time};

pub const TESTS: &[Test] = &[("messages of 1 KiB, 64 KiB, 1 MiB and 16 MiB", sizes)];

fn sizes() -> Outcome {
    drop(names::connect_within(
        "test/echo",
        crate::services::PATIENCE,
    )?);
    let echo = client_of("test/echo")?;
    for bytes in [1 << 10, 64 << 10, 1 << 20, Limits::MESSAGE_BYTES_MAX] {
        let mut data = pattern(bytes.min(1 << 20), bytes as u64);
        data.resize(bytes, 7);
        let begin = time::now();
        equal(event::block_on(echo.count(&data))?, bytes as u64)?;
        let there = time::micros(time::now() - begin);
        let begin = time::now();
        that(event::block_on(echo.bytes(&data))? == data, "the same")?;
        let both = time::micros(time::now() - begin);
        println!("{bytes} bytes: there {there} us, there and back {both} us");
    }
    Ok(soon(echo.null())?)
}
