//! The heap: Rust's `alloc` over addresses for [`HEAP_BYTES`], whose memory comes into being when it is touched.
//!
//! The first [allocations](alloc::alloc) are served from an arena in the program's data, which is there without any help. When that is full, the heap goes
//! on in a lazy region, so that what a program reserves and does not touch costs nothing.
//!
//! **Memory comes back.** The pages of a block of [`LARGE`] bytes or more go back at once when it is freed, but for those at its ends that came
//! together with pages of a neighbour (see [`paging`](crate::paging)): these go with the neighbour's. When the domain runs out of memory, the
//! heap gives back all behind its last block. What lies free between smaller blocks stays, for the next ones.
//!
//! **When memory is out**, a program ends with a message at its first touch of a page that is not to be had: as with all lazy memory, the promise
//! was made before. Who must not end by that, as init, keeps a heap of a fixed size ([`set_grows`]), and is told by allocations that fail.
//!
//! Barrelfish counterpart: `lib/barrelfish/morecore.c`, the course's `morecore` over `paging_region`.

use crate::arch::heap as arch;
use crate::error::Error;
use crate::paging::{MappedFrame, paging_alloc_lazy, paging_discard};
use crate::ram::frame_alloc;
use core::ops::Range as Addresses;
use kpi::addr::VirtAddr;
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;

/// Bytes of addresses for the heap.
pub const HEAP_BYTES: u64 = 16 << 30;
/// Least bytes of a block whose pages go back at once.
pub const LARGE: usize = 64 << 10;
/// Least bytes by which the heap grows.
const STEP: u64 = 256 << 10;

/// Whether the heap may grow beyond the arena in the program's data; it may, unless this says otherwise.
pub fn set_grows(grows: bool) {
    arch::set_grows(grows);
}

/// Gives the heap so many bytes of memory for good, which are there from the start: for who keeps it from growing.
///
/// # Errors
/// As [`frame_alloc`](crate::ram::frame_alloc), [`MappedFrame::new`].
pub fn add(bytes: u64) -> Result<(), Error> {
    let frame = frame_alloc(bytes)?;
    // It stays mapped.
    let mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    arch::add(mapped.view().address(), bytes);
    Ok(())
}

/// Gives back what is free behind the last block; answers how many bytes of memory came back. Happens by itself when memory is out.
pub fn trim() -> u64 {
    arch::trim()
}

/// The part of the addresses that the allocator has so far.
#[derive(Debug)]
pub(crate) struct Range {
    /// 0: not reserved yet.
    start: u64,
    /// 0: the allocator has none of it.
    end: u64,
    grows: bool,
}

impl Range {
    /// Nothing yet.
    pub(crate) const fn unused() -> Self {
        Self {
            start: 0,
            end: 0,
            grows: true,
        }
    }

    /// Where it begins.
    pub(crate) const fn start(&self) -> VirtAddr {
        VirtAddr(self.start)
    }

    /// Where the allocator's part ends.
    pub(crate) const fn end(&self) -> Option<VirtAddr> {
        match self.end {
            0 => None,
            end => Some(VirtAddr(end)),
        }
    }

    /// It ends there.
    pub(crate) const fn set_end(&mut self, end: VirtAddr) {
        self.end = end.0;
    }

    /// The allocator has none of it.
    pub(crate) const fn clear_end(&mut self) {
        self.end = 0;
    }

    /// See [`set_grows`].
    pub(crate) const fn set_grows(&mut self, grows: bool) {
        self.grows = grows;
    }

    /// An end that gives the allocator room for so many bytes more; the caller sets it.
    pub(crate) fn extend(&mut self, bytes: u64) -> Option<VirtAddr> {
        if !self.grows {
            return None;
        }
        if self.start == 0 {
            self.start = paging_alloc_lazy(HEAP_BYTES, PageFlags::READ_WRITE).ok()?.0;
        }
        let from = self.end.max(self.start);
        let used = from - self.start;
        // By an eighth of what there is, so that it is seldom; with a page for the allocator's notes.
        let more = bytes.checked_add(BASE_PAGE_SIZE)?.max(STEP).max(used / 8);
        let most = HEAP_BYTES - used;
        let more = more.checked_next_multiple_of(BASE_PAGE_SIZE)?;
        let end = match more <= most {
            true => from + more,
            false if bytes.checked_add(BASE_PAGE_SIZE)? <= most => self.start + HEAP_BYTES,
            false => return None,
        };
        Some(VirtAddr(end))
    }
}

/// Gives back the pages that lie whole between two addresses; answers how many bytes came back.
pub(crate) fn discard(from: u64, to: u64) -> u64 {
    let start = from.next_multiple_of(BASE_PAGE_SIZE);
    let end = to - to % BASE_PAGE_SIZE;
    if start >= end {
        return 0;
    }
    // SAFETY: the allocator has the range, and what is there is free or has not been used.
    unsafe { paging_discard(VirtAddr(start), end - start) }.unwrap_or(0)
}

/// Gives back the pages inside of a block, so many bytes from its ends. Answers which: they are zero now. None if the block is not in the lazy
/// part.
pub(crate) fn discard_inside(start: u64, bytes: u64, margin: u64) -> Addresses<u64> {
    let first = (start + margin).next_multiple_of(BASE_PAGE_SIZE);
    let end = start + bytes - margin;
    let end = end - end % BASE_PAGE_SIZE;
    if first >= end {
        return start..start;
    }
    // SAFETY: as above.
    match unsafe { paging_discard(VirtAddr(first), end - first) } {
        Ok(_) => first..end,
        Err(_) => start..start,
    }
}
