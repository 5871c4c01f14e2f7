//! The row of the terminal that shows the line.
//!
//! The line takes one row whatever its length. When it is longer than the row, a part of it is shown, with `<` where there is more
//! to the left and `>` where there is more to the right; the cursor is always on a character of the line. (Several rows would
//! need the terminal's help to find the first again after other programs have written.) The last column stays
//! free, since terminals differ in what happens behind it. Without a known width the row is endless.
//!
//! Invariant: `shown` is what the row shows from its start, and `column` is where the terminal's cursor is. So only the
//! difference to what is wanted is written. Every character is taken to be one column wide.

use alloc::string::String;
use core::fmt::Write;

/// Narrowest terminal; a narrower one is taken to be this wide.
const NARROWEST: usize = 12;
/// Columns that the line has at least: a prompt that leaves fewer is not shown.
const LINE_COLUMNS: usize = 8;

/// The row.
#[derive(Debug)]
pub(crate) struct View {
    width: Option<usize>,
    shown: String,
    /// Characters of `shown`.
    length: usize,
    column: usize,
    /// First byte of the line that has a place in the row.
    left: usize,
}

/// What the row shall show: the prompt in parts, the line, and the cursor in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) prompt: [&'a str; 3],
    pub(crate) line: &'a str,
    pub(crate) cursor: usize,
}

impl View {
    /// An empty row without an end.
    pub(crate) const fn new() -> Self {
        Self {
            width: None,
            shown: String::new(),
            length: 0,
            column: 0,
            left: 0,
        }
    }

    /// Sets the width of the terminal.
    pub(crate) fn set_width(&mut self, columns: Option<usize>) {
        self.width = columns.map(|columns| columns.max(NARROWEST));
    }

    /// The terminal's cursor is at the start of an empty row.
    pub(crate) fn forget(&mut self) {
        self.shown.clear();
        (self.length, self.column, self.left) = (0, 0, 0);
    }

    /// Draws the row again, wherever in it the cursor is and whatever it shows. It begins by erasing the row, so that a
    /// program that waits for a prompt does not take it for a new one.
    pub(crate) fn redraw(&mut self, wanted: Wanted<'_>, out: &mut impl Write) {
        let left = self.left;
        self.forget();
        self.left = left;
        let _ = out.write_str("\r\x1b[K");
        self.paint(wanted, out);
    }

    /// Moves behind what is shown, and on to an empty row, leaving `mark` at the end of the row that was.
    pub(crate) fn leave(&mut self, mark: &str, out: &mut impl Write) {
        let room = self.width.map_or(usize::MAX, |width| width - 1);
        self.go_to(room - mark.len(), out);
        let _ = out.write_str(mark);
        let _ = out.write_char('\n');
        self.forget();
    }

    /// Shows a character that was added to the end of a line, the cursor being there. Answers whether that was all there is to do.
    pub(crate) fn append(&mut self, c: char, out: &mut impl Write) -> bool {
        let has_place = self.width.is_none_or(|width| self.length + 1 < width);
        let fits = self.left == 0 && has_place && self.column == self.length;
        if !fits || self.shown.try_reserve(c.len_utf8()).is_err() {
            return false;
        }
        self.shown.push(c);
        self.length += 1;
        self.column += 1;
        let _ = out.write_char(c);
        true
    }

    /// Makes the row show what is wanted.
    pub(crate) fn paint(&mut self, wanted: Wanted<'_>, out: &mut impl Write) {
        let Wanted {
            mut prompt,
            line,
            cursor,
        } = wanted;
        let mut prompt_columns = prompt.iter().map(|part| part.chars().count()).sum();
        let mut places = usize::MAX;
        if let Some(width) = self.width {
            if prompt_columns + LINE_COLUMNS > width - 1 {
                prompt = [""; 3];
                prompt_columns = 0;
            }
            places = width - 1 - prompt_columns;
        }
        self.scroll(line, cursor, places);
        let rest = line.get(self.left..).unwrap_or_default();
        let has_more = self.width.is_some() && rest.chars().nth(places).is_some();
        let has_less = self.left > 0;
        let mark = move |(index, c)| match index {
            0 if has_less => '<',
            _ if has_more && index == places - 1 => '>',
            _ => c,
        };
        let shown = rest.chars().take(places).enumerate().map(mark);
        let row = prompt.into_iter().flat_map(str::chars).chain(shown);
        self.show(row, out);
        let before = line.get(self.left..cursor).unwrap_or_default();
        self.go_to(prompt_columns + before.chars().count(), out);
    }

    /// Chooses the part of the line that is shown.
    fn scroll(&mut self, line: &str, cursor: usize, places: usize) {
        let fits = self.width.is_none() || line.chars().nth(places).is_none();
        if fits {
            self.left = 0;
            return;
        }
        // A mark may stand in the first place, and in the last one.
        let visible = line.get(self.left..cursor).is_some_and(|before| {
            let column = before.chars().count();
            let has_more = line
                .get(self.left..)
                .is_some_and(|rest| rest.chars().nth(places).is_some());
            let first = usize::from(self.left > 0);
            let end = if has_more { places - 1 } else { places + 1 };
            (first..end).contains(&column)
        });
        if !visible {
            let before = line.get(..cursor).unwrap_or_default();
            let half = before.char_indices().rev().nth(places / 2);
            self.left = half.map_or(0, |(index, _)| index);
        }
    }

    /// Writes the difference between what is shown and a row.
    fn show(&mut self, row: impl Iterator<Item = char>, out: &mut impl Write) {
        let mut row = row.peekable();
        let mut same = 0;
        let mut same_bytes = 0;
        for c in self.shown.chars() {
            if row.next_if_eq(&c).is_none() {
                break;
            }
            same += 1;
            same_bytes += c.len_utf8();
        }
        if row.peek().is_none() && same == self.length {
            return;
        }
        if same == 0 && self.length > 0 {
            // A new prompt: see `redraw`.
            let _ = out.write_str("\r\x1b[K");
            self.column = 0;
        } else {
            self.go_to(same, out);
        }
        let old_length = self.length;
        self.shown.truncate(same_bytes);
        self.length = same;
        for c in row {
            if self.shown.try_reserve(c.len_utf8()).is_err() {
                break;
            }
            self.shown.push(c);
            self.length += 1;
        }
        let _ = out.write_str(self.shown.get(same_bytes..).unwrap_or_default());
        self.column = self.length;
        if self.length < old_length && same > 0 {
            let _ = out.write_str("\x1b[K");
        }
    }

    fn go_to(&mut self, column: usize, out: &mut impl Write) {
        let column = column.min(self.length);
        if column > self.column {
            let _ = write!(out, "\x1b[{}C", column - self.column);
        } else if self.column - column <= 4 {
            for _ in column..self.column {
                let _ = out.write_char('\x08');
            }
        } else {
            let _ = write!(out, "\x1b[{}D", self.column - column);
        }
        self.column = column;
    }
}
