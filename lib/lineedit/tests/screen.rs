//! Random keys: the line is what a simple model says, and the screen shows it.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod common;

use common::Terminal;
use lineedit::{Editor, Outcome};
use proptest::prelude::*;

const LIMIT: usize = 4096;

/// A line as characters; what each key does in the plainest way.
#[derive(Default)]
struct Model {
    line: Vec<char>,
    cursor: usize,
    cut: Vec<char>,
    joins: bool,
    history: Vec<Vec<char>>,
    place: Option<usize>,
    draft: Vec<char>,
}

impl Model {
    fn word_left(&self) -> usize {
        let mut at = self.cursor;
        while at > 0 && !self.line[at - 1].is_alphanumeric() {
            at -= 1;
        }
        while at > 0 && self.line[at - 1].is_alphanumeric() {
            at -= 1;
        }
        at
    }

    fn word_right(&self) -> usize {
        let mut at = self.cursor;
        while at < self.line.len() && !self.line[at].is_alphanumeric() {
            at += 1;
        }
        while at < self.line.len() && self.line[at].is_alphanumeric() {
            at += 1;
        }
        at
    }

    fn blank_left(&self) -> usize {
        let mut at = self.cursor;
        while at > 0 && self.line[at - 1] == ' ' {
            at -= 1;
        }
        while at > 0 && self.line[at - 1] != ' ' {
            at -= 1;
        }
        at
    }

    fn cut(&mut self, from: usize, to: usize, joins: bool, in_front: bool) {
        if from == to {
            return;
        }
        let text: Vec<char> = self.line.drain(from..to).collect();
        self.cursor = from;
        let before = if joins {
            std::mem::take(&mut self.cut)
        } else {
            Vec::new()
        };
        self.cut = if in_front {
            [text, before].concat()
        } else {
            [before, text].concat()
        };
        self.joins = true;
    }

    fn show(&mut self, line: Vec<char>) {
        self.cursor = line.len();
        self.line = line;
    }

    fn enter(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        self.cursor = 0;
        self.place = None;
        let text: String = line.iter().collect();
        if !text.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line);
        }
        text
    }

    fn key(&mut self, key: &str) {
        let joins = std::mem::take(&mut self.joins);
        let end = self.line.len();
        match key {
            "\x1b[C" => self.cursor = (self.cursor + 1).min(end),
            "\x1b[D" => self.cursor = self.cursor.saturating_sub(1),
            "\x01" => self.cursor = 0,
            "\x05" => self.cursor = end,
            "\x1bb" => self.cursor = self.word_left(),
            "\x1bf" => self.cursor = self.word_right(),
            "\x7f" if self.cursor > 0 => {
                self.cursor -= 1;
                self.line.remove(self.cursor);
            }
            "\x1b[3~" if self.cursor < end => {
                self.line.remove(self.cursor);
            }
            "\x7f" | "\x1b[3~" | "\x0c" | "\t" => {}
            "\x0b" => self.cut(self.cursor, end, joins, false),
            "\x1bd" => self.cut(self.cursor, self.word_right(), joins, false),
            "\x15" => self.cut(0, self.cursor, joins, true),
            "\x17" => self.cut(self.blank_left(), self.cursor, joins, true),
            "\x19" => {
                self.line
                    .splice(self.cursor..self.cursor, self.cut.iter().copied());
                self.cursor += self.cut.len();
            }
            "\x14" if self.cursor > 0 && end > 1 => {
                let at = self.cursor.min(end - 1);
                self.line.swap(at - 1, at);
                self.cursor = at + 1;
            }
            "\x14" => {}
            "\x1b[A" => {
                let place = self.place.unwrap_or(self.history.len());
                if place > 0 {
                    if self.place.is_none() {
                        self.draft = self.line.clone();
                    }
                    self.place = Some(place - 1);
                    self.show(self.history[place - 1].clone());
                }
            }
            "\x1b[B" => {
                if let Some(place) = self.place {
                    let next = (place + 1 < self.history.len()).then_some(place + 1);
                    self.place = next;
                    let line = next.map_or(self.draft.clone(), |next| self.history[next].clone());
                    self.show(line);
                }
            }
            text => {
                for c in text.chars() {
                    self.line.insert(self.cursor, c);
                    self.cursor += 1;
                }
            }
        }
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "z9", " ", "-", "ä", "€", "wort ", "a longer text, "]),
        6 => prop::sample::select(vec![
            "\x1b[C", "\x1b[D", "\x01", "\x05", "\x1bb", "\x1bf", "\x7f", "\x1b[3~", "\x0b", "\x1bd",
            "\x15", "\x17", "\x19", "\x14", "\x1b[A", "\x1b[B", "\x0c", "\t", "\x1b[D", "\x1b[D",
        ]),
        1 => Just("\r"),
    ]
}

/// What the row must look like: the prompt, then the line or, if it is too long, a part of it around the cursor.
fn check(terminal: &Terminal, width: usize, prompt: &str, line: &[char], cursor: usize) {
    let row: Vec<char> = terminal.rows[terminal.row].clone();
    assert_eq!(terminal.wraps, 0);
    assert_eq!(row[width - 1], ' ', "the last column is in use");
    let prompt: Vec<char> = if prompt.chars().count() + 8 < width {
        prompt.chars().collect()
    } else {
        Vec::new()
    };
    let start = prompt.len();
    assert_eq!(row[..start], prompt);
    let places = width - 1 - start;
    let column = terminal
        .column
        .checked_sub(start)
        .expect("the cursor is in the prompt");
    let left = cursor
        .checked_sub(column)
        .expect("the cursor is too far right");
    if line.len() <= places {
        assert_eq!(left, 0);
    }
    let shown = &row[start..width - 1];
    for (index, c) in shown.iter().enumerate() {
        let expected = match line.get(left + index) {
            None => ' ',
            Some(_) if index == 0 && left > 0 => '<',
            Some(_) if index == places - 1 && left + places < line.len() => '>',
            Some(&c) => c,
        };
        assert_eq!(*c, expected, "{line:?} at {cursor}: {shown:?}");
    }
    if left > 0 {
        assert!(column > 0, "the cursor is on the mark");
    }
    if left + places < line.len() {
        assert!(column < places - 1, "the cursor is on the mark");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_screen_shows_the_line(
        keys in prop::collection::vec(key(), 0..80),
        width in prop_oneof![Just(None), (12usize..50).prop_map(Some)],
        prompt in prop::sample::select(vec!["> ", "barreleye> ", ""]),
    ) {
        let columns = width.unwrap_or(5000);
        let mut terminal = Terminal::new(columns, 6);
        let mut editor = Editor::new(LIMIT, 1 << 16);
        let mut model = Model::default();
        editor.set_width(width);
        editor.begin(prompt, &mut terminal);
        for key in keys {
            let mut outcome = Outcome::Editing;
            let above = terminal.rows[..terminal.row].to_vec();
            for byte in key.bytes() {
                outcome = editor.feed(byte, &mut terminal);
            }
            if key == "\r" {
                let text = model.enter();
                if editor.text().len() < LIMIT {
                    prop_assert_eq!(outcome, Outcome::Line(text));
                }
                prop_assert_eq!(terminal.column, 0);
                prop_assert_eq!(terminal.current(), "");
                editor.begin(prompt, &mut terminal);
                continue;
            }
            model.key(key);
            // Pasting doubles: keep below the limit.
            if model.line.len() * 3 > LIMIT {
                break;
            }
            let text: String = model.line.iter().collect();
            prop_assert_eq!(editor.text(), &text);
            let before: String = model.line[..model.cursor].iter().collect();
            prop_assert_eq!(editor.cursor(), before.len());
            check(&terminal, columns, prompt, &model.line, model.cursor);
            if key != "\x0c" {
                prop_assert_eq!(&terminal.rows[..terminal.row], &above);
            }
        }
    }

    /// Any bytes, searches included: nothing leaves the row, and a new drawing shows what was there.
    #[test]
    fn any_bytes_keep_the_screen_true(
        bytes in prop::collection::vec(
            prop_oneof![3 => 0u8..0x20, 3 => b'a'..b'd', 1 => any::<u8>(), 1 => Just(0x12u8)], 0..200),
        width in 12usize..60,
        limit in 1usize..100,
    ) {
        let mut terminal = Terminal::new(width, 4);
        let mut editor = Editor::new(limit, 600);
        editor.set_width(Some(width));
        editor.begin("$ ", &mut terminal);
        for byte in bytes {
            match editor.feed(byte, &mut terminal) {
                Outcome::Editing => {}
                Outcome::Complete { .. } => editor.insert("done ", &mut terminal),
                Outcome::EndOfInput => {}
                Outcome::Line(_) | Outcome::Interrupt | Outcome::TooLong => {
                    prop_assert_eq!(terminal.column, 0);
                    editor.begin("$ ", &mut terminal);
                }
            }
            prop_assert!(editor.text().is_char_boundary(editor.cursor()));
            prop_assert!(editor.text().len() <= limit);
            prop_assert_eq!(terminal.wraps, 0);
            prop_assert!(terminal.column < width);
            let seen = (terminal.rows.clone(), terminal.row, terminal.column);
            editor.redraw(&mut terminal);
            prop_assert_eq!(seen, (terminal.rows.clone(), terminal.row, terminal.column));
        }
    }

    /// Somebody else writes into the row or below it; a new drawing shows the line again.
    #[test]
    fn a_drawing_repairs_the_row(text in "[a-z]{0,30}", noise in "[a-z]{0,20}", lines in 0usize..3) {
        use std::fmt::Write;
        let mut terminal = Terminal::new(40, 6);
        let mut editor = Editor::new(LIMIT, 0);
        editor.set_width(Some(40));
        editor.begin("$ ", &mut terminal);
        for byte in text.bytes() {
            editor.feed(byte, &mut terminal);
        }
        terminal.write_str(&"\n".repeat(lines)).expect("a terminal takes all");
        for c in noise.chars().take(39 - terminal.column) {
            terminal.write_char(c).expect("a terminal takes all");
        }
        editor.redraw(&mut terminal);
        let expected = format!("$ {text}");
        prop_assert_eq!(terminal.current(), expected.trim_end());
        let written = terminal.written;
        editor.feed(b'x', &mut terminal);
        prop_assert_eq!(terminal.current(), format!("$ {text}x"));
        prop_assert_eq!(terminal.written, written + 1);
    }
}
