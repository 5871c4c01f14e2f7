//! What regions are for: the tags of their attributes.

use super::{Name, Span};
use crate::error::{Error, ErrorCode};
use crate::memory::Places;
use kpi::addr::VirtAddr;
use kpi::rights::PageFlags;
use vspace::{Attributes, Node, Space};

/// The books of the own space.
pub(crate) type Books = Space<Name, Places<Node<Name>>>;

/// What a region is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Frames that the program mapped.
    Mapped,
    /// Addresses only: [`paging_alloc`](super::paging_alloc).
    Reserved,
    /// Pages come into being when they are touched.
    Lazy,
    /// The same, 2 MiB at a time where memory allows.
    LazyLarge,
    /// A frame of which pages are copied when they are written.
    CopyOnWrite,
    /// A [`Pager`](super::pager::Pager) serves it; its number.
    Paged(u32),
    /// A thread's stacks.
    Stack,
    /// The library's own.
    Library,
    /// Where pages of lazy regions rest.
    Resting,
}

impl Kind {
    /// Bits of a tag for the kind, below the pager's number.
    const BITS: u32 = 4;
    /// More pagers than that cannot be numbered.
    pub(super) const PAGERS: u32 = 1 << (u32::BITS - Self::BITS);

    pub(crate) const fn tag(self) -> u32 {
        match self {
            Self::Mapped => 0,
            Self::Reserved => 1,
            Self::Lazy => 2,
            Self::LazyLarge => 3,
            Self::CopyOnWrite => 4,
            Self::Stack => 5,
            Self::Library => 6,
            Self::Resting => 7,
            Self::Paged(number) => 8 | number << Self::BITS,
        }
    }

    pub(crate) const fn of(tag: u32) -> Self {
        match tag & ((1 << Self::BITS) - 1) {
            0 => Self::Mapped,
            1 => Self::Reserved,
            2 => Self::Lazy,
            3 => Self::LazyLarge,
            4 => Self::CopyOnWrite,
            5 => Self::Stack,
            7 => Self::Resting,
            8 => Self::Paged(tag >> Self::BITS),
            _ => Self::Library,
        }
    }

    /// Attributes of a region of this kind.
    pub(crate) const fn attributes(self, flags: PageFlags) -> Attributes {
        Attributes {
            flags,
            is_guard: matches!(self, Self::Reserved),
            tag: self.tag(),
        }
    }

    /// Whether its pages come into being by themselves, and are nobody's else.
    pub(super) const fn is_lazy(self) -> bool {
        matches!(self, Self::Lazy | Self::LazyLarge)
    }

    /// Whether the program may unmap it, and change its flags.
    pub(super) const fn is_programs(self) -> bool {
        match self {
            Self::Mapped | Self::Reserved | Self::CopyOnWrite => true,
            kind => kind.is_lazy(),
        }
    }
}

/// Whether all that is there of a span is the program's to change.
///
/// # Errors
/// `LIB_ERR_PMAP_OTHER_KIND`.
pub(super) fn check_programs(space: &Books, span: Span) -> Result<(), Error> {
    let mut at = span.start;
    while at < span.end
        && let Some(region) = space.next_region(VirtAddr(at))
        && region.span.start < span.end
    {
        if !Kind::of(region.attributes.tag).is_programs() {
            return Err(Error::new(ErrorCode::LibPmapOtherKind));
        }
        at = region.span.end;
    }
    Ok(())
}
