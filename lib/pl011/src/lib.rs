//! A PL011 UART (Arm DDI 0183) driven by interrupts.
//!
//! Pure: the registers are a trait, so that the tests try the driver on a model of the device. Nothing waits here. Each call reads or writes a
//! bounded number of registers, and says whether there is more to do at once; what is left is announced by the next interrupt.
//!
//! | Interrupt | Enabled | Comes when |
//! |---|---|---|
//! | receive, receive time-out | always | bytes are in the receive FIFO |
//! | transmit | after there was no room | the transmit FIFO has been sent half empty |
//!
//! **Shared with the kernel**, which prints through the same registers without asking. It takes no interrupts and changes no settings, and comes back when
//! its bytes are in the FIFO. So the driver asks for room before each byte, keeps nothing in mind about the FIFO, and never resets what it finds:
//! speed and line settings are the firmware's. A byte is lost only if the kernel fills the FIFO between such a question and its byte.
//!
//! **Taken over.** A driver that is started again finds the device as the last one left it: [`Pl011::take_over`] works from any state.
//!
//! Barrelfish counterpart: `usr/drivers/serial/serial_pl011.c`, which sends by waiting for room.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

/// A register, by its offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Register {
    /// UARTDR: a byte, and what is wrong with it.
    Data = 0x00,
    /// UARTFR.
    Flags = 0x18,
    /// UARTLCR_H.
    LineControl = 0x2c,
    /// UARTCR.
    Control = 0x30,
    /// UARTIFLS: at how many bytes the FIFOs interrupt.
    Levels = 0x34,
    /// UARTIMSC: which interrupts are enabled.
    Mask = 0x38,
    /// UARTICR: which are to be forgotten.
    Clear = 0x44,
}

/// The device.
pub trait Registers {
    /// Reads one.
    fn read(&mut self, register: Register) -> u32;
    /// Writes one.
    fn write(&mut self, register: Register, value: u32);
}

/// UARTFR: nothing was received.
pub const RECEIVE_EMPTY: u32 = 1 << 4;
/// UARTFR: no room for a byte.
pub const TRANSMIT_FULL: u32 = 1 << 5;
/// UARTDR: the byte was damaged: framing, parity, break.
pub const DAMAGED: u32 = 0b111 << 8;
/// UARTDR: bytes before this one were lost.
pub const OVERRUN: u32 = 1 << 11;
/// UARTLCR_H: FIFOs, eight bits.
pub const FIFOS_EIGHT_BITS: u32 = 1 << 4 | 3 << 5;
/// UARTCR: on, sends, receives.
pub const ON: u32 = 1 | 1 << 8 | 1 << 9;
/// Of UARTIMSC and UARTICR: receive and receive time-out.
pub const RECEIVE: u32 = 1 << 4 | 1 << 6;
/// Of UARTIMSC and UARTICR: transmit.
pub const TRANSMIT: u32 = 1 << 5;
/// UARTIFLS: both at half.
const HALF: u32 = 2 | 2 << 3;

/// Most bytes received by one call: several times what a FIFO holds.
pub const RECEIVED_AT_ONCE: usize = 128;
/// Most bytes sent by one call, on devices that are never full.
pub const SENT_AT_ONCE: usize = 256;

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// How often the device had no room for what came in.
    pub overruns: u64,
    /// Bytes that were damaged, and dropped.
    pub damaged: u64,
}

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    bytes: [u8; RECEIVED_AT_ONCE],
    count: usize,
    /// There may be more.
    pub more: bool,
}

impl Received {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }
}

/// The driver.
#[derive(Debug)]
pub struct Pl011<R> {
    registers: R,
    counts: Counts,
    transmits: bool,
}

impl<R: Registers> Pl011<R> {
    /// Takes the device over as it is: what is being sent is sent, what was received is kept, and interrupts as [`Pl011`] wants them.
    pub fn take_over(mut registers: R) -> Self {
        registers.write(Register::Mask, 0);
        // Settings may be changed only while the device is off, which would cut off what is being sent.
        let line = registers.read(Register::LineControl);
        let control = registers.read(Register::Control);
        if line & FIFOS_EIGHT_BITS != FIFOS_EIGHT_BITS || control & ON != ON {
            registers.write(Register::Control, 0);
            registers.write(Register::LineControl, line | FIFOS_EIGHT_BITS);
            registers.write(Register::Control, control | ON);
        }
        registers.write(Register::Levels, HALF);
        // Those of receiving are not forgotten: they say that there is something.
        registers.write(Register::Clear, TRANSMIT);
        registers.write(Register::Mask, RECEIVE);
        Self {
            registers,
            counts: Counts::default(),
            transmits: false,
        }
    }

    /// What was counted since then.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Takes what was received. Call it once after taking over, and on every interrupt; again soon if there may be more.
    pub fn receive(&mut self) -> Received {
        let mut received = Received {
            bytes: [0; RECEIVED_AT_ONCE],
            count: 0,
            more: false,
        };
        for _ in 0..RECEIVED_AT_ONCE {
            if self.registers.read(Register::Flags) & RECEIVE_EMPTY != 0 {
                return received;
            }
            let data = self.registers.read(Register::Data);
            if data & OVERRUN != 0 {
                self.counts.overruns = self.counts.overruns.saturating_add(1);
            }
            if data & DAMAGED != 0 {
                self.counts.damaged = self.counts.damaged.saturating_add(1);
                continue;
            }
            let [byte, ..] = data.to_le_bytes();
            if let Some(place) = received.bytes.get_mut(received.count) {
                *place = byte;
                received.count = received.count.saturating_add(1);
            }
            self.counts.received = self.counts.received.saturating_add(1);
        }
        received.more = true;
        received
    }

    /// Sends what `next` gives, as long as there is room: it is asked for a byte only then. If it has some when there is no room any more, the device
    /// interrupts as soon as there is, and this is to be called again.
    pub fn send(&mut self, mut next: impl FnMut() -> Option<u8>) {
        if self.transmits {
            // One that comes from now on is about what is sent now.
            self.registers.write(Register::Clear, TRANSMIT);
        }
        let mut transmits = true;
        for _ in 0..SENT_AT_ONCE {
            if self.registers.read(Register::Flags) & TRANSMIT_FULL != 0 {
                break;
            }
            let Some(byte) = next() else {
                transmits = false;
                break;
            };
            self.registers.write(Register::Data, u32::from(byte));
            self.counts.sent = self.counts.sent.saturating_add(1);
        }
        if transmits != self.transmits {
            self.transmits = transmits;
            let mask = if transmits {
                RECEIVE | TRANSMIT
            } else {
                RECEIVE
            };
            self.registers.write(Register::Mask, mask);
        }
    }

    /// Whether it interrupts when there is room.
    pub const fn transmits(&self) -> bool {
        self.transmits
    }
}
