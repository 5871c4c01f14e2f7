//! Standard input and output: the terminal, a pipe, a file of the shell, or the kernel's console.
//!
//! Who starts a program says in its environment where they lead:
//!
//! | `STDIN`, `STDOUT` | Leads to |
//! |---|---|
//! | not set | the kernel's bootstrap console: output only, the input is at its end |
//! | `terminal` | the service `service/terminal` |
//! | `stream:SERVICE:NUMBER` | a stream that the exported service of that number keeps, see [`services::streams`] |
//!
//! `print!` and [`write`] add to one buffer of the program. It is sent when a line ends (for a stream: when it is full), when the program reads or
//! waits, and when it ends. What several threads print with one call each never mixes.
//!
//! **Who is gone.** When the terminal was started again the program connects again by itself, and what was not answered is sent, or asked, again: a line
//! may so be printed twice. What the terminal had taken and not sent is lost with it. As long as there is none, output goes to the bootstrap console. Who reads a pipe and is gone makes
//! `print!` print nothing; [`write`] says so. Panics and faults are told on the bootstrap console.
//!
//! Barrelfish counterpart: `lib/term/client`; the course's `getchar` and `putchar`.

mod stream;
mod terminal;
mod way;

pub use services::terminal::Mode;
pub use terminal::{Terminal, ask, connect, set_mode, terminal};
pub use way::{STDIN, STDOUT, Way, input, output};

use crate::console;
use crate::error::Error;
use crate::sync::Mutex;
use crate::syscall;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// Most bytes asked for at once.
const READ_MAX: usize = 4096;
/// Bytes of the longest line; of a longer one there are several.
const LINE_MAX: usize = 64 << 10;

/// What was read from a stream and not yet used. Who reads holds it, so that others wait.
static INPUT: Mutex<VecDeque<u8>> = Mutex::new(VecDeque::new());

/// Reads at least one byte, unless the input is at its end: 0. From the terminal, at most a line, and only while this program has the foreground.
///
/// # Errors
/// The terminal's or the stream's; there is none.
pub fn read(buffer: &mut [u8]) -> Result<usize, Error> {
    if buffer.is_empty() {
        return Ok(0);
    }
    let mut kept = INPUT.lock();
    if kept.is_empty() {
        let most = match input() {
            Way::Stream { .. } => READ_MAX,
            _ => buffer.len().min(READ_MAX),
        };
        kept.extend(more(most, false)?);
    }
    let mut count = 0;
    // Twice, since what was read may go round the end of the queue.
    for _ in 0..2 {
        let (front, _) = kept.as_slices();
        let rest = buffer.get_mut(count..).unwrap_or_default();
        let part = front.len().min(rest.len());
        for (place, byte) in rest.iter_mut().zip(front) {
            *place = *byte;
        }
        kept.drain(..part);
        count += part;
    }
    Ok(count)
}

/// The next line, without its end; `None` at the end of the input. What is no text in it is replaced, and what is longer than 64 KiB comes in several.
///
/// # Errors
/// As [`read`].
pub fn read_line() -> Result<Option<String>, Error> {
    let mut kept = INPUT.lock();
    let mut line = Vec::new();
    loop {
        let end = kept.iter().position(|byte| *byte == b'\n');
        let room = LINE_MAX.saturating_sub(line.len());
        let count = end
            .map_or(kept.len(), |end| end.saturating_add(1))
            .min(room);
        line.extend(kept.drain(..count));
        if line.last() == Some(&b'\n') {
            line.pop();
            break;
        }
        if line.len() >= LINE_MAX {
            break;
        }
        let part = more(READ_MAX, true)?;
        if part.is_empty() {
            if line.is_empty() {
                return Ok(None);
            }
            break;
        }
        kept.extend(part);
    }
    Ok(Some(match String::from_utf8(line) {
        Ok(line) => line,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

/// The next byte; `None` at the end of the input.
///
/// # Errors
/// As [`read`].
pub fn getchar() -> Result<Option<u8>, Error> {
    let mut byte = [0];
    let count = read(&mut byte)?;
    let [byte] = byte;
    Ok((count > 0).then_some(byte))
}

/// Prints a byte; as with `print!`, it may wait for others.
pub fn putchar(byte: u8) {
    // As `print!`, it has nobody to tell.
    let _ = console::write_bytes(&[byte]);
}

/// Prints bytes as they are.
///
/// # Errors
/// Nobody reads the stream any more.
pub fn write(bytes: &[u8]) -> Result<(), Error> {
    console::write_bytes(bytes)
}

/// Sends what is in the buffer.
///
/// # Errors
/// As [`write`].
pub fn flush() -> Result<(), Error> {
    console::try_flush()
}

/// Whether the input comes from the terminal.
pub fn is_terminal() -> bool {
    input() == Way::Terminal
}

/// What there is to read, at most so much; nothing at the end.
fn more(most: usize, line: bool) -> Result<Vec<u8>, Error> {
    // A question first, then the wait for its answer.
    console::flush();
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    match input() {
        Way::Bootstrap => Ok(Vec::new()),
        Way::Terminal => ask(|terminal| terminal.read(most, line)).map(|typed| typed.bytes),
        Way::Stream { service, number } => stream::read(service, number, most),
    }
}

/// Sends output where it belongs.
pub(crate) fn put(bytes: &[u8]) -> Result<(), Error> {
    match output() {
        Way::Bootstrap => syscall::print(bytes),
        Way::Terminal => terminal::print(bytes).or_else(|_| syscall::print(bytes)),
        Way::Stream { service, number } => stream::write(service, number, bytes),
    }
}
