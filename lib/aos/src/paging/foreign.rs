//! The address space of a domain that is being made: known from the root table on, with nothing else in it.

use super::own::Request;
use super::tables::{Foreign, Kernel, Name, Spare};
use super::{HeapBooks, OWN_START, Part, growing, span};
use crate::account::Account;
use crate::cap::CapRef;
use crate::error::{Error, ErrorCode};
use crate::nodes::Nodes;
use alloc::vec::Vec;
use kpi::addr::{CapAddr, VirtAddr};
use kpi::args::PagingItem;
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;
use vspace::{Role, Space, Span};

/// The empty address space of a new domain: `root` is its L0 table in the own CSpace, `croot` its root CNode, which
/// holds a page CNode (slot 0 the L0 table) and a CNode for mappings. Tables are made in the domain's account.
///
/// # Errors
/// `LIB_ERR_VREGION_BAD_ALIGNMENT`, never in fact.
pub fn paging_init_state_foreign(
    root: CapRef,
    croot: CapAddr,
    account: Account,
) -> Result<PagingState, Error> {
    let within = span(VirtAddr(BASE_PAGE_SIZE), OWN_START.0 - BASE_PAGE_SIZE)?;
    Ok(PagingState {
        space: Space::new(Name::of(root), within, Nodes::new()),
        home: Foreign::new(croot, account),
        spare: Spare::default(),
    })
}

/// The address space of a domain that is being made here: [`paging_init_state_foreign`].
#[derive(Debug)]
pub struct PagingState {
    space: HeapBooks,
    home: Foreign,
    spare: Spare,
}

impl PagingState {
    /// What is in the books, for the domain that is being made: with the names that the capabilities have there. `frames` are the frames that are
    /// mapped, and where the domain finds them.
    ///
    /// # Errors
    /// `SPAWN_ERR_SERIALISE_VSPACE`: a frame has no name there. `LIB_ERR_MALLOC_FAIL`.
    pub(crate) fn export(&self, frames: &[(CapRef, CapAddr)]) -> Result<Vec<PagingItem>, Error> {
        let code = Error::new(ErrorCode::SpawnSerialiseVspace);
        let mut words = Vec::new();
        let reserved = words.try_reserve_exact(self.space.counts().nodes());
        reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
        for item in self.space.items() {
            let item = item.try_map(|role, name: Name| {
                let cap = name.cap();
                let address = match role {
                    Role::Table => self.home.name_of_table(cap),
                    Role::Mapping => Some(cap.addr()),
                    Role::Frame => {
                        let mut frames = frames.iter();
                        frames
                            .find(|(frame, _)| *frame == cap)
                            .map(|(_, name)| *name)
                    }
                };
                address.map(|address| address.0).ok_or(code)
            })?;
            words.push(item.to_words());
        }
        Ok(words)
    }

    /// Maps a frame somewhere.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`](super::paging_map_frame_attr).
    pub fn map(&mut self, frame: CapRef, bytes: u64, flags: PageFlags) -> Result<VirtAddr, Error> {
        let bytes = span(VirtAddr(0), bytes)?.bytes();
        let mapped = self.map_at(None, frame, bytes, flags)?;
        Ok(VirtAddr(mapped.start))
    }

    /// Maps the first `bytes` bytes of a frame at `address`.
    ///
    /// # Errors
    /// As [`paging_map_fixed_attr`](super::paging_map_fixed_attr).
    pub fn map_fixed(
        &mut self,
        address: VirtAddr,
        frame: CapRef,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<(), Error> {
        let span = span(address, bytes)?;
        let within = self.space.within();
        if span.start < within.start || span.end > within.end {
            return Err(Error::new(ErrorCode::LibPmapAddrNotFree));
        }
        self.map_at(Some(address), frame, span.bytes(), flags)
            .map(|_| ())
    }

    fn map_at(
        &mut self,
        address: Option<VirtAddr>,
        frame: CapRef,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<Span, Error> {
        let code = ErrorCode::LibPmapDoMap;
        let request = Request::of(frame, &Part::first(bytes, flags))?;
        let (backing, choice) = (request.backing, request.choice);
        let attributes = request.attributes;
        let Self { space, home, spare } = self;
        growing(space, code, |space| {
            let mut env = Kernel::new(home, spare);
            let mapped = space.map(&mut env, address, bytes, backing, attributes, choice);
            env.settle();
            mapped
        })
    }
}
