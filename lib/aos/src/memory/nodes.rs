//! Where the nodes of the books lie: first in the program's data, then in an area of addresses that is mapped further and further.

use crate::arch::memory::grown;
use crate::cap::CapRef;
use crate::error::{Error, ErrorCode};
use crate::memory::plan;
use crate::paging::Name;
use arena::{Slot, Store};
use kpi::addr::VirtAddr;
use static_cell::StaticCell;

/// A store of nodes.
#[derive(Debug)]
pub(crate) struct Places<T: 'static> {
    places: &'static mut [Slot<T>],
    /// Bytes of its area that are mapped.
    mapped: u64,
}

type Ram = mm::ram::Node<CapRef>;
type Of<T, const N: usize> = StaticCell<[Slot<T>; N]>;

static FIRST_REGIONS: Of<Ram, { plan::FIRST_NODES[plan::REGION_NODES] }> = StaticCell::new();
static FIRST_CHUNKS: Of<Ram, { plan::FIRST_NODES[plan::CHUNK_NODES] }> = StaticCell::new();
static FIRST_SPACE: Of<vspace::Node<Name>, { plan::FIRST_NODES[plan::SPACE_NODES] }> =
    StaticCell::new();
static FIRST_SLOTS: Of<mm::slots::Node, { plan::FIRST_NODES[plan::SLOT_NODES] }> =
    StaticCell::new();

fn first<T: Copy + Default, const N: usize>(cell: &'static Of<T, N>) -> Result<Places<T>, Error> {
    let places = cell.try_uninit();
    let places = places.ok_or(Error::new(ErrorCode::LibVspaceCurrentInit))?;
    Ok(Places {
        places: places.write([Slot::default(); N]),
        mapped: 0,
    })
}

impl Places<Ram> {
    /// Those of regions and of chunks. Once.
    pub(super) fn of_ram() -> Result<(Self, Self), Error> {
        Ok((first(&FIRST_REGIONS)?, first(&FIRST_CHUNKS)?))
    }
}

impl Places<vspace::Node<Name>> {
    /// Those of the own address space. Once.
    pub(super) fn of_space() -> Result<Self, Error> {
        first(&FIRST_SPACE)
    }
}

impl Places<mm::slots::Node> {
    /// Those of slots. Once.
    pub(super) fn of_slots() -> Result<Self, Error> {
        first(&FIRST_SLOTS)
    }
}

impl<T: Copy + Default> Places<T> {
    /// Bytes of its area that are mapped.
    pub(super) const fn mapped(&self) -> u64 {
        self.mapped
    }

    /// So many bytes of its area are mapped now, for good.
    pub(super) fn extend(&mut self, area: VirtAddr, mapped: u64) {
        let before = match self.mapped {
            0 => None,
            bytes => Some(bytes as usize),
        };
        let places = core::mem::take(&mut self.places);
        self.places = grown(places, area, before, mapped as usize);
        self.mapped = mapped;
    }
}

impl<T: Copy> Store<T> for Places<T> {
    fn slots(&self) -> &[Slot<T>] {
        self.places
    }

    fn slots_mut(&mut self) -> &mut [Slot<T>] {
        self.places
    }
}
