//! Lines entered before.

use alloc::collections::VecDeque;
use alloc::string::String;

/// What a line costs beside its text.
const OVERHEAD: usize = 32;

/// Lines, the oldest first. Blank lines, and a line equal to the one before, are not kept. When the bound on bytes is
/// reached, or memory ends, the oldest lines go.
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
    bytes: usize,
    limit: usize,
}

impl History {
    /// No lines yet; at most `limit` bytes, of which each line takes 32 beside its text. With 0, none is ever kept.
    pub const fn new(limit: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    /// Adds a line.
    pub fn push(&mut self, line: &str) {
        let cost = line.len().saturating_add(OVERHEAD);
        let is_repeated = self.lines.back().is_some_and(|last| last == line);
        if line.trim().is_empty() || is_repeated || cost > self.limit {
            return;
        }
        while self.bytes + cost > self.limit {
            self.drop_oldest();
        }
        let mut kept = String::new();
        if kept.try_reserve_exact(line.len()).is_err() || self.lines.try_reserve(1).is_err() {
            self.drop_oldest();
            return;
        }
        kept.push_str(line);
        self.lines.push_back(kept);
        self.bytes += cost;
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.lines.pop_front() {
            self.bytes -= oldest.len() + OVERHEAD;
        }
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A line, counted from the oldest.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.lines.get(index).map(String::as_str)
    }

    /// All lines, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.lines.iter().map(String::as_str)
    }

    /// The newest line before `end` that contains `text` and is not `current`.
    pub(crate) fn find(&self, text: &str, end: usize, current: Option<&str>) -> Option<usize> {
        let mut before = self.lines.iter().enumerate().take(end).rev();
        before
            .find(|(_, line)| line.contains(text) && Some(line.as_str()) != current)
            .map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(history: &History) -> Vec<&str> {
        history.iter().collect()
    }

    #[test]
    fn no_blank_lines_and_no_repetition() {
        let mut history = History::new(1000);
        for line in ["a", "a", "", "  ", "b", "a"] {
            history.push(line);
        }
        assert_eq!(lines(&history), ["a", "b", "a"]);
    }

    #[test]
    fn the_oldest_go_first() {
        let mut history = History::new(3 * (OVERHEAD + 2));
        for line in ["11", "22", "33", "44"] {
            history.push(line);
        }
        assert_eq!(lines(&history), ["22", "33", "44"]);
        history.push(&"x".repeat(100));
        assert_eq!(history.len(), 3);
        history.push(&"x".repeat(OVERHEAD));
        assert_eq!(history.len(), 2);
        assert!(history.bytes <= history.limit);
        let mut none = History::new(0);
        none.push("a");
        assert!(none.is_empty());
    }
}
