//! What any kernel on AArch64 hardware needs, without policy.
//!
//! | Module | What it drives |
//! |---|---|
//! | [`descriptor`] | formats of translation-table entries (pure, tested on the host) |
//! | `window` | physical addresses through the kernel window |
//! | `console` | a PL011 UART |
//! | `gic` | a GICv3: distributor, redistributor, CPU interface |
//! | `timer` | the generic timer: counter and EL1 physical timer |
//! | `psci` | firmware calls: power off, reset, start a core |
//! | `mmu` | translation registers, ASIDs, TLB maintenance |
//! | `cache` | cache maintenance by address |
//! | `mem` | clearing memory quickly |
//! | `cpu` | identity of the core, interrupt masking, traps, cycle counter |
//!
//! All but the first exist only on AArch64, at EL1. The crate keeps no state of its own: a driver is a value that somebody
//! owns, and a register belongs to the core that executes. Barrelfish's counterpart is spread over `kernel/arch/armv8`
//! and its Mackerel device descriptions.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod descriptor;

#[cfg(target_arch = "aarch64")]
mod arch;
#[cfg(target_arch = "aarch64")]
pub use arch::{cache, console, cpu, gic, mem, mmu, pmu, psci, timer, window};
