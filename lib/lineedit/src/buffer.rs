//! The line that is edited.
//!
//! Two kinds of words: for moving, letters and digits; for Ctrl-W, whatever stands between blanks.

use alloc::string::String;

/// A line and its cursor, and the text that was cut last.
///
/// Invariant: `cursor` is a character boundary of `line`.
#[derive(Debug)]
pub(crate) struct Buffer {
    line: String,
    cursor: usize,
    limit: usize,
    overflowed: bool,
    cut: String,
}

/// Where cut text goes, beside what was cut by the key before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Join {
    /// That is forgotten.
    No,
    /// In front of it.
    Front,
    /// Behind it.
    Back,
}

impl Buffer {
    /// An empty line of at most `limit` bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            line: String::new(),
            cursor: 0,
            limit,
            overflowed: false,
            cut: String::new(),
        }
    }

    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    pub(crate) const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether something did not fit: the line as it is was never typed.
    pub(crate) const fn is_overflowed(&self) -> bool {
        self.overflowed
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.cursor == self.line.len()
    }

    fn head(&self) -> &str {
        self.line.get(..self.cursor).unwrap_or_default()
    }

    fn tail(&self) -> &str {
        self.line.get(self.cursor..).unwrap_or_default()
    }

    /// Start of the character before the cursor.
    pub(crate) fn before(&self) -> usize {
        let last = self.head().char_indices().next_back();
        last.map_or(0, |(index, _)| index)
    }

    /// End of the character behind the cursor.
    pub(crate) fn behind(&self) -> usize {
        self.cursor + self.tail().chars().next().map_or(0, char::len_utf8)
    }

    /// Start of the word at or before the cursor.
    pub(crate) fn word_start(&self) -> usize {
        let head = self.head().trim_end_matches(|c: char| !c.is_alphanumeric());
        head.trim_end_matches(char::is_alphanumeric).len()
    }

    /// End of the word at or behind the cursor.
    pub(crate) fn word_end(&self) -> usize {
        let tail = self.tail();
        let tail = tail.trim_start_matches(|c: char| !c.is_alphanumeric());
        self.line.len() - tail.trim_start_matches(char::is_alphanumeric).len()
    }

    /// Start of what stands between blanks before the cursor.
    pub(crate) fn blank_before(&self) -> usize {
        let head = self.head().trim_end_matches(' ');
        head.rfind(' ').map_or(0, |space| space + 1)
    }

    pub(crate) fn end(&self) -> usize {
        self.line.len()
    }

    /// Moves the cursor to a character boundary.
    pub(crate) fn move_to(&mut self, target: usize) {
        if self.line.is_char_boundary(target) {
            self.cursor = target;
        }
    }

    /// Inserts at the cursor; answers whether it fits.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        let full = self.line.len().saturating_add(text.len()) > self.limit;
        if self.overflowed || full || self.line.try_reserve(text.len()).is_err() {
            self.overflowed = true;
            return false;
        }
        self.line.insert_str(self.cursor, text);
        self.cursor += text.len();
        true
    }

    /// Erases between two character boundaries, one of which is the cursor.
    pub(crate) fn erase(&mut self, from: usize, to: usize) {
        if self.line.get(from..to).is_some() {
            self.line.replace_range(from..to, "");
            self.cursor = from;
        }
    }

    /// As [`erase`](Self::erase), and keeps the text for [`paste`](Self::paste).
    pub(crate) fn cut(&mut self, from: usize, to: usize, join: Join) {
        if join == Join::No {
            self.cut.clear();
        }
        let text = self.line.get(from..to).unwrap_or_default();
        if self.cut.try_reserve(text.len()).is_ok() {
            let place = if join == Join::Front {
                0
            } else {
                self.cut.len()
            };
            self.cut.insert_str(place, text);
        }
        self.erase(from, to);
    }

    /// Inserts what was cut last.
    pub(crate) fn paste(&mut self) {
        let text = core::mem::take(&mut self.cut);
        self.insert(&text);
        self.cut = text;
    }

    /// Swaps the two characters around the cursor, or the last two at the end of the line, and moves behind them.
    pub(crate) fn swap(&mut self) {
        if self.cursor == 0 {
            return;
        }
        if self.is_at_end() {
            self.cursor = self.before();
        }
        let second = self.tail().chars().next();
        let (from, to) = (self.before(), self.behind());
        if let (Some(second), true) = (second, from < self.cursor) {
            self.line.replace_range(self.cursor..to, "");
            self.line.insert(from, second);
        }
        self.cursor = to;
    }

    /// Puts another line in the place of this one, the cursor at its end; answers whether memory allows it.
    pub(crate) fn set(&mut self, line: &str) -> bool {
        let more = line.len().saturating_sub(self.line.len());
        if line.len() > self.limit || self.line.try_reserve(more).is_err() {
            return false;
        }
        self.line.clear();
        self.line.push_str(line);
        self.cursor = line.len();
        true
    }

    /// Takes the line out.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        self.overflowed = false;
        core::mem::take(&mut self.line)
    }
}
