//! The parts that execute AArch64 instructions or touch device registers. All of the crate's `unsafe` is below here.

/// Reads a system register. Only for registers whose reading changes nothing and is possible at EL1; for those that
/// `aarch64-cpu` knows, use it instead.
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: the registers named in this crate are readable at EL1 and reading them has no effect on memory.
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags));
        }
        value
    }};
}

/// Writes a system register, ordered after every memory access before it in program order (for the compiler).
macro_rules! write_register {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the registers named in this crate with this macro control interrupts, counters or traps; they do not
        // change how memory is translated, so no Rust reference changes its meaning.
        unsafe {
            core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack, preserves_flags));
        }
    }};
}

pub mod cache;
pub mod console;
pub mod cpu;
pub mod gic;
pub mod mem;
pub mod mmu;
pub mod pmu;
pub mod psci;
pub mod timer;
pub mod window;
