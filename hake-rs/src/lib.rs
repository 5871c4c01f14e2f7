//! hake, the host tool: finds what is missing, builds, packs, runs and tests Barreleye.
//!
//! Named after Barrelfish's build generator; unlike that one it drives cargo instead of writing a makefile. The binary is
//! started by `./hake.sh`. Commands, flags, exit codes and records are a contract: docs, "Contracts".
//!
//! * [`toolchain`]: which compiler; what is missing and how to cure it. [`task`]: what every command starts with.
//! * [`os_build`], [`image`]: cargo for AArch64, then one boot image. [`elf`]: what is done to ELF files on the way.
//! * [`guest`]: QEMU and what it prints. [`session`]: who types. [`symbolise`]: addresses to names.
//! * [`suite`]: `hake test`. [`fuzz`]: the coverage-guided fuzzer.
//! * [`new`](mod@new): a program to begin with. [`failure`]: exit codes.

#![deny(unsafe_code)]

pub mod bench;
pub mod capviz;
pub mod cli;
pub mod commands;
pub mod debug;
pub mod elf;
pub mod failure;
pub mod fuzz;
pub mod guest;
pub mod image;
pub mod new;
pub mod os_build;
pub mod platform;
pub mod process;
pub mod session;
pub mod suite;
pub mod symbolise;
pub mod task;
pub mod toolchain;
pub mod ui;
pub mod workspace;
