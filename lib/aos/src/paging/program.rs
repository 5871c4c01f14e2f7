//! The part of the own address space that the spawner made: the program's segments, its arguments, its dispatcher frame, below
//! [`OWN_START`].
//!
//! The spawner writes its books of that part into the arguments page ([`PagingState::export`](super::PagingState::export)), with the names that the capabilities have here:
//! tables in the page CNode, Mappings in the mapping CNode, frames in the segment and task CNodes. Who asks first for something here has them read,
//! and they go on from there like those of any other space; a program that never asks pays for a few words in a page that it has anyway. init's part
//! was made by the kernel, which keeps no books: it has none.
//!
//! **Cutting.** A Mapping goes as a whole, so that a hole in the middle of the data segment takes three calls: all is unmapped, and what stays is mapped
//! again. Between them the program has no data. So these calls are gathered and made in a row, disabled, by code that uses the stack and the dispatcher frame
//! alone ([`calls_in_a_row`]); what of code, stack and that frame stays cannot be cut, and neither can blocks.
//!
//! A lock of its own guards them, taken before that of [`memory`](crate::memory): their nodes lie on the heap, and tables and slots come from
//! there. Page faults never ask here, since nothing here comes into being by one.

use super::tables::{Home, Kernel, MOST, Name, Spare, entries_of};
use super::{HeapBooks, OWN_START, error_of, growing, span};
use crate::arch::call::calls_in_a_row;
use crate::args::Args;
use crate::cap::vnode::{Words, map_words, unmap_words};
use crate::cap::{CNodeRef, CapRef, cap_delete};
use crate::error::{Error, ErrorCode, check};
use crate::nodes::{self, Nodes};
use crate::ram::{mm_free, vnode_create};
use crate::slot::{slot_alloc, slot_free};
use crate::sync::Mutex;
use arrayvec::ArrayVec;
use kpi::addr::{CapAddr, VirtAddr};
use kpi::layout::{BASE_PAGE_SIZE, DISPATCHER_BASE};
use kpi::rights::PageFlags;
use kpi::slots::root;
use vspace::{Item, Space, Span, Tables};

/// What is mapped at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProgramPage {
    /// The frame.
    pub frame: CapRef,
    /// Where in it the page is.
    pub offset: u64,
    /// What the page permits.
    pub flags: PageFlags,
    /// First address of the region it belongs to.
    pub start: VirtAddr,
    /// The region's bytes.
    pub bytes: u64,
}

/// The books.
#[derive(Debug)]
struct Program {
    space: HeapBooks,
    spare: Spare,
}

static PROGRAM: Mutex<Option<Program>> = Mutex::new(None);

/// Where its tables and slots come from and go.
#[derive(Debug)]
struct OfProgram;

impl Home for OfProgram {
    fn new_table(&mut self, level: u8) -> Result<CapRef, Error> {
        vnode_create(level)
    }
    fn drop_table(&mut self, table: CapRef) {
        // The spawner's memory comes back with the domain, one's own at once. What cannot be deleted stays.
        let _ = match is_in(table, root::PAGECN) {
            true => cap_delete(table),
            false => mm_free(table),
        };
    }
    fn new_slots(&mut self, slots: &mut ArrayVec<CapRef, MOST>) -> Result<(), Error> {
        let slot = slot_alloc()?;
        slots.push(slot);
        Ok(())
    }
    fn drop_slot(&mut self, slot: CapRef) {
        if !is_in(slot, root::ROOT_MAPPING) {
            // It came from there.
            let _ = slot_free(slot);
        }
    }
    fn drop_frame(&mut self, _frame: CapRef) {}
}

fn is_in(cap: CapRef, cnode: u32) -> bool {
    cap.addr().l1() == cnode
}

impl Program {
    /// From what the spawner has written down.
    fn import() -> Result<Self, Error> {
        let code = ErrorCode::LibVspaceCurrentInit;
        let within = span(VirtAddr(BASE_PAGE_SIZE), OWN_START.0 - BASE_PAGE_SIZE)?;
        let items = Args::own().paging();
        let mut store = Nodes::new();
        nodes::keep(&mut store, 0, items.len() + 1)?;
        let mut space = Space::new(Name::of(CapRef::vroot()), within, store);
        for words in items {
            let item = Item::from_words(words).ok_or(Error::new(code))?;
            let named = item.try_map(|_, address| Ok::<_, Error>(named(address)))?;
            space.add(named).map_err(|why| error_of(why.into(), code))?;
        }
        Ok(Self {
            space,
            spare: Spare::default(),
        })
    }

    /// Does an operation.
    fn change(
        &mut self,
        code: ErrorCode,
        mut work: impl FnMut(&mut HeapBooks, &mut Cutter<'_>) -> Result<(), vspace::Error<Error>>,
    ) -> Result<(), Error> {
        let Self { space, spare } = self;
        let failed = growing(space, code, |space| {
            let mut home = OfProgram;
            let mut env = Cutter {
                kernel: Kernel::new(&mut home, spare),
                gathered: ArrayVec::new(),
                gathers: false,
                failed: None,
            };
            let done = work(space, &mut env);
            env.make_calls();
            env.kernel.settle();
            done.map(|()| env.failed)
        })?;
        failed.map_or(Ok(()), |error| Err(error.push(code)))
    }

    /// Whether a hole can be cut: what stays of a Mapping on either side of it must not be what the cutting itself runs on.
    fn check_cuts(&self, hole: Span) -> Result<(), Error> {
        let here = 0_u8;
        let stack = (&raw const here) as u64;
        for edge in [hole.start, hole.end - 1] {
            let page = self
                .space
                .lookup(VirtAddr(edge))
                .and_then(|found| found.page);
            let Some(page) = page else { continue };
            let is_whole = hole.start <= page.run.start && page.run.end <= hole.end;
            let is_used = page.flags.contains(PageFlags::EXECUTE)
                || page.run.contains(stack)
                || page.run.contains(DISPATCHER_BASE.0);
            if is_used && !is_whole {
                return Err(Error::new(ErrorCode::LibPmapUnmap));
            }
        }
        Ok(())
    }
}

/// Most calls of a cut: one that unmaps, and one for what stays on each side.
const MOST_CALLS: usize = 3;

/// The environment: what a cut unmaps and maps again is done in a row.
struct Cutter<'a> {
    kernel: Kernel<'a, OfProgram>,
    gathered: ArrayVec<Words, MOST_CALLS>,
    /// Whether a cut is under way.
    gathers: bool,
    /// Why gathered calls failed.
    failed: Option<Error>,
}

impl Cutter<'_> {
    fn make_calls(&mut self) {
        self.gathers = false;
        // On the stack while they are made.
        let calls = core::mem::take(&mut self.gathered);
        if calls.is_empty() {
            return;
        }
        if let Err(error) = check(calls_in_a_row(&calls)) {
            self.failed.get_or_insert(error);
        }
    }

    fn gather(&mut self, words: Words) -> Result<(), Error> {
        let too_many = Error::new(ErrorCode::LibPmapDoMap);
        self.gathered.try_push(words).map_err(|_| too_many)
    }
}

impl Tables for Cutter<'_> {
    type Cap = Name;
    type Error = Error;

    fn grow(&mut self, parent: Name, level: u8, entry: u16) -> Result<(Name, Name), Error> {
        self.make_calls();
        self.kernel.grow(parent, level, entry)
    }

    fn prune(&mut self, parent: Name, level: u8, table: Name, mapping: Name) -> Result<(), Error> {
        self.make_calls();
        self.kernel.prune(parent, level, table, mapping)
    }

    fn map(
        &mut self,
        table: Name,
        entries: vspace::Entries,
        frame: Name,
        offset: u64,
        flags: PageFlags,
    ) -> Result<Name, Error> {
        if !self.gathers {
            return self.kernel.map(table, entries, frame, offset, flags);
        }
        let slot = self.kernel.slot()?;
        let entries = entries_of(entries);
        let words = map_words(table.cap(), frame.cap(), flags, offset, entries, slot)?;
        self.gather(words)?;
        Ok(Name::of(slot))
    }

    fn unmap(&mut self, table: Name, mapping: Name) -> Result<(), Error> {
        if !self.gathers || !self.gathered.is_empty() {
            self.make_calls();
            return self.kernel.unmap(table, mapping);
        }
        self.gather(unmap_words(table.cap(), mapping.cap()))?;
        // Not before the calls are made: it is not empty yet.
        self.kernel.keep_slot(mapping.cap());
        Ok(())
    }

    fn protect(
        &mut self,
        table: Name,
        entries: vspace::Entries,
        flags: PageFlags,
    ) -> Result<(), Error> {
        self.make_calls();
        self.kernel.protect(table, entries, flags)
    }

    fn prepare(&mut self, frame: Name, mappings: usize, tables: [usize; 3]) -> Result<(), Error> {
        self.make_calls();
        if tables != [0; 3] {
            return Err(Error::new(ErrorCode::LibPmapGetPtable));
        }
        self.kernel.prepare(frame, mappings, tables)?;
        self.gathers = true;
        Ok(())
    }

    fn released(&mut self, frame: Name, offset: u64, bytes: u64) {
        self.make_calls();
        self.kernel.released(frame, offset, bytes);
    }
}

fn named(address: u32) -> Name {
    let address = CapAddr(address);
    Name::of(CNodeRef::own(address.l1()).slot(address.l2()))
}

fn with<T>(work: impl FnOnce(&mut Program) -> Result<T, Error>) -> Result<T, Error> {
    let mut program = PROGRAM.lock();
    if program.is_none() {
        *program = Some(Program::import()?);
    }
    match program.as_mut() {
        Some(program) => work(program),
        None => Err(Error::new(ErrorCode::LibVspaceCurrentInit)),
    }
}

/// What the spawner has mapped at an address.
///
/// # Errors
/// `LIB_ERR_PMAP_NOT_MAPPED`: nothing, or nobody has written down what. `LIB_ERR_VSPACE_CURRENT_INIT`: what is written down cannot be.
/// `LIB_ERR_MALLOC_FAIL`.
pub fn program_lookup(address: VirtAddr) -> Result<ProgramPage, Error> {
    with(|program| {
        let found = program.space.lookup(address);
        let page = found.and_then(|found| Some((found.region, found.page?)));
        let (_, page) = page.ok_or(Error::new(ErrorCode::LibPmapNotMapped))?;
        let region = program.space.extent(address).unwrap_or(page.run);
        Ok(ProgramPage {
            frame: page.frame.cap(),
            offset: page.offset,
            flags: page.flags,
            start: VirtAddr(region.start),
            bytes: region.bytes(),
        })
    })
}

/// Gives pages that the spawner has mapped other flags, at most those that its frame's rights permit.
///
/// # Safety
/// What refers to the memory does not do what is not permitted any more.
///
/// # Errors
/// As [`program_lookup`]; `LIB_ERR_VREGION_BAD_ALIGNMENT`; `LIB_ERR_PMAP_MODIFY_FLAGS` on top of the kernel's error.
pub unsafe fn program_protect(
    address: VirtAddr,
    bytes: u64,
    flags: PageFlags,
) -> Result<(), Error> {
    let span = span(address, bytes)?;
    with(|program| {
        program.change(ErrorCode::LibPmapModifyFlags, |space, env| {
            space.protect(env, span, flags)
        })
    })
}

/// Unmaps pages that the spawner has mapped. The frame stays, and with it what is in it.
///
/// # Safety
/// Nothing refers to the memory any more.
///
/// # Errors
/// As [`program_lookup`]; `LIB_ERR_VREGION_BAD_ALIGNMENT`; `LIB_ERR_PMAP_UNMAP`: a part of the code, of the stack or of the dispatcher frame, or on top of the
/// kernel's error.
pub unsafe fn program_unmap(address: VirtAddr, bytes: u64) -> Result<(), Error> {
    let span = span(address, bytes)?;
    with(|program| {
        program.check_cuts(span)?;
        program.change(ErrorCode::LibPmapUnmap, |space, env| space.unmap(env, span))
    })
}
