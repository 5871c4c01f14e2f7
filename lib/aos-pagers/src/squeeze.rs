//! The pager that compresses cold pages.
//!
//! [`pagers::squeeze`] decides; here is what it does that with: a frame for the slots, mapped twice. The *window* is the pager's own mapping of all
//! slots, where it compresses and restores; the pages of the region are mapped to the slots that they are in.

use aos::Error;
use aos::cap::CapRef;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::paging::pager::{Answer, Fault, Pager, Pages};
use aos::ram::{frame_alloc, mm_free};
use pagers::PAGE;
use pagers::squeeze::{Frames, Squeezer, Statistics};

/// A region of any size on a fixed number of pages; the others lie compressed on the heap.
#[derive(Debug)]
pub struct Squeeze {
    engine: Squeezer,
    frame: CapRef,
    window: MappedFrame,
    faults: u64,
}

// ANCHOR: squeeze
/// What the engine works on.
struct Slots<'a> {
    window: &'a mut MappedFrame,
    pages: &'a mut Pages,
}

impl Frames for Slots<'_> {
    type Error = Error;

    fn slot(&mut self, slot: usize) -> &mut [u8; PAGE] {
        #[expect(
            unsafe_code,
            reason = "the frame is mapped twice: only this says that one of the two is not in use"
        )]
        // SAFETY: nobody else has the frame, and the engine asks only for slots whose page it has taken away, or not yet given.
        let content = unsafe { self.window.view_mut().part_mut(slot * PAGE, PAGE) };
        #[expect(
            clippy::indexing_slicing,
            reason = "the engine was told how many there are"
        )]
        &mut content.unwrap_or_default().as_chunks_mut::<PAGE>().0[0]
    }

    fn take(&mut self, page: usize) -> Result<(), Error> {
        self.pages.unback((page * PAGE) as u64, BASE_PAGE_SIZE)
    }
}

impl Pager for Squeeze {
    fn fault(&mut self, pages: &mut Pages, fault: &Fault) -> Answer {
        self.faults += 1;
        let mut slots = Slots {
            window: &mut self.window,
            pages,
        };
        let page = fault.page as usize / PAGE;
        match self.engine.fault(page, &mut slots) {
            Ok(Some(slot)) => Answer::Page {
                frame: self.frame,
                offset: (slot * PAGE) as u64,
                flags: PageFlags::READ_WRITE,
            },
            _ => Answer::Refuse,
        }
    }
}
// ANCHOR_END: squeeze

impl Squeeze {
    /// For a region of so many pages, all zero, with room for `slots` of them at a time.
    ///
    /// # Errors
    /// Why memory for the slots could not be had or mapped.
    pub fn new(pages: usize, slots: usize) -> Result<Self, Error> {
        let frame = frame_alloc(slots as u64 * BASE_PAGE_SIZE)?;
        match MappedFrame::new(frame, PageFlags::READ_WRITE) {
            Ok(window) => Ok(Self {
                engine: Squeezer::new(pages, slots),
                frame,
                window,
                faults: 0,
            }),
            Err(error) => {
                // The first error counts.
                let _ = mm_free(frame);
                Err(error)
            }
        }
    }

    /// What was done so far.
    pub const fn statistics(&self) -> Statistics {
        self.engine.statistics()
    }

    /// Faults that were served.
    pub const fn faults(&self) -> u64 {
        self.faults
    }

    /// Bytes that compressed pages take.
    pub const fn packed_bytes(&self) -> usize {
        self.engine.packed_bytes()
    }

    /// Gives the memory back, when the region is gone.
    ///
    /// # Errors
    /// The kernel's; then some of it stays in use.
    pub fn free(self) -> Result<(), Error> {
        self.window.unmap()?;
        mm_free(self.frame)
    }
}
