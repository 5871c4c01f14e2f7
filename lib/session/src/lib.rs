//! A session of the shell, without the system around it.
//!
//! The shell is one thread: what it waits for are futures, and whoever waits polls all of them. So a pipe goes on while the user types, and Ctrl-C is
//! heard while a program runs.
//!
//! | Module | What |
//! |---|---|
//! | [`Os`] | what a session asks of the system: terminal, processes, streams that it offers; a fake one in the tests |
//! | [`Session`] | lines, one after the other: from the prompt, or from a file |
//! | `prompt` | a line from the keyboard, its completion |
//! | `pipeline` | what `shell::plan` says, started |
//! | `running` | what runs: processes and the shell's own commands, alike |
//! | `foreground` | waiting for a pipeline, Ctrl-C, the terminal's foreground |
//! | `io` | input and output of a command that runs in the shell |
//! | `own`, `tools` | the commands that the shell has itself |
//!
//! Invariants: whatever runs has a number, and its streams are closed when it has ended, whatever ended it; the terminal is raw while a line is
//! typed and cooked while something runs in the foreground.
//!
//! Barrelfish counterpart: `usr/fish`, where a command runs to its end before the next key is looked at.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod foreground;
mod io;
mod os;
mod own;
mod pipeline;
mod prompt;
mod running;
mod session;
mod tools;

pub use io::SharedStreams;
pub use os::{Asked, Inherited, Os, Said, Task};
pub use session::{End, PROMPT, Session};

/// How a command is used: one line.
pub fn usage(command: &str) -> alloc::string::String {
    shell::table::find(command).map_or_else(Default::default, shell::table::Command::usage)
}
