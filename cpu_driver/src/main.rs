//! The CPU driver: Barreleye's kernel, one instance for each core, nothing shared between them.
//!
//! Single-threaded, never interrupted, one stack that is empty at each entry, no allocation at all: every object lives in memory
//! that a user domain supplied by retyping RAM. It protects, multiplexes and delivers; policy is in user space.
//!
//! | Module | What it does | Barrelfish |
//! |---|---|---|
//! | [`arch`] | assembly: entry, exception vectors | `kernel/arch/armv8` |
//! | [`boot`] | from the boot driver's record to init's first instruction | `kernel/arch/armv8/init.c`, `startup_arch.c` |
//! | [`kernel`] | the four entries, run and upcall | `dispatch.c`, `exn.c` |
//! | [`dispatch`] | switching address spaces, time slices | `dispatch.c` |
//! | [`syscall`] | system calls and invocations | `syscall.c`, `arch/armv8/syscall.c` |
//! | [`env`] | memory and hardware as the capability database sees them | `paging.c`, `capabilities.c` |
//! | [`dcb`] | dispatcher control blocks | `include/dispatch.h` |
//! | [`scheduler`] | run queues and wake-ups | `schedule_rr.c`, `schedule_rbed.c`, `wakeup.c` |
//! | [`interrupts`] | device interrupts to their receivers | `arch/armv8/irq.c` |
//! | [`lmp`] | messages within the core | `dispatch.c` |
//! | [`notes`] | what the kernel tells the monitor | - |
//! | [`asid`] | address-space identifiers | - (upstream flushes the TLB) |
//! | [`console`] | bootstrap console and record lines | `serial.c` |
//! | [`panic`] | reports of the kernel's own faults | `exn.c` |
#![no_std]
#![feature(optimize_attribute)]
#![no_main]

mod arch;
mod asid;
mod boot;
mod console;
mod dcb;
mod dispatch;
mod env;
mod interrupts;
mod kernel;
mod lmp;
mod notes;
mod panic;
mod scheduler;
mod syscall;

kpi::abi_note!();
