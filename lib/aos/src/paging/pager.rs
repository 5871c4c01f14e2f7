//! Regions that the program serves itself: user pagers.
//!
//! A [`Pager`] decides what is behind each page of its region, and when. It is asked when a page is touched that is not there, or that does not
//! permit the access; it answers with memory of a frame, and may take memory away again, or change what pages permit, at any time.
//!
//! **Where it runs.** In the thread that faulted, as part of its exception handler: on the thread's exception stack, enabled, under no lock of the
//! library. So a fault costs no switch of threads. Rules that follow:
//!
//! * It is one at a time: who faults in a region whose pager is at work, or calls [`Paged::with`], waits, and then looks again whether the page
//!   is there.
//! * It may wait for locks and other threads, use the heap and lazy memory, and map and unmap elsewhere. It has about 5 KiB of stack. A pager that
//!   needs more lets a thread of its own do the work, and waits for it.
//! * It must not touch its own region, nor wait for somebody who does: the page would never come. A touch in the pager itself is found out, and
//!   ends the domain as a fault that nobody could help.
//! * A thread that touches the region must not hold a lock that the pager wants.
//!
//! **Memory** that it answers with stays the pager's: the region unmaps it, and frees nothing.
//!
//! Barrelfish counterpart: upstream's memory objects, `memobj_*` with their `pagefault` and `pager_free`.

use super::fault::Resolution;
use super::kind::Kind;
use super::own::back_own;
use super::{
    Backing, Choice, Name, PageSize, Place, Span, error_of, fault, join, protect, protect_alone,
    reserve_error, span, unmap_regions,
};
use crate::arch::context;
use crate::arch::memory::Mapped;
use crate::cap::CapRef;
use crate::error::{Error, ErrorCode, ResultExt};
use crate::memory::{look, step};
use crate::sync::Mutex;
use crate::thread;
pub use crate::thread::exception::Access;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;

/// An access that a page does not serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where the page begins: bytes from the beginning of the region.
    pub page: u64,
    /// The address.
    pub address: VirtAddr,
    /// How it was used.
    pub access: Access,
    /// What the page permits, if it is there.
    pub flags: Option<PageFlags>,
}

/// What a pager says to a fault.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// The page is there: `offset` bytes from the beginning of this frame, with these flags. If there is memory already, it goes.
    Page {
        /// The frame, which stays the pager's.
        frame: CapRef,
        /// Where in it, a multiple of a page.
        offset: u64,
        /// What the page permits.
        flags: PageFlags,
    },
    /// The page permits the access now; the pager saw to that.
    Done,
    /// Nothing belongs there: the thread's own handler is called, or the domain ends.
    Refuse,
}

// ANCHOR: trait
/// What serves a region.
pub trait Pager: Send + 'static {
    /// An access needs a page.
    fn fault(&mut self, pages: &mut Pages, fault: &Fault) -> Answer;
}
// ANCHOR_END: trait

/// The pages of a region, for its pager. Places are bytes from the beginning of the region, multiples of a page.
#[derive(Debug)]
pub struct Pages {
    span: Span,
}

impl Pages {
    /// The first address.
    pub const fn address(&self) -> VirtAddr {
        VirtAddr(self.span.start)
    }

    /// How many bytes.
    pub const fn bytes(&self) -> u64 {
        self.span.bytes()
    }

    /// # Errors
    /// `LIB_ERR_VREGION_BAD_ALIGNMENT`.
    fn part(&self, at: u64, bytes: u64) -> Result<Span, Error> {
        let inside = at.checked_add(bytes).is_some_and(|end| end <= self.bytes());
        let address = self.span.start.checked_add(at).filter(|_| inside);
        address
            .and_then(|address| Span::new(VirtAddr(address), bytes).ok())
            .ok_or(Error::new(ErrorCode::LibVregionBadAlignment))
    }

    /// What a page permits, if it is there.
    pub fn flags(&self, page: u64) -> Option<PageFlags> {
        let span = self.part(page, BASE_PAGE_SIZE).ok()?;
        let found = look(|core| core.space.lookup(VirtAddr(span.start)));
        Some(found.ok()??.page?.flags)
    }

    /// Puts memory of a frame, from byte `offset` on, behind pages that have none.
    ///
    /// # Errors
    /// `LIB_ERR_VREGION_BAD_ALIGNMENT` (also outside of the region), `LIB_ERR_PMAP_ADDR_NOT_FREE`, `LIB_ERR_PMAP_DO_MAP` on top of why it
    /// could not be mapped; then some of the pages may be there.
    pub fn map(
        &mut self,
        at: u64,
        bytes: u64,
        frame: CapRef,
        offset: u64,
        flags: PageFlags,
    ) -> Result<(), Error> {
        let span = self.part(at, bytes)?;
        set_flags(span, flags)?;
        let backing = Backing {
            frame: Name::of(frame),
            offset,
            address: PhysAddr(0),
        };
        let choice = Choice::Exactly(PageSize::Base);
        back_own(span, backing, PageFlags::MASK, choice)
    }

    /// Takes the memory of pages away, if they have some. The frames are the pager's again.
    ///
    /// # Errors
    /// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_UNMAP` on top of the kernel's error.
    pub fn unback(&mut self, at: u64, bytes: u64) -> Result<(), Error> {
        let mut rest = self.part(at, bytes)?;
        while rest.bytes() > 0 {
            rest.start = step(|core| {
                let run = core.space.next_run(VirtAddr(rest.start));
                let Some(run) = run.map(|page| page.run).filter(|run| run.start < rest.end) else {
                    return Ok(rest.end);
                };
                let here = Span {
                    start: run.start.max(rest.start),
                    end: run.end.min(rest.end),
                };
                let (space, mut env) = core.parts();
                let gone = space.unback(&mut env, here);
                env.settle();
                gone.map_err(|error| error_of(error, ErrorCode::LibPmapUnmap))?;
                Ok(here.end)
            })?;
        }
        Ok(())
    }

    /// Makes one Mapping of those that map one frame in one go, as [`paging_join`](super::paging_join). Answers how many were saved.
    ///
    /// # Errors
    /// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_DO_MAP` on top of the kernel's error.
    pub fn join(&mut self, at: u64, bytes: u64) -> Result<usize, Error> {
        join(self.part(at, bytes)?, |_, _| Ok(()))
    }

    /// Gives pages other flags, also those that get their memory by an answer without flags of its own.
    ///
    /// # Errors
    /// `LIB_ERR_VREGION_BAD_ALIGNMENT`, `LIB_ERR_PMAP_MODIFY_FLAGS` on top of the kernel's error or of flags that no page can have.
    pub fn protect(&mut self, at: u64, bytes: u64, flags: PageFlags) -> Result<(), Error> {
        let span = self.part(at, bytes)?;
        if look(|core| protect_alone(core, span, flags, |_| true))?.is_some() {
            return Ok(());
        }
        step(|core| protect(core, span, flags))
    }
}

/// Sees to it that pages without memory get these flags when they have some.
fn set_flags(span: Span, flags: PageFlags) -> Result<(), Error> {
    step(|core| {
        let region = core.space.next_region(VirtAddr(span.start));
        let has = |region: vspace::Region| {
            region.span.end >= span.end && region.attributes.flags == flags
        };
        match region.is_some_and(has) {
            true => Ok(()),
            false => protect(core, span, flags),
        }
    })
}

/// A region and its pager.
struct Entry<P: ?Sized> {
    span: Span,
    number: u32,
    /// Who has the pager: the address of a thread's context, or 0.
    holder: AtomicUsize,
    pager: Mutex<P>,
}

/// An entry of any pager.
type Served = Arc<Entry<dyn Pager>>;

/// The pagers, by number. The lock is held for moments only, and nothing under it is in a region with a pager.
static PAGERS: Mutex<Vec<Option<Served>>> = Mutex::new(Vec::new());

impl<P: ?Sized> Entry<P> {
    /// The pager, for the caller alone.
    fn with<T>(&self, work: impl FnOnce(&mut P, &mut Pages) -> T) -> T {
        let mut pager = self.pager.lock();
        self.holder
            .store(context::current().addr(), Ordering::Relaxed);
        let done = work(&mut pager, &mut Pages { span: self.span });
        self.holder.store(0, Ordering::Relaxed);
        done
    }

    fn is_held_here(&self) -> bool {
        self.holder.load(Ordering::Relaxed) == context::current().addr()
    }
}

/// Asks a pager about a fault. Called as [`fault::resolve`].
pub(super) fn ask(number: u32, address: u64, access: Access) -> Resolution {
    let entry = PAGERS.lock().get(number as usize).cloned().flatten();
    let Some(entry) = entry else {
        // It was just unmapped: look again.
        return Resolution::Again;
    };
    if entry.is_held_here() {
        return Resolution::Not;
    }
    entry.with(|pager, pages| {
        let found = look(|core| core.space.lookup(VirtAddr(address)));
        let found = found.ok().flatten();
        let is_served = |found: &vspace::Found<Name>| {
            Kind::of(found.region.attributes.tag) == Kind::Paged(number)
        };
        let Some(found) = found.filter(is_served) else {
            return Resolution::Again;
        };
        let flags = found.page.map(|page| page.flags);
        if flags.is_some_and(|flags| fault::permits(flags, access)) {
            return Resolution::Again;
        }
        let page = address - address % BASE_PAGE_SIZE - pages.span.start;
        let asked = Fault {
            page,
            address: VirtAddr(address),
            access,
            flags,
        };
        let (frame, offset, flags) = match pager.fault(pages, &asked) {
            Answer::Page {
                frame,
                offset,
                flags,
            } => (frame, offset, flags),
            // If that is not true, it ends after some tries.
            Answer::Done => match pages.flags(page) {
                Some(flags) if fault::permits(flags, access) => return Resolution::Done,
                _ => return Resolution::Unhelped,
            },
            Answer::Refuse => return Resolution::Not,
        };
        let gone = match asked.flags {
            Some(_) => pages.unback(page, BASE_PAGE_SIZE),
            None => Ok(()),
        };
        let mapped = gone.and_then(|()| pages.map(page, BASE_PAGE_SIZE, frame, offset, flags));
        match mapped {
            Ok(()) if fault::permits(flags, access) => Resolution::Done,
            Ok(()) => Resolution::Unhelped,
            Err(error) => {
                fault::report(address, error);
                Resolution::Not
            }
        }
    })
}

/// A region that a pager serves.
pub struct Paged<P: Pager> {
    entry: Arc<Entry<P>>,
}

impl<P: Pager> core::fmt::Debug for Paged<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Paged")
            .field("span", &self.entry.span)
            .finish_non_exhaustive()
    }
}

/// Takes addresses for so many bytes (rounded up to pages) that a pager serves from now on.
///
/// # Errors
/// `LIB_ERR_OUT_OF_VIRTUAL_ADDR`, `LIB_ERR_VREGION_BAD_ALIGNMENT`.
pub fn paging_map_pager<P: Pager>(pager: P, bytes: u64) -> Result<Paged<P>, Error> {
    let bytes = span(VirtAddr(0), bytes)?.bytes();
    let mut pagers = PAGERS.lock();
    let free = pagers.iter().position(Option::is_none);
    let number = free.unwrap_or(pagers.len()) as u32;
    if number >= Kind::PAGERS {
        return Err(Error::new(ErrorCode::LibOutOfVirtualAddr));
    }
    let attributes = Kind::Paged(number).attributes(PageFlags::READ_WRITE);
    let place = Place::Anywhere(PageSize::Base);
    let span = step(|core| {
        let taken = core.space.reserve(place, bytes, attributes);
        taken.map_err(reserve_error)
    })?;
    let entry = Arc::new(Entry {
        span,
        number,
        holder: AtomicUsize::new(0),
        pager: Mutex::new(pager),
    });
    let served: Served = entry.clone();
    match pagers.get_mut(number as usize) {
        Some(place) => *place = Some(served),
        None => pagers.push(Some(served)),
    }
    Ok(Paged { entry })
}

impl<P: Pager> Paged<P> {
    /// The first address.
    pub fn address(&self) -> VirtAddr {
        VirtAddr(self.entry.span.start)
    }

    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.entry.span.bytes()
    }

    /// Uses the pager and its pages, while no fault is served. The region must not be touched meanwhile.
    pub fn with<T>(&self, work: impl FnOnce(&mut P, &mut Pages) -> T) -> T {
        self.entry.with(work)
    }

    /// Reads a word, which may fault. `None` outside of the region or when it is not aligned.
    pub fn load(&self, offset: usize) -> Option<u64> {
        self.view().load(offset)
    }

    /// Writes a word, which may fault. Answers whether it is in the region.
    pub fn store(&self, offset: usize, value: u64) -> bool {
        self.view().store(offset, value)
    }

    fn view(&self) -> Mapped {
        // SAFETY: the region stays while `self` does; `view` is for words only, which are volatile.
        unsafe { Mapped::new(self.address(), self.bytes() as usize) }
    }

    /// Makes the addresses free again; answers with the pager, whose frames are mapped there no more.
    ///
    /// # Safety
    /// Nothing refers to the memory any more.
    ///
    /// # Errors
    /// `LIB_ERR_PMAP_UNMAP` on top of the kernel's error; then the region stays without use.
    pub unsafe fn unmap(self) -> Result<P, Error> {
        let code = ErrorCode::LibPmapUnmap;
        self.with(|_, _| unmap_regions(self.address(), |_, _| Ok(())).push_err(code))?;
        if let Some(place) = PAGERS.lock().get_mut(self.entry.number as usize) {
            *place = None;
        }
        let mut entry = self.entry;
        loop {
            match Arc::try_unwrap(entry) {
                Ok(entry) => return Ok(entry.pager.into_inner()),
                // A thread that faulted just now looks whether it is still there.
                Err(shared) => entry = shared,
            }
            thread::yield_now();
        }
    }
}
