//! Bytes from a terminal to lines.
//!
//! | Key | Effect |
//! |---|---|
//! | Enter (CR, LF or CR LF) | the line is done |
//! | Backspace, Delete, Ctrl-D inside a line | erase a character |
//! | Left, Right, Ctrl-B, Ctrl-F; Home, End, Ctrl-A, Ctrl-E | move |
//! | Ctrl-U, Ctrl-K, Ctrl-W | erase to the start, to the end, the word before the cursor |
//! | Ctrl-C | abandons the line |
//! | Ctrl-D on an empty line | [`Outcome::EndOfInput`] |
//!
//! A tab counts as a space. Other control bytes and unknown escape sequences are swallowed; bytes that are no UTF-8 are
//! entered as U+FFFD. Every character is taken to be one column wide.

use crate::utf8::{Decoded, Utf8};
use alloc::string::String;
use core::fmt::Write;

/// What a byte led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing to do; feed the next byte.
    Editing,
    /// A complete line, without its end.
    Line(String),
    /// Ctrl-C: the line is gone.
    Abandoned,
    /// Ctrl-D on an empty line.
    EndOfInput,
    /// The line ended, but it was longer than the limit or than memory allows; it is gone.
    TooLong,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// ESC seen.
    Start,
    /// ESC [ seen; the last parameter number.
    Csi(u32),
    /// ESC O seen.
    Ss3,
}

/// The editor: one line at a time.
///
/// Invariant: `cursor` is a character boundary of `line`.
#[derive(Debug)]
pub struct Editor {
    line: String,
    cursor: usize,
    limit: usize,
    overflowed: bool,
    escape: Escape,
    utf8: Utf8,
    after_cr: bool,
}

impl Editor {
    /// An empty line of at most `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            line: String::new(),
            cursor: 0,
            limit,
            overflowed: false,
            escape: Escape::None,
            utf8: Utf8::new(),
            after_cr: false,
        }
    }

    /// What is on the line so far.
    pub fn text(&self) -> &str {
        &self.line
    }

    /// Draws the prompt and the line again, in the row where the cursor is: somebody else has written there. It begins by erasing the row, so
    /// that a program that waits for a prompt does not take it for a new one.
    pub fn redraw(&self, prompt: &str, out: &mut impl Write) {
        let _ = write!(out, "\r\x1b[K{prompt}{}", self.line);
        left(self.columns(self.cursor, self.line.len()), out);
    }

    /// Takes one byte; writes to `out` what the terminal must show. Errors of `out` are ignored: the line is what counts.
    pub fn feed(&mut self, byte: u8, out: &mut impl Write) -> Outcome {
        let after_cr = core::mem::take(&mut self.after_cr);
        let is_control = byte < 0x20 || byte == 0x7f;
        // No sequence known to us holds a control byte. So one ends it and does what it always does: no Enter is swallowed.
        if self.escape != Escape::None && !is_control {
            self.escaped(byte, out);
            return Outcome::Editing;
        }
        self.escape = Escape::None;
        if is_control {
            if self.utf8.is_pending() {
                self.utf8.reset();
                self.insert(char::REPLACEMENT_CHARACTER, out);
            }
            return self.control(byte, after_cr, out);
        }
        match self.utf8.feed(byte) {
            Decoded::Pending => {}
            Decoded::Char(c) => self.insert(c, out),
            Decoded::Broken(next) => {
                self.insert(char::REPLACEMENT_CHARACTER, out);
                if let Some(c) = next {
                    self.insert(c, out);
                }
            }
        }
        Outcome::Editing
    }

    fn control(&mut self, byte: u8, after_cr: bool, out: &mut impl Write) -> Outcome {
        match byte {
            b'\n' if after_cr => {}
            b'\r' | b'\n' => {
                self.after_cr = byte == b'\r';
                let _ = out.write_char('\n');
                let overflowed = self.overflowed;
                let line = self.clear();
                return if overflowed {
                    Outcome::TooLong
                } else {
                    Outcome::Line(line)
                };
            }
            0x03 => {
                let _ = out.write_str("^C\n");
                self.clear();
                return Outcome::Abandoned;
            }
            0x04 if self.line.is_empty() && !self.overflowed => return Outcome::EndOfInput,
            b'\t' => self.insert(' ', out),
            0x01 => self.move_to(0, out),
            0x02 => self.move_to(self.before(self.cursor), out),
            0x04 => self.erase(self.cursor, self.behind(self.cursor), out),
            0x05 => self.move_to(self.line.len(), out),
            0x06 => self.move_to(self.behind(self.cursor), out),
            0x08 | 0x7f => self.erase(self.before(self.cursor), self.cursor, out),
            0x0b => self.erase(self.cursor, self.line.len(), out),
            0x15 => self.erase(0, self.cursor, out),
            0x17 => self.erase(self.word_start(), self.cursor, out),
            0x1b => self.escape = Escape::Start,
            _ => {}
        }
        Outcome::Editing
    }

    /// A byte of an escape sequence, no control byte.
    fn escaped(&mut self, byte: u8, out: &mut impl Write) {
        let escape = core::mem::take(&mut self.escape);
        match (escape, byte) {
            (Escape::Start, b'[') => self.escape = Escape::Csi(0),
            (Escape::Start, b'O') => self.escape = Escape::Ss3,
            (Escape::Csi(number), b'0'..=b'9') => {
                let digit = u32::from(byte - b'0');
                self.escape = Escape::Csi(number.saturating_mul(10).saturating_add(digit));
            }
            (Escape::Csi(_), b';') => self.escape = Escape::Csi(0),
            (Escape::Csi(_) | Escape::Ss3, b'C') => self.move_to(self.behind(self.cursor), out),
            (Escape::Csi(_) | Escape::Ss3, b'D') => self.move_to(self.before(self.cursor), out),
            (Escape::Csi(_) | Escape::Ss3, b'H') | (Escape::Csi(1 | 7), b'~') => {
                self.move_to(0, out);
            }
            (Escape::Csi(_) | Escape::Ss3, b'F') | (Escape::Csi(4 | 8), b'~') => {
                self.move_to(self.line.len(), out);
            }
            (Escape::Csi(3), b'~') => self.erase(self.cursor, self.behind(self.cursor), out),
            _ => {}
        }
    }

    /// Start of the character before `at`.
    fn before(&self, at: usize) -> usize {
        let head = self.line.get(..at).unwrap_or_default();
        head.char_indices()
            .next_back()
            .map_or(0, |(index, _)| index)
    }

    /// End of the character at `at`.
    fn behind(&self, at: usize) -> usize {
        let tail = self.line.get(at..).unwrap_or_default();
        at + tail.chars().next().map_or(0, char::len_utf8)
    }

    fn word_start(&self) -> usize {
        let head = self.line.get(..self.cursor).unwrap_or_default();
        let head = head.trim_end_matches(' ');
        head.rfind(' ').map_or(0, |space| space + 1)
    }

    fn columns(&self, from: usize, to: usize) -> usize {
        self.line.get(from..to).unwrap_or_default().chars().count()
    }

    fn insert(&mut self, c: char, out: &mut impl Write) {
        let full = self.line.len() + c.len_utf8() > self.limit;
        if self.overflowed || full || self.line.try_reserve(c.len_utf8()).is_err() {
            self.overflowed = true;
            return;
        }
        self.line.insert(self.cursor, c);
        self.cursor += c.len_utf8();
        let _ = out.write_char(c);
        self.show_tail(0, out);
    }

    fn erase(&mut self, from: usize, to: usize, out: &mut impl Write) {
        if from >= to {
            return;
        }
        self.move_to(from, out);
        let erased = self.columns(from, to);
        self.line.replace_range(from..to, "");
        self.show_tail(erased, out);
    }

    /// Shows the text behind the cursor again, then `blanks` blanks, and goes back to the cursor.
    fn show_tail(&self, blanks: usize, out: &mut impl Write) {
        let tail = self.line.get(self.cursor..).unwrap_or_default();
        let _ = out.write_str(tail);
        for _ in 0..blanks {
            let _ = out.write_char(' ');
        }
        left(tail.chars().count() + blanks, out);
    }

    fn move_to(&mut self, target: usize, out: &mut impl Write) {
        if target < self.cursor {
            left(self.columns(target, self.cursor), out);
        } else {
            let _ = out.write_str(self.line.get(self.cursor..target).unwrap_or_default());
        }
        self.cursor = target;
    }

    fn clear(&mut self) -> String {
        self.cursor = 0;
        self.overflowed = false;
        self.utf8.reset();
        core::mem::take(&mut self.line)
    }
}

fn left(columns: usize, out: &mut impl Write) {
    for _ in 0..columns {
        let _ = out.write_char('\x08');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal of one endless row.
    #[derive(Default)]
    struct Screen {
        row: Vec<char>,
        column: usize,
    }

    impl Write for Screen {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for c in text.chars() {
                match c {
                    '\x08' => self.column -= 1,
                    '\n' => {}
                    _ => {
                        if self.column == self.row.len() {
                            self.row.push(c);
                        } else {
                            self.row[self.column] = c;
                        }
                        self.column += 1;
                    }
                }
            }
            Ok(())
        }
    }

    fn run(bytes: &[u8]) -> (Editor, Screen, Outcome) {
        let (mut editor, mut screen) = (Editor::new(1 << 16), Screen::default());
        let mut outcome = Outcome::Editing;
        for &byte in bytes {
            outcome = editor.feed(byte, &mut screen);
        }
        (editor, screen, outcome)
    }

    fn line(bytes: &[u8]) -> String {
        match run(bytes).2 {
            Outcome::Line(line) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_do_what_they_say() {
        assert_eq!(line(b"hello\r"), "hello");
        assert_eq!(line(b"helxx\x7f\x08lo\n"), "hello");
        assert_eq!(line(b"ello\x01h\x05!\r"), "hello!");
        assert_eq!(line(b"one two  \x17three\r"), "one three");
        assert_eq!(line(b"one two\x15three\r"), "three");
        assert_eq!(line(b"helo\x1b[Dl\x1b[C!\r"), "hello!");
        assert_eq!(line(b"xhello\x1b[H\x1b[3~\r"), "hello");
        assert_eq!(line(b"abc\x02\x02\x0b\r"), "a");
        assert_eq!(
            line("größe\x7f\x7f\x7föße\r".as_bytes()),
            "gröüße".replace('ü', "")
        );
        assert_eq!(line(b"a\tb\r"), "a b");
        assert_eq!(line(b"a\x1b[99;99Zb\x00\x1cc\r"), "abc");
    }

    #[test]
    fn the_screen_shows_the_line() {
        for keys in [
            &b"hello\x02\x02XY\x7f\x04"[..],
            b"one two three\x1b[H\x06\x06Z\x17\x05\x17",
            "äöü\x1b[D\x1b[D€\x15\u{1}x".as_bytes(),
        ] {
            let (editor, screen, _) = run(keys);
            let shown: String = screen.row.iter().collect();
            assert_eq!(shown.trim_end(), editor.text().trim_end());
            let column = editor.text()[..editor.cursor].chars().count();
            assert_eq!(screen.column, column);
        }
    }

    #[test]
    fn a_line_is_drawn_again_with_the_cursor_where_it_was() {
        let (editor, _, _) = run("größe\x02\x02".as_bytes());
        let mut out = String::new();
        editor.redraw("> ", &mut out);
        assert_eq!(out, "\r\x1b[K> größe\x08\x08");
    }

    #[test]
    fn ends_of_lines_and_input() {
        assert_eq!(run(b"abc\x03").2, Outcome::Abandoned);
        assert_eq!(run(b"\x04").2, Outcome::EndOfInput);
        assert_eq!(run(b"a\x01\x04").2, Outcome::Editing);
        assert_eq!(run(b"a\r\n").2, Outcome::Editing);
        assert_eq!(run(b"a\r\r").2, Outcome::Line(String::new()));
        assert_eq!(run(b"a\n\n").2, Outcome::Line(String::new()));
    }

    #[test]
    fn nothing_swallows_an_enter() {
        for keys in [
            &b"a\x1b"[..],
            b"a\x1b[",
            b"a\x1b[1;",
            b"a\x1bO",
            b"a\xf0\x9f",
        ] {
            let mut keys = keys.to_vec();
            keys.push(b'\r');
            assert!(matches!(run(&keys).2, Outcome::Line(_)), "{keys:?}");
        }
        assert_eq!(run(b"abc\x1b\x03").2, Outcome::Abandoned);
        assert_eq!(line(b"abc\x1b\x7fd\r"), "abd");
    }

    #[test]
    fn a_line_beyond_the_limit_is_dropped_and_the_next_one_works() {
        let mut editor = Editor::new(8);
        let mut out = String::new();
        for _ in 0..100 {
            assert_eq!(editor.feed(b'x', &mut out), Outcome::Editing);
        }
        assert_eq!(editor.feed(b'\r', &mut out), Outcome::TooLong);
        for byte in *b"12345678" {
            editor.feed(byte, &mut out);
        }
        assert_eq!(
            editor.feed(b'\r', &mut out),
            Outcome::Line("12345678".into())
        );
    }

    #[test]
    fn random_bytes_are_harmless() {
        let mut random = random::Random::new(1);
        let (mut editor, mut out) = (Editor::new(64), String::new());
        for _ in 0..200_000 {
            out.clear();
            editor.feed(random.next() as u8, &mut out);
            assert!(editor.text().is_char_boundary(editor.cursor));
            assert!(editor.text().len() <= 64);
        }
    }
}
