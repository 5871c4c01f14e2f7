//! Random operations on a space over a simulated kernel, compared with a simple model after each; any call of the environment may
//! fail, and nodes are always scarce.
//!
//! How many: 30,000 steps, 10^6 with `BARRELEYE_LONG` (`./hake.sh test --long`). A failure tells its seed; `BARRELEYE_SEED=N` begins with
//! that one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod support;

use kpi::addr::{PhysAddr, VirtAddr};
use kpi::rights::{CapRights, PageFlags};
use std::collections::HashMap;
use std::time::SystemTime;
use support::kernel::{Faults, Kernel, ROOT, Refusal};
use support::model::{Backed, Model};
use support::random::Random;
use support::{Cap, Memory, Space};
use vspace::{
    Attributes, Backing, Cause, Choice, Error, Item, PageSize, Place, Span, Stopped, Why,
};

const PAGE: u64 = 4096;
const LARGE: u64 = 2 << 20;
const HUGE: u64 = 1 << 30;

/// Where things happen: beside the ends of tables of all levels.
const AREAS: [u64; 5] = [
    1 << 22,
    HUGE - 4 * LARGE,
    5 * HUGE,
    512 * HUGE - 2 * HUGE,
    (1 << 48) - 8 * HUGE,
];

const WITHIN: Span = Span {
    start: PAGE,
    end: 1 << 48,
};

#[derive(Debug, Default)]
struct Tally {
    done: HashMap<&'static str, u64>,
    refused: HashMap<&'static str, u64>,
    stopped: HashMap<&'static str, u64>,
    lost: u64,
    joined: u64,
}

struct World {
    space: Space,
    kernel: Kernel,
    model: Model,
    random: Random,
    frames: Vec<Cap>,
    /// Bytes of each frame in use, from what was mapped and what the kernel was told.
    in_use: HashMap<Cap, u64>,
    tally: Tally,
}

/// What a failed operation left.
struct Failed {
    why: Option<Why>,
    stopped: Option<Stopped>,
}

type Outcome<T> = Result<T, Failed>;

impl World {
    fn new(seed: u64) -> Self {
        let mut kernel = Kernel::new();
        let all = CapRights::ALL;
        let read = CapRights::READ.union(CapRights::EXECUTE);
        let frames = vec![
            kernel.frame(4 * HUGE, 4 * HUGE, all),
            kernel.frame(HUGE, 64 * LARGE, all),
            kernel.frame(HUGE + 7 * PAGE, 8 * LARGE, all),
            kernel.frame(2 * HUGE, 16 * LARGE, read),
            kernel.frame(3 * HUGE, PAGE, all),
            kernel.frame(3 * HUGE + PAGE, 16 * PAGE, all),
        ];
        Self {
            space: Space::new(ROOT, WITHIN, Memory::default()),
            kernel,
            model: Model::new(WITHIN),
            random: Random(seed),
            frames,
            in_use: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Runs an operation; gives it the nodes that it asks for.
    fn run<T>(
        &mut self,
        name: &'static str,
        mut operation: impl FnMut(&mut Space, &mut Kernel) -> Result<T, Error<Refusal>>,
    ) -> Outcome<T> {
        self.kernel.prepared = None;
        self.kernel.faults = None;
        self.kernel.hostile = self.random.one_in(2);
        if self.random.one_in(4) {
            let then = self.random.of(&[0, 0, 1, 2, 4]);
            self.kernel.faults = Some(Faults {
                after: self.random.below(6),
                then,
                random: self.random.clone(),
            });
        }
        let mut asked = 0;
        let result = loop {
            let free = self.space.free_nodes();
            let result = operation(&mut self.space, &mut self.kernel);
            let Err(Error {
                cause: Cause::Space(Why::Nodes(nodes)),
                stopped,
            }) = result
            else {
                break result;
            };
            assert!(stopped.is_none(), "{name}: stopped for want of nodes");
            assert!(nodes > free, "{name}: {nodes} nodes were free");
            asked += 1;
            assert!(asked <= 2, "{name}: asks for nodes again");
            self.space.store().grow(nodes - free);
        };
        self.kernel.faults = None;
        if !self.kernel.stuck {
            self.space
                .check()
                .unwrap_or_else(|what| panic!("{name}: {what}"));
        }
        match result {
            Ok(done) => {
                *self.tally.done.entry(name).or_default() += 1;
                Ok(done)
            }
            Err(Error { cause, stopped }) => {
                *self.tally.refused.entry(name).or_default() += 1;
                if let Some(stopped) = stopped {
                    *self.tally.stopped.entry(name).or_default() += 1;
                    if stopped.lost.is_some() {
                        self.tally.lost += 1;
                        assert!(self.kernel.hostile, "{name}: lost what was prepared for");
                    }
                }
                let why = match cause {
                    Cause::Space(why) => Some(why),
                    Cause::Environment(_) => None,
                };
                Err(Failed { why, stopped })
            }
        }
    }

    /// Takes out of the model what got lost.
    fn lose(&mut self, lost: Option<Span>) {
        let Some(lost) = lost else { return };
        let mut found = 0;
        for (span, backed) in self.model.backed.within(lost) {
            let mut at = span.start;
            while at < span.end {
                if self.kernel.walk(at).is_none() {
                    let page = Span {
                        start: at,
                        end: at + PAGE,
                    };
                    self.model.backed.remove(page);
                    let _ = backed;
                    found += 1;
                }
                at += PAGE;
            }
        }
        assert!(found > 0, "nothing was lost");
    }

    fn back_model(&mut self, span: Span, backing: Backing<Cap>, limit: PageFlags) {
        let backed = Backed {
            frame: backing.frame,
            offset: backing.offset,
            limit: limit.0,
        };
        if span.bytes() > 0 {
            self.model.backed.insert(span, backed);
            *self.in_use.entry(backing.frame).or_default() += span.bytes();
        }
    }

    fn some_bytes(&mut self) -> u64 {
        match self.random.below(40) {
            0 => HUGE + self.random.below(3) * LARGE,
            1..4 => (1 + self.random.below(4)) * LARGE,
            4..6 => LARGE + self.random.below(1024) * PAGE,
            6..12 => (1 + self.random.below(600)) * PAGE,
            _ => (1 + self.random.below(12)) * PAGE,
        }
    }

    fn some_place(&mut self) -> u64 {
        let area = self.random.of(&AREAS);
        match self.random.below(4) {
            0 => area + self.random.below(8) * HUGE / 4,
            1 => area + self.random.below(8) * LARGE,
            _ => area + self.random.below(8) * LARGE + self.random.below(16) * PAGE,
        }
    }

    /// Some addresses, mostly of a region.
    fn some_span(&mut self) -> Span {
        let near = self.some_place();
        let region = self
            .space
            .next_region(VirtAddr(near))
            .map(|region| region.span);
        let (Some(region), false) = (region, self.random.one_in(12)) else {
            let bytes = self.some_bytes();
            return Span {
                start: near,
                end: near + bytes,
            };
        };
        let pages = region.bytes() / PAGE;
        let mut span = match self.random.below(6) {
            0 => region,
            1 => self.model.extent(region.start).unwrap(),
            2 => Span {
                end: region.end + self.random.below(4) * PAGE,
                start: region.start + self.random.below(pages) * PAGE,
            },
            3 => {
                let start = region.start + self.random.below(pages.min(600)) * PAGE;
                let end = (start + PAGE).next_multiple_of(LARGE);
                Span { start, end }
            }
            _ => {
                let start = region.start + self.random.below(pages) * PAGE;
                let end = start + self.some_bytes();
                Span { start, end }
            }
        };
        if span.end > region.end && !self.random.one_in(8) {
            span.end = region.end.max(span.start + PAGE);
        }
        span.end = span.end.min(WITHIN.end);
        span
    }

    fn some_flags(&mut self) -> PageFlags {
        let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE);
        let all = [
            PageFlags::READ,
            PageFlags::READ_WRITE,
            PageFlags::READ_EXECUTE,
        ];
        match self.random.below(60) {
            0 => PageFlags(7),
            1 => PageFlags::WRITE,
            2..8 => uncached,
            _ => self.random.of(&all),
        }
    }

    fn some_attributes(&mut self) -> Attributes {
        Attributes {
            flags: self.some_flags(),
            is_guard: self.random.one_in(10),
            tag: self.random.below(3) as u32,
        }
    }

    /// Memory for so many bytes at an address; pages of a frame whose place does not suit blocks only for few.
    fn some_backing(&mut self, at: u64, bytes: u64) -> Backing<Cap> {
        let frame = if bytes > 6 * LARGE {
            self.frames[0]
        } else {
            let at = self.random.below(self.frames.len() as u64);
            self.frames[at as usize]
        };
        let size = self.kernel.frames[&frame].bytes;
        let room = size.saturating_sub(bytes);
        let offset = match self.random.below(8) {
            0 if bytes <= 6 * LARGE => self.random.below(room / PAGE + 2) * PAGE,
            1 if room > 0 => self.random.below(room / LARGE + 1) * LARGE,
            _ => (at % HUGE).min(room) / PAGE * PAGE,
        };
        let offset = if bytes > 6 * LARGE { at % HUGE } else { offset };
        Backing {
            frame,
            offset,
            address: PhysAddr(self.kernel.frames[&frame].base),
        }
    }

    fn some_choice(&mut self) -> Choice {
        match self.random.below(8) {
            0 => Choice::Exactly(PageSize::Large),
            1 => Choice::Exactly(PageSize::Huge),
            _ => Choice::Auto,
        }
    }

    /// Whether the frame lets itself be mapped like this.
    fn suits(&self, backing: Backing<Cap>, bytes: u64, flags: &[PageFlags]) -> bool {
        let frame = &self.kernel.frames[&backing.frame];
        let permitted = |flags: &PageFlags| frame.rights.contains(CapRights((flags.0 & 7) as u8));
        backing.offset + bytes <= frame.bytes && flags.iter().all(permitted)
    }

    fn reserve(&mut self) {
        let attributes = self.some_attributes();
        let bytes = self.some_bytes();
        let place = match self.random.one_in(2) {
            true => Place::At(VirtAddr(self.some_place())),
            false => Place::Anywhere(self.random.of(&PageSize::ALL)),
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

    fn map(&mut self) {
        let mut attributes = self.some_attributes();
        attributes.is_guard = false;
        let bytes = self.some_bytes();
        let choice = self.some_choice();
        let at = self.random.one_in(2).then(|| self.some_place());
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

    fn back(&mut self) {
        let span = self.some_span();
        let backing = self.some_backing(span.start, span.bytes());
        let choice = self.some_choice();
        let limit = self
            .random
            .of(&[PageFlags::MASK, PageFlags::MASK, PageFlags::READ]);
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

    fn take_away(&mut self, whole: bool) {
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

    fn protect(&mut self) {
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

    fn guard(&mut self) {
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

    fn join(&mut self) {
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
    fn copy_books(&mut self) {
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
    fn touch(&mut self) {
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

    fn look(&mut self) {
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

    /// Compares everything.
    fn compare(&mut self) {
        let (real, model) = (self.kernel.leaves(), self.model.leaves(&self.kernel.frames));
        assert_eq!(real, model);
        for (frame, bytes) in std::mem::take(&mut self.kernel.released) {
            let left = self.in_use.get_mut(&frame).expect("a frame in use");
            *left = left.checked_sub(bytes).expect("bytes in use");
        }
        let mut in_use = self.in_use.clone();
        in_use.retain(|_, bytes| *bytes > 0);
        assert_eq!(in_use, self.model.in_use());
        let counts = self.space.counts();
        assert_eq!(self.kernel.counts(), (counts.tables, counts.mappings()));
        let parts: Vec<_> = self.space.items().collect();
        let mut at = 0;
        for item in parts {
            let Item::Region(region) = item else { break };
            for (_, taken) in self.model.taken.within(region.span) {
                assert_eq!(taken.attributes, region.attributes);
            }
            assert!(self.model.is_reserved(region.span) && at <= region.span.start);
            at = region.span.end;
        }
    }

    /// Everything goes.
    fn empty(&mut self) {
        self.kernel.faults = None;
        self.kernel.prepared = None;
        while let Some(region) = self.space.next_region(WITHIN.start.into_address()) {
            let span = self.space.extent(VirtAddr(region.span.start)).unwrap();
            self.space.unmap(&mut self.kernel, span).unwrap();
            self.model.backed.remove(span);
            self.model.remove(span);
        }
        self.space.trim(&mut self.kernel);
        self.kernel.stuck = false;
        self.compare();
        self.space.check().unwrap();
        assert_eq!(self.kernel.counts(), (0, 0));
        assert_eq!(self.space.counts().nodes(), 0);
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..8 => self.reserve(),
            8..28 => self.map(),
            28..44 => self.back(),
            44..56 => self.take_away(false),
            56..68 => self.take_away(true),
            68..84 => self.protect(),
            84..88 => self.guard(),
            88..92 => self.join(),
            92..94 => self.touch(),
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

trait IntoAddress {
    fn into_address(self) -> VirtAddr;
}

impl IntoAddress for u64 {
    fn into_address(self) -> VirtAddr {
        VirtAddr(self)
    }
}

fn valid(flags: PageFlags) -> bool {
    flags.0 & 1 != 0 && flags.0 & 6 != 6
}

#[test]
fn random_operations() {
    let steps: u64 = match std::env::var_os("BARRELEYE_LONG") {
        Some(_) => 1_000_000,
        None => 30_000,
    };
    let first = match std::env::var("BARRELEYE_SEED") {
        Ok(text) => text.parse().expect("BARRELEYE_SEED is a number"),
        Err(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_micros() as u64),
    };
    const STEPS: u64 = 1000;
    let mut tally = Tally::default();
    for seed in first..first + steps / STEPS {
        let seeded = std::panic::AssertUnwindSafe(|| {
            let mut world = World::new(seed);
            world.tally = std::mem::take(&mut tally);
            for step in 0..STEPS {
                world.step();
                let stopped = world.tally.stopped.values().sum::<u64>();
                if step % 8 == 0 || stopped % 2 == 1 {
                    world.compare();
                }
            }
            world.empty();
            world.tally
        });
        tally = std::panic::catch_unwind(seeded)
            .unwrap_or_else(|_| panic!("failed with BARRELEYE_SEED={seed}"));
    }
    println!("{tally:#?}");
    for name in [
        "map", "back", "touch", "unback", "unmap", "protect", "join", "guard", "reserve",
    ] {
        assert!(tally.done[name] > 100, "{name} hardly ever succeeds");
    }
    for name in ["map", "back", "unback", "unmap", "protect"] {
        assert!(tally.stopped[name] > 0, "{name} never stops");
    }
    assert!(tally.lost > 0 && tally.joined > 0);
}
