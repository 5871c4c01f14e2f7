//! A space, a simulated kernel and a model, on which random operations are tried; any call of the environment may fail, and nodes are
//! always scarce.

use super::kernel::{Faults, Kernel, ROOT, Refusal};
use super::model::{Backed, Model};
use super::{Cap, Memory, Space};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::rights::{CapRights, PageFlags};
use random::Random;
use std::collections::HashMap;
use vspace::{Attributes, Backing, Cause, Choice, Error, Item, PageSize, Span, Stopped, Why};

pub const PAGE: u64 = 4096;
pub const LARGE: u64 = 2 << 20;
pub const HUGE: u64 = 1 << 30;

/// Where things happen: beside the ends of tables of all levels.
pub const AREAS: [u64; 5] = [
    1 << 22,
    HUGE - 4 * LARGE,
    5 * HUGE,
    512 * HUGE - 2 * HUGE,
    (1 << 48) - 8 * HUGE,
];

pub const WITHIN: Span = Span {
    start: PAGE,
    end: 1 << 48,
};

#[derive(Debug, Default)]
pub struct Tally {
    pub done: HashMap<&'static str, u64>,
    pub refused: HashMap<&'static str, u64>,
    pub stopped: HashMap<&'static str, u64>,
    pub lost: u64,
    pub joined: u64,
}

pub struct World {
    pub space: Space,
    pub kernel: Kernel,
    pub model: Model,
    pub random: Random,
    pub frames: Vec<Cap>,
    /// Bytes of each frame in use, from what was mapped and what the kernel was told.
    pub in_use: HashMap<Cap, u64>,
    pub tally: Tally,
}

/// What a failed operation left.
pub struct Failed {
    pub why: Option<Why>,
    pub stopped: Option<Stopped>,
}

pub type Outcome<T> = Result<T, Failed>;

impl World {
    pub fn new(seed: u64) -> Self {
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
            random: Random::new(seed),
            frames,
            in_use: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Runs an operation; gives it the nodes that it asks for.
    pub fn run<T>(
        &mut self,
        name: &'static str,
        mut operation: impl FnMut(&mut Space, &mut Kernel) -> Result<T, Error<Refusal>>,
    ) -> Outcome<T> {
        self.kernel.prepared = None;
        self.kernel.faults = None;
        self.kernel.hostile = self.random.once_in(2);
        if self.random.once_in(4) {
            let then = self.random.one_of(&[0, 1, 1, 2, 4]).unwrap();
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
    pub fn lose(&mut self, lost: Option<Span>) {
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

    pub fn back_model(&mut self, span: Span, backing: Backing<Cap>, limit: PageFlags) {
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

    pub fn some_bytes(&mut self) -> u64 {
        match self.random.below(40) {
            0 => HUGE + self.random.below(3) * LARGE,
            1..4 => (1 + self.random.below(4)) * LARGE,
            4..6 => LARGE + self.random.below(1024) * PAGE,
            6..12 => (1 + self.random.below(600)) * PAGE,
            _ => (1 + self.random.below(12)) * PAGE,
        }
    }

    pub fn some_place(&mut self) -> u64 {
        let area = self.random.one_of(&AREAS).unwrap();
        match self.random.below(4) {
            0 => area + self.random.below(8) * HUGE / 4,
            1 => area + self.random.below(8) * LARGE,
            _ => area + self.random.below(8) * LARGE + self.random.below(16) * PAGE,
        }
    }

    /// Some addresses, mostly of a region.
    pub fn some_span(&mut self) -> Span {
        let near = self.some_place();
        let region = self
            .space
            .next_region(VirtAddr(near))
            .map(|region| region.span);
        let (Some(region), false) = (region, self.random.once_in(12)) else {
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
        if span.end > region.end && !self.random.once_in(8) {
            span.end = region.end.max(span.start + PAGE);
        }
        span.end = span.end.min(WITHIN.end);
        span
    }

    pub fn some_flags(&mut self) -> PageFlags {
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
            _ => self.random.one_of(&all).unwrap(),
        }
    }

    pub fn some_attributes(&mut self) -> Attributes {
        Attributes {
            flags: self.some_flags(),
            is_guard: self.random.once_in(10),
            tag: self.random.below(3) as u32,
        }
    }

    /// Memory for so many bytes at an address; pages of a frame whose place does not suit blocks only for few.
    pub fn some_backing(&mut self, at: u64, bytes: u64) -> Backing<Cap> {
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

    pub fn some_choice(&mut self) -> Choice {
        match self.random.below(8) {
            0 => Choice::Exactly(PageSize::Large),
            1 => Choice::Exactly(PageSize::Huge),
            _ => Choice::Auto,
        }
    }

    /// Whether the frame lets itself be mapped like this.
    pub fn suits(&self, backing: Backing<Cap>, bytes: u64, flags: &[PageFlags]) -> bool {
        let frame = &self.kernel.frames[&backing.frame];
        let permitted = |flags: &PageFlags| frame.rights.contains(CapRights((flags.0 & 7) as u8));
        backing.offset + bytes <= frame.bytes && flags.iter().all(permitted)
    }

    /// Compares everything.
    pub fn compare(&mut self) {
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
    pub fn empty(&mut self) {
        self.kernel.faults = None;
        self.kernel.prepared = None;
        while let Some(region) = self.space.next_region(VirtAddr(WITHIN.start)) {
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
}
