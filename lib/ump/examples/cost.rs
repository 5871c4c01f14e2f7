//! What sending and receiving a line costs in instructions.
//!
//! `valgrind --tool=callgrind target/release/examples/cost 1000000`, then `callgrind_annotate --inclusive=yes` shows the functions `one_send`
//! and `one_receive`: divide by the rounds. Acknowledgements, which come once for half a ring, are in it.
//! `calls` as second argument: the other end answers each line, so that acknowledgements come with answers.

use std::hint::black_box;
use ump::{Bell, Channel, Fault, Line, SendError, Side, Slot};

#[inline(never)]
fn one_send<B: Bell>(channel: &mut Channel<'_, B>, line: &Line) -> Result<(), SendError> {
    channel.send(line)
}

#[inline(never)]
fn one_receive<B: Bell>(channel: &mut Channel<'_, B>) -> Result<Option<Line>, Fault> {
    channel.receive()
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u64 = arguments
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(1000);
    let calls = arguments.next().as_deref() == Some("calls");
    let slots: Vec<Slot> = (0..64).map(|_| Slot::default()).collect();
    let mut client = Channel::new(&slots, Side::Client, || {})?;
    let mut server = Channel::new(&slots, Side::Server, || {})?;
    for round in 0..rounds {
        one_send(&mut client, &Line::full([round; 7], None))?;
        let line = one_receive(&mut server)?;
        if let (true, Some(line)) = (calls, line) {
            one_send(&mut server, &line)?;
            black_box(one_receive(&mut client)?);
        }
    }
    Ok(())
}
