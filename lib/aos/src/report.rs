//! What is told on the console before a panic or a fault ends the domain: registers, and who called whom.
//!
//! Never inlined: exception stacks are small, and what handles a fault need not have room for this on the way.
//!
//! Code addresses are printed as `[name:0x...]`: hake, which has the symbols, puts function, file and line behind them.

use crate::arch::backtrace::Calls;
use crate::arch::context::Registers;
use crate::console::emergency;
use crate::exit::DomainName;
use crate::thread::exception::{Kind, kind_of};

/// Registers in a line.
const REGISTERS_IN_LINE: usize = 4;

/// The calls that led here, a line each.
#[cold]
#[inline(never)]
pub(crate) fn calls(calls: Calls) {
    let name = DomainName::own();
    for address in calls {
        emergency(format_args!("  called from [{name}:{address:#x}]\n"));
    }
}

/// The place of a fault, the registers and the calls that led there.
#[cold]
#[inline(never)]
pub(crate) fn fault(registers: &Registers, [esr, far]: [u64; 2], chain: Calls) {
    let name = DomainName::own();
    let pc = registers.pc;
    // Other exceptions leave an earlier one's address in the register.
    match kind_of([esr, far]) {
        Kind::PageFault { address, .. } => emergency(format_args!(
            "{name}: fault at [{name}:{pc:#x}], address {address:#x}, ESR {esr:#x}\n"
        )),
        _ => emergency(format_args!(
            "{name}: fault at [{name}:{pc:#x}], ESR {esr:#x}\n"
        )),
    }
    for (index, row) in registers.x.chunks(REGISTERS_IN_LINE).enumerate() {
        let first = index * REGISTERS_IN_LINE;
        match *row {
            [a, b, c, d] => emergency(format_args!(
                "  x{first:<2} {a:016x} {b:016x} {c:016x} {d:016x}\n"
            )),
            // x28 to x30.
            [a, b, c] => emergency(format_args!("  x{first:<2} {a:016x} {b:016x} {c:016x}\n")),
            _ => {}
        }
    }
    let [.., link] = registers.x;
    emergency(format_args!(
        "  sp  {:016x} flags {:x}, link [{name}:{link:#x}]\n",
        registers.sp, registers.flags
    ));
    calls(chain);
}
