//! How a program ended, in words and as a status.

use crate::records;
use aos::exit::DomainName;
use aos::initproto::{Fault, FaultCause, STATUS_FAULT, STATUS_KILLED};
use aos::kpi::lmp::FaultKind;
use aos::println;
use aos::testproto::{Kind, Writer};
use core::fmt;

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

/// Name of the kernel's reason, for records.
const fn stop_name(kind: Option<FaultKind>, fault: &Fault) -> &'static str {
    match kind {
        Some(FaultKind::DisabledFaults) => fault.name(),
        Some(FaultKind::LostObject) => "lost-object",
        Some(FaultKind::SystemError) => "system-error",
        Some(FaultKind::Unexpected) | None => "unexpected",
    }
}

/// Why the kernel stopped the domain of that name, and the fault if one was the reason.
struct Stop(DomainName, Option<FaultKind>, Fault);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, kind, fault) = self;
        f.write_str(reason(*kind))?;
        if *kind == Some(FaultKind::LostObject) {
            return Ok(());
        }
        write!(f, ": {fault}, at [{name}:{:#x}]", fault.pc)
    }
}

impl Outcome {
    /// Tells the user of the end of a domain that init did not start: only the kernel's number is known.
    pub fn tell_stranger(self, id: u64) {
        // Other ends are for whoever started it, or took its objects.
        if let Self::Stopped(kind, fault) = self
            && kind != Some(FaultKind::LostObject)
        {
            let stop = Stop(DomainName::new("?"), kind, fault);
            println!(
                "a domain that init did not start (id {id}) was stopped by the kernel: {stop}"
            );
        }
    }

    /// The status of the command that ran it.
    pub const fn status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Faulted(_) | Self::Stopped(..) | Self::Died => STATUS_FAULT,
            Self::Killed => STATUS_KILLED,
        }
    }

    /// Tells hake of a fault.
    pub fn record(self, name: DomainName, pid: u32) {
        match self {
            Self::Faulted(fault) => record(name, pid, fault.name(), &fault),
            Self::Stopped(kind, fault) => record(name, pid, stop_name(kind, &fault), &fault),
            Self::Exited(_) | Self::Died | Self::Killed => {}
        }
    }

    /// Tells the user, unless there is nothing to tell.
    pub fn tell(self, name: DomainName, pid: u32) {
        match self {
            Self::Exited(0) => {}
            Self::Exited(status) => println!("{name}: exit status {status}"),
            Self::Faulted(fault) => println!(
                "{name} (pid {pid}) was ended by a fault: {fault}, at [{name}:{:#x}]",
                fault.pc
            ),
            Self::Stopped(kind, fault) => println!(
                "{name} (pid {pid}) was stopped by the kernel: {}",
                Stop(name, kind, fault)
            ),
            Self::Died => println!("{name} (pid {pid}) is gone: its dispatcher was deleted"),
            Self::Killed => println!("{name} (pid {pid}) was killed"),
        }
    }

    /// As [`Outcome::tell`], for one that ran in the background: there is always something to tell.
    pub fn tell_background(self, name: DomainName, pid: u32) {
        match self {
            Self::Exited(status) => println!("[{pid}] {name}: exit status {status}"),
            _ => self.tell(name, pid),
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
            thread: [0; 16],
        },
    )
}
