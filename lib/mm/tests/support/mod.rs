//! What several tests use: random numbers, and a model of memory with one entry a page.
#![allow(dead_code, reason = "each test uses a part of it")]

use mm::ram::{Grant, Node, PAGE, Ram};
use mm::{MmError, Span};
use random::Random;

#[path = "../../../random/testing/seed.rs"]
mod seed;

#[allow(unused_imports, reason = "each test uses a part of it")]
pub use seed::new_random;

/// A [`Ram`] whose roots are numbers.
pub type Books = Ram<u32, Vec<arena::Slot<Node<u32>>>>;

/// Books with room for so many nodes.
pub fn books(nodes: usize) -> Books {
    Ram::new(vec![arena::Slot::default(); nodes])
}

/// Steps of a long random life.
pub fn steps() -> usize {
    match std::env::var_os("BARRELEYE_LONG") {
        Some(_) => 1_000_000,
        None => 30_000,
    }
}

/// From 1 to `1 << bits`, small mostly.
pub fn size(random: &mut Random, bits: u64) -> u64 {
    let bits = random.below(bits + 1);
    1 + random.below(1 << bits)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    Unknown,
    Free(u32),
    Granted(u32),
}

/// Pages from address 0 on.
pub struct Model {
    pub pages: Vec<Page>,
}

impl Model {
    pub fn new(pages: usize) -> Self {
        Self {
            pages: vec![Page::Unknown; pages],
        }
    }

    pub fn range(span: Span) -> std::ops::Range<usize> {
        (span.base / PAGE) as usize..span.end.div_ceil(PAGE) as usize
    }

    pub fn at(&self, span: Span) -> &[Page] {
        &self.pages[Self::range(span)]
    }

    pub fn set(&mut self, span: Span, page: Page) {
        self.pages[Self::range(span)].fill(page);
    }

    pub fn add(&mut self, root: u32, span: Span) -> Result<(), MmError> {
        match self.at(span).iter().all(|page| *page == Page::Unknown) {
            true => {
                self.set(span, Page::Free(root));
                Ok(())
            }
            false => Err(MmError::Overlap),
        }
    }

    pub fn free(&mut self, span: Span) -> Result<(), MmError> {
        let pages = self.at(span);
        let owner = |page: &Page| match page {
            Page::Unknown => None,
            Page::Free(root) | Page::Granted(root) => Some(*root),
        };
        let root = owner(&pages[0]).ok_or(MmError::NotFound)?;
        if pages.iter().any(|page| owner(page) != Some(root)) {
            return Err(MmError::NotFound);
        }
        if pages.iter().any(|page| matches!(page, Page::Free(_))) {
            return Err(MmError::Overlap);
        }
        self.set(span, Page::Free(root));
        Ok(())
    }

    /// Free runs of one region.
    pub fn holes(&self) -> Vec<Span> {
        self.runs()
            .into_iter()
            .filter(|(_, page)| matches!(page, Page::Free(_)))
            .map(|(span, _)| span)
            .collect()
    }

    /// Runs of equal pages, unknown ones left out.
    pub fn runs(&self) -> Vec<(Span, Page)> {
        let mut runs: Vec<(Span, Page)> = Vec::new();
        for (number, page) in self.pages.iter().enumerate() {
            let base = number as u64 * PAGE;
            match runs.last_mut() {
                Some((span, last)) if last == page => span.end = base + PAGE,
                _ => runs.push((Span::new(base, PAGE).unwrap(), *page)),
            }
        }
        runs.retain(|(_, page)| *page != Page::Unknown);
        runs
    }

    /// The lowest place in each hole where so much fits, with the hole.
    pub fn places(&self, bytes: u64, alignment: u64, within: Span) -> Vec<(Span, Span)> {
        let place = |hole: Span| {
            let base = hole.base.max(within.base).next_multiple_of(alignment);
            let place = Span::new(base, bytes).unwrap();
            (hole.contains(place) && within.contains(place)).then_some((place, hole))
        };
        self.holes().into_iter().filter_map(place).collect()
    }

    pub fn grant(&mut self, grant: Grant<u32>) {
        let span = Span::new(grant.base, grant.bytes).unwrap();
        let free = Page::Free(grant.root);
        assert!(self.at(span).iter().all(|page| *page == free), "{grant:?}");
        self.set(span, Page::Granted(grant.root));
    }

    /// The books say the same.
    pub fn check(&self, ram: &Books) {
        let runs: Vec<_> = ram
            .map()
            .map(|range| {
                let page = match range.free {
                    true => Page::Free(range.root),
                    false => Page::Granted(range.root),
                };
                (range.span, page)
            })
            .collect();
        assert_eq!(runs, self.runs());
        let usage = ram.usage();
        let holes = self.holes();
        let bytes = || holes.iter().map(|hole| hole.bytes());
        assert_eq!(usage.free, bytes().sum::<u64>());
        assert_eq!(usage.largest, bytes().max().unwrap_or(0));
        assert_eq!(usage.holes, holes.len());
        let total = self.runs().iter().map(|(span, _)| span.bytes()).sum();
        assert_eq!(usage.total, total);
    }
}
