//! Bytes to keys.
//!
//! No sequence known to us holds a control byte. So one ends a sequence and does what it always does: no Enter is swallowed.
//! Unknown sequences and control bytes are no keys. Bytes that are no UTF-8, and characters that are control codes of
//! their own (U+0080 to U+009F), are U+FFFD: whatever is in the line can be shown.

use crate::utf8::{Decoded, Utf8};

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Tab,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOrDelete,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    /// Ctrl-K.
    CutToEnd,
    /// Ctrl-U.
    CutToStart,
    /// Ctrl-W: to the blank before.
    CutBefore,
    /// Alt-D.
    CutWord,
    /// Ctrl-Y.
    Paste,
    /// Ctrl-T.
    Swap,
    /// Ctrl-L.
    Clear,
    /// Ctrl-R.
    Search,
    /// Ctrl-G.
    Cancel,
    /// The terminal tells in which column its cursor is, from 1.
    Column(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// ESC seen.
    Start,
    /// ESC [ seen; the number before the last `;`, and the last one.
    Csi(u32, u32),
    /// ESC O seen.
    Ss3,
}

/// The decoder.
#[derive(Debug)]
pub(crate) struct Keys {
    escape: Escape,
    utf8: Utf8,
    after_cr: bool,
}

impl Keys {
    /// Nothing begun.
    pub(crate) const fn new() -> Self {
        Self {
            escape: Escape::None,
            utf8: Utf8::new(),
            after_cr: false,
        }
    }

    /// Takes one byte; at most two keys come of it, the first being a character then.
    pub(crate) fn feed(&mut self, byte: u8) -> [Option<Key>; 2] {
        let after_cr = core::mem::take(&mut self.after_cr);
        let is_control = byte < 0x20 || byte == 0x7f;
        if self.escape != Escape::None && !is_control {
            return [self.escaped(byte), None];
        }
        self.escape = Escape::None;
        if is_control {
            let broken = self.utf8.is_pending();
            self.utf8.reset();
            let broken = broken.then_some(Key::Char(char::REPLACEMENT_CHARACTER));
            return [broken, self.control(byte, after_cr)];
        }
        match self.utf8.feed(byte) {
            Decoded::Pending => [None, None],
            Decoded::Char(c) => [Some(character(c)), None],
            Decoded::Broken(next) => [
                Some(Key::Char(char::REPLACEMENT_CHARACTER)),
                next.map(character),
            ],
        }
    }

    fn control(&mut self, byte: u8, after_cr: bool) -> Option<Key> {
        Some(match byte {
            b'\n' if after_cr => return None,
            b'\r' | b'\n' => {
                self.after_cr = byte == b'\r';
                Key::Enter
            }
            0x01 => Key::Home,
            0x02 => Key::Left,
            0x03 => Key::Interrupt,
            0x04 => Key::EndOrDelete,
            0x05 => Key::End,
            0x06 => Key::Right,
            0x07 => Key::Cancel,
            0x08 | 0x7f => Key::Backspace,
            b'\t' => Key::Tab,
            0x0b => Key::CutToEnd,
            0x0c => Key::Clear,
            0x0e => Key::Down,
            0x10 => Key::Up,
            0x12 => Key::Search,
            0x14 => Key::Swap,
            0x15 => Key::CutToStart,
            0x17 => Key::CutBefore,
            0x19 => Key::Paste,
            0x1b => {
                self.escape = Escape::Start;
                return None;
            }
            _ => return None,
        })
    }

    /// A byte of an escape sequence, no control byte.
    fn escaped(&mut self, byte: u8) -> Option<Key> {
        let escape = core::mem::take(&mut self.escape);
        let is_modified = matches!(escape, Escape::Csi(1, 3 | 5));
        Some(match (escape, byte) {
            (Escape::Start, b'[') => {
                self.escape = Escape::Csi(0, 0);
                return None;
            }
            (Escape::Start, b'O') => {
                self.escape = Escape::Ss3;
                return None;
            }
            (Escape::Start, b'b' | b'B') => Key::WordLeft,
            (Escape::Start, b'f' | b'F') => Key::WordRight,
            (Escape::Start, b'd' | b'D') => Key::CutWord,
            (Escape::Csi(before, last), b'0'..=b'9') => {
                let digit = u32::from(byte - b'0');
                self.escape = Escape::Csi(before, last.saturating_mul(10).saturating_add(digit));
                return None;
            }
            (Escape::Csi(_, last), b';') => {
                self.escape = Escape::Csi(last, 0);
                return None;
            }
            (Escape::Csi(..), b'C') if is_modified => Key::WordRight,
            (Escape::Csi(..), b'D') if is_modified => Key::WordLeft,
            (Escape::Csi(..) | Escape::Ss3, b'A') => Key::Up,
            (Escape::Csi(..) | Escape::Ss3, b'B') => Key::Down,
            (Escape::Csi(..) | Escape::Ss3, b'C') => Key::Right,
            (Escape::Csi(..) | Escape::Ss3, b'D') => Key::Left,
            (Escape::Csi(..) | Escape::Ss3, b'H') | (Escape::Csi(0, 1 | 7), b'~') => Key::Home,
            (Escape::Csi(..) | Escape::Ss3, b'F') | (Escape::Csi(0, 4 | 8), b'~') => Key::End,
            (Escape::Csi(0, 3), b'~') => Key::Delete,
            (Escape::Csi(1.., column), b'R') => Key::Column(column),
            _ => return None,
        })
    }
}

fn character(c: char) -> Key {
    Key::Char(if c.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    })
}
