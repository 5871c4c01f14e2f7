//! The pager that counts accesses, after Appel and Li.

use aos::Error;
use aos::cap::CapRef;
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::kpi::rights::PageFlags;
use aos::paging::pager::{Access, Answer, Fault, Pager, Pages};
use aos::ram::{frame_alloc, mm_free};
use pagers::count::{Count, Counter};

/// A region of which a few pages are open at a time: using another is a fault, which is counted.
#[derive(Debug)]
pub struct Counted {
    counter: Counter,
    frame: CapRef,
}

// ANCHOR: count
impl Pager for Counted {
    fn fault(&mut self, pages: &mut Pages, fault: &Fault) -> Answer {
        let is_write = fault.access == Access::Write;
        let page = (fault.page / PAGE) as usize;
        let Some(decision) = self.counter.fault(page, is_write) else {
            return Answer::Refuse;
        };
        if let Some(closed) = decision.close
            && pages.unback(closed as u64 * PAGE, PAGE).is_err()
        {
            return Answer::Refuse;
        }
        Answer::Page {
            frame: self.frame,
            offset: fault.page,
            flags: match decision.write {
                true => PageFlags::READ_WRITE,
                false => PageFlags::READ,
            },
        }
    }
}
// ANCHOR_END: count

impl Counted {
    /// For a region of so many pages, of which at most `most` are open at a time.
    ///
    /// # Errors
    /// Why memory could not be had.
    pub fn new(pages: usize, most: usize) -> Result<Self, Error> {
        Ok(Self {
            counter: Counter::new(pages, most),
            frame: frame_alloc(pages as u64 * PAGE)?,
        })
    }

    /// The counts, by page.
    pub fn counts(&self) -> &[Count] {
        self.counter.counts()
    }

    /// Closes all pages, so that the next access to each is counted.
    ///
    /// # Errors
    /// The kernel's.
    pub fn close_all(&mut self, pages: &mut Pages) -> Result<(), Error> {
        self.counter
            .close_all()
            .try_for_each(|page| pages.unback(page as u64 * PAGE, PAGE))
    }

    /// Gives the memory back, when the region is gone.
    ///
    /// # Errors
    /// The kernel's; then it stays in use.
    pub fn free(self) -> Result<(), Error> {
        mm_free(self.frame)
    }
}
