//! The services: their interfaces, which clients use, and what does the work, which a program in `usr/` gives a domain.
//!
//! | Module | What |
//! |---|---|
//! | [`echo`] | a service for tests and measurements |
//! | [`grading`] | what a grader of the course is told |
//! | [`init`] | the course's init channel |
//! | [`interrupts`] | interrupt lines |
//! | [`memory`] | the memory server |
//! | [`messages`] | messages without a type |
//! | [`names`] | the name server |
//! | [`presence`] | who is there: processes by their connections |
//! | [`process`] | the process server |
//! | [`streams`] | pipes and files of a shell |
//! | [`system`] | the machine: boot image, log, switching off |
//! | [`terminal`] | the terminal |
//!
//! Pure: what a service does is tested on the host over `flounder`'s loopback, and runs unchanged in a domain, over LMP. A service has no loop of its
//! own: its program calls it for each message, for each client that comes and goes, and when its deadline has come.
//!
//! Barrelfish counterpart: the interfaces of `if/*.if`, and the services' C files without their `main`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod echo;
pub mod grading;
pub mod init;
pub mod interrupts;
pub mod memory;
pub mod messages;
pub mod names;
pub mod presence;
pub mod process;
pub mod streams;
pub mod system;
pub mod terminal;
