//! The line discipline: what typed bytes become, and the input that nobody has read yet.
//!
//! | Byte, cooked | What happens |
//! |---|---|
//! | CR, LF | the line ends with LF |
//! | BS, DEL | the last character of the line goes |
//! | Ctrl-W, Ctrl-U | its last word goes, all of it goes |
//! | Ctrl-D | what there is of the line is delivered without an end; on an empty line it is the end of input |
//! | Ctrl-C, Ctrl-Z | all unread input goes, and the foreground is interrupted, or to be stopped |
//! | others | part of the line; control characters are shown as `^X`, a tab as a space |
//!
//! A read never goes beyond the end of a line, raw neither: what was typed ahead is for whoever reads next. If that client reads raw, it gets the bytes
//! of unread lines, a Ctrl-D again as such. Bytes that came while the foreground read raw, and are unread when it reads cooked, go through the
//! discipline then; their echo is shown when somebody reads, or types on: a program that does not read leaves them alone.
//!
//! **Full.** The bound is on all unread bytes. A byte that would exceed it rings the bell and is gone. Cooked, one place is kept for the end of
//! the line, so that a line that was begun can be ended.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

const INTERRUPT: u8 = 0x03;
const STOP: u8 = 0x1a;
const END: u8 = 0x04;
const BELL: u8 = 0x07;
const BACKSPACE: u8 = 0x08;
const TAB: u8 = b'\t';
const LINE_FEED: u8 = b'\n';
const RETURN: u8 = b'\r';
const KILL: u8 = 0x15;
const ERASE_WORD: u8 = 0x17;
const DELETE: u8 = 0x7f;

/// What a key has happen to the program that has the foreground. Of several, the greatest counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Signal {
    /// Ctrl-Z: it is to stand still.
    Stop,
    /// Ctrl-C: it is to end.
    Interrupt,
}

/// What a read was answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// The bytes; none only at the end.
    pub bytes: Vec<u8>,
    /// The user has ended the input; the next read reads on nevertheless.
    pub end: bool,
}

impl Input {
    /// For reads of one byte: the byte, or Ctrl-D for the end, as in the course.
    #[must_use]
    pub fn char(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(END)
    }
}

/// What a read waits for. Cooked, both wait for a line; a read that asks for less than a line gets so much of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Until {
    /// Anything, up to the end of a line.
    #[default]
    Any,
    /// The end of a line, as many bytes as are asked for, or that there is no room for more unread input.
    Line,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Byte(u8),
    /// What is before it is to be delivered. There is something.
    Push,
    /// The end of input.
    End,
}

/// Where echo goes.
pub(crate) trait Echo {
    /// Shows all of it, or nothing.
    fn echo(&mut self, bytes: &[u8]);
}

/// Unread input. Raw, it is all in `ready`, as bytes; cooked, `ready` is whole lines or ends with a mark.
#[derive(Debug)]
pub(crate) struct Discipline {
    cooked: bool,
    ready: VecDeque<Unit>,
    /// The line that is being typed.
    line: Vec<u8>,
    capacity: usize,
    /// The echo of what was typed ahead, not shown yet.
    owed: Owed,
}

/// Echo that is kept.
#[derive(Debug, Default)]
struct Owed(Vec<u8>);

impl Echo for Owed {
    fn echo(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl Discipline {
    /// Reads raw.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            cooked: false,
            ready: VecDeque::new(),
            line: Vec::new(),
            capacity,
            owed: Owed(Vec::new()),
        }
    }

    /// Shows the echo of what was typed ahead.
    pub(crate) fn show(&mut self, echo: &mut impl Echo) {
        for part in core::mem::take(&mut self.owed)
            .0
            .split_inclusive(|b| *b == LINE_FEED)
        {
            echo.echo(part);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ready.len().saturating_add(self.line.len())
    }

    pub(crate) fn clear(&mut self) {
        self.ready.clear();
        self.line.clear();
    }

    /// One byte was typed. Answers with the signal that it is.
    #[must_use]
    pub(crate) fn feed(&mut self, byte: u8, echo: &mut impl Echo) -> Option<Signal> {
        if self.cooked {
            self.show(echo);
        }
        self.process(byte, echo)
    }

    fn process(&mut self, byte: u8, echo: &mut impl Echo) -> Option<Signal> {
        match byte {
            _ if !self.cooked => self.deliver(Unit::Byte(byte), &[], echo),
            INTERRUPT => {
                self.clear();
                echo.echo(b"^C\r\n");
                return Some(Signal::Interrupt);
            }
            STOP => {
                self.clear();
                echo.echo(b"^Z\r\n");
                return Some(Signal::Stop);
            }
            END if self.line.is_empty() => self.deliver(Unit::End, &[], echo),
            END => self.deliver(Unit::Push, &[], echo),
            RETURN | LINE_FEED => self.deliver(Unit::Byte(LINE_FEED), b"\r\n", echo),
            BACKSPACE | DELETE => {
                self.erase(echo);
            }
            KILL => while self.erase(echo).is_some() {},
            ERASE_WORD => {
                while self.line.last().is_some_and(u8::is_ascii_whitespace) {
                    self.erase(echo);
                }
                while self.line.last().is_some_and(|b| !b.is_ascii_whitespace()) {
                    self.erase(echo);
                }
            }
            _ if self.len().saturating_add(1) >= self.capacity => echo.echo(&[BELL]),
            _ => {
                self.line.push(byte);
                match byte {
                    TAB => echo.echo(b" "),
                    _ if is_control(byte) => echo.echo(&[b'^', byte ^ 0x40]),
                    _ => echo.echo(&[byte]),
                }
            }
        }
        None
    }

    /// The line and this unit can be read now.
    fn deliver(&mut self, unit: Unit, shown: &[u8], echo: &mut impl Echo) {
        if self.len() >= self.capacity {
            echo.echo(&[BELL]);
            return;
        }
        self.ready.extend(self.line.drain(..).map(Unit::Byte));
        self.ready.push_back(unit);
        echo.echo(shown);
    }

    /// Takes the last character from the line: a byte, and what follows it in UTF-8.
    fn erase(&mut self, echo: &mut impl Echo) -> Option<u8> {
        let mut byte = self.line.pop()?;
        while byte & 0xc0 == 0x80
            && let Some(before) = self.line.pop()
        {
            byte = before;
        }
        echo.echo(b"\x08 \x08");
        if is_control(byte) {
            echo.echo(b"\x08 \x08");
        }
        Some(byte)
    }

    /// Reads cooked or raw from now on. Answers with the signal that unread bytes turn out to be.
    #[must_use]
    pub(crate) fn retune(&mut self, cooked: bool, echo: &mut impl Echo) -> Option<Signal> {
        if self.cooked == cooked {
            return None;
        }
        self.cooked = cooked;
        let line = self.line.drain(..).map(Unit::Byte);
        let unread = self.ready.drain(..).chain(line).map(|unit| match unit {
            Unit::Byte(byte) => byte,
            Unit::Push | Unit::End => END,
        });
        let unread: Vec<u8> = unread.collect();
        let mut owed = Owed::default();
        let mut signal = None;
        for byte in unread {
            signal = signal.max(self.process(byte, &mut owed));
        }
        self.owed = owed;
        if signal.is_some() {
            self.show(echo);
        }
        signal
    }

    /// Reads at most so many bytes, if there is what the read waits for.
    pub(crate) fn take(&mut self, max: usize, until: Until) -> Option<Input> {
        match (self.cooked, until) {
            (true, _) => self.take_line(max),
            (false, until) => {
                let ends = |unit: &Unit| matches!(unit, Unit::Byte(RETURN | LINE_FEED));
                let end = self.ready.iter().take(max).position(ends);
                let full = self.len() >= self.capacity || self.ready.len() >= max;
                match end {
                    Some(end) => self.take_raw(end.saturating_add(1)),
                    None if full || until == Until::Any => self.take_raw(max.min(self.ready.len())),
                    None => None,
                }
            }
        }
    }

    fn take_raw(&mut self, count: usize) -> Option<Input> {
        if count == 0 {
            return None;
        }
        let units = self.ready.drain(..count);
        let bytes = units.filter_map(|unit| match unit {
            Unit::Byte(byte) => Some(byte),
            Unit::Push | Unit::End => None,
        });
        Some(Input {
            bytes: bytes.collect(),
            end: false,
        })
    }

    fn take_line(&mut self, max: usize) -> Option<Input> {
        let mut bytes = Vec::new();
        if *self.ready.front()? == Unit::End {
            self.ready.pop_front();
            return Some(Input { bytes, end: true });
        }
        while bytes.len() < max
            && let Some(&Unit::Byte(byte)) = self.ready.front()
        {
            self.ready.pop_front();
            bytes.push(byte);
            if byte == LINE_FEED {
                break;
            }
        }
        if self.ready.front() == Some(&Unit::Push) {
            self.ready.pop_front();
        }
        Some(Input { bytes, end: false })
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.len() > self.capacity {
            return Err("more unread input than its bound");
        }
        if !self.line.is_empty() && self.len() >= self.capacity {
            return Err("a line has no room for its end");
        }
        let bytes = |unit: &Unit| matches!(unit, Unit::Byte(_));
        let only_bytes = self.line.is_empty() && self.ready.iter().all(bytes);
        if !self.cooked && !only_bytes {
            return Err("raw input is not bytes");
        }
        match self.ready.back() {
            Some(Unit::Byte(byte)) if self.cooked && *byte != LINE_FEED => {
                Err("half a line can be read")
            }
            _ => Ok(()),
        }
    }
}

const fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != TAB || byte == DELETE
}
