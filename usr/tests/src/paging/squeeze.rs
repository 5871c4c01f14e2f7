//! A user pager that compresses cold pages: an example.
//!
//! [`pagers::squeeze`] decides; here is what it does with: a frame for the slots, mapped twice. The *window* is the pager's own mapping of all
//! slots, where it compresses and restores; the pages of the region are mapped to the slots that they are in.

use super::{plus, read, write};
use crate::harness::{Outcome, equal, that};
use aos::Error;
use aos::cap::CapRef;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::paging::pager::{Answer, Fault, Pager, Pages, paging_map_pager};
use aos::ram::{frame_alloc, mm_free, mm_usage};
use pagers::PAGE;
use pagers::squeeze::{Frames, Squeezer};

/// The pager.
struct Squeeze {
    engine: Squeezer,
    frame: CapRef,
    window: MappedFrame,
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
        let slots = self.window.view_mut().bytes_mut();
        #[expect(
            clippy::indexing_slicing,
            reason = "the engine was told how many there are"
        )]
        &mut slots.as_chunks_mut::<PAGE>().0[slot]
    }

    fn take(&mut self, page: usize) -> Result<(), Error> {
        self.pages.unback((page * PAGE) as u64, BASE_PAGE_SIZE)
    }
}

impl Pager for Squeeze {
    fn fault(&mut self, pages: &mut Pages, fault: &Fault) -> Answer {
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

const PAGES: u64 = 256;
const SLOTS: u64 = 24;

pub(super) fn test() -> Outcome {
    let frame = frame_alloc(SLOTS * BASE_PAGE_SIZE)?;
    let pager = Squeeze {
        engine: Squeezer::new(PAGES as usize, SLOTS as usize),
        frame,
        window: MappedFrame::new(frame, PageFlags::READ_WRITE)?,
    };
    let before = mm_usage().free;
    let region = paging_map_pager(pager, PAGES * BASE_PAGE_SIZE)?;
    let at = |page, word| plus(region.address(), page * BASE_PAGE_SIZE + word * 8);
    // 1 MiB of words that repeat.
    for page in 0..PAGES {
        for word in 0..BASE_PAGE_SIZE / 8 {
            write(at(page, word), page * 1000 + word % 7);
        }
    }
    for page in (0..PAGES).rev() {
        for word in (0..BASE_PAGE_SIZE / 8).step_by(61) {
            equal(read(at(page, word)), page * 1000 + word % 7)?;
        }
    }
    let (statistics, packed) =
        region.with(|pager, _| (pager.engine.statistics(), pager.engine.packed_bytes()));
    that(statistics.packed >= PAGES - SLOTS, "most were compressed")?;
    that(statistics.restored >= PAGES - SLOTS, "and restored")?;
    that(packed < 64 << 10, "1 MiB in less than 64 KiB")?;
    let used = before.saturating_sub(mm_usage().free);
    that(used < 256 << 10, "all in all less than a quarter")?;
    // SAFETY: no references.
    let pager = unsafe { region.unmap() }?;
    pager.window.unmap()?;
    mm_free(frame)?;
    Ok(())
}
