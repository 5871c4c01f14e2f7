//! The part of the own address space that the spawner made: the program's segments, its arguments, its dispatcher frame, below
//! [`OWN_START`].
//!
//! The spawner writes its books of that part into the arguments page ([`PagingState::export`](super::PagingState::export)), with the names that the capabilities have here:
//! tables in the page CNode, Mappings in the mapping CNode, frames in the segment and task CNodes. Who asks first for something here has them read,
//! and they go on from there like those of any other space; a program that never asks pays for a few words in a page that it has anyway. init's part
//! was made by the kernel, which keeps no books: it has none.
//!
//! A lock of its own guards them, taken before that of [`memory`](crate::memory): their nodes lie on the heap, and tables and slots come from
//! there. Page faults never ask here, since nothing here comes into being by one.

use super::tables::{Home, Kernel, Name, Spare};
use super::{OWN_START, error_of, span};
use crate::args::Args;
use crate::cap::{CNodeRef, CapRef, cap_delete};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::nodes::{self, Nodes};
use crate::ram::{mm_free, vnode_create};
use crate::slot::{slot_alloc, slot_free};
use crate::sync::Mutex;
use kpi::addr::{CapAddr, VirtAddr};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;
use kpi::slots::root;
use vspace::{Cause, Item, Node, Space, Why};

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
    space: Space<Name, Nodes<Node<Name>>>,
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
    fn new_slot(&mut self) -> Result<CapRef, Error> {
        slot_alloc()
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
        let mut space = Space::new(Name(CapRef::vroot()), within, store);
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

    /// Does an operation; the books grow when it says that it needs nodes.
    fn change(
        &mut self,
        code: ErrorCode,
        mut work: impl FnMut(
            &mut Space<Name, Nodes<Node<Name>>>,
            &mut Kernel<'_, OfProgram>,
        ) -> Result<(), vspace::Error<Error>>,
    ) -> Result<(), Error> {
        loop {
            let mut home = OfProgram;
            let mut env = Kernel::new(&mut home, &mut self.spare);
            let done = work(&mut self.space, &mut env);
            env.settle();
            match done {
                Err(vspace::Error {
                    cause: Cause::Space(Why::Nodes(wanted)),
                    stopped: None,
                }) => {
                    let free = self.space.free_nodes();
                    nodes::keep(self.space.store(), free, wanted).push_err(code)?;
                }
                done => return done.map_err(|error| error_of(error, code)),
            }
        }
    }
}

fn named(address: u32) -> Name {
    let address = CapAddr(address);
    Name(CNodeRef::own(address.l1()).slot(address.l2()))
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
            frame: page.frame.0,
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
/// As [`program_lookup`]; `LIB_ERR_VREGION_BAD_ALIGNMENT`; `LIB_ERR_PMAP_UNMAP` on top of the kernel's error.
pub unsafe fn program_unmap(address: VirtAddr, bytes: u64) -> Result<(), Error> {
    let span = span(address, bytes)?;
    with(|program| program.change(ErrorCode::LibPmapUnmap, |space, env| space.unmap(env, span)))
}
