//! Calls of every kind, long ones, many at once, and from several programs.

use super::{Client, Echo, client_of, pattern, soon};
use crate::harness::{Outcome, equal, refused, that};
use crate::parts::DONE;
use crate::processes::Test;
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::cap::{AnyCap, cap_delete, cap_direct_identify};
use aos::flounder::{Limits, within};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::proc::{self, End};
use aos::ram::{frame_alloc, mm_free};
use aos::slot::slot_free;
use aos::{Error, ErrorCode, event, println, thread, time};
use random::Random;

pub const TESTS: &[Test] = &[
    ("calls with few words", few_words),
    ("bytes of any length", bytes),
    ("2 MiB there and back, and too much", largest),
    ("text", text),
    ("a capability there and back", capability),
    ("an error of the service", fails),
    ("messages without an answer are counted", told),
    ("calls that are given up", given_up),
    ("many calls at once from four threads", threads),
    ("eight programs at once", crowd),
];

/// Calls of each program of a crowd.
const CALLS: u64 = 200;
/// Programs of a crowd.
const CROWD: u64 = 8;
/// Where they go.
const CROWD_NAME: &str = "svc/crowd";

fn with_echo(name: &'static str, test: impl FnOnce(&Client) -> Outcome) -> Outcome {
    let echo = Echo::start(name)?;
    let client = echo.client()?;
    test(&client)?;
    that(client.connection().calls() == 0, "no call is under way")?;
    drop(client);
    echo.end()
}

fn few_words() -> Outcome {
    with_echo("svc/words", |echo| {
        for _ in 0..50 {
            soon(echo.null())?;
            event::call(echo.null())?;
        }
        equal(soon(echo.add(u64::MAX, 2))?, 1)?;
        equal(event::call(echo.add(40, 2))?, 42)?;
        let words = (1, u64::MAX, 3, 0, 5, 6, 1 << 63, 8);
        let (a, b, c, d, e, f, g, h) = words;
        let back = (a ^ e, b ^ f, c ^ g, d ^ h);
        equal(soon(echo.words(a, b, c, d, e, f, g, h))?, back)?;
        equal(event::call(echo.words(a, b, c, d, e, f, g, h))?, back)
    })
}

fn bytes() -> Outcome {
    with_echo("svc/bytes", |echo| {
        let around = |middle: usize| [middle - 1, middle, middle + 1];
        let lengths = [0, 1, 7, 8, 9].into_iter();
        let lengths = lengths
            .chain([56, 57])
            .chain(around(64))
            .chain(around(72))
            .chain(around(1 << 10))
            .chain(around(4 << 10))
            .chain(around(64 << 10))
            .chain(around(1 << 20));
        for length in lengths {
            let data = pattern(length, length as u64);
            that(soon(echo.bytes(&data))? == data, "the same bytes")?;
            equal(soon(echo.count(&data))?, length as u64)?;
        }
        Ok(())
    })
}

fn largest() -> Outcome {
    with_echo("svc/largest", |echo| {
        let most = Limits::MESSAGE_BYTES_MAX;
        let mut data = pattern(64 << 10, 1).repeat(32);
        let begin = time::now();
        that(
            event::block_on(echo.bytes(&data))? == data,
            "the same bytes",
        )?;
        println!(
            "2 MiB there and back: {} us",
            time::micros(time::now() - begin)
        );
        data.resize(most + 1, 0);
        refused(soon(echo.count(&data)), ErrorCode::FlounderTxMsgSize)?;
        Ok(soon(echo.null())?)
    })
}

fn text() -> Outcome {
    with_echo("svc/text", |echo| {
        let long = "Füße, 日本語, 🦀\0 ".repeat(100);
        for text in ["", "a", "é", "🦀", "zero \0 within", &long] {
            equal(soon(echo.text(text))?.as_str(), text)?;
        }
        Ok(())
    })
}

fn capability() -> Outcome {
    with_echo("svc/cap", |echo| {
        let frame = frame_alloc(BASE_PAGE_SIZE)?;
        let what = cap_direct_identify(frame)?;
        for _ in 0..20 {
            let copy = AnyCap::copy_of(frame)?;
            let back = soon(echo.pass(copy))?;
            let now = cap_direct_identify(back.slot())?;
            equal(
                (now.objtype(), now.address(), now.size()),
                (what.objtype(), what.address(), what.size()),
            )?;
            let slot = back.into_slot();
            cap_delete(slot)?;
            slot_free(slot)?;
        }
        Ok(mm_free(frame)?)
    })
}

fn fails() -> Outcome {
    with_echo("svc/fails", |echo| {
        for _ in 0..10 {
            refused(soon(echo.fail()), ErrorCode::FlounderInvalidState)?;
            refused(event::call(echo.fail()), ErrorCode::FlounderInvalidState)?;
        }
        Ok(soon(echo.null())?)
    })
}

fn told() -> Outcome {
    with_echo("svc/told", |echo| {
        let count = 5000;
        for number in 1..=count {
            match number % 2 {
                0 => soon(echo.tell(number))?,
                _ => event::call(echo.tell(number))?,
            }
        }
        equal(soon(echo.heard())?, (count, count * (count + 1) / 2))
    })
}

fn given_up() -> Outcome {
    with_echo("svc/given-up", |echo| {
        let data = pattern(20_000, 3);
        let mut ended = 0;
        for micros in (0..300).map(|number| 20 * number) {
            let until = time::now() + micros * time::frequency() / 1_000_000;
            match event::block_on(within(echo.bytes(&data), event::sleep_until(until))) {
                Ok(bytes) => {
                    ended += 1;
                    that(bytes == data, "the same bytes")?;
                }
                Err(error) => refused::<()>(Err(error), ErrorCode::FlounderTimeout)?,
            }
            equal(soon(echo.add(micros, 1))?, micros + 1)?;
        }
        println!("{ended} of 300 calls ended before they were given up");
        Ok(())
    })
}

fn threads() -> Outcome {
    with_echo("svc/threads", |echo| {
        let echo = Arc::new(echo.clone());
        let mut all = Vec::new();
        for seed in 1..=4 {
            let echo = echo.clone();
            all.push(thread::spawn("calls", move || mixed(&echo, seed, CALLS))?);
        }
        for thread in all {
            thread.join()??;
        }
        Ok(())
    })
}

/// Makes calls of all kinds, and looks at every answer.
fn mixed(echo: &Client, seed: u64, count: u64) -> Result<(), Error> {
    let mut random = Random::new(seed);
    let right = |is: bool| match is {
        true => Ok(()),
        false => Err(Error::new(ErrorCode::FlounderRpcMismatch)),
    };
    for number in 0..count {
        let value = seed << 32 | number;
        match random.below(6) {
            0 => right(soon(echo.add(value, 1))? == value + 1)?,
            1 => right(event::call(echo.add(value, 2))? == value + 2)?,
            2 => {
                let data = pattern(random.below(3000) as usize, value);
                right(soon(echo.bytes(&data))? == data)?;
            }
            3 => {
                let back = soon(echo.words(value, 1, 2, 3, 4, 5, 6, 7))?;
                right(back == (value ^ 4, 1 ^ 5, 2 ^ 6, 3 ^ 7))?;
            }
            4 => right(soon(echo.fail()).is_err())?,
            // Two at once in one task.
            _ => {
                let (first, second) = event::block_on(async {
                    let mut first = echo.add(value, 3);
                    let mut second = echo.text("two at once");
                    let mut ends = (None, None);
                    core::future::poll_fn(|cx| {
                        use core::future::Future;
                        use core::pin::Pin;
                        use core::task::Poll;
                        if ends.0.is_none()
                            && let Poll::Ready(end) = Pin::new(&mut first).poll(cx)
                        {
                            ends.0 = Some(end);
                        }
                        if ends.1.is_none()
                            && let Poll::Ready(end) = Pin::new(&mut second).poll(cx)
                        {
                            ends.1 = Some(end);
                        }
                        match (ends.0.take(), ends.1.take()) {
                            (Some(one), Some(other)) => Poll::Ready((one, other)),
                            other => {
                                ends = other;
                                Poll::Pending
                            }
                        }
                    })
                    .await
                });
                right(first? == value + 3 && second? == "two at once")?;
            }
        }
    }
    Ok(())
}

fn crowd() -> Outcome {
    let echo = Echo::start(CROWD_NAME)?;
    let mut children = Vec::new();
    for seed in 1..=CROWD {
        let line = alloc::format!("tests --child svc-client {seed}");
        children.push(proc::spawn(&line)?);
    }
    for child in children {
        equal(child.wait()?, End::Exited(DONE))?;
    }
    echo.end()
}

/// One program of the crowd.
pub fn crowd_client(seed: u64) -> Result<(), Error> {
    mixed(&client_of(CROWD_NAME)?, seed, CALLS)
}
