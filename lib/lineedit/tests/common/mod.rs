//! A small terminal: a grid of characters that understands what the editor writes, and nothing else.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::{self, Write};

pub struct Terminal {
    pub rows: Vec<Vec<char>>,
    pub row: usize,
    pub column: usize,
    width: usize,
    height: usize,
    sequence: Option<String>,
    /// How often a character was written behind the last column.
    pub wraps: usize,
    /// Bytes written.
    pub written: usize,
    saved: (usize, usize),
    /// What the terminal says.
    pub says: String,
}

impl Terminal {
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            rows: vec![vec![' '; width]; height],
            row: 0,
            column: 0,
            width,
            height,
            sequence: None,
            wraps: 0,
            written: 0,
            saved: (0, 0),
            says: String::new(),
        }
    }

    /// A row without the blanks at its end.
    pub fn text(&self, row: usize) -> String {
        let text: String = self.rows[row].iter().collect();
        text.trim_end().to_string()
    }

    /// The row of the cursor.
    pub fn current(&self) -> String {
        self.text(self.row)
    }

    fn sequence(&mut self, parameters: &str, end: char) {
        let number = parameters.parse().unwrap_or(1);
        match (end, parameters) {
            ('K', "") => self.rows[self.row][self.column..].fill(' '),
            ('C', _) => self.column = (self.column + number).min(self.width - 1),
            ('n', "6") => {
                let (row, column) = (self.row + 1, self.column + 1);
                self.says += &format!("\x1b[{row};{column}R");
            }
            ('7', "") => self.saved = (self.row, self.column),
            ('8', "") => (self.row, self.column) = self.saved,
            ('D', _) => self.column = self.column.saturating_sub(number),
            ('H', "") => (self.row, self.column) = (0, 0),
            ('J', "2") => self.rows.iter_mut().for_each(|row| row.fill(' ')),
            _ => panic!("no terminal is asked to do {parameters}{end}"),
        }
    }
}

impl Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.written += c.len_utf8();
            if let Some(mut sequence) = self.sequence.take() {
                match c {
                    '[' if sequence.is_empty() => self.sequence = Some("[".into()),
                    '0'..='9' if !sequence.is_empty() => {
                        sequence.push(c);
                        self.sequence = Some(sequence);
                    }
                    _ => self.sequence(sequence.trim_start_matches('['), c),
                }
                continue;
            }
            match c {
                '\x1b' => self.sequence = Some(String::new()),
                '\r' => self.column = 0,
                '\x08' => self.column = self.column.checked_sub(1).expect("left of the screen"),
                '\n' => {
                    self.column = 0;
                    self.row += 1;
                    if self.row == self.height {
                        self.row -= 1;
                        self.rows.remove(0);
                        self.rows.push(vec![' '; self.width]);
                    }
                }
                c if c.is_control() => panic!("{c:?} on a terminal"),
                c => {
                    if self.column == self.width {
                        self.wraps += 1;
                        self.column = 0;
                    }
                    self.rows[self.row][self.column] = c;
                    self.column += 1;
                }
            }
        }
        Ok(())
    }
}
