//! User pagers: what they are asked, what they may do, and the two examples.

use super::{SUITE, balanced, plus, read, write};
use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use crate::world::World;
use alloc::sync::Arc;
use alloc::vec::Vec;
use aos::Error;
use aos::cap::CapRef;
use aos::error::ErrorCode;
use aos::initproto::Message;
use aos::kpi::layout::BASE_PAGE_SIZE as PAGE;
use aos::kpi::rights::PageFlags;
use aos::paging::pager::{Access, Answer, Fault, Paged, Pager, Pages, paging_map_pager};
use aos::paging::{Kind, paging_lookup, paging_protect, paging_unmap, paging_unmap_part};
use aos::ram::{frame_alloc, mm_free};
use aos::sync::Mutex;
use aos::thread;
use core::mem::take;

pub(super) fn run(harness: &mut Harness, world: &World) {
    let mut test = |name, work: fn() -> Outcome| harness.test(SUITE, name, work);
    test("a pager is asked", || balanced(asked));
    test("a pager takes pages away", || balanced(taken));
    test("a pager waits for another thread", || balanced(waiting));
    test("threads fault in one region", || balanced(together));
    test("a page that comes and goes again and again", || {
        balanced(again_and_again)
    });
    test("a pager's region is changed by its pager only", || {
        balanced(refusals)
    });
    test("cold pages are compressed", || {
        balanced(super::squeeze::test)
    });
    test("accesses are counted", || balanced(super::count::test));
    test("protect, trap, unprotect", || balanced(super::count::traps));
    for part in ["paging-refused", "paging-itself", "paging-reserved"] {
        harness.test(SUITE, part, || ends(world, part));
    }
}

/// Serves pages of a frame, and notes what it is asked.
struct Plain {
    frame: CapRef,
    flags: PageFlags,
    asked: Vec<(u64, Access, Option<PageFlags>)>,
}

impl Plain {
    fn new(pages: u64, flags: PageFlags) -> Result<Paged<Self>, Error> {
        let pager = Self {
            frame: frame_alloc(pages * PAGE)?,
            flags,
            asked: Vec::new(),
        };
        paging_map_pager(pager, pages * PAGE)
    }

    fn end(region: Paged<Self>) -> Outcome {
        // SAFETY: the tests keep no references to what they map.
        let pager = unsafe { region.unmap() }?;
        mm_free(pager.frame)?;
        Ok(())
    }
}

impl Pager for Plain {
    fn fault(&mut self, _pages: &mut Pages, fault: &Fault) -> Answer {
        self.asked
            .push((fault.page / PAGE, fault.access, fault.flags));
        let flags = match fault.access {
            Access::Write => PageFlags::READ_WRITE,
            _ => self.flags,
        };
        Answer::Page {
            frame: self.frame,
            offset: fault.page,
            flags,
        }
    }
}

fn asked() -> Outcome {
    let region = Plain::new(8, PageFlags::READ)?;
    let at = |page| plus(region.address(), page * PAGE);
    equal(read(at(3)), 0)?;
    equal(read(plus(at(3), 8)), 0)?;
    write(at(3), 5);
    write(at(4), 6);
    equal((read(at(3)), read(at(4))), (5, 6))?;
    let (read_only, both) = (PageFlags::READ, PageFlags::READ_WRITE);
    let asked = region.with(|pager, _| take(&mut pager.asked));
    let expected = [
        (3, Access::Read, None),
        (3, Access::Write, Some(read_only)),
        (4, Access::Write, None),
    ];
    equal(asked.as_slice(), &expected)?;
    let found = paging_lookup(at(3));
    that(
        found.is_some_and(|found| matches!(found.kind, Kind::Paged(_))),
        "a pager's",
    )?;
    equal(
        region.with(|_, pages| (pages.flags(3 * PAGE), pages.flags(0))),
        (Some(both), None),
    )?;
    // By words, and not beyond the end.
    that(region.store(5 * PAGE as usize, 7), "stored")?;
    equal(region.load(5 * PAGE as usize), Some(7))?;
    equal(region.load(8 * PAGE as usize), None)?;
    Plain::end(region)
}

fn taken() -> Outcome {
    let region = Plain::new(16, PageFlags::READ_WRITE)?;
    for page in 0..16 {
        write(plus(region.address(), page * PAGE), page);
    }
    region.with(|pager, pages| {
        pager.asked.clear();
        pages.unback(2 * PAGE, 5 * PAGE)?;
        // Those that are away already do no harm.
        pages.unback(0, 4 * PAGE)?;
        pages.protect(8 * PAGE, PAGE, PageFlags::READ)?;
        // Several at once.
        pages.map(2 * PAGE, 2 * PAGE, pager.frame, 2 * PAGE, PageFlags::READ)
    })?;
    for page in 0..16 {
        equal(read(plus(region.address(), page * PAGE)), page)?;
    }
    write(plus(region.address(), 8 * PAGE), 88);
    let asked = region.with(|pager, _| take(&mut pager.asked));
    let pages: Vec<u64> = asked.iter().map(|asked| asked.0).collect();
    equal(pages.as_slice(), &[0, 1, 4, 5, 6, 8])?;
    // One by one they take a Mapping each.
    let saved = region.with(|_, pages| pages.join(0, 16 * PAGE))?;
    that(saved > 8, "joined")?;
    equal(read(plus(region.address(), 8 * PAGE)), 88)?;
    refused(
        region.with(|pager, pages| pages.map(0, PAGE, pager.frame, 0, PageFlags::READ)),
        ErrorCode::LibPmapAddrNotFree,
    )?;
    for (at, bytes) in [(8, PAGE), (16 * PAGE, PAGE), (15 * PAGE, 2 * PAGE), (0, 0)] {
        let unback = region.with(|_, pages| pages.unback(at, bytes));
        refused(unback, ErrorCode::LibVregionBadAlignment)?;
    }
    Plain::end(region)
}

/// Asks a thread.
struct Asks {
    frame: CapRef,
    question: Arc<(Mutex<Option<u64>>, aos::sync::Condvar)>,
}

impl Pager for Asks {
    fn fault(&mut self, pages: &mut Pages, fault: &Fault) -> Answer {
        let (question, changed) = &*self.question;
        let mut question = question.lock();
        *question = Some(fault.page);
        changed.notify_all();
        changed.wait_while(&mut question, |question| question.is_some());
        let mapped = pages.map(fault.page, PAGE, self.frame, 0, PageFlags::READ_WRITE);
        match mapped {
            Ok(()) => Answer::Done,
            Err(_) => Answer::Refuse,
        }
    }
}

fn waiting() -> Outcome {
    let question = Arc::default();
    let pager = Asks {
        frame: frame_alloc(PAGE)?,
        question: Arc::clone(&question),
    };
    let region = paging_map_pager(pager, 4 * PAGE)?;
    let server = thread::spawn("pager", move || {
        let (question, changed) = &*question;
        let mut answered = 0;
        while answered < 4 {
            let mut question = question.lock();
            changed.wait_while(&mut question, |question| question.is_none());
            *question = None;
            answered += 1;
            changed.notify_all();
        }
    })?;
    // One page of memory behind all four.
    write(region.address(), 11);
    for page in 0..4 {
        equal(read(plus(region.address(), page * PAGE)), 11)?;
    }
    server.join()?;
    // SAFETY: no references.
    let pager = unsafe { region.unmap() }?;
    mm_free(pager.frame)?;
    Ok(())
}

fn together() -> Outcome {
    let region = Arc::new(Plain::new(64, PageFlags::READ_WRITE)?);
    let threads: Result<Vec<_>, Error> = (0..8u64)
        .map(|number| {
            let region = region.clone();
            thread::spawn("faulting", move || {
                let mut random = random::Random::new(77 + number);
                for round in 0..200u64 {
                    let page = random.below(64);
                    let word = (page * PAGE + 8 * number) as usize;
                    let before = region.load(word).unwrap_or(0);
                    if !region.store(word, before + 1) {
                        return 0;
                    }
                    match round % 32 {
                        3 => region
                            .with(|_, pages| pages.unback(page * PAGE, PAGE))
                            .is_ok(),
                        9 => region
                            .with(|_, pages| pages.protect(page * PAGE, PAGE, PageFlags::READ))
                            .is_ok(),
                        _ => true,
                    };
                    if round % 8 == 0 {
                        thread::yield_now();
                    }
                }
                let word = |page: u64| (page * PAGE + 8 * number) as usize;
                (0..64).filter_map(|page| region.load(word(page))).sum()
            })
        })
        .collect();
    for thread in threads? {
        equal(thread.join()?, 200)?;
    }
    match Arc::try_unwrap(region) {
        Ok(region) => Plain::end(region),
        Err(_) => that(false, "all threads have ended"),
    }
}

/// A thread finds a page there each time that it has waited for the pager, far oftener than a fault is tried again in a row.
fn again_and_again() -> Outcome {
    const ROUNDS: u64 = 200;
    let region = Arc::new(Plain::new(1, PageFlags::READ_WRITE)?);
    region.store(0, 0);
    let theirs = region.clone();
    let reader = thread::spawn("reader", move || {
        while theirs.load(0) != Some(ROUNDS) {
            thread::yield_now();
        }
    })?;
    for round in 1..=ROUNDS {
        region.with(|pager, pages| -> Result<(), Error> {
            pages.unback(0, PAGE)?;
            // It touches the page, and waits.
            thread::yield_now();
            thread::yield_now();
            pages.map(0, PAGE, pager.frame, 0, PageFlags::READ_WRITE)
        })?;
        region.store(0, round);
        thread::yield_now();
    }
    reader.join()?;
    match Arc::try_unwrap(region) {
        Ok(region) => Plain::end(region),
        Err(_) => that(false, "the reader has ended"),
    }
}

fn refusals() -> Outcome {
    let region = Plain::new(4, PageFlags::READ)?;
    let address = region.address();
    read(address);
    let other = ErrorCode::LibPmapOtherKind;
    refused(paging_protect(address, PAGE, PageFlags::READ), other)?;
    // SAFETY: refused.
    refused(unsafe { paging_unmap(address) }, other)?;
    // SAFETY: refused.
    refused(unsafe { paging_unmap_part(address, PAGE) }, other)?;
    let both = PageFlags(7);
    refused(
        region.with(|_, pages| pages.protect(0, PAGE, both)),
        ErrorCode::LibPmapModifyFlags,
    )?;
    Plain::end(region)?;
    equal(paging_lookup(address), None)
}

fn ends(world: &World, part: &'static str) -> Outcome {
    let cap = frame_alloc(PAGE)?;
    let child = world.child(part, Some(cap))?;
    child.domain.start()?;
    let message = child.wait();
    child.domain.destroy()?;
    mm_free(cap)?;
    match message {
        Some(Message::Fault(fault)) => equal(fault.name(), "read"),
        other => Err(Failure::new("a fault", alloc::format!("{other:?}"))),
    }
}

/// Refuses, or touches its own region.
struct Bad {
    touches: bool,
}

impl Pager for Bad {
    fn fault(&mut self, pages: &mut Pages, _fault: &Fault) -> Answer {
        if self.touches {
            crate::parts::load(pages.address().0 + PAGE);
        }
        Answer::Refuse
    }
}

pub(super) fn refused_part() -> Result<(), Error> {
    let region = paging_map_pager(Bad { touches: false }, 2 * PAGE)?;
    crate::parts::load(region.address().0);
    Ok(())
}

pub(super) fn itself_part() -> Result<(), Error> {
    let region = paging_map_pager(Bad { touches: true }, 2 * PAGE)?;
    crate::parts::load(region.address().0);
    Ok(())
}
