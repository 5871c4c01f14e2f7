//! The structure that a dispatcher shares with the kernel, at the start of its frame.
//!
//! The user may write all of it at any time; the kernel believes none of it: it reads words, checks them, and takes only the
//! condition flags of a saved SPSR. See `reference` chapter "dispatch" of the book for who writes what and when.

/// A register save area: 98 words. The vector registers have room but are not saved yet (EL0 has no floating point).
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct SaveArea {
    /// x0 to x30.
    pub x: [u64; 31],
    /// SP_EL0.
    pub sp: u64,
    /// PC.
    pub pc: u64,
    /// SPSR: only NZCV counts when it is restored.
    pub spsr: u64,
    /// v0 to v31, reserved.
    pub v: [u64; 64],
}

impl SaveArea {
    /// All zeroes.
    pub const ZERO: Self = Self {
        x: [0; 31],
        sp: 0,
        pc: 0,
        spsr: 0,
        v: [0; 64],
    };
}

/// The shared dispatcher structure.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DispatcherShared {
    /// Non-zero: no upcalls; an interruption saves to `disabled_area` and resumes there. Set by the kernel before an upcall,
    /// cleared by the user.
    pub disabled: u32,
    /// Non-zero: a yield must not take this dispatcher off the scheduler.
    pub haswork: u32,
    /// User address of this structure.
    pub udisp: u64,
    /// Kernel: words delivered to all endpoints so far (wraps).
    pub lmp_delivered: u32,
    /// User: value of `lmp_delivered` last acted on.
    pub lmp_seen: u32,
    /// Kernel: offset in the frame of the endpoint buffer that got the last message.
    pub lmp_hint: u64,
    /// Upcall entry: dispatched while enabled. x0 = udisp. Every upcall enters disabled, with x10 = `got_base`.
    pub run: u64,
    /// Unused, kept for the layout.
    pub lrpc: u64,
    /// Upcall entry: fault while enabled. x0 = udisp, x1 = FAR, x2 = ESR, x3 = PC.
    pub pagefault: u64,
    /// Upcall entry: fault while disabled; the same arguments.
    pub pagefault_disabled: u64,
    /// Upcall entry: undefined instruction, breakpoint, floating point. x0 = udisp, x1 = FAR, x2 = ESR, x3 = PC.
    pub trap: u64,
    /// Kernel: counter value (CNTVCT) of this dispatch.
    pub systime: u64,
    /// User: counter value to be woken at after a yield, 0 = never.
    pub wakeup: u64,
    /// Name, for messages; not necessarily terminated.
    pub name: [u8; 16],
    /// Kernel: frequency of the counter, Hz.
    pub systime_frequency: u64,
    /// Kernel: core this dispatcher is set up on.
    pub curr_core_id: u8,
    /// Not used.
    pub reserved: [u8; 7],
    /// First address of the user-level resume routine: code in [low, high) counts as disabled.
    pub crit_pc_low: u64,
    /// First address behind it.
    pub crit_pc_high: u64,
    /// Value of x10 at an upcall.
    pub got_base: u64,
    /// State at an interruption while enabled.
    pub enabled_area: SaveArea,
    /// State at an interruption while disabled.
    pub disabled_area: SaveArea,
    /// State at a fault while disabled.
    pub trap_area: SaveArea,
}

/// Byte offsets that assembly needs; checked below against the structure.
pub mod offsets {
    /// [`super::DispatcherShared::disabled`].
    pub const DISABLED: usize = 0;
    /// [`super::DispatcherShared::crit_pc_low`]; `crit_pc_high` follows.
    pub const CRIT_PC_LOW: usize = 120;
    /// [`super::DispatcherShared::enabled_area`].
    pub const ENABLED_AREA: usize = 144;
    /// [`super::DispatcherShared::disabled_area`].
    pub const DISABLED_AREA: usize = ENABLED_AREA + AREA_BYTES;
    /// [`super::DispatcherShared::trap_area`].
    pub const TRAP_AREA: usize = DISABLED_AREA + AREA_BYTES;
    /// Size of a save area.
    pub const AREA_BYTES: usize = 98 * 8;
    /// Bytes of the whole shared structure; behind it the frame is the domain's own.
    pub const SHARED_BYTES: usize = TRAP_AREA + AREA_BYTES;
    /// `sp` in a save area.
    pub const AREA_SP: usize = 31 * 8;
    /// `pc` in a save area.
    pub const AREA_PC: usize = 32 * 8;
    /// `spsr` in a save area.
    pub const AREA_SPSR: usize = 33 * 8;
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<SaveArea>() == offsets::AREA_BYTES);
    assert!(offset_of!(SaveArea, sp) == offsets::AREA_SP);
    assert!(offset_of!(SaveArea, pc) == offsets::AREA_PC);
    assert!(offset_of!(SaveArea, spsr) == offsets::AREA_SPSR);
    assert!(offset_of!(DispatcherShared, disabled) == offsets::DISABLED);
    assert!(offset_of!(DispatcherShared, crit_pc_low) == offsets::CRIT_PC_LOW);
    assert!(offset_of!(DispatcherShared, enabled_area) == offsets::ENABLED_AREA);
    assert!(offset_of!(DispatcherShared, disabled_area) == offsets::DISABLED_AREA);
    assert!(offset_of!(DispatcherShared, trap_area) == offsets::TRAP_AREA);
    assert!(size_of::<DispatcherShared>() == offsets::SHARED_BYTES);
};
