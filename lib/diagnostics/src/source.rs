//! A named text and positions in it.

/// A range of bytes in a text, `start` included and `end` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// First byte behind the range.
    pub end: usize,
}

impl Span {
    /// The range from `start` up to `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }
}

/// A text with the name it is known by in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// File name, as messages show it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// A text called `name`.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Line and column (both from 1, the column in characters) of a byte offset, and the text of that line.
    ///
    /// An offset behind the end means the end; one inside a character means that character.
    #[must_use]
    pub fn locate(&self, offset: usize) -> (usize, usize, &str) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset = offset.saturating_sub(1);
        }
        let (before, after) = self.text.split_at(offset);
        let line = before.matches('\n').count().saturating_add(1);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let line_end = after
            .find('\n')
            .map_or(self.text.len(), |at| offset.saturating_add(at));
        let column = before
            .get(line_start..)
            .map_or(0, |part| part.chars().count())
            .saturating_add(1);
        let content = self.text.get(line_start..line_end).unwrap_or_default();
        (line, column, content.trim_end_matches('\r'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let source = Source::new("f", "ab\ncdé f\r\n");
        assert_eq!(source.locate(0), (1, 1, "ab"));
        assert_eq!(source.locate(2), (1, 3, "ab"));
        assert_eq!(source.locate(3), (2, 1, "cdé f"));
        assert_eq!(source.locate(8), (2, 5, "cdé f"));
        assert_eq!(source.locate(6), (2, 3, "cdé f"), "inside a character");
        assert_eq!(source.locate(11), (3, 1, ""));
        assert_eq!(source.locate(999), (3, 1, ""));
    }
}
