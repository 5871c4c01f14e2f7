//! A simulated kernel: page tables of four levels, which refuse what the real kernel refuses (lib/caps, `ops/map.rs`, `modify.rs`), and errors
//! on demand.

use super::Cap;
use random::Random;
use std::collections::HashMap;
use vspace::{Entries, Tables, UNCACHED_ENTRIES, entry_bytes};

use kpi::layout::PTABLE_ENTRIES;
use kpi::rights::{CapRights, PageFlags};

pub const ROOT: Cap = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// On demand.
    Injected,
    /// The frame does not have these bytes.
    Frame,
    /// The frame does not permit it.
    Rights,
}

#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub base: u64,
    pub bytes: u64,
    pub rights: CapRights,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Empty,
    Table(Cap),
    Leaf {
        physical: u64,
        flags: u64,
        frame: Cap,
    },
}

#[derive(Debug)]
struct Table {
    level: u8,
    entries: [Entry; 512],
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    table: Cap,
    entries: Entries,
}

/// Which call fails next.
#[derive(Clone, Debug)]
pub struct Faults {
    /// So many calls succeed.
    pub after: u64,
    /// Then each fails one time in so many; 0: only one does.
    pub then: u64,
    pub random: Random,
}

/// Memory that is mapped the same way throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub start: u64,
    pub end: u64,
    pub physical: u64,
    pub flags: u64,
}

/// Adds a leaf to those before, as one if it goes on.
pub fn push(leaves: &mut Vec<Leaf>, leaf: Leaf) {
    if let Some(last) = leaves.last_mut()
        && last.end == leaf.start
        && last.flags == leaf.flags
        && last.physical + (last.end - last.start) == leaf.physical
    {
        last.end = leaf.end;
        return;
    }
    leaves.push(leaf);
}

#[derive(Debug)]
pub struct Kernel {
    tables: HashMap<Cap, Box<Table>>,
    mappings: HashMap<Cap, Mapping>,
    pub frames: HashMap<Cap, Frame>,
    next: Cap,
    pub faults: Option<Faults>,
    /// What was prepared for may fail.
    pub hostile: bool,
    /// Mappings and tables that were prepared for.
    pub prepared: Option<(usize, [usize; 3])>,
    pub calls: u64,
    /// A table may be left where it is in the way.
    pub stuck: bool,
    /// Bytes of each frame that are in use, as far as we are told.
    pub released: HashMap<Cap, u64>,
}

impl Kernel {
    pub fn new() -> Self {
        let mut kernel = Self {
            tables: HashMap::new(),
            mappings: HashMap::new(),
            frames: HashMap::new(),
            next: ROOT,
            faults: None,
            hostile: false,
            prepared: None,
            calls: 0,
            stuck: false,
            released: HashMap::new(),
        };
        kernel.new_table(0);
        kernel
    }

    fn name(&mut self) -> Cap {
        self.next += 1;
        self.next - 1
    }

    fn new_table(&mut self, level: u8) -> Cap {
        let name = self.name();
        let entries = [Entry::Empty; 512];
        self.tables.insert(name, Box::new(Table { level, entries }));
        name
    }

    pub fn frame(&mut self, base: u64, bytes: u64, rights: CapRights) -> Cap {
        let name = self.name();
        self.frames.insert(
            name,
            Frame {
                base,
                bytes,
                rights,
            },
        );
        name
    }

    /// Tables below the root, Mappings.
    pub fn counts(&self) -> (usize, usize) {
        (self.tables.len() - 1, self.mappings.len())
    }

    fn call(&mut self, prepared: bool) -> Result<(), Refusal> {
        self.calls += 1;
        let Some(faults) = &mut self.faults else {
            return Ok(());
        };
        if prepared && !self.hostile && self.prepared.is_some() {
            return Ok(());
        }
        if faults.after > 0 {
            faults.after -= 1;
            return Ok(());
        }
        match faults.then {
            0 => {
                self.faults = None;
                Err(Refusal::Injected)
            }
            of if faults.random.once_in(of) => Err(Refusal::Injected),
            _ => Ok(()),
        }
    }

    fn spend(&mut self, table_of: Option<u8>) {
        if let Some(left) = &mut self.prepared
            && !self.hostile
        {
            left.0 = left.0.checked_sub(1).expect("Mappings prepared for");
            if let Some(level) = table_of {
                let tables = &mut left.1[usize::from(level) - 1];
                *tables = tables.checked_sub(1).expect("tables prepared for");
            }
        }
    }

    fn entry(&mut self, table: Cap, index: u16) -> &mut Entry {
        &mut self.tables.get_mut(&table).unwrap().entries[usize::from(index)]
    }

    fn is_empty(&self, table: Cap, entries: Entries) -> bool {
        let first = usize::from(entries.first);
        self.tables[&table].entries[first..first + usize::from(entries.count)]
            .iter()
            .all(|entry| *entry == Entry::Empty)
    }

    /// What the flags are checked for.
    fn permitted(flags: PageFlags, rights: CapRights) -> Result<(), Refusal> {
        assert!(flags.contains(PageFlags::READ), "no READ");
        assert!(
            !flags.contains(PageFlags::WRITE.union(PageFlags::EXECUTE)),
            "WRITE and EXECUTE"
        );
        let needed = CapRights((flags.0 & 7) as u8);
        if rights.contains(needed) {
            Ok(())
        } else {
            Err(Refusal::Rights)
        }
    }

    /// What the hardware finds: physical address and flags.
    pub fn walk(&self, address: u64) -> Option<(u64, u64)> {
        let mut table = ROOT;
        for level in 0..4 {
            let index = address / entry_bytes(level) % PTABLE_ENTRIES;
            match self.tables[&table].entries[index as usize] {
                Entry::Empty => return None,
                Entry::Table(next) => table = next,
                Entry::Leaf {
                    physical, flags, ..
                } => {
                    return Some((physical + address % entry_bytes(level), flags));
                }
            }
        }
        panic!("a table of level 4")
    }

    /// Everything mapped.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.leaves_below(ROOT, 0, &mut leaves);
        leaves
    }

    fn leaves_below(&self, table: Cap, base: u64, leaves: &mut Vec<Leaf>) {
        let table = &self.tables[&table];
        let bytes = entry_bytes(table.level);
        for (index, entry) in (0..).zip(&table.entries) {
            let start = base + index * bytes;
            match *entry {
                Entry::Empty => {}
                Entry::Table(next) => self.leaves_below(next, start, leaves),
                Entry::Leaf {
                    physical, flags, ..
                } => push(
                    leaves,
                    Leaf {
                        start,
                        end: start + bytes,
                        physical,
                        flags,
                    },
                ),
            }
        }
    }
}

impl Tables for Kernel {
    type Cap = Cap;
    type Error = Refusal;

    fn grow(&mut self, parent: Cap, level: u8, entry: u16) -> Result<(Cap, Cap), Refusal> {
        self.call(true)?;
        self.spend(Some(level));
        assert_eq!(self.tables[&parent].level + 1, level);
        let entries = Entries {
            first: entry,
            count: 1,
        };
        assert!(self.is_empty(parent, entries), "a table over something");
        let table = self.new_table(level);
        *self.entry(parent, entry) = Entry::Table(table);
        let mapping = self.name();
        let table_of = Mapping {
            table: parent,
            entries,
        };
        self.mappings.insert(mapping, table_of);
        Ok((table, mapping))
    }

    fn prune(&mut self, parent: Cap, level: u8, table: Cap, mapping: Cap) -> Result<(), Refusal> {
        if let Err(error) = self.call(false) {
            self.stuck = true;
            return Err(error);
        }
        let all = Entries {
            first: 0,
            count: 512,
        };
        assert!(self.is_empty(table, all), "a table that is not empty");
        assert_eq!(self.tables[&table].level, level);
        let hung = self.mappings.remove(&mapping).expect("a Mapping");
        assert_eq!(hung.table, parent);
        assert_eq!(*self.entry(parent, hung.entries.first), Entry::Table(table));
        *self.entry(parent, hung.entries.first) = Entry::Empty;
        self.tables.remove(&table);
        Ok(())
    }

    fn map(
        &mut self,
        table: Cap,
        entries: Entries,
        frame: Cap,
        offset: u64,
        flags: PageFlags,
    ) -> Result<Cap, Refusal> {
        self.call(true)?;
        let level = self.tables[&table].level;
        assert!(level > 0 && entries.count > 0);
        assert!(u64::from(entries.first + entries.count) <= PTABLE_ENTRIES);
        let bytes = entry_bytes(level);
        let Frame {
            base,
            bytes: size,
            rights,
        } = self.frames[&frame];
        if offset + u64::from(entries.count) * bytes > size {
            return Err(Refusal::Frame);
        }
        assert!((base + offset).is_multiple_of(bytes), "place of a block");
        Self::permitted(flags, rights)?;
        if flags.contains(PageFlags::NOCACHE) {
            assert!(level == 3 && u64::from(entries.count) <= UNCACHED_ENTRIES);
        }
        if !self.is_empty(table, entries) {
            assert!(self.stuck, "memory over something");
            return Err(Refusal::Injected);
        }
        self.spend(None);
        for index in 0..entries.count {
            *self.entry(table, entries.first + index) = Entry::Leaf {
                physical: base + offset + u64::from(index) * bytes,
                flags: flags.0,
                frame,
            };
        }
        let mapping = self.name();
        self.mappings.insert(mapping, Mapping { table, entries });
        Ok(mapping)
    }

    fn unmap(&mut self, table: Cap, mapping: Cap) -> Result<(), Refusal> {
        self.call(false)?;
        let mapped = self.mappings.remove(&mapping).expect("a Mapping");
        assert_eq!(mapped.table, table);
        for index in 0..mapped.entries.count {
            let entry = self.entry(table, mapped.entries.first + index);
            assert!(matches!(entry, Entry::Leaf { .. }));
            *entry = Entry::Empty;
        }
        Ok(())
    }

    fn protect(&mut self, table: Cap, entries: Entries, flags: PageFlags) -> Result<(), Refusal> {
        self.call(false)?;
        let level = self.tables[&table].level;
        assert!(entries.count > 0);
        if flags.contains(PageFlags::NOCACHE) {
            assert!(level == 3 && u64::from(entries.count) <= UNCACHED_ENTRIES);
        }
        for index in entries.first..entries.first + entries.count {
            let Entry::Leaf { frame, .. } = *self.entry(table, index) else {
                panic!("other flags for no memory");
            };
            Self::permitted(flags, self.frames[&frame].rights)?;
        }
        for index in entries.first..entries.first + entries.count {
            if let Entry::Leaf { flags: old, .. } = self.entry(table, index) {
                *old = flags.0;
            }
        }
        Ok(())
    }

    fn prepare(&mut self, frame: Cap, mappings: usize, tables: [usize; 3]) -> Result<(), Refusal> {
        self.call(false)?;
        assert!(self.frames.contains_key(&frame));
        self.prepared = Some((mappings, tables));
        Ok(())
    }

    fn released(&mut self, frame: Cap, offset: u64, bytes: u64) {
        assert!(offset + bytes <= self.frames[&frame].bytes && bytes > 0);
        *self.released.entry(frame).or_default() += bytes;
    }
}
