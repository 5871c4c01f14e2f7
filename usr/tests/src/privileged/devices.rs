//! A device to try interrupts with: the PL031 real-time clock of QEMU's `virt` board.

use aos::Error;
use aos::cap::{CNodeRef, CapRef, cap_retype};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::root;
use aos::paging::MappedFrame;
use aos::slot::slot_alloc;
use core::arch::asm;

/// Its registers.
const BASE: u64 = 0x901_0000;
/// Its interrupt: SPI 2.
pub const VECTOR: u64 = 34;

const DATA: u64 = 0;
const MATCH: u64 = 4;
const MASK: u64 = 0x10;
const RAW_STATUS: u64 = 0x14;
const CLEAR: u64 = 0x1c;

/// The clock.
pub struct Clock {
    registers: MappedFrame,
}

impl Clock {
    /// Maps it.
    pub fn new() -> Result<Self, Error> {
        let devices = CNodeRef::own(root::PACN).slot(0);
        let frame: CapRef = slot_alloc()?;
        cap_retype(frame, devices, BASE, ObjType::DevFrame, BASE_PAGE_SIZE, 1)?;
        let flags = PageFlags(PageFlags::READ_WRITE.0 | PageFlags::NOCACHE.0);
        let registers = MappedFrame::new(frame, flags)?;
        Ok(Self { registers })
    }

    fn read(&self, register: u64) -> u32 {
        let address = self.registers.view().address().0 + register;
        let value: u32;
        // SAFETY: a register of the mapped device; reading these has no effect.
        unsafe { asm!("ldr {0:w}, [{1}]", out(reg) value, in(reg) address, options(nostack)) };
        value
    }

    fn write(&self, register: u64, value: u32) {
        let address = self.registers.view().address().0 + register;
        // SAFETY: a register of the mapped device, which does not touch memory.
        unsafe { asm!("str {0:w}, [{1}]", in(reg) value, in(reg) address, options(nostack)) };
    }

    /// Raises its interrupt within about a second, until [`Clock::clear`].
    pub fn alarm(&self) {
        self.clear();
        self.write(MASK, 1);
        self.write(MATCH, self.read(DATA).wrapping_add(1));
    }

    /// Whether the alarm has gone off.
    pub fn is_due(&self) -> bool {
        self.read(RAW_STATUS) & 1 == 1
    }

    /// Ends the interrupt.
    pub fn clear(&self) {
        self.write(MASK, 0);
        self.write(CLEAR, 1);
    }
}
