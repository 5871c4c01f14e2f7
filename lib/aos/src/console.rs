//! Output: what is printed is kept in a buffer, and sent to [standard output](crate::stdio).
//!
//! Sending may wait, for a terminal or for who reads a pipe, and the buffer is locked meanwhile: so lines of threads never mix. A thread that waits for
//! something else, and finds it locked, leaves the buffer to who has it, who looks before he lets go of it.

use crate::error::Error;
use crate::stdio::{self, Way};
use crate::sync::{Mutex, MutexGuard};
use crate::syscall;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

/// Bytes kept before they are sent; except for a stream also sent at each line's end.
const BUFFER_BYTES: usize = 1024;
/// How long an ending domain waits for a thread that prints.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    length: usize,
    /// Whether what was printed last did not end its line. (So all of it is zero at first, and not in the program's file.)
    is_in_line: bool,
}

/// Somebody waits, and what was in the buffer is to be sent.
static WANTED: AtomicBool = AtomicBool::new(false);

static BUFFER: Mutex<Buffer> = Mutex::new(Buffer {
    bytes: [0; BUFFER_BYTES],
    length: 0,
    is_in_line: false,
});

impl Buffer {
    fn pending(&mut self) -> &[u8] {
        let length = core::mem::take(&mut self.length);
        self.bytes.get(..length).unwrap_or_default()
    }

    fn send(&mut self) -> Result<(), Error> {
        match self.length {
            0 => Ok(()),
            _ => stdio::put(self.pending()),
        }
    }

    /// To the bootstrap console: nobody else can be asked now.
    fn send_to_kernel(&mut self) {
        // A console that refuses cannot be told about.
        let _ = syscall::print(self.pending());
    }

    /// Adds bytes; `full` empties it.
    fn add(
        &mut self,
        bytes: &[u8],
        mut full: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for &byte in bytes {
            if self.length == BUFFER_BYTES {
                full(self)?;
            }
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        if let Some(last) = bytes.last() {
            self.is_in_line = *last != b'\n';
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() >= BUFFER_BYTES {
            self.send()?;
            self.is_in_line = !bytes.ends_with(b"\n");
            return stdio::put(bytes);
        }
        self.add(bytes, Self::send)?;
        match stdio::output() {
            Way::Stream { .. } => Ok(()),
            _ if bytes.contains(&b'\n') => self.send(),
            _ => Ok(()),
        }
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Whoever prints has nobody to tell.
        let _ = self.write(text.as_bytes());
        Ok(())
    }
}

/// Uses the buffer, and sends what somebody else wanted to be sent meanwhile.
fn with<R>(work: impl FnOnce(&mut Buffer) -> R) -> R {
    let mut buffer = BUFFER.lock();
    let result = work(&mut buffer);
    settle(buffer);
    result
}

fn settle(mut buffer: MutexGuard<'_, Buffer>) {
    loop {
        while WANTED.swap(false, Ordering::Relaxed) {
            let _ = buffer.send();
        }
        drop(buffer);
        // Somebody may have found it locked just now.
        if !WANTED.load(Ordering::Relaxed) {
            return;
        }
        match BUFFER.try_lock() {
            Some(again) => buffer = again,
            None => return,
        }
    }
}

/// Prints formatted text; what `print!` and `println!` use.
pub fn write(text: fmt::Arguments<'_>) {
    let _ = with(|buffer| buffer.write_fmt(text));
}

/// Prints bytes.
pub(crate) fn write_bytes(bytes: &[u8]) -> Result<(), Error> {
    with(|buffer| buffer.write(bytes))
}

/// Prints what is buffered.
pub fn flush() {
    let _ = try_flush();
}

/// The same.
///
/// # Errors
/// Those of [`stdio::write`].
pub(crate) fn try_flush() -> Result<(), Error> {
    with(Buffer::send)
}

/// Prints what is buffered, before a wait. Who prints just now, which may be what the wait is for, does it when he has.
pub(crate) fn flush_before_wait() {
    match BUFFER.try_lock() {
        Some(mut buffer) => {
            let _ = buffer.send();
            settle(buffer);
        }
        None => WANTED.store(true, Ordering::Relaxed),
    }
}

/// Whether nothing is to be printed before a wait: nothing is buffered, or who prints just now, which may be what the wait is for, does it when he has.
pub(crate) fn is_flushed() -> bool {
    match BUFFER.try_lock() {
        Some(buffer) => buffer.length == 0,
        None => {
            WANTED.store(true, Ordering::Relaxed);
            true
        }
    }
}

/// Whether what this domain has printed last ended its line.
pub fn is_at_line_start() -> bool {
    !BUFFER.lock().is_in_line
}

/// Prints what is buffered and, unless it goes to a stream, ends the line, so that whoever prints next starts a new one. For a domain that ends in order.
///
/// A thread that prints for ever, or ends the domain while it prints, does not keep it from ending.
pub(crate) fn finish() {
    let ends_line = !matches!(stdio::output(), Way::Stream { .. });
    if let Some(mut buffer) = BUFFER.try_lock_for(LAST_PATIENCE) {
        if ends_line && buffer.is_in_line {
            let _ = buffer.write(b"\n");
        }
        let _ = buffer.send();
    }
}

/// The same for one that ends by a fault, which can ask nobody: on the bootstrap console. Does nothing when it ends inside of the console itself.
pub(crate) fn finish_at_once() {
    if let Some(mut buffer) = BUFFER.try_lock() {
        if buffer.is_in_line {
            buffer.emergency("\n");
        }
        buffer.send_to_kernel();
    }
}

/// Prints text on the bootstrap console at once, even from a panic inside of the console itself.
pub(crate) fn emergency(text: fmt::Arguments<'_>) {
    match BUFFER.try_lock() {
        Some(mut buffer) => {
            let _ = Emergency(&mut buffer).write_fmt(text);
            buffer.send_to_kernel();
        }
        None => {
            let _ = Unbuffered.write_fmt(text);
        }
    }
}

impl Buffer {
    fn emergency(&mut self, text: &str) {
        let _ = self.add(text.as_bytes(), |buffer| {
            buffer.send_to_kernel();
            Ok(())
        });
    }
}

struct Emergency<'a>(&'a mut Buffer);

impl Write for Emergency<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.emergency(text);
        Ok(())
    }
}

struct Unbuffered;

impl Write for Unbuffered {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        syscall::print(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// A [`fmt::Write`] to the console.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        with(|buffer| buffer.write_str(text))
    }
}

/// Prints to the console.
#[macro_export]
macro_rules! print {
    ($($part:tt)*) => { $crate::console::write(::core::format_args!($($part)*)) };
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($part:tt)*) => { $crate::console::write(::core::format_args!("{}\n", ::core::format_args!($($part)*))) };
}
