//! The ABI between the CPU driver and everything that runs on it.
//!
//! Written once and used by both sides (the boot driver and `hake` read parts of it too): system calls, invocation
//! commands, shared layouts, well-known capability slots, boot structures. Everything here is plain data: no I/O, no
//! allocation, no `unsafe`. Layouts are asserted at compile time, so a change that moves a field does not build on one
//! side only. Numbers are Barrelfish's where Barrelfish has one; differences are marked **Barreleye**.
//!
//! | Module | What it fixes |
//! |---|---|
//! | [`syscall`] | how a system call is packed into registers |
//! | [`invocation`] | the commands of every capability type and their arguments |
//! | [`cap`] | capability types and the typed capability, from `capabilities.hl` |
//! | [`addr`] | physical and virtual addresses, capability addresses |
//! | [`rights`] | capability rights and page flags |
//! | [`slots`] | well-known slots of a domain's CSpace |
//! | [`layout`] | sizes and well-known virtual addresses |
//! | [`dispatcher`] | the structure shared between a dispatcher and the kernel |
//! | [`lmp`] | the endpoint buffer and its messages |
//! | [`bootinfo`] | what init is told about the machine |
//! | [`coredata`] | what the boot driver tells the CPU driver |
//! | [`args`] | the arguments page of a new domain |
//! | [`abinote`] | the ELF note that carries [`ABI_VERSION`] |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod abinote;
pub mod addr;
pub mod args;
pub mod bootinfo;
pub mod cap;
pub mod coredata;
pub mod dispatcher;
pub mod invocation;
pub mod layout;
pub mod lmp;
pub mod rights;
pub mod slots;
pub mod syscall;

/// Version of everything in this crate. Raised by any change that an old binary would misunderstand; the boot driver, the
/// CPU driver and the ELF loader refuse binaries of another version.
pub const ABI_VERSION: u32 = 3;
