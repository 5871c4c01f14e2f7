//! The random operations: each is tried, and its outcome compared with what the model says.

use super::kernel::ROOT;
use super::world::{Failed, HUGE, LARGE, PAGE, WITHIN, World};
use super::{Memory, Space};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::rights::PageFlags;
use vspace::{Backing, Choice, Error, Hole, Item, PageSize, Place, Span, Why};

/// What the kernel would map.
fn valid(flags: PageFlags) -> bool {
    flags.0 & 1 != 0 && flags.0 & 6 != 6
}

impl World {
    pub fn reserve(&mut self) {
        let attributes = self.some_attributes();
        let bytes = self.some_bytes();
        let place = match self.random.once_in(2) {
            true => Place::At(VirtAddr(self.some_place())),
            false => Place::Anywhere(self.random.one_of(&PageSize::ALL).unwrap()),
        };
        let bad = !attributes.is_guard && !valid(attributes.flags);
        let span = match place {
            Place::At(start) => Span::new(start, bytes).unwrap(),
            Place::Anywhere(size) => {
                let start = self.model.gap(bytes, size).unwrap();
                Span::new(VirtAddr(start), bytes).unwrap()
            }
        };
        let free = self.model.taken.within(span).is_empty();
        let done = self.run("reserve", |space, _| {
            space.reserve(place, bytes, attributes).map_err(Error::from)
        });
        match done {
            Ok(found) => {
                assert!(free && !bad);
                assert_eq!(found, span);
                self.model.reserve(span, attributes);
            }
            Err(failed) => match failed.why.unwrap() {
                Why::Flags => assert!(bad),
                Why::NotFree => assert!(!free),
                why => panic!("{why:?}"),
            },
        }
    }

    pub fn map(&mut self) {
        let mut attributes = self.some_attributes();
        attributes.is_guard = false;
        let bytes = self.some_bytes();
        let choice = self.some_choice();
        let at = self.random.once_in(2).then(|| self.some_place());
        let backing = self.some_backing(at.unwrap_or(0), bytes);
        let physical = backing.address.0 + backing.offset;
        let start = at.unwrap_or_else(|| {
            let size = match choice {
                Choice::Exactly(size) => size,
                Choice::Auto => *PageSize::ALL
                    .iter()
                    .rev()
                    .find(|size| {
                        **size == PageSize::Base
                            || bytes >= size.bytes()
                                && physical.is_multiple_of(size.bytes())
                                && attributes.flags.0 & 8 == 0
                    })
                    .unwrap(),
            };
            self.model.gap(bytes, size).unwrap()
        });
        let span = Span::new(VirtAddr(start), bytes).unwrap();
        let free = self.model.taken.within(span).is_empty();
        let suits = self.suits(backing, bytes, &[attributes.flags]);
        let done = self.run("map", |space, kernel| {
            space.map(kernel, at.map(VirtAddr), bytes, backing, attributes, choice)
        });
        match done {
            Ok(found) => {
                assert!(free && suits);
                assert_eq!(found, span);
                self.model.reserve(span, attributes);
                self.back_model(span, backing, PageFlags::MASK);
            }
            Err(Failed {
                stopped: Some(stopped),
                ..
            }) => {
                assert_eq!(stopped.span, span);
                self.model.reserve(span, attributes);
                let mapped = Span {
                    end: stopped.at,
                    ..span
                };
                self.back_model(mapped, backing, PageFlags::MASK);
            }
            Err(Failed { why, .. }) => match why {
                Some(Why::Flags) => assert!(!valid(attributes.flags)),
                Some(Why::NotFree) => assert!(!free),
                Some(Why::PageSize) => assert_ne!(choice, Choice::Auto),
                Some(why) => panic!("{why:?}"),
                None => {}
            },
        }
    }

    pub fn back(&mut self) {
        let span = self.some_span();
        let backing = self.some_backing(span.start, span.bytes());
        let choice = self.some_choice();
        let limit = self
            .random
            .one_of(&[PageFlags::MASK, PageFlags::MASK, PageFlags::READ])
            .unwrap();
        let regions = self.model.taken.within(span);
        let flags = regions
            .iter()
            .map(|(_, taken)| taken.attributes.flags.0 & (limit.0 | 9));
        let flags: Vec<_> = flags.map(PageFlags).collect();
        let suits = self.suits(backing, span.bytes(), &flags);
        let reserved = self.model.is_reserved(span);
        let guard = self.model.has_guard(span);
        let backed = !self.model.backed.within(span).is_empty();
        let done = self.run("back", |space, kernel| {
            space.back(kernel, span, backing, limit, choice)
        });
        match done {
            Ok(()) => {
                assert!(reserved && !guard && !backed && suits);
                self.back_model(span, backing, limit);
            }
            Err(Failed {
                stopped: Some(stopped),
                ..
            }) => {
                assert_eq!(stopped.span, span);
                let mapped = Span {
                    end: stopped.at,
                    ..span
                };
                self.back_model(mapped, backing, limit);
            }
            Err(Failed { why, .. }) => match why {
                Some(Why::NotReserved) => assert!(!reserved),
                Some(Why::Guard) => assert!(guard),
                Some(Why::Backed) => assert!(backed),
                Some(Why::PageSize) => assert_ne!(choice, Choice::Auto),
                Some(why) => panic!("{why:?}"),
                None => {}
            },
        }
    }

    pub fn take_away(&mut self, whole: bool) {
        let span = self.some_span();
        let reserved = self.model.is_reserved(span);
        let name = if whole { "unmap" } else { "unback" };
        let done = self.run(name, |space, kernel| match whole {
            true => space.unmap(kernel, span),
            false => space.unback(kernel, span),
        });
        let at = match done {
            Ok(()) => {
                assert!(reserved);
                span.start
            }
            Err(Failed { why, stopped: None }) => {
                assert!(why.is_none_or(|why| why == Why::NotReserved && !reserved));
                return;
            }
            Err(Failed {
                stopped: Some(stopped),
                ..
            }) => {
                assert_eq!(stopped.span, span);
                let gone = Span {
                    start: stopped.at,
                    ..span
                };
                self.model.backed.remove(gone);
                self.lose(stopped.lost);
                stopped.at
            }
        };
        self.model.backed.remove(Span { start: at, ..span });
        if whole && at == span.start {
            self.model.remove(span);
        }
    }

    pub fn protect(&mut self) {
        let span = self.some_span();
        let flags = self.some_flags();
        let reserved = self.model.is_reserved(span);
        let guard = self.model.has_guard(span);
        let done = self.run("protect", |space, kernel| {
            space.protect(kernel, span, flags)
        });
        let at = match done {
            Ok(()) => {
                assert!(reserved && !guard && valid(flags));
                span.end
            }
            Err(Failed { why, stopped: None }) => {
                match why {
                    Some(Why::NotReserved) => assert!(!reserved),
                    Some(Why::Guard) => assert!(guard),
                    Some(Why::Flags) => assert!(!valid(flags)),
                    Some(Why::PageSize) => assert!(flags.contains(PageFlags::NOCACHE)),
                    Some(why) => panic!("{why:?}"),
                    None => {}
                }
                return;
            }
            Err(Failed {
                stopped: Some(stopped),
                ..
            }) => {
                self.lose(stopped.lost);
                stopped.at
            }
        };
        let changed = Span { end: at, ..span };
        if changed.bytes() > 0 {
            self.model
                .taken
                .change(changed, |taken| taken.attributes.flags = flags);
        }
    }

    pub fn guard(&mut self) {
        let span = self.some_span();
        let reserved = self.model.is_reserved(span);
        let backed = !self.model.backed.within(span).is_empty();
        let done = self.run("guard", |space, _| space.guard(span).map_err(Error::from));
        match done {
            Ok(()) => {
                assert!(reserved && !backed);
                self.model
                    .taken
                    .change(span, |taken| taken.attributes.is_guard = true);
            }
            Err(failed) => match failed.why.unwrap() {
                Why::NotReserved => assert!(!reserved),
                Why::Backed => assert!(backed),
                why => panic!("{why:?}"),
            },
        }
    }

    pub fn join(&mut self) {
        let span = self.some_span();
        match self.run("join", |space, kernel| space.join(kernel, span)) {
            Ok(saved) => self.tally.joined += saved as u64,
            Err(Failed { why, stopped }) => {
                assert_eq!(why, None);
                self.lose(stopped.and_then(|stopped| stopped.lost));
            }
        }
    }

    /// The books are written down and read into as little memory as they fit.
    pub fn copy_books(&mut self) {
        let counts = self.space.counts();
        let mut copy = Space::new(ROOT, WITHIN, Memory::with(counts.nodes()));
        for item in self.space.items() {
            let words = item.to_words();
            let read = Item::from_words(words).unwrap();
            assert_eq!(read, item);
            copy.add(read).unwrap();
            assert_ne!(copy.add(read), Ok(()));
        }
        assert_eq!(copy.counts(), counts);
        assert!(copy.items().eq(self.space.items()));
        copy.check().unwrap();
        self.space = copy;
    }

    /// Many single pages of one region, in order or not.
    pub fn touch(&mut self) {
        let near = self.some_place();
        let Some(region) = self.space.next_region(VirtAddr(near)) else {
            return;
        };
        let span = region.span;
        let pages = (span.bytes() / PAGE).min(64);
        let frame = self.frames[1];
        let backing = |at: u64| Backing {
            frame,
            offset: at % LARGE,
            address: PhysAddr(HUGE),
        };
        for page in 0..pages {
            let start = span.start + page * PAGE;
            let page = Span {
                start,
                end: start + PAGE,
            };
            if region.attributes.is_guard || self.model.backed.at(start).is_some() {
                continue;
            }
            let backing = backing(start);
            let done = self.run("touch", |space, kernel| {
                space.back(kernel, page, backing, PageFlags::MASK, Choice::Auto)
            });
            if let Ok(()) = done {
                self.back_model(page, backing, PageFlags::MASK);
            }
        }
    }

    /// What a page fault does, along a region: some pages ahead of a hole, found by one search.
    pub fn hole(&mut self) {
        let near = self.some_place();
        let Some(region) = self.space.next_region(VirtAddr(near)) else {
            return;
        };
        let (mut at, frame) = (region.span.start.max(near), self.frames[1]);
        for _ in 0..12 {
            let mut hole = Hole::new();
            let Some(found) = self.space.lookup_hole(VirtAddr(at), &mut hole) else {
                return;
            };
            assert_eq!(Some(found), self.space.lookup(VirtAddr(at)));
            let backing = Backing {
                frame,
                offset: at % LARGE / PAGE * PAGE,
                address: PhysAddr(HUGE),
            };
            if let Some(page) = found.page {
                at = page.run.end + self.random.below(2) * PAGE;
                continue;
            }
            let pages = hole.pages();
            let ahead = hole.ahead(16 * PAGE);
            self.check_hole(at, pages, ahead, found.region.attributes.is_guard);
            let bytes = match self.random.below(8) {
                0 => pages.bytes() + PAGE,
                1 => 0,
                2 => pages.bytes().min(LARGE - backing.offset),
                _ => ahead.bytes(),
            };
            let done = self.run("hole", |space, kernel| {
                let mut hole = Hole::new();
                space.lookup_hole(VirtAddr(at), &mut hole);
                space.back_hole(kernel, &mut hole, bytes, backing)
            });
            match done.map_err(|failed| failed.why) {
                Ok(()) => {
                    assert!(bytes > 0 && bytes <= pages.bytes());
                    let filled = Span {
                        start: pages.start,
                        end: pages.start + bytes,
                    };
                    self.back_model(filled, backing, PageFlags::MASK);
                }
                Err(Some(Why::Range)) => assert_eq!(bytes, 0),
                Err(Some(Why::Backed)) => assert!(bytes > pages.bytes()),
                Err(Some(why)) => panic!("{why:?}"),
                Err(None) => {}
            }
            at = pages.start + bytes.max(PAGE);
        }
    }

    fn check_hole(&self, at: u64, pages: Span, ahead: Span, is_guard: bool) {
        assert_eq!(pages.start, at / PAGE * PAGE);
        assert!(is_guard == (pages.bytes() == 0));
        if is_guard {
            return;
        }
        assert!(self.model.is_reserved(pages) && !self.model.has_guard(pages));
        assert!(self.model.backed.within(pages).is_empty());
        let bytes = ahead.bytes();
        assert_eq!(ahead.start, pages.start);
        assert!(bytes.is_power_of_two() && bytes <= 16 * PAGE && ahead.end <= pages.end);
        assert!(bytes == PAGE || pages.start.is_multiple_of(bytes));
        // As much was there before.
        let before = Span {
            start: pages.start.saturating_sub(bytes / 2),
            end: pages.start,
        };
        let there = self.model.backed.within(before);
        let there: u64 = there.iter().map(|(span, _)| span.bytes()).sum();
        assert!(bytes == PAGE || there == before.bytes());
    }

    pub fn look(&mut self) {
        let span = self.some_span();
        let edges = [span.start, span.start + PAGE, span.end - 1, span.end];
        for address in edges.into_iter().chain([self.some_place()]) {
            if address >= WITHIN.end {
                continue;
            }
            let found = self.space.lookup(VirtAddr(address));
            let taken = self.model.taken.at(address);
            assert_eq!(
                found.map(|found| found.region.attributes),
                taken.map(|taken| taken.attributes)
            );
            let page = found.and_then(|found| found.page);
            let backed = self.model.backed.at(address / PAGE * PAGE);
            assert_eq!(
                page.map(|page| (page.frame, page.offset)),
                backed.map(|backed| (backed.frame, backed.offset))
            );
            let walked = self.kernel.walk(address);
            assert_eq!(
                walked.map(|(_, flags)| flags),
                page.map(|page| page.flags.0)
            );
            let extent = self.space.extent(VirtAddr(address));
            assert_eq!(extent, self.model.extent(address));
        }
    }

    /// One of them.
    pub fn step(&mut self) {
        match self.random.below(100) {
            0..8 => self.reserve(),
            8..28 => self.map(),
            28..44 => self.back(),
            44..56 => self.take_away(false),
            56..68 => self.take_away(true),
            68..84 => self.protect(),
            84..88 => self.guard(),
            88..92 => self.join(),
            92..93 => self.touch(),
            93..94 => self.hole(),
            94..95 => self.copy_books(),
            _ => self.look(),
        }
        // Much memory in pages makes every look at it slow.
        let counts = self.space.counts();
        if counts.runs > 150 || counts.parts > 150 || counts.tables > 60 {
            self.empty();
        }
    }
}
