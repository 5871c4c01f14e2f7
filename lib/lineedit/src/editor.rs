//! What keys do.
//!
//! | Key | Effect |
//! |---|---|
//! | Enter (CR, LF or CR LF) | the line is done |
//! | Backspace, Delete, Ctrl-D inside a line | erase a character |
//! | Left, Right, Ctrl-B, Ctrl-F; Home, End, Ctrl-A, Ctrl-E | move |
//! | Ctrl-Left, Ctrl-Right, Alt-B, Alt-F | move by a word |
//! | Ctrl-U, Ctrl-K, Ctrl-W, Alt-D | cut to the start, to the end, back to a blank, to the end of a word |
//! | Ctrl-Y, Ctrl-T | paste what was cut last, swap two characters |
//! | Up, Down, Ctrl-P, Ctrl-N | lines entered before; the line begun stays below them |
//! | Ctrl-R | search them for what is typed: again for the next, Ctrl-G to give up, Enter to run, other keys to edit |
//! | Ctrl-L | clears the screen, and asks how wide it is |
//! | Tab | [`Outcome::Complete`] |
//! | Ctrl-C | [`Outcome::Interrupt`] |
//! | Ctrl-D on an empty line | [`Outcome::EndOfInput`] |

use crate::buffer::{Buffer, Join};
use crate::history::History;
use crate::keys::{Key, Keys};
use crate::search::Search;
use crate::view::{View, Wanted};
use alloc::string::{String, ToString};
use core::fmt::Write;

/// What a byte led to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing to do; feed the next byte.
    Editing,
    /// A complete line, without its end. It is in the history.
    Line(String),
    /// Ctrl-C: the line is gone.
    Interrupt,
    /// Ctrl-D on an empty line.
    EndOfInput,
    /// The line ended, but it was longer than the limit or than memory allows; it is gone.
    TooLong,
    /// Tab: what may stand at the cursor? Answer by [`Editor::insert`] or [`Editor::list`], or not at all.
    Complete {
        /// Whether the key before was a Tab too: time to show the candidates.
        again: bool,
    },
}

/// The editor: one line at a time.
#[derive(Debug)]
pub struct Editor {
    prompt: String,
    buffer: Buffer,
    keys: Keys,
    view: View,
    history: History,
    /// The line of the history that is shown, and the line that was begun before.
    place: Option<usize>,
    draft: String,
    search: Option<Search>,
    after_cut: bool,
    after_tab: bool,
    asked_width: bool,
    /// It has told it.
    has_width: bool,
}

impl Editor {
    /// An editor of lines of at most `limit` bytes with a history of at most `history_bytes` (see [`History::new`]), for a
    /// terminal of endless rows.
    pub const fn new(limit: usize, history_bytes: usize) -> Self {
        Self {
            prompt: String::new(),
            buffer: Buffer::new(limit),
            keys: Keys::new(),
            view: View::new(),
            history: History::new(history_bytes),
            place: None,
            draft: String::new(),
            search: None,
            after_cut: false,
            after_tab: false,
            asked_width: false,
            has_width: false,
        }
    }

    /// Tells how many columns the terminal has; from then on a longer line is shown in part. `None`: its rows are endless. Takes
    /// effect when the line is next drawn.
    pub fn set_width(&mut self, columns: Option<usize>) {
        self.view.set_width(columns);
    }

    /// Asks the terminal how wide it is, by moving its cursor to the edge and back. When the answer is among the bytes that
    /// are fed, it is taken as by [`set_width`](Self::set_width); who is no terminal gives none, and nothing changes.
    pub fn ask_width(&mut self, out: &mut impl Write) {
        let _ = out.write_str("\x1b7\x1b[999C\x1b[6n\x1b8");
        self.asked_width = true;
    }

    /// Begins a line: shows the prompt, which is printable text of one row, at the terminal's cursor, which must be at the start
    /// of an empty row.
    pub fn begin(&mut self, prompt: &str, out: &mut impl Write) {
        self.prompt.clear();
        self.prompt.push_str(prompt);
        self.clear();
        self.view.forget();
        self.paint(out);
    }

    /// What is on the line so far.
    pub fn text(&self) -> &str {
        self.buffer.line()
    }

    /// Where the cursor is, in bytes of [`text`](Self::text); a character boundary.
    pub fn cursor(&self) -> usize {
        self.buffer.cursor()
    }

    /// The lines entered before.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// Whether Ctrl-R is going on; [`text`](Self::text) is the line from before then.
    pub const fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// Draws the prompt and the line again, in the row where the cursor is: somebody else has written there. It begins by erasing the row, so
    /// that a program that waits for a prompt does not take it for a new one.
    pub fn redraw(&mut self, out: &mut impl Write) {
        let wanted = wanted(
            &self.prompt,
            &self.buffer,
            self.search.as_ref(),
            &self.history,
        );
        self.view.redraw(wanted, out);
    }

    /// Inserts text at the cursor, as if it were typed; control characters become U+FFFD.
    pub fn insert(&mut self, text: &str, out: &mut impl Write) {
        let shown = |c: char| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        for c in text.chars().map(shown) {
            self.buffer.insert(c.encode_utf8(&mut [0; 4]));
        }
        self.paint(out);
    }

    /// Shows text, in rows that each end with a line feed, between the line and a new copy of it below.
    pub fn list(&mut self, text: &str, out: &mut impl Write) {
        self.view.leave("", out);
        let _ = out.write_str(text);
        self.redraw(out);
    }

    /// Takes one byte; writes to `out` what the terminal must show. Errors of `out` are ignored: the line is what counts.
    pub fn feed(&mut self, byte: u8, out: &mut impl Write) -> Outcome {
        let mut outcome = Outcome::Editing;
        for key in self.keys.feed(byte).into_iter().flatten() {
            outcome = self.key(key, out);
        }
        outcome
    }

    fn key(&mut self, key: Key, out: &mut impl Write) -> Outcome {
        if let Key::Column(columns) = key {
            // Unasked, it is another key of some terminals (Shift-F3).
            if core::mem::take(&mut self.asked_width) {
                self.has_width = true;
                self.set_width(usize::try_from(columns).ok());
                self.paint(out);
            }
            return Outcome::Editing;
        }
        let join = core::mem::take(&mut self.after_cut);
        let again = core::mem::take(&mut self.after_tab);
        if self.search.is_some() {
            let is_all = self.search_key(key);
            self.paint(out);
            if is_all {
                return Outcome::Editing;
            }
        }
        match key {
            Key::Char(c) => {
                let at_end = self.buffer.is_at_end();
                let fits = self.buffer.insert(c.encode_utf8(&mut [0; 4]));
                if !fits || (at_end && self.view.append(c, out)) {
                    return Outcome::Editing;
                }
            }
            Key::Enter => {
                self.view.leave("", out);
                let is_whole = !self.buffer.is_overflowed();
                let line = self.clear();
                if !is_whole {
                    return Outcome::TooLong;
                }
                self.history.push(&line);
                return Outcome::Line(line);
            }
            Key::Interrupt => {
                self.view.leave("^C", out);
                self.clear();
                return Outcome::Interrupt;
            }
            Key::EndOrDelete if self.text().is_empty() && !self.buffer.is_overflowed() => {
                return Outcome::EndOfInput;
            }
            Key::Tab => {
                self.after_tab = true;
                return Outcome::Complete { again };
            }
            Key::Up => self.older(),
            Key::Down => self.newer(),
            Key::Search => self.search = Some(Search::default()),
            Key::Cancel => {}
            Key::Clear => {
                let _ = out.write_str("\x1b[H\x1b[2J");
                self.redraw(out);
                if self.has_width {
                    // It may have another one by now.
                    self.ask_width(out);
                }
                return Outcome::Editing;
            }
            Key::Swap => self.buffer.swap(),
            Key::Paste => self.buffer.paste(),
            Key::CutToEnd | Key::CutToStart | Key::CutBefore | Key::CutWord => {
                self.cut(key, join);
            }
            _ => self.move_or_erase(key),
        }
        self.paint(out);
        Outcome::Editing
    }

    fn move_or_erase(&mut self, key: Key) {
        let buffer = &mut self.buffer;
        let cursor = buffer.cursor();
        match key {
            Key::Left => buffer.move_to(buffer.before()),
            Key::Right => buffer.move_to(buffer.behind()),
            Key::WordLeft => buffer.move_to(buffer.word_start()),
            Key::WordRight => buffer.move_to(buffer.word_end()),
            Key::Home => buffer.move_to(0),
            Key::End => buffer.move_to(buffer.end()),
            Key::Backspace => buffer.erase(buffer.before(), cursor),
            Key::Delete | Key::EndOrDelete => buffer.erase(cursor, buffer.behind()),
            _ => {}
        }
    }

    fn cut(&mut self, key: Key, join: bool) {
        let buffer = &mut self.buffer;
        let cursor = buffer.cursor();
        let (from, to, place) = match key {
            Key::CutToEnd => (cursor, buffer.end(), Join::Back),
            Key::CutToStart => (0, cursor, Join::Front),
            Key::CutBefore => (buffer.blank_before(), cursor, Join::Front),
            _ => (cursor, buffer.word_end(), Join::Back),
        };
        // What cuts nothing does not lose what was cut before.
        if from < to {
            buffer.cut(from, to, if join { place } else { Join::No });
            self.after_cut = true;
        }
    }

    fn older(&mut self) {
        let place = self.place.unwrap_or(self.history.len());
        if let Some(index) = place.checked_sub(1) {
            self.recall(index);
        }
    }

    fn newer(&mut self) {
        let Some(place) = self.place else {
            return;
        };
        if place + 1 < self.history.len() {
            self.recall(place + 1);
        } else if self.buffer.set(&self.draft) {
            self.place = None;
        }
    }

    /// Shows a line of the history; what was begun is kept.
    fn recall(&mut self, index: usize) {
        if self.place.is_none() {
            self.draft = self.buffer.line().to_string();
        }
        if let Some(line) = self.history.get(index)
            && self.buffer.set(line)
        {
            self.place = Some(index);
        }
    }

    /// A key while searching. Answers whether that was all; otherwise the search is over and the key does what it always does.
    fn search_key(&mut self, key: Key) -> bool {
        let Some(search) = &mut self.search else {
            return false;
        };
        match key {
            Key::Char(c) => search.push(c, &self.history),
            Key::Backspace => search.pop(&self.history),
            Key::Search => search.again(&self.history),
            Key::Cancel => self.search = None,
            Key::Interrupt => {
                self.search = None;
                return false;
            }
            Key::Clear => return false,
            _ => {
                self.accept();
                return false;
            }
        }
        true
    }

    /// Ends the search with the line that it found.
    fn accept(&mut self) {
        let Some(search) = self.search.take() else {
            return;
        };
        let Some(found) = search.found() else {
            return;
        };
        self.recall(found);
        if let Some(at) = self.buffer.line().find(search.query()) {
            self.buffer.move_to(at);
        }
    }

    fn paint(&mut self, out: &mut impl Write) {
        let wanted = wanted(
            &self.prompt,
            &self.buffer,
            self.search.as_ref(),
            &self.history,
        );
        self.view.paint(wanted, out);
    }

    fn clear(&mut self) -> String {
        self.place = None;
        self.draft = String::new();
        self.search = None;
        self.buffer.take()
    }
}

/// What the row shall show.
fn wanted<'a>(
    prompt: &'a str,
    buffer: &'a Buffer,
    search: Option<&'a Search>,
    history: &'a History,
) -> Wanted<'a> {
    let Some(search) = search else {
        return Wanted {
            prompt: [prompt, "", ""],
            line: buffer.line(),
            cursor: buffer.cursor(),
        };
    };
    let label = if search.is_failed() {
        "(not found)'"
    } else {
        "(search)'"
    };
    let found = search.found().and_then(|found| history.get(found));
    let line = found.unwrap_or(buffer.line());
    let cursor = match found {
        Some(line) => line.find(search.query()).unwrap_or(0),
        None => buffer.cursor(),
    };
    Wanted {
        prompt: [label, search.query(), "': "],
        line,
        cursor,
    }
}
