//! How a program ended, in words and as a status.

use crate::records;
use aos::exit::DomainName;
use aos::initproto::{Fault, FaultCause, STATUS_FAULT, STATUS_KILLED};
use aos::kpi::lmp::FaultKind;
use aos::println;
use aos::testproto::{Kind, Writer};

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// By itself.
    Exited(u8),
    /// By a fault that it reported itself.
    Faulted(Fault),
    /// The kernel stopped it.
    Stopped(Option<FaultKind>, Fault),
    /// Its dispatcher is gone.
    Died,
    /// By Ctrl-C, or at a deadline.
    Killed,
}

/// What the kernel's reason means.
const fn reason(kind: Option<FaultKind>) -> &'static str {
    match kind {
        Some(FaultKind::DisabledFaults) => "it cannot handle its own faults",
        Some(FaultKind::LostObject) => "its CSpace, VSpace or dispatcher frame was taken away",
        Some(FaultKind::SystemError) => "it caused a system error",
        Some(FaultKind::Unexpected) => "it got into a state that user code must not be in",
        None => "the kernel names no reason that is known here",
    }
}

impl Outcome {
    /// The status of the command that ran it.
    pub const fn status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Faulted(_) | Self::Stopped(..) | Self::Died => STATUS_FAULT,
            Self::Killed => STATUS_KILLED,
        }
    }

    /// Tells the user, unless there is nothing to tell, and hake.
    pub fn tell(self, name: DomainName, pid: u32) {
        match self {
            Self::Exited(0) => {}
            Self::Exited(status) => println!("{name}: exit status {status}"),
            Self::Faulted(fault) => {
                println!(
                    "{name} (pid {pid}) was ended by a fault: {fault}, at [{name}:{:#x}]",
                    fault.pc
                );
                record(name, pid, fault.name(), &fault);
            }
            Self::Stopped(kind, fault) => {
                println!(
                    "{name} (pid {pid}) was stopped by the kernel: {}: {fault}, at [{name}:{:#x}]",
                    reason(kind),
                    fault.pc
                );
                record(name, pid, fault.name(), &fault);
            }
            Self::Died => println!("{name} (pid {pid}) is gone: its dispatcher was deleted"),
            Self::Killed => println!("{name} (pid {pid}) was killed"),
        }
    }
}

fn record(name: DomainName, pid: u32, kind: &str, fault: &Fault) {
    let mut writer = Writer::new(Kind::Fault);
    writer
        .display("domain", name)
        .int("pid", pid)
        .int("core", aos::core_id().0)
        .str("kind", kind)
        .int("esr", fault.esr)
        .int("far", fault.far)
        .int("pc", fault.pc);
    records::emit(&mut writer);
}

/// The fault of a kernel note: its words behind the domain id.
pub fn from_note(words: &[u64]) -> Outcome {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    Outcome::Stopped(
        FaultKind::from_word(word(0)),
        Fault {
            cause: FaultCause::Exception,
            esr: word(1),
            far: word(2),
            pc: word(3),
        },
    )
}
