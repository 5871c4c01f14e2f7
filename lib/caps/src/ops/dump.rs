//! What an address space maps, a run at a time (Barrelfish's command DumpPTables printed it on the console).

use kpi::addr::{PhysAddr, VirtAddr};
use kpi::invocation::PageRunWord;
use kpi::layout::{PTABLE_ENTRIES, USER_ADDRESS_BITS};

use super::mappings::entry_at;
use crate::env::Machine;
use crate::vnode::aarch64::{self, MemoryType, entry_bytes, index_shift};

/// Page-table entries read in one call.
const LOOKS: u32 = 400;

/// Successive addresses that map successive memory in the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRun {
    /// First virtual address.
    pub base: VirtAddr,
    /// Bytes.
    pub bytes: u64,
    /// First physical address.
    pub output: PhysAddr,
    /// How it is mapped.
    pub word: PageRunWord,
}

/// The answer of [`next_run`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageDump {
    /// What was found first.
    pub run: Option<PageRun>,
    /// Where to go on: everything below was looked at. 2^48: the end.
    pub next: VirtAddr,
}

const END: u64 = 1 << USER_ADDRESS_BITS;

fn describe(entry: u64) -> PageRunWord {
    let is_device = aarch64::memory_of(entry) == MemoryType::Device;
    let is_object = !aarch64::is_memory(entry);
    PageRunWord::new(
        aarch64::flags_of(entry),
        is_device,
        is_object,
        aarch64::level_of_leaf(entry),
    )
}

/// The table to look into for an address, its level, and the entries read on the way: the first table whose entry for the address leads no further.
fn descend<M: Machine>(machine: &M, root: PhysAddr, address: u64) -> (PhysAddr, u8, u32) {
    let mut table = root;
    for level in 0..3 {
        let index = address >> index_shift(level) & (PTABLE_ENTRIES - 1);
        let entry = machine.read_entry(entry_at(table, index));
        if !aarch64::is_valid(entry) || aarch64::is_leaf(entry) {
            return (table, level, 1 + u32::from(level));
        }
        table = aarch64::output(entry);
    }
    (table, 3, 3)
}

/// The first run at or behind an address below a root table. Reads a bounded number of entries: without a run there may be more
/// behind `next`, and a run may go on there too.
pub fn next_run<M: Machine>(machine: &M, root: PhysAddr, from: VirtAddr) -> PageDump {
    let mut at = from.align_down(entry_bytes(3)).0;
    let mut run: Option<PageRun> = None;
    let mut looks = 0;
    'tables: while at < END && looks < LOOKS {
        let (table, level, read) = descend(machine, root, at);
        looks += read;
        let bytes = entry_bytes(level);
        let first = at >> index_shift(level) & (PTABLE_ENTRIES - 1);
        for index in first..PTABLE_ENTRIES {
            let entry = machine.read_entry(entry_at(table, index));
            looks += 1;
            // From inside a block its rest is told.
            let skipped = at & (bytes - 1);
            if aarch64::is_leaf(entry) {
                let found = PageRun {
                    base: VirtAddr(at),
                    bytes: bytes - skipped,
                    output: PhysAddr(aarch64::output(entry).0 + skipped),
                    word: describe(entry),
                };
                match &mut run {
                    None => run = Some(found),
                    Some(run)
                        if run.word == found.word && run.output.0 + run.bytes == found.output.0 =>
                    {
                        run.bytes += found.bytes;
                    }
                    Some(_) => break 'tables,
                }
            } else if aarch64::is_valid(entry) && level < 3 {
                // It leads to a table, where the run may go on.
                continue 'tables;
            } else if run.is_some() {
                break 'tables;
            }
            at += bytes - skipped;
            if looks >= LOOKS {
                break 'tables;
            }
        }
    }
    PageDump {
        run,
        next: VirtAddr(at),
    }
}
