//! A space with one large frame, for tests of single cases.

use super::kernel::{Faults, Kernel, ROOT};
use super::{Cap, Memory, Space};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::rights::{CapRights, PageFlags};
use random::Random;
use vspace::{Attributes, Backing, Choice, Span};

pub const PAGE: u64 = 4096;
pub const LARGE: u64 = 2 << 20;
pub const HUGE: u64 = 1 << 30;
pub const RW: Attributes = Attributes::memory(PageFlags::READ_WRITE);

pub const WITHIN: Span = Span {
    start: PAGE,
    end: 1 << 48,
};

pub fn span(start: u64, bytes: u64) -> Span {
    Span::new(VirtAddr(start), bytes).unwrap()
}

pub struct World {
    pub space: Space,
    pub kernel: Kernel,
    /// 8 GiB at a multiple of 1 GiB.
    pub frame: Cap,
}

impl World {
    pub fn new(nodes: usize) -> Self {
        let mut kernel = Kernel::new();
        let frame = kernel.frame(8 * HUGE, 8 * HUGE, CapRights::ALL);
        Self {
            space: Space::new(ROOT, WITHIN, Memory::with(nodes)),
            kernel,
            frame,
        }
    }

    pub fn backing(&self, offset: u64) -> Backing<Cap> {
        Backing {
            frame: self.frame,
            offset,
            address: PhysAddr(8 * HUGE),
        }
    }

    pub fn map(&mut self, at: Option<u64>, bytes: u64, offset: u64) -> Span {
        let backing = self.backing(offset);
        let at = at.map(VirtAddr);
        self.space
            .map(&mut self.kernel, at, bytes, backing, RW, Choice::Auto)
            .unwrap()
    }

    pub fn back(&mut self, span: Span, offset: u64) {
        let backing = self.backing(offset);
        let all = PageFlags::MASK;
        self.space
            .back(&mut self.kernel, span, backing, all, Choice::Auto)
            .unwrap();
    }

    pub fn fail_after(&mut self, after: u64, then: u64) {
        self.kernel.faults = Some(Faults {
            after,
            then,
            random: Random::new(1),
        });
    }
}
