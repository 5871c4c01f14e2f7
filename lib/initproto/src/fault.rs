//! A fault in words: what happened, at which address.
//!
//! Source: Arm ARM D24.2 (ESR_EL1: exception class in bits 31:26; for aborts WnR in bit 6, status code in bits 5:0).

use core::fmt;

/// What the faulting domain knows beyond the registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum FaultCause {
    /// Nothing: read the registers.
    Exception = 0,
    /// The address lies in the hole below the stack.
    StackOverflow = 1,
    /// It faulted while its dispatcher was disabled, where it must not.
    WhileDisabled = 2,
}

impl FaultCause {
    /// The cause with that number.
    pub const fn from_word(word: u64) -> Option<Self> {
        match word {
            0 => Some(Self::Exception),
            1 => Some(Self::StackOverflow),
            2 => Some(Self::WhileDisabled),
            _ => None,
        }
    }
}

/// A fault that ended a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What the domain knows.
    pub cause: FaultCause,
    /// Exception syndrome.
    pub esr: u64,
    /// Fault address; means something for aborts and alignment faults only.
    pub far: u64,
    /// Where it was.
    pub pc: u64,
    /// Name of the thread, filled up with zeroes; all zeroes for the domain's first.
    pub thread: [u8; 16],
}

/// Exception class: instruction abort from EL0.
const INSTRUCTION_ABORT: u64 = 0x20;
/// Exception class: data abort from EL0.
const DATA_ABORT: u64 = 0x24;
/// Below this address nothing is ever mapped.
const NULL_END: u64 = 4096;
/// From here on addresses are the kernel's.
const KERNEL_START: u64 = 0xffff_0000_0000_0000;

impl Fault {
    const fn class(&self) -> u64 {
        self.esr >> 26 & 0x3f
    }

    /// A short name, for records: `null-pointer`, `stack-overflow`, `undefined-instruction` and so on.
    pub const fn name(&self) -> &'static str {
        match (self.cause, self.class()) {
            (FaultCause::StackOverflow, _) => "stack-overflow",
            (FaultCause::WhileDisabled, _) => "while-disabled",
            (FaultCause::Exception, 0x00) => "undefined-instruction",
            (FaultCause::Exception, 0x07) => "floating-point",
            (FaultCause::Exception, 0x0e) => "illegal-state",
            (FaultCause::Exception, 0x18) => "system-instruction",
            (FaultCause::Exception, INSTRUCTION_ABORT) => "execute",
            (FaultCause::Exception, 0x22) => "pc-alignment",
            (FaultCause::Exception, DATA_ABORT) if self.far < NULL_END => "null-pointer",
            (FaultCause::Exception, DATA_ABORT) if self.is_write() => "write",
            (FaultCause::Exception, DATA_ABORT) => "read",
            (FaultCause::Exception, 0x26) => "sp-alignment",
            (FaultCause::Exception, 0x2f) => "system-error",
            (FaultCause::Exception, 0x3c) => "breakpoint",
            (FaultCause::Exception, _) => "exception",
        }
    }

    const fn is_write(&self) -> bool {
        self.class() == DATA_ABORT && self.esr & 0x40 != 0
    }

    const fn is_abort(&self) -> bool {
        matches!(self.class(), INSTRUCTION_ABORT | DATA_ABORT)
    }

    /// Why the access was refused.
    const fn reason(&self) -> &'static str {
        match self.esr >> 2 & 0xf {
            _ if self.far >= KERNEL_START => "the address is the kernel's",
            0b0001 => "nothing is mapped there",
            0b0010 => "the mapping is not usable",
            0b0011 => "the mapping does not permit it",
            _ if self.esr & 0x3f == 0x21 => "the address is not aligned",
            _ if self.esr & 0x3f == 0x10 => "the memory system refused it",
            _ => "the memory system reports an unusual error",
        }
    }

    fn access(&self) -> &'static str {
        match self.class() {
            INSTRUCTION_ABORT => "instruction fetch from",
            _ if self.is_write() => "write to",
            _ => "read of",
        }
    }
}

impl fmt::Display for Fault {
    /// What happened and at which address, without domain and PC: who prints it knows how to name those.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.thread.split(|byte| *byte == 0).next();
        if let Some(name) = thread.filter(|name| !name.is_empty()) {
            write!(f, "thread {}: ", core::str::from_utf8(name).unwrap_or("?"))?;
        }
        match self.cause {
            FaultCause::StackOverflow => return write!(f, "stack overflow at {:#x}", self.far),
            FaultCause::WhileDisabled => write!(f, "fault while its dispatcher was disabled: ")?,
            FaultCause::Exception => {}
        }
        if self.is_abort() {
            if self.far < NULL_END && self.class() == DATA_ABORT {
                write!(f, "null pointer: ")?;
            }
            return write!(
                f,
                "{} address {:#x}, {}",
                self.access(),
                self.far,
                self.reason()
            );
        }
        match self.class() {
            0x00 => write!(f, "undefined instruction"),
            0x07 => write!(
                f,
                "floating-point instruction, which programs may not use yet"
            ),
            0x0e => write!(f, "illegal execution state"),
            0x18 => write!(f, "system instruction that EL0 may not use"),
            0x22 => write!(f, "jump to the unaligned address {:#x}", self.far),
            0x26 => write!(f, "unaligned stack pointer"),
            0x2f => write!(f, "system error"),
            0x3c => write!(f, "breakpoint instruction"),
            class => write!(f, "exception of class {class:#x} (ESR {:#x})", self.esr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(esr: u64, far: u64) -> Fault {
        Fault {
            cause: FaultCause::Exception,
            esr,
            far,
            pc: 0x40_0000,
            thread: [0; 16],
        }
    }

    #[test]
    fn aborts_say_access_address_and_reason() {
        let null = fault(0x9200_0006, 0);
        assert_eq!(null.name(), "null-pointer");
        assert_eq!(
            null.to_string(),
            "null pointer: read of address 0x0, nothing is mapped there"
        );
        let write = fault(0x9200_004f, 0x40_1000);
        assert_eq!(write.name(), "write");
        assert_eq!(
            write.to_string(),
            "write to address 0x401000, the mapping does not permit it"
        );
        let kernel = fault(0x9200_0004, 0xffff_0000_4000_0000);
        assert_eq!(
            kernel.to_string(),
            "read of address 0xffff000040000000, the address is the kernel's"
        );
        let jump = fault(0x8200_000f, 0x50_0000);
        assert_eq!(jump.name(), "execute");
        assert_eq!(
            jump.to_string(),
            "instruction fetch from address 0x500000, the mapping does not permit it"
        );
    }

    #[test]
    fn other_exceptions_have_names() {
        assert_eq!(fault(0x0200_0000, 0).name(), "undefined-instruction");
        assert_eq!(fault(0x1fe0_0000, 0).name(), "floating-point");
        assert_eq!(
            fault(0x1fe0_0000, 0)
                .to_string()
                .matches("floating")
                .count(),
            1
        );
        assert_eq!(fault(0xf200_0000, 0).name(), "breakpoint");
    }

    #[test]
    fn a_thread_is_named() {
        let mut overflow = fault(0x9200_0047, 0x70_0000);
        overflow.cause = FaultCause::StackOverflow;
        overflow.thread[..6].copy_from_slice(b"worker");
        assert_eq!(
            overflow.to_string(),
            "thread worker: stack overflow at 0x700000"
        );
    }

    #[test]
    fn every_word_has_a_text() {
        for class in 0..64u64 {
            for status in 0..64 {
                for cause in 0..3 {
                    let mut fault = fault(class << 26 | status, 0x5000);
                    fault.cause = FaultCause::from_word(cause).unwrap();
                    assert!(!fault.to_string().is_empty() && !fault.name().is_empty());
                }
            }
        }
    }
}
