//! Services in a domain: what lies between a service of [`services`], which knows no domain, and the clients of one.
//!
//! | Module | Service | Its own domain |
//! |---|---|---|
//! | [`greeting`] | the course's init channel | `usr/spawnd`, a thread |
//! | [`memory`] | the memory server | `usr/mem_serv` |
//! | [`names`] | the name server | `usr/nameserver` |
//! | [`process`] | the process server | `usr/spawnd` |
//! | [`terminal`] | the terminal | `usr/serial` |
//!
//! In the profile *full* each domain serves by this, in the profile *course* init does, a thread for each. A module has what the service's clients may use
//! (`host`), and its loop (`serve`); who offers the service says how it is registered.
//!
//! Barrelfish counterpart: the loops in `main` of `usr/mem_serv`, `usr/spawnd` and others.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod greeting;
pub mod memory;
pub mod names;
pub mod process;
pub mod terminal;
