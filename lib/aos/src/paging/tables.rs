//! The page tables of an address space as its environment: what [`vspace`] decides is done here by invocations.
//!
//! Tables that became empty are kept, one of each level, for the next that is needed.

use crate::account::Account;
use crate::cap::vnode::{Entries, table_type, vnode_map, vnode_modify_flags, vnode_unmap};
use crate::cap::{CNodeRef, CapRef, cap_copy};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::ram::{mm_free, vnode_create};
use crate::slot::{slot_alloc, slot_free};
use alloc::vec::Vec;
use arena::{Slot, Store};
use kpi::addr::{CapAddr, L2_SLOTS};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;
use kpi::slots::root;
use vspace::{Node, Tables};

/// A capability in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) CapRef);

impl Default for Name {
    fn default() -> Self {
        Self(CNodeRef::root_of(CapAddr::NULL).slot(0))
    }
}

/// Memory for the books.
#[derive(Debug, Default)]
pub(super) struct Nodes(Vec<Slot<Node<Name>>>);

/// Least nodes that are added.
const MORE: usize = 32;

impl Nodes {
    /// Makes room for so many more.
    ///
    /// # Errors
    /// `LIB_ERR_MALLOC_FAIL`.
    pub(super) fn grow(&mut self, nodes: usize) -> Result<(), Error> {
        reserve(&mut self.0, MORE.max(nodes))?;
        self.0.resize(self.0.capacity(), Slot::default());
        Ok(())
    }
}

impl Store<Node<Name>> for Nodes {
    fn slots(&self) -> &[Slot<Node<Name>>] {
        &self.0
    }
    fn slots_mut(&mut self) -> &mut [Slot<Node<Name>>] {
        &mut self.0
    }
}

fn reserve<T>(vector: &mut Vec<T>, more: usize) -> Result<(), Error> {
    vector
        .try_reserve(more)
        .map_err(|_| Error::new(ErrorCode::LibMallocFail))
}

/// Where tables come from and Mapping capabilities go.
#[derive(Debug)]
enum Home {
    /// The own memory and CSpace.
    Own,
    /// The account and the CSpace of a domain that is being made.
    Foreign {
        account: Account,
        /// Copies of the tables.
        tables: CNodeRef,
        next_table: u32,
        mappings: CNodeRef,
        next_mapping: u32,
    },
}

/// What a space is made of.
#[derive(Debug)]
pub(super) struct Kernel {
    home: Home,
    /// Tables that hang nowhere, with their levels.
    tables: Vec<(u8, CapRef)>,
    /// Empty slots for Mappings.
    slots: Vec<CapRef>,
}

/// The next slot of a CNode that fills up.
fn next_slot(next: &mut u32) -> Result<u32, Error> {
    let slot = *next;
    if slot >= L2_SLOTS {
        return Err(Error::new(ErrorCode::LibSlotAllocNoSpace));
    }
    *next += 1;
    Ok(slot)
}

impl Kernel {
    /// For the own space.
    pub(super) const fn own() -> Self {
        Self::with(Home::Own)
    }

    /// For that of a domain being made, whose root CNode `croot` holds a page CNode (slot 0 the L0 table) and a CNode for Mappings.
    pub(super) const fn foreign(croot: CapAddr, account: Account) -> Self {
        Self::with(Home::Foreign {
            account,
            tables: CNodeRef::foreign(croot, root::PAGECN),
            next_table: 1,
            mappings: CNodeRef::foreign(croot, root::ROOT_MAPPING),
            next_mapping: 0,
        })
    }

    const fn with(home: Home) -> Self {
        Self {
            home,
            tables: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// Gives back what was prepared and not needed.
    pub(super) fn settle(&mut self) {
        let Home::Own = self.home else {
            // It belongs to the account, and goes with it.
            return;
        };
        for slot in self.slots.drain(..) {
            // It came from the allocator, and is empty.
            let _ = slot_free(slot);
        }
        let mut kept = [false; 4];
        self.tables.retain(|(level, table)| {
            let Some(kept) = kept.get_mut(usize::from(*level)) else {
                return true;
            };
            // It is in use nowhere; what cannot be freed is lost.
            if core::mem::replace(kept, true) {
                let _ = mm_free(*table);
                return false;
            }
            true
        });
    }

    /// A table that hangs nowhere; there is a copy of it in a foreign CSpace.
    fn table(&mut self, level: u8) -> Result<CapRef, Error> {
        let spare = self.tables.iter().position(|(of, _)| *of == level);
        match spare {
            Some(spare) => Ok(self.tables.swap_remove(spare).1),
            None => self.new_table(level),
        }
    }

    /// A new table, which there is room for among those that hang nowhere.
    fn new_table(&mut self, level: u8) -> Result<CapRef, Error> {
        reserve(&mut self.tables, 1)?;
        match &mut self.home {
            Home::Own => vnode_create(level),
            Home::Foreign {
                account,
                tables,
                next_table,
                ..
            } => {
                let table = account
                    .object(table_type(level), BASE_PAGE_SIZE)
                    .push_err(ErrorCode::LibVnodeCreate)?;
                cap_copy(tables.slot(next_slot(next_table)?), table)?;
                Ok(table)
            }
        }
    }

    fn keep_table(&mut self, level: u8, table: CapRef) {
        // There is room: nobody has more tables than were taken from here.
        if self.tables.len() < self.tables.capacity() {
            self.tables.push((level, table));
        }
    }

    fn slot(&mut self) -> Result<CapRef, Error> {
        match self.slots.pop() {
            Some(slot) => Ok(slot),
            None => self.new_slot(),
        }
    }

    fn new_slot(&mut self) -> Result<CapRef, Error> {
        match &mut self.home {
            Home::Own => slot_alloc(),
            Home::Foreign {
                mappings,
                next_mapping,
                ..
            } => Ok(mappings.slot(next_slot(next_mapping)?)),
        }
    }

    /// Maps, into a new slot.
    fn map_into(
        &mut self,
        table: CapRef,
        source: CapRef,
        flags: PageFlags,
        offset: u64,
        entries: Entries,
    ) -> Result<CapRef, Error> {
        let slot = self.slot()?;
        match vnode_map(table, source, flags, offset, entries, slot) {
            Ok(()) => Ok(slot),
            Err(error) => {
                self.keep_slot(slot);
                Err(error)
            }
        }
    }

    /// Keeps an empty slot until the operation is done.
    fn keep_slot(&mut self, slot: CapRef) {
        if reserve(&mut self.slots, 1).is_ok() {
            self.slots.push(slot);
        } else if matches!(self.home, Home::Own) {
            // It came from the allocator, and is empty.
            let _ = slot_free(slot);
        }
    }
}

impl Tables for Kernel {
    type Cap = Name;
    type Error = Error;

    fn grow(&mut self, parent: Name, level: u8, entry: u16) -> Result<(Name, Name), Error> {
        let table = self.table(level)?;
        let entries = Entries { entry, count: 1 };
        match self.map_into(parent.0, table, PageFlags::READ_WRITE, 0, entries) {
            Ok(mapping) => Ok((Name(table), Name(mapping))),
            Err(error) => {
                self.keep_table(level, table);
                Err(error)
            }
        }
    }

    fn prune(&mut self, parent: Name, level: u8, table: Name, mapping: Name) -> Result<(), Error> {
        reserve(&mut self.tables, 1)?;
        self.unmap(parent, mapping)?;
        self.keep_table(level, table.0);
        Ok(())
    }

    fn map(
        &mut self,
        table: Name,
        entries: vspace::Entries,
        frame: Name,
        offset: u64,
        flags: PageFlags,
    ) -> Result<Name, Error> {
        let entries = entries_of(entries);
        self.map_into(table.0, frame.0, flags, offset, entries)
            .map(Name)
    }

    fn unmap(&mut self, table: Name, mapping: Name) -> Result<(), Error> {
        let mapping = mapping.0;
        if mapping.is_own() {
            vnode_unmap(table.0, mapping)?;
            self.keep_slot(mapping);
            return Ok(());
        }
        // Only what is in the own CSpace can be named to the kernel; with one copy, all of them go.
        let copy = slot_alloc()?;
        let unmapped = cap_copy(copy, mapping).and_then(|()| match vnode_unmap(table.0, copy) {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = crate::cap::cap_delete(copy);
                Err(error)
            }
        });
        // If it could not be emptied, it is lost.
        let _ = slot_free(copy);
        unmapped?;
        self.keep_slot(mapping);
        Ok(())
    }

    fn protect(
        &mut self,
        table: Name,
        entries: vspace::Entries,
        flags: PageFlags,
    ) -> Result<(), Error> {
        vnode_modify_flags(table.0, entries_of(entries), flags)
    }

    fn prepare(&mut self, _frame: Name, mappings: usize, tables: [usize; 3]) -> Result<(), Error> {
        while self.slots.len() < mappings {
            reserve(&mut self.slots, 1)?;
            let slot = self.new_slot()?;
            self.slots.push(slot);
        }
        for (level, wanted) in (1..).zip(tables) {
            let there = self.tables.iter().filter(|(of, _)| *of == level).count();
            for _ in there..wanted {
                let table = self.new_table(level)?;
                self.tables.push((level, table));
            }
        }
        Ok(())
    }
}

const fn entries_of(entries: vspace::Entries) -> Entries {
    Entries {
        entry: entries.first,
        count: entries.count,
    }
}
