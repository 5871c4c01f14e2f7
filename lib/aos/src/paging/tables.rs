//! The page tables of an address space as its environment: what [`vspace`] decides is done here by invocations.
//!
//! Tables that became empty are kept, one of each level, for the next that is needed.

use crate::account::Account;
use crate::cap::vnode::{Entries, table_type, vnode_map, vnode_modify_flags, vnode_unmap};
use crate::cap::{CNodeRef, CapRef, cap_copy};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::memory::Memory;
use crate::slot::{slot_alloc, slot_free};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use kpi::addr::{CapAddr, CapLevel, L2_SLOTS};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;
use kpi::slots::root;
use vspace::Tables;

/// A frame of a region, of which a part was unmapped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) frame: CapRef,
    /// Of the frame, which is mapped at a multiple of that.
    pub(super) bytes: u64,
}

/// A capability in the books: 16 bytes at a multiple of 8, which are copied by two registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The root CNode's address in the low half, the CNode's in the high half.
    cnode: u64,
    slot: u32,
    /// Of a frame that belongs to its region; 0: it is somebody else's.
    pages: u16,
    level: CapLevel,
}

impl Name {
    /// Of somebody else.
    pub(crate) const fn of(cap: CapRef) -> Self {
        let CNodeRef {
            croot,
            cnode,
            level,
        } = cap.cnode;
        Self {
            cnode: croot.0 as u64 | (cnode.0 as u64) << 32,
            slot: cap.slot,
            pages: 0,
            level,
        }
    }

    /// A frame of so many pages that belongs to its region.
    pub(super) const fn owned(frame: CapRef, pages: u16) -> Self {
        Self {
            pages,
            ..Self::of(frame)
        }
    }

    /// The capability.
    pub(crate) const fn cap(self) -> CapRef {
        let cnode = CNodeRef {
            croot: CapAddr(self.cnode as u32),
            cnode: CapAddr((self.cnode >> 32) as u32),
            level: self.level,
        };
        cnode.slot(self.slot)
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::of(CNodeRef::root_of(CapAddr::NULL).slot(0))
    }
}

/// Where page tables, slots and frames of a space come from, and go.
pub(crate) trait Home {
    /// A new table.
    fn new_table(&mut self, level: u8) -> Result<CapRef, Error>;
    /// Takes back a table that hangs nowhere.
    fn drop_table(&mut self, table: CapRef);
    /// Empty slots for Mappings, at least one if none is there. There is room for [`AT_HAND`].
    fn new_slots(&mut self, slots: &mut ArrayVec<CapRef, MOST>) -> Result<(), Error>;
    /// Takes an empty slot back.
    fn drop_slot(&mut self, slot: CapRef);
    /// Takes a frame back that is mapped nowhere.
    fn drop_frame(&mut self, frame: CapRef);
}

impl Home for Memory {
    fn new_table(&mut self, level: u8) -> Result<CapRef, Error> {
        self.object(table_type(level), BASE_PAGE_SIZE)
            .push_err(ErrorCode::LibVnodeCreate)
    }
    fn drop_table(&mut self, table: CapRef) {
        self.drop_object(table);
    }
    fn new_slots(&mut self, slots: &mut ArrayVec<CapRef, MOST>) -> Result<(), Error> {
        if let Some(first) = self.surplus_slots(AT_HAND as u32) {
            let some = (first.slot..).map(|slot| first.cnode.slot(slot));
            slots.extend(some.take(AT_HAND));
            return Ok(());
        }
        let slot = self.slot()?;
        slots.push(slot);
        Ok(())
    }
    fn drop_slot(&mut self, slot: CapRef) {
        self.put_slot(slot);
    }
    fn drop_frame(&mut self, frame: CapRef) {
        self.drop_object(frame);
    }
}

/// The account and the CSpace of a domain that is being made. What goes there is never taken back by itself, but with the account.
#[derive(Debug)]
pub(super) struct Foreign {
    account: Account,
    /// Copies of the tables.
    tables: CNodeRef,
    /// The tables, in the order of their copies' slots: behind the L0 table's.
    made: Vec<CapRef>,
    mappings: CNodeRef,
    next_mapping: u32,
}

impl Foreign {
    /// For a domain whose root CNode `croot` holds a page CNode (slot 0 the L0 table) and a CNode for Mappings.
    pub(super) const fn new(croot: CapAddr, account: Account) -> Self {
        Self {
            account,
            tables: CNodeRef::foreign(croot, root::PAGECN),
            made: Vec::new(),
            mappings: CNodeRef::foreign(croot, root::ROOT_MAPPING),
            next_mapping: 0,
        }
    }

    /// Where the domain finds the table that was made as the one with this index.
    fn slot_of_copy(&self, index: usize) -> Result<CapRef, Error> {
        let slot = u32::try_from(index + 1)
            .ok()
            .filter(|slot| *slot < L2_SLOTS);
        let slot = slot.ok_or(Error::new(ErrorCode::LibSlotAllocNoSpace))?;
        Ok(self.tables.slot(slot))
    }

    /// Where the domain finds a table.
    pub(super) fn name_of_table(&self, table: CapRef) -> Option<CapAddr> {
        let index = self.made.iter().position(|made| *made == table)?;
        let copy = self.slot_of_copy(index).ok()?;
        Some(copy.addr())
    }
}

impl Home for Foreign {
    fn new_table(&mut self, level: u8) -> Result<CapRef, Error> {
        let table = self
            .account
            .object(table_type(level), BASE_PAGE_SIZE)
            .push_err(ErrorCode::LibVnodeCreate)?;
        let reserved = self.made.try_reserve(1);
        reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
        let slot = self.slot_of_copy(self.made.len())?;
        cap_copy(slot, table)?;
        self.made.push(table);
        Ok(table)
    }
    fn drop_table(&mut self, _table: CapRef) {}
    fn new_slots(&mut self, slots: &mut ArrayVec<CapRef, MOST>) -> Result<(), Error> {
        slots.push(self.mappings.slot(next_slot(&mut self.next_mapping)?));
        Ok(())
    }
    fn drop_slot(&mut self, _slot: CapRef) {}
    fn drop_frame(&mut self, _frame: CapRef) {}
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

/// Most tables and slots that an operation keeps at hand: a block of 1 GiB that is cut takes half as many.
pub(crate) const MOST: usize = 32;
/// Slots that stay at hand for the next operation; so many are taken at a time.
const AT_HAND: usize = 8;

/// What operations have at hand for what follows, and keep for the next.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    /// Tables that hang nowhere, with their levels.
    tables: ArrayVec<(u8, CapRef), MOST>,
    /// Empty slots for Mappings.
    slots: ArrayVec<CapRef, MOST>,
}

impl Spare {
    /// How many slots are at hand, those of tables included.
    pub(crate) const fn slots(&self) -> u32 {
        (self.slots.len() + self.tables.len()) as u32
    }

    /// How many tables are at hand.
    pub(crate) const fn tables(&self) -> usize {
        self.tables.len()
    }
}

/// The environment of a space.
#[derive(Debug)]
pub(crate) struct Kernel<'a, H> {
    home: &'a mut H,
    spare: &'a mut Spare,
    /// A frame of which part was unmapped.
    cut: Option<Cut>,
    /// Whether frames that are not mapped any more are kept.
    keeps: bool,
}

/// That of the own space.
pub(crate) type Own<'a> = Kernel<'a, Memory>;

impl<'a, H: Home> Kernel<'a, H> {
    /// With what there is at hand.
    pub(crate) const fn new(home: &'a mut H, spare: &'a mut Spare) -> Self {
        Self {
            home,
            spare,
            cut: None,
            keeps: false,
        }
    }

    /// To map frames elsewhere: those of regions do not go when they are unmapped.
    pub(super) const fn that_keeps(&mut self) -> &mut Self {
        self.keeps = true;
        self
    }

    /// The frame that the operation unmapped a part of, if it belongs to a region: it may have to go now.
    pub(super) const fn take_cut(&mut self) -> Option<Cut> {
        self.cut.take()
    }

    /// Gives back what an operation prepared and did not need; some slots and one table of each level stay at hand.
    pub(crate) fn settle(&mut self) {
        let Spare { tables, slots } = &mut *self.spare;
        while slots.len() > AT_HAND
            && let Some(slot) = slots.pop()
        {
            self.home.drop_slot(slot);
        }
        if tables.len() < 2 {
            return;
        }
        let mut kept = [false; 4];
        tables.retain(|(level, table)| {
            let Some(kept) = kept.get_mut(usize::from(*level)) else {
                return true;
            };
            let surplus = core::mem::replace(kept, true);
            if surplus {
                self.home.drop_table(*table);
            }
            !surplus
        });
    }

    /// A table that hangs nowhere.
    fn table(&mut self, level: u8) -> Result<CapRef, Error> {
        let tables = &mut self.spare.tables;
        let spare = tables.iter().position(|(of, _)| *of == level);
        match spare.and_then(|spare| tables.swap_pop(spare)) {
            Some((_, table)) => Ok(table),
            None => self.home.new_table(level),
        }
    }

    fn keep_table(&mut self, level: u8, table: CapRef) {
        if self.spare.tables.try_push((level, table)).is_err() {
            self.home.drop_table(table);
        }
    }

    pub(super) fn slot(&mut self) -> Result<CapRef, Error> {
        if self.spare.slots.is_empty() {
            self.home.new_slots(&mut self.spare.slots)?;
        }
        let slot = self.spare.slots.pop();
        slot.ok_or(Error::new(ErrorCode::LibSlotAllocNoSpace))
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
    pub(super) fn keep_slot(&mut self, slot: CapRef) {
        if self.spare.slots.try_push(slot).is_err() {
            self.home.drop_slot(slot);
        }
    }
}

impl<H: Home> Tables for Kernel<'_, H> {
    type Cap = Name;
    type Error = Error;

    fn grow(&mut self, parent: Name, level: u8, entry: u16) -> Result<(Name, Name), Error> {
        let table = self.table(level)?;
        let entries = Entries { entry, count: 1 };
        match self.map_into(parent.cap(), table, PageFlags::READ_WRITE, 0, entries) {
            Ok(mapping) => Ok((Name::of(table), Name::of(mapping))),
            Err(error) => {
                self.keep_table(level, table);
                Err(error)
            }
        }
    }

    fn prune(&mut self, parent: Name, level: u8, table: Name, mapping: Name) -> Result<(), Error> {
        self.unmap(parent, mapping)?;
        self.keep_table(level, table.cap());
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
        self.map_into(table.cap(), frame.cap(), flags, offset, entries)
            .map(Name::of)
    }

    fn unmap(&mut self, table: Name, mapping: Name) -> Result<(), Error> {
        let mapping = mapping.cap();
        if mapping.is_own() {
            match vnode_unmap(table.cap(), mapping) {
                // It went with its frame, which somebody has revoked.
                Err(error) if error.contains(ErrorCode::SysCapNotFound) => {}
                unmapped => unmapped?,
            }
            self.keep_slot(mapping);
            return Ok(());
        }
        // Only what is in the own CSpace can be named to the kernel; with one copy, all of them go.
        let copy = slot_alloc()?;
        let unmapped =
            cap_copy(copy, mapping).and_then(|()| match vnode_unmap(table.cap(), copy) {
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
        vnode_modify_flags(table.cap(), entries_of(entries), flags)
    }

    fn prepare(&mut self, _frame: Name, mappings: usize, tables: [usize; 3]) -> Result<(), Error> {
        let spare = &mut *self.spare;
        let too_many = |_| Error::new(ErrorCode::LibSlotAllocNoSpace);
        if mappings > MOST - AT_HAND {
            return Err(Error::new(ErrorCode::LibSlotAllocNoSpace));
        }
        while spare.slots.len() < mappings {
            self.home.new_slots(&mut spare.slots)?;
        }
        for (level, wanted) in (1..).zip(tables) {
            let there = spare.tables.iter().filter(|(of, _)| *of == level).count();
            for _ in there..wanted {
                let table = self.home.new_table(level)?;
                spare.tables.try_push((level, table)).map_err(too_many)?;
            }
        }
        Ok(())
    }

    fn released(&mut self, frame: Name, _offset: u64, bytes: u64) {
        if frame.pages == 0 || self.keeps {
            return;
        }
        let (all, frame) = (u64::from(frame.pages) * BASE_PAGE_SIZE, frame.cap());
        match bytes < all {
            true => self.cut = Some(Cut { frame, bytes: all }),
            false => self.home.drop_frame(frame),
        }
    }
}

pub(super) const fn entries_of(entries: vspace::Entries) -> Entries {
    Entries {
        entry: entries.first,
        count: entries.count,
    }
}
