//! A PL011 UART (Arm DDI 0183) as console: bytes out, waiting for room; bytes in, without waiting.
//!
//! Works wherever the registers are mapped: the boot driver uses it at its physical address, the CPU driver through the
//! window. Own register block and not crate `arm-pl011-uart`, because that one waits for room without bound: a UART that
//! stopped must cost a kernel its output, not its life.

use core::fmt;
use core::ptr::NonNull;

use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {u32,
    Data [
        VALUE OFFSET(0) NUMBITS(8) [],
        /// Framing, parity, break and overrun: the byte is not what was sent.
        ERROR OFFSET(8) NUMBITS(3) []
    ],
    Flags [
        BUSY OFFSET(3) NUMBITS(1) [],
        RECEIVE_EMPTY OFFSET(4) NUMBITS(1) [],
        TRANSMIT_FULL OFFSET(5) NUMBITS(1) []
    ],
    LineControl [
        FIFO_ENABLE OFFSET(4) NUMBITS(1) [],
        WORD_LENGTH OFFSET(5) NUMBITS(2) [Eight = 3]
    ],
    Control [
        ENABLE OFFSET(0) NUMBITS(1) [],
        TRANSMIT OFFSET(8) NUMBITS(1) [],
        RECEIVE OFFSET(9) NUMBITS(1) []
    ],
    Interrupts [
        RECEIVE OFFSET(4) NUMBITS(1) [],
        RECEIVE_TIMEOUT OFFSET(6) NUMBITS(1) [],
        ALL OFFSET(0) NUMBITS(11) []
    ]
}

register_structs! {
    Pl011 {
        (0x00 => data: ReadWrite<u32, Data::Register>),
        (0x04 => _reserved0),
        (0x18 => flags: ReadOnly<u32, Flags::Register>),
        (0x1c => _reserved1),
        (0x2c => line_control: ReadWrite<u32, LineControl::Register>),
        (0x30 => control: ReadWrite<u32, Control::Register>),
        (0x34 => _reserved2),
        (0x38 => interrupt_mask: ReadWrite<u32, Interrupts::Register>),
        (0x3c => _reserved3),
        (0x44 => interrupt_clear: WriteOnly<u32, Interrupts::Register>),
        (0x48 => @END),
    }
}

/// Register bytes of a PL011.
pub const PL011_BYTES: u64 = 0x1000;

/// How often the flags are read before a byte is given up: some 100 ms on hardware, several times what a full FIFO
/// takes at 9600 baud.
const PATIENCE: u32 = 1 << 20;

/// A console. Whoever makes one sees to it that nobody else uses the UART at the same time.
#[derive(Debug)]
pub struct Console {
    registers: NonNull<u8>,
    /// The last byte found no room in time: do not wait again until there is room.
    stuck: bool,
}

impl Console {
    /// A console over the registers at `base`; touches nothing yet. `None` when `base` is null.
    ///
    /// # Safety
    /// For as long as the value is used, `base` is the address of a PL011's registers, mapped as Device memory (or the
    /// MMU is off), and at most one core uses them at a time.
    pub const unsafe fn new(base: *mut u8) -> Option<Self> {
        match NonNull::new(base) {
            Some(registers) => Some(Self {
                registers,
                stuck: false,
            }),
            None => None,
        }
    }

    fn registers(&self) -> &Pl011 {
        // SAFETY: `new`'s caller promised live registers there; all fields are cells with volatile access.
        unsafe { self.registers.cast::<Pl011>().as_ref() }
    }

    /// Eight bits, no parity, FIFOs on, all interrupts masked. Keeps the speed that firmware set: its clock is not ours
    /// to know.
    pub fn init(&mut self) {
        self.flush();
        let registers = self.registers();
        registers.control.set(0);
        registers.interrupt_mask.set(0);
        registers.interrupt_clear.write(Interrupts::ALL.val(0x7ff));
        registers
            .line_control
            .write(LineControl::FIFO_ENABLE::SET + LineControl::WORD_LENGTH::Eight);
        registers
            .control
            .write(Control::ENABLE::SET + Control::TRANSMIT::SET + Control::RECEIVE::SET);
    }

    /// Waits, within bounds, until everything was sent.
    pub fn flush(&self) {
        for _ in 0..PATIENCE {
            if !self.registers().flags.is_set(Flags::BUSY) {
                return;
            }
            core::hint::spin_loop();
        }
    }

    /// Sends a byte. Waits for room, but not for ever: a byte that finds none is lost.
    pub fn write_byte(&mut self, byte: u8) {
        let patience = if self.stuck { 1 } else { PATIENCE };
        for _ in 0..patience {
            if !self.registers().flags.is_set(Flags::TRANSMIT_FULL) {
                self.registers().data.set(u32::from(byte));
                self.stuck = false;
                return;
            }
            core::hint::spin_loop();
        }
        self.stuck = true;
    }

    /// A byte that has arrived, if any. Bytes that were received with an error are dropped.
    pub fn read_byte(&mut self) -> Option<u8> {
        // A FIFO holds at most 32.
        for _ in 0..32 {
            if self.registers().flags.is_set(Flags::RECEIVE_EMPTY) {
                return None;
            }
            let data = self.registers().data.extract();
            if data.read(Data::ERROR) == 0 {
                return Some(data.read(Data::VALUE) as u8);
            }
        }
        None
    }

    /// Whether an arriving byte raises the UART's interrupt (level: pending until the FIFO was read empty).
    pub fn set_receive_interrupt(&mut self, on: bool) {
        let on = u32::from(on);
        self.registers()
            .interrupt_mask
            .modify(Interrupts::RECEIVE.val(on) + Interrupts::RECEIVE_TIMEOUT.val(on));
    }
}

// SAFETY: the registers may be used from any core, one at a time, which `&mut` and `new`'s contract ensure.
unsafe impl Send for Console {}

impl fmt::Write for Console {
    /// Prints text; each line feed becomes carriage return and line feed. Never fails.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.write_byte(b'\r');
            }
            self.write_byte(byte);
        }
        Ok(())
    }
}
