//! Counting accesses: only a few pages are *open* at a time, and using another is a fault, which is counted.
//!
//! With one open page the count of a page is how often the program came to it from another. With more, pages that are used in turns are not
//! counted each time, which costs less and tells less. A page that was opened by a load is counted once more when it is written.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

/// Accesses of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Times it was opened by a load.
    pub reads: u32,
    /// Times it was written that was not open to be written.
    pub writes: u32,
}

/// What is to be done about a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    /// This page closes: an access to it is a fault from now on.
    pub close: Option<usize>,
    /// The page of the fault opens to be written too.
    pub write: bool,
}

/// The counts of a region.
#[derive(Clone, Debug)]
pub struct Counter {
    counts: Vec<Count>,
    /// The open pages, the oldest first.
    open: VecDeque<usize>,
    most: usize,
}

impl Counter {
    /// So many pages, of which at most `most` are open at a time, at least one.
    #[must_use]
    pub fn new(pages: usize, most: usize) -> Self {
        Self {
            counts: vec![Count::default(); pages],
            open: VecDeque::new(),
            most: most.max(1),
        }
    }

    /// A page was used that is not open, or written that is only open to be read. `None`: there is no such page.
    pub fn fault(&mut self, page: usize, is_write: bool) -> Option<Decision> {
        let count = self.counts.get_mut(page)?;
        match is_write {
            true => count.writes += 1,
            false => count.reads += 1,
        }
        let mut close = None;
        if !self.open.contains(&page) {
            if self.open.len() >= self.most {
                close = self.open.pop_front();
            }
            self.open.push_back(page);
        }
        Some(Decision {
            close,
            write: is_write,
        })
    }

    /// Closes all; answers which were open.
    pub fn close_all(&mut self) -> impl Iterator<Item = usize> {
        core::mem::take(&mut self.open).into_iter()
    }

    /// The counts, by page.
    #[must_use]
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Against pages that really fault.
        #[test]
        fn every_fault_is_counted(
            most in 1..4usize,
            uses in prop::collection::vec((0..6usize, any::<bool>()), 0..200),
        ) {
            let mut counter = Counter::new(6, most);
            let mut open = BTreeMap::new();
            let mut expected = vec![Count::default(); 6];
            let mut last = None;
            let mut visits = 0;
            for (page, is_write) in uses {
                visits += u32::from(last != Some(page));
                last = Some(page);
                if open.get(&page).is_some_and(|writes| *writes || !is_write) {
                    continue;
                }
                match is_write {
                    true => expected[page].writes += 1,
                    false => expected[page].reads += 1,
                }
                let decision = counter.fault(page, is_write).unwrap();
                if let Some(close) = decision.close {
                    prop_assert!(open.remove(&close).is_some());
                }
                open.insert(page, decision.write);
                prop_assert!(open.len() <= most);
            }
            prop_assert_eq!(counter.counts(), expected.as_slice());
            let faults: u32 = expected.iter().map(|count| count.reads + count.writes).sum();
            prop_assert!(most > 1 || faults >= visits);
            let closed: Vec<_> = counter.close_all().collect();
            prop_assert_eq!(closed.len(), open.len());
            prop_assert!(closed.iter().all(|page| open.contains_key(page)));
        }
    }

    #[test]
    fn a_page_beyond_the_end() {
        assert_eq!(Counter::new(2, 0).fault(2, true), None);
        let decision = Counter::new(2, 0).fault(1, true);
        let expected = Decision {
            close: None,
            write: true,
        };
        assert_eq!(decision, Some(expected));
    }
}
