//! The shell: an ordinary program, of which any number can run side by side.
//!
//! | Started as | It |
//! |---|---|
//! | `shell`, its input being the terminal | serves the prompt |
//! | `shell`, its input being a stream | runs the lines that come |
//! | `shell -c LINE` | runs that line |
//! | `shell --applet NAME ARGUMENTS` | is one of its [applets], for a shell |
//!
//! What a shell decides is the crate `session`; here is the system that it asks:
//!
//! | Module | What |
//! |---|---|
//! | `os` | the trait of `session`, done with what follows |
//! | [`servers`] | connections, made anew when a server was started again |
//! | [`line`] | the terminal, or the streams that are input and output |
//! | [`offered`] | the streams that this shell keeps for what it starts |
//! | [`tell`] | commands that ask a server: `ps`, `mem` and the like |
//!
//! Without a terminal for ten seconds it ends, and who started it may start it again.
//!
//! Barrelfish counterpart: `usr/fish`.
#![no_std]
#![no_main]

extern crate alloc;

mod applets;
mod line;
mod offered;
mod os;
mod servers;
mod tell;

use alloc::rc::Rc;
use aos::stdio::{self, Way};
use aos::{Args, Error, Status, println};
use os::System;
use session::{End, Session};

/// Status of a wrong use.
const USAGE: Status = Status(64);

#[aos::main]
fn main(args: Args) -> Result<Status, Error> {
    let mut words = args.words();
    match (words.next(), words.next()) {
        (Some("--applet"), Some(name)) => applets::run(name, words),
        (Some("-c"), Some(line)) if words.next().is_none() => {
            serve(args, |session| session.once(line))
        }
        (None, _) => match stdio::input() {
            Way::Stream { .. } => serve(args, Session::batch),
            _ => serve(args, Session::interact),
        },
        _ => {
            println!("usage: shell [-c LINE]");
            Ok(USAGE)
        }
    }
}

fn serve(args: Args, run: impl FnOnce(&mut Session) -> End) -> Result<Status, Error> {
    let system = Rc::new(System::new()?);
    let streams = system.streams();
    let mut session = Session::new(system, streams, args.env());
    match run(&mut session) {
        End::Exit(status) => Ok(Status(status)),
        End::Lost(error) => Err(error),
    }
}
