//! The serial service: what is typed on a UART reaches the program that it is for, and what programs print comes out in whole lines.
//!
//! `module /sbin/serial supervised ready=service/terminal with=gicd device=0x09000000+0x1000`: its first capability is the UART's frame. Arguments, with what they
//! are otherwise: `line=33`, the interrupt line, and `name=service/terminal`; `grading`: a line for each call of the course.
//!
//! | Part | What it decides |
//! |---|---|
//! | `pl011` | when which register is read and written |
//! | `terminal` | whose the input is, whose output is next |
//! | `services::terminal` | which call is answered when |
//! | `serving::terminal` | how clients come and go |
//! | here | the domain: the interrupt, the mapping, the loop |
//!
//! An interrupt is a message to an endpoint, and wakes the loop as messages of clients do; it is acknowledged when the device has been served. In each round at
//! most 128 bytes are received and 256 sent, then clients have their turn. Nothing waits for the device.
//!
//! Nothing is kept outside of this domain: who is started again begins with clients that connect anew, no foreground, and the device as it finds it.
//!
//! Barrelfish counterpart: `usr/drivers/serial`.
#![no_std]
#![no_main]

extern crate alloc;

mod device;

use alloc::collections::VecDeque;
use aos::service::Round;
use aos::{Args, Error, ErrorCode, event, println, time};
use core::future::Future as _;
use core::pin::pin;
use core::task::Poll;
use device::Device;
use services::terminal::TerminalService;
use serving::terminal::{self, NAME};

/// Bytes taken from the terminal for the device at a time.
const TAKEN_AT_ONCE: usize = 64;

/// What the menu says.
struct Options {
    line: u32,
    name: &'static str,
    grading: bool,
}

impl Options {
    fn parse(args: Args) -> Result<Self, Error> {
        let mut options = Self {
            line: 33,
            name: NAME,
            grading: false,
        };
        for word in args.words() {
            if word == "grading" {
                options.grading = true;
                continue;
            }
            let line = word.strip_prefix("line=").map(str::parse);
            match (line, word.strip_prefix("name=")) {
                (Some(Ok(line)), _) => options.line = line,
                (None, Some(name)) => options.name = name,
                _ => {
                    println!("usage: serial [line=NUMBER] [name=NAME] [grading], not {word}");
                    return Err(Error::new(ErrorCode::SpawnGetCmdlineArgs));
                }
            }
        }
        Ok(options)
    }
}

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    let options = Options::parse(args)?;
    let device = Device::take_over(options.line)?;
    let mut host = terminal::host()?;
    let properties = alloc::format!("{{ kind: 'pl011', line: {} }}", options.line);
    host.register(options.name, &properties)?;
    let mut line = Line {
        device: &device,
        pending: VecDeque::new(),
    };
    let turn = |service: &mut TerminalService, round: &mut Round| line.turn(service, round);
    let mut interrupts = pin!(device.interrupts());
    let mut serving = pin!(terminal::serve(&mut host, options.grading, turn));
    // Whatever wakes this task wakes both.
    event::block_on(core::future::poll_fn(|context| {
        match interrupts.as_mut().poll(context) {
            Poll::Ready(never) => match never {},
            Poll::Pending => serving.as_mut().poll(context),
        }
    }));
    Ok(())
}

/// The device, and what it is to send next.
struct Line<'a> {
    device: &'a Device,
    pending: VecDeque<u8>,
}

impl Line<'_> {
    /// What there is to do for the device. Answers whether it has all that was taken from the terminal.
    fn turn(&mut self, terminal: &mut TerminalService, round: &mut Round) -> bool {
        if self.device.take_interrupt() {
            let more = self.device.receive(|bytes| terminal.input(bytes));
            self.send(terminal);
            self.device.acknowledge(more);
            if more {
                round.deadline = Some(time::now());
            }
        } else if terminal.has_output() && !self.device.is_full() {
            self.send(terminal);
        }
        self.pending.is_empty()
    }

    fn send(&mut self, terminal: &mut TerminalService) {
        let pending = &mut self.pending;
        self.device.send(|| {
            if pending.is_empty() {
                pending.extend(terminal.take_output(TAKEN_AT_ONCE));
            }
            pending.pop_front()
        });
    }
}
