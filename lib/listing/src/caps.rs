//! Capability spaces, slot by slot: `ROOT SLOT TYPE BASE BYTES RIGHTS OWNER`. A root slot itself has `-` for SLOT (in JSON -1), a capability that
//! another core owns `other` for OWNER (-1).
//!
//! Rows come one after the other, so that the memory for it is bounded however many capabilities there are.

use crate::json::Quoted;
use alloc::string::String;
use core::fmt::Write;
use kpi::addr::CapLevel;
use kpi::cap::Capability;
use kpi::invocation::CapPosition;

/// The titles.
pub fn header() -> String {
    alloc::format!(
        "{:>4} {:>4} {:24} {:>14} {:>12} {:6} OWNER\n",
        "ROOT",
        "SLOT",
        "TYPE",
        "BASE",
        "BYTES",
        "RIGHTS"
    )
}

/// One or more capabilities alike, of objects one behind the other, in slots one behind the other.
#[derive(Clone, Copy, Debug)]
struct Row {
    first: CapPosition,
    capability: Capability,
    /// How many more follow.
    more: u32,
    /// Base of the last.
    last: u64,
}

impl Row {
    /// Whether another capability belongs to this row.
    fn goes_on(&self, slot: CapPosition, capability: &Capability) -> bool {
        let next = u64::from(self.first.address().0) + u64::from(self.more) + 1;
        let same = &self.capability;
        slot.level() == CapLevel::L2 as u64
            && self.first.level() == CapLevel::L2 as u64
            && u64::from(slot.address().0) == next
            && capability.address() == self.last.wrapping_add(same.size())
            && capability.objtype() == same.objtype()
            && capability.size() == same.size()
            && capability.rights() == same.rights()
            && slot.is_foreign() == self.first.is_foreign()
    }
}

/// Makes lines of slots, in their order; for people, those that are alike are one line.
#[derive(Debug)]
pub struct Rows {
    pid: Option<u32>,
    core: u8,
    is_json: bool,
    run: Option<Row>,
}

impl Rows {
    /// Of a domain on this core; `pid` becomes a field of the objects.
    pub const fn new(pid: Option<u32>, core: u8, is_json: bool) -> Self {
        Self {
            pid,
            core,
            is_json,
            run: None,
        }
    }

    /// The next slot; gives what can be printed now, with its line feed.
    pub fn add(&mut self, slot: CapPosition, capability: Capability) -> String {
        if self.is_json {
            return self.object(slot, &capability);
        }
        if let Some(row) = &mut self.run
            && row.goes_on(slot, &capability)
        {
            row.more += 1;
            row.last = capability.address();
            return String::new();
        }
        let before = self.finish();
        self.run = Some(Row {
            first: slot,
            capability,
            more: 0,
            last: capability.address(),
        });
        before
    }

    /// What is left to print.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        let Some(row) = self.run.take() else {
            return out;
        };
        let address = row.first.address();
        let _ = match row.first.level() {
            level if level == CapLevel::L2 as u64 => {
                write!(out, "{:>4} {:>4} ", address.l1(), address.l2())
            }
            _ => write!(out, "{:>4}    - ", address.l1()),
        };
        let capability = row.capability;
        let _ = write!(
            out,
            "{:24} {:>#14x} {:>12} {}  ",
            capability.objtype().name(),
            capability.address(),
            capability.size(),
            capability.rights()
        );
        let _ = match row.first.is_foreign() {
            true => write!(out, "other"),
            false => write!(out, "{}", self.core),
        };
        if row.more > 0 {
            let (last, base) = (address.l2() + row.more, row.last);
            let more = row.more;
            let _ = write!(out, " and {more} like it, to slot {last} at {base:#x}");
        }
        out.push('\n');
        out
    }

    fn object(&self, slot: CapPosition, capability: &Capability) -> String {
        let mut out = String::from("{");
        if let Some(pid) = self.pid {
            let _ = write!(out, "\"pid\":{pid},");
        }
        let l2 = match slot.level() {
            level if level == CapLevel::L2 as u64 => i64::from(slot.address().l2()),
            _ => -1,
        };
        let owner = match slot.is_foreign() {
            true => -1,
            false => i32::from(self.core),
        };
        let rights = alloc::format!("{}", capability.rights());
        let _ = writeln!(
            out,
            "\"root\":{},\"slot\":{l2},\"type\":{},\"base\":{},\"bytes\":{},\"rights\":{},\"owner\":{owner}}}",
            slot.address().l1(),
            Quoted(capability.objtype().name()),
            capability.address(),
            capability.size(),
            Quoted(&rights),
        );
        out
    }
}
