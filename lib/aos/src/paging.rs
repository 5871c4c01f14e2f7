//! Address spaces: the page tables of one, and the mappings in it.
//!
//! A [`PagingState`] keeps a shadow of the tables it made (the kernel cannot be asked for them). For the own space it works
//! above [`OWN_START`] only: below lie the program and what its parent mapped, whose tables belong to the parent. For a new
//! domain's space it knows everything from the root on, and keeps the table capabilities in the *parent's* CSpace (a table is
//! invoked there), with copies for the child in its page CNode.
//!
//! Where address, length and the frame's place allow, cached memory is mapped by blocks of 2 MiB: one entry instead of 512, and no
//! table of level 3.
//!
//! Tables are never given back: the next mapping in their reach uses them again.
//!
//! Barrelfish counterpart: the course's `lib/aos/paging.c`; upstream's vspace, vregion, memobj and pmap in one.

use crate::account::Account;
use crate::arch::memory::Mapped;
use crate::cap::vnode::{Entries, table_type, vnode_map, vnode_unmap};
use crate::cap::{CNodeRef, CapRef, cap_copy, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt, from_mm};
use crate::nodes::{self, Nodes};
use crate::ram::{mm_free, vnode_create};
use crate::slot::{slot_alloc, slot_free};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use kpi::addr::{CapAddr, L2_SLOTS, VirtAddr};
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE, PTABLE_ENTRIES, USER_ADDRESS_BITS};
use kpi::rights::PageFlags;
use kpi::slots::{VROOT, root};
use mm::Span;
use mm::ram::{NODES_TO_ADD, NODES_TO_CHANGE, Node, Ram};
use spin::Mutex;

/// Where a domain's own mappings begin: root entry 1, 512 GiB.
pub const OWN_START: VirtAddr = VirtAddr(1 << 39);
/// Bytes for them.
pub const OWN_BYTES: u64 = 1 << 39;

/// Bytes that an entry of a table covers, by level.
const fn entry_bytes(level: u8) -> u64 {
    match level {
        0 => 1 << 39,
        1 => 1 << 30,
        2 => 1 << 21,
        _ => BASE_PAGE_SIZE,
    }
}

/// Index of the entry of a table of that level that covers the address.
const fn entry_of(level: u8, address: VirtAddr) -> u16 {
    (address.0 / entry_bytes(level) % PTABLE_ENTRIES) as u16
}

/// Where table copies and Mapping capabilities go.
#[derive(Debug)]
enum Home {
    /// The own CSpace.
    Own,
    /// The CSpace of a domain that is being made.
    Foreign {
        account: Account,
        tables: CNodeRef,
        next_table: u32,
        mappings: CNodeRef,
        next_mapping: u32,
    },
}

/// One leaf mapping: a run of entries in one table of level 3 (pages) or 2 (blocks).
#[derive(Clone, Copy, Debug)]
struct Part {
    table: CapRef,
    mapping: CapRef,
}

/// A frame mapped somewhere.
#[derive(Debug)]
struct Region {
    bytes: u64,
    parts: Vec<Part>,
}

/// Whether a frame has its place at a block boundary and may be mapped by blocks.
fn has_blocks(frame: CapRef, bytes: u64, flags: PageFlags) -> Result<bool, Error> {
    // The kernel maps no uncached blocks: it could not clean them from the cache in one entry.
    if bytes < LARGE_PAGE_SIZE || flags.contains(PageFlags::NOCACHE) {
        return Ok(false);
    }
    let capability = cap_direct_identify(frame).push_err(ErrorCode::LibFrameIdentify)?;
    Ok(capability.address().is_multiple_of(LARGE_PAGE_SIZE))
}

/// An address space.
#[derive(Debug)]
pub struct PagingState {
    root: CapRef,
    home: Home,
    /// Tables of level 1 to 3, by level and first address that they cover.
    tables: BTreeMap<(u8, u64), CapRef>,
    regions: BTreeMap<u64, Region>,
    /// Addresses, as one region.
    free: Ram<(), Nodes<Node<()>>>,
}

static OWN: Mutex<Option<PagingState>> = Mutex::new(None);

fn with_own<T>(work: impl FnOnce(&mut PagingState) -> Result<T, Error>) -> Result<T, Error> {
    let mut own = OWN.lock();
    if own.is_none() {
        *own = Some(PagingState::own()?);
    }
    match own.as_mut() {
        Some(state) => work(state),
        None => Err(Error::new(ErrorCode::LibVspaceCurrentInit)),
    }
}

/// Maps a frame somewhere in the own address space.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`, `LIB_ERR_FRAME_IDENTIFY`, and those of [`paging_map_fixed_attr`].
pub fn paging_map_frame_attr(
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<VirtAddr, Error> {
    with_own(|state| state.map(frame, bytes, flags))
}

/// Maps the first `bytes` bytes of a frame at `address` of the own address space, which must be at or above [`OWN_START`].
///
/// # Errors
/// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_ADDR_NOT_FREE` (below [`OWN_START`], or in use), `LIB_ERR_PMAP_DO_MAP` on top of
/// why a table or a slot could not be had, or of the kernel's error.
pub fn paging_map_fixed_attr(
    address: VirtAddr,
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<(), Error> {
    with_own(|state| state.map_fixed(address, frame, bytes, flags))
}

/// Unmaps what was mapped at `address`. The frame itself stays.
///
/// # Safety
/// Nothing refers to the memory any more.
///
/// # Errors
/// `LIB_ERR_PMAP_NOT_MAPPED`, `LIB_ERR_PMAP_UNMAP` on the kernel's error.
pub unsafe fn paging_unmap(address: VirtAddr) -> Result<(), Error> {
    with_own(|state| state.unmap(address))
}

/// As [`paging_unmap`], for the reaper of capabilities: refuses where it would have to wait.
///
/// # Safety
/// As [`paging_unmap`].
///
/// # Errors
/// As [`paging_unmap`]; `LIB_ERR_PMAP_UNMAP` alone when a mapping is being made right now.
pub(crate) unsafe fn paging_try_unmap(address: VirtAddr) -> Result<(), Error> {
    match OWN.try_lock().as_deref_mut() {
        Some(Some(state)) => state.unmap(address),
        Some(None) => Err(Error::new(ErrorCode::LibPmapNotMapped)),
        None => Err(Error::new(ErrorCode::LibPmapUnmap)),
    }
}

/// A frame mapped in the own address space, as Rust sees it.
#[derive(Debug)]
pub struct MappedFrame {
    view: Mapped,
}

impl MappedFrame {
    /// Maps a whole frame.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`]; `LIB_ERR_FRAME_IDENTIFY`.
    pub fn new(frame: CapRef, flags: PageFlags) -> Result<Self, Error> {
        let bytes = cap_direct_identify(frame)
            .push_err(ErrorCode::LibFrameIdentify)?
            .size();
        Self::part(frame, bytes, flags)
    }

    /// Maps the first `bytes` bytes of a frame.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`].
    pub fn part(frame: CapRef, bytes: u64, flags: PageFlags) -> Result<Self, Error> {
        let address = paging_map_frame_attr(frame, bytes, flags)?;
        // SAFETY: just mapped at fresh addresses that only this value knows; unmapped in `unmap`, which takes it.
        let view = unsafe { Mapped::new(address, bytes as usize) };
        Ok(Self { view })
    }

    /// The memory.
    pub const fn view(&self) -> &Mapped {
        &self.view
    }

    /// The memory, to write.
    pub const fn view_mut(&mut self) -> &mut Mapped {
        &mut self.view
    }

    /// Unmaps it. (Dropping keeps it mapped for good.)
    ///
    /// # Errors
    /// As [`paging_unmap`].
    pub fn unmap(self) -> Result<(), Error> {
        // SAFETY: the only view is consumed.
        unsafe { paging_unmap(self.view.address()) }
    }
}

/// Page-aligned range of so many bytes, rounded up.
fn span(address: VirtAddr, bytes: u64) -> Result<Span, Error> {
    let aligned = address.is_aligned(BASE_PAGE_SIZE);
    let bytes = bytes.checked_next_multiple_of(BASE_PAGE_SIZE);
    let span = bytes.and_then(|bytes| Span::new(address.0, bytes).ok());
    span.filter(|span| aligned && span.end <= 1 << USER_ADDRESS_BITS)
        .ok_or(Error::new(ErrorCode::LibVregionBadAlignment))
}

impl PagingState {
    fn with(root: CapRef, home: Home, free: Span) -> Result<Self, Error> {
        let mut ranges = Ram::new(Nodes::new());
        nodes::keep(ranges.store(), 0, NODES_TO_ADD)?;
        ranges.add((), free.base, free.bytes()).map_err(from_mm)?;
        Ok(Self {
            root,
            home,
            tables: BTreeMap::new(),
            regions: BTreeMap::new(),
            free: ranges,
        })
    }

    fn own() -> Result<Self, Error> {
        let root = CNodeRef::own(VROOT.l1()).slot(VROOT.l2());
        let free = Span::new(OWN_START.0, OWN_BYTES).map_err(from_mm)?;
        Self::with(root, Home::Own, free)
    }

    /// The empty address space of a new domain: `root` is its L0 table in the own CSpace, `croot` its root CNode, which
    /// holds a page CNode (slot 0 the L0 table) and a CNode for mappings. Tables are made in the domain's account.
    ///
    /// # Errors
    /// `LIB_ERR_MALLOC_FAIL`.
    pub fn foreign(root: CapRef, croot: CapAddr, account: Account) -> Result<Self, Error> {
        let home = Home::Foreign {
            account,
            tables: CNodeRef::foreign(croot, root::PAGECN),
            next_table: 1,
            mappings: CNodeRef::foreign(croot, root::ROOT_MAPPING),
            next_mapping: 0,
        };
        let free = Span::new(BASE_PAGE_SIZE, OWN_START.0 - BASE_PAGE_SIZE).map_err(from_mm)?;
        Self::with(root, home, free)
    }

    /// Maps a frame somewhere.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`].
    pub fn map(&mut self, frame: CapRef, bytes: u64, flags: PageFlags) -> Result<VirtAddr, Error> {
        let bytes = span(VirtAddr(0), bytes)?.bytes();
        let alignment = if has_blocks(frame, bytes, flags)? {
            LARGE_PAGE_SIZE
        } else {
            BASE_PAGE_SIZE
        };
        let base = self
            .take(bytes, alignment, Span::ALL)
            .or_else(|_| self.take(bytes, BASE_PAGE_SIZE, Span::ALL))
            .map_err(|_| Error::new(ErrorCode::LibOutOfVirtualAddr))?;
        self.map_taken(VirtAddr(base), frame, bytes, flags)?;
        Ok(VirtAddr(base))
    }

    /// Maps the first `bytes` bytes of a frame at `address`.
    ///
    /// # Errors
    /// As [`paging_map_fixed_attr`].
    pub fn map_fixed(
        &mut self,
        address: VirtAddr,
        frame: CapRef,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<(), Error> {
        let span = span(address, bytes)?;
        self.take(span.bytes(), BASE_PAGE_SIZE, span)
            .map_err(|_| Error::new(ErrorCode::LibPmapAddrNotFree))?;
        self.map_taken(address, frame, span.bytes(), flags)
    }

    /// Takes addresses.
    fn take(&mut self, bytes: u64, alignment: u64, within: Span) -> Result<u64, Error> {
        let free = self.free.free_nodes();
        nodes::keep(self.free.store(), free, NODES_TO_CHANGE)?;
        let taken = self.free.alloc_within(bytes, alignment, within);
        taken.map(|grant| grant.base).map_err(from_mm)
    }

    /// Maps at addresses that are no longer in `free`; puts them back when that fails.
    fn map_taken(
        &mut self,
        address: VirtAddr,
        frame: CapRef,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<(), Error> {
        let mut region = Region {
            bytes,
            parts: Vec::new(),
        };
        let mapped = self.map_parts(&mut region, address, frame, flags);
        if mapped.is_err() {
            // What was mapped so far goes; a part that cannot be unmapped keeps its addresses out of use.
            self.remove(address, region)?;
        } else {
            self.regions.insert(address.0, region);
        }
        mapped.push_err(ErrorCode::LibPmapDoMap)
    }

    fn map_parts(
        &mut self,
        region: &mut Region,
        address: VirtAddr,
        frame: CapRef,
        flags: PageFlags,
    ) -> Result<(), Error> {
        let has_blocks = has_blocks(frame, region.bytes, flags)?;
        let mut done = 0;
        while done < region.bytes {
            // Cannot wrap: the whole range lies below 2^48.
            let at = VirtAddr(address.0 + done);
            let left = region.bytes - done;
            let blocks = match has_blocks && at.is_aligned(LARGE_PAGE_SIZE) {
                true => (left / LARGE_PAGE_SIZE).min(self.blocks_free(at)),
                false => 0,
            };
            let (level, count) = match blocks {
                0 => (3, left / BASE_PAGE_SIZE),
                blocks => (2, blocks),
            };
            let entry = entry_of(level, at);
            let count = count.min(PTABLE_ENTRIES - u64::from(entry));
            let table = self.table(level, at)?;
            region
                .parts
                .try_reserve(1)
                .map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
            let mapping = self.mapping_slot()?;
            let entries = Entries {
                entry,
                count: count as u16,
            };
            if let Err(error) = vnode_map(table, frame, flags, done, entries, mapping) {
                self.free_mapping_slot(mapping);
                return Err(error);
            }
            region.parts.push(Part { table, mapping });
            done += count * entry_bytes(level);
        }
        Ok(())
    }

    /// How many blocks from `at` on have no table of level 3: its place cannot be a block's.
    fn blocks_free(&self, at: VirtAddr) -> u64 {
        let next = self.tables.range((3, at.0)..).next();
        next.map_or(u64::MAX, |((_, base), _)| (base - at.0) / LARGE_PAGE_SIZE)
    }

    /// The table of a level that covers the address, made when it is not there.
    fn table(&mut self, level: u8, address: VirtAddr) -> Result<CapRef, Error> {
        if level == 0 {
            return Ok(self.root);
        }
        let base = address.align_down(entry_bytes(level - 1)).0;
        if let Some(table) = self.tables.get(&(level, base)) {
            return Ok(*table);
        }
        let parent = self.table(level - 1, address)?;
        let table = match &self.home {
            Home::Own => vnode_create(level)?,
            Home::Foreign { account, .. } => account
                .object(table_type(level), BASE_PAGE_SIZE)
                .push_err(ErrorCode::LibVnodeCreate)?,
        };
        if let Err(error) = self.hang(parent, table, level, address) {
            if matches!(self.home, Home::Own) {
                // Not in use anywhere; what cannot be freed is lost, the error that counts is the first.
                let _ = mm_free(table);
            }
            return Err(error);
        }
        self.tables.insert((level, base), table);
        Ok(table)
    }

    /// Hangs a new table under its parent.
    fn hang(
        &mut self,
        parent: CapRef,
        table: CapRef,
        level: u8,
        address: VirtAddr,
    ) -> Result<(), Error> {
        let mapping = self.mapping_slot()?;
        let entries = Entries {
            entry: entry_of(level - 1, address),
            count: 1,
        };
        if let Err(error) = vnode_map(parent, table, PageFlags::READ_WRITE, 0, entries, mapping) {
            self.free_mapping_slot(mapping);
            return Err(error);
        }
        if let Home::Foreign {
            tables, next_table, ..
        } = &mut self.home
        {
            let slot = next_slot(next_table)?;
            cap_copy(tables.slot(slot), table)?;
        }
        Ok(())
    }

    fn mapping_slot(&mut self) -> Result<CapRef, Error> {
        match &mut self.home {
            Home::Own => slot_alloc(),
            Home::Foreign {
                mappings,
                next_mapping,
                ..
            } => Ok(mappings.slot(next_slot(next_mapping)?)),
        }
    }

    fn free_mapping_slot(&mut self, slot: CapRef) {
        match &mut self.home {
            // It came from the allocator and is empty.
            Home::Own => drop(slot_free(slot)),
            Home::Foreign { next_mapping, .. } => *next_mapping = slot.slot,
        }
    }

    /// Unmaps what was mapped at `address`.
    fn unmap(&mut self, address: VirtAddr) -> Result<(), Error> {
        let region = self
            .regions
            .remove(&address.0)
            .ok_or(Error::new(ErrorCode::LibPmapNotMapped))?;
        self.remove(address, region)
    }

    fn remove(&mut self, address: VirtAddr, mut region: Region) -> Result<(), Error> {
        while let Some(part) = region.parts.last().copied() {
            if let Err(error) = vnode_unmap(part.table, part.mapping) {
                self.regions.insert(address.0, region);
                return Err(error.push(ErrorCode::LibPmapUnmap));
            }
            region.parts.pop();
            if matches!(self.home, Home::Own) {
                slot_free(part.mapping)?;
            }
        }
        let free = self.free.free_nodes();
        nodes::keep(self.free.store(), free, NODES_TO_CHANGE)?;
        self.free.free(address.0, region.bytes).map_err(from_mm)
    }
}

fn next_slot(next: &mut u32) -> Result<u32, Error> {
    let slot = *next;
    if slot >= L2_SLOTS {
        return Err(Error::new(ErrorCode::LibSlotAllocNoSpace));
    }
    *next += 1;
    Ok(slot)
}
