//! Output: lines, buffered, through the kernel's bootstrap console.

use crate::sync::Mutex;
use crate::syscall;
use core::fmt::{self, Write};

/// Bytes kept before they are printed; also printed at each line's end. One system call's worth.
const BUFFER_BYTES: usize = 256;

struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    length: usize,
    /// Whether what was printed last ended its line.
    at_line_start: bool,
}

static BUFFER: Mutex<Buffer> = Mutex::new(Buffer {
    bytes: [0; BUFFER_BYTES],
    length: 0,
    at_line_start: true,
});

impl Buffer {
    fn flush(&mut self) {
        let pending = self.bytes.get(..self.length).unwrap_or_default();
        // A console that refuses cannot be told about.
        let _ = syscall::print(pending);
        self.length = 0;
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.length == BUFFER_BYTES {
                self.flush();
            }
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        if let Some(last) = text.bytes().next_back() {
            self.at_line_start = last == b'\n';
        }
        if text.contains('\n') {
            self.flush();
        }
        Ok(())
    }
}

/// Prints formatted text; what `print!` and `println!` use.
pub fn write(text: fmt::Arguments<'_>) {
    let _ = BUFFER.lock().write_fmt(text);
}

/// Prints what is buffered.
pub fn flush() {
    BUFFER.lock().flush();
}

/// Whether nothing is buffered.
pub(crate) fn is_flushed() -> bool {
    BUFFER.lock().length == 0
}

/// Whether what this domain has printed last ended its line.
pub fn is_at_line_start() -> bool {
    BUFFER.lock().at_line_start
}

/// Prints what is buffered and ends the line, so that whoever prints next starts a new one. For an ending domain; does
/// nothing when it ends inside of the console itself.
pub(crate) fn finish() {
    if let Some(mut buffer) = BUFFER.try_lock() {
        if !buffer.at_line_start {
            let _ = buffer.write_str("\n");
        }
        buffer.flush();
    }
}

/// Prints text at once, even from a panic inside of the console itself.
pub(crate) fn emergency(text: fmt::Arguments<'_>) {
    match BUFFER.try_lock() {
        Some(mut buffer) => {
            let _ = buffer.write_fmt(text);
            buffer.flush();
        }
        None => {
            let _ = Unbuffered.write_fmt(text);
        }
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
        BUFFER.lock().write_str(text)
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
