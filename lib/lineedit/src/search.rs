//! Ctrl-R: a line of the history that contains what is typed.

use crate::history::History;
use alloc::string::String;

/// Longest text to search for, in bytes.
const QUERY_BYTES: usize = 64;

/// A search that goes on.
#[derive(Debug, Default)]
pub(crate) struct Search {
    query: String,
    /// The line found last, counted from the oldest.
    found: Option<usize>,
    /// Whether the query as it is now is in no line, or in no older one.
    failed: bool,
}

impl Search {
    /// What is searched for.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// The line found last.
    pub(crate) const fn found(&self) -> Option<usize> {
        self.found
    }

    /// Whether there is no such line.
    pub(crate) const fn is_failed(&self) -> bool {
        self.failed
    }

    /// Another character of the query.
    pub(crate) fn push(&mut self, c: char, history: &History) {
        if self.query.len() + c.len_utf8() > QUERY_BYTES {
            self.failed = true;
            return;
        }
        self.query.push(c);
        let end = self.found.map_or(history.len(), |found| found + 1);
        self.look(end, None, history);
    }

    /// One character less, from the newest line on again.
    pub(crate) fn pop(&mut self, history: &History) {
        self.query.pop();
        self.found = None;
        self.failed = false;
        if !self.query.is_empty() {
            self.look(history.len(), None, history);
        }
    }

    /// The next older line, another than this one.
    pub(crate) fn again(&mut self, history: &History) {
        if !self.query.is_empty() {
            let end = self.found.unwrap_or(history.len());
            let current = self.found.and_then(|found| history.get(found));
            self.look(end, current, history);
        }
    }

    fn look(&mut self, end: usize, current: Option<&str>, history: &History) {
        let found = history.find(&self.query, end, current);
        self.failed = found.is_none();
        self.found = found.or(self.found);
    }
}
