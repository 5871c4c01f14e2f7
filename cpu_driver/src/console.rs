//! The bootstrap console, and the record lines of the test protocol.

use core::fmt::{self, Write};

/// Most bytes of a nonce.
const NONCE_BYTES: usize = 32;

/// The console of the kernel and of the Print and Getchar calls.
pub struct Console {
    uart: Option<hal::console::Console>,
    nonce: [u8; NONCE_BYTES],
    nonce_bytes: usize,
    /// Physical address of the DCB of who made the last Print call.
    pub printer: u64,
    ended_line: bool,
}

impl Console {
    /// A console without a device: prints nothing.
    pub const fn none() -> Self {
        Self {
            uart: None,
            nonce: [0; NONCE_BYTES],
            nonce_bytes: 0,
            printer: 0,
            ended_line: false,
        }
    }

    /// The console at a UART.
    pub fn new(uart: hal::console::Console) -> Self {
        Self {
            uart: Some(uart),
            nonce: [0; NONCE_BYTES],
            nonce_bytes: 0,
            printer: 0,
            ended_line: false,
        }
    }

    /// Sets the nonce of records; without one, records are not printed. Too long or empty: ignored.
    pub fn set_nonce(&mut self, nonce: &str) {
        if let Some(place) = self.nonce.get_mut(..nonce.len()) {
            place.copy_from_slice(nonce.as_bytes());
            self.nonce_bytes = nonce.len();
        }
    }

    /// Prints bytes as they are, newlines as carriage return and newline.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let Some(uart) = &mut self.uart else { return };
        for &byte in bytes {
            self.ended_line = byte == b'\n';
            if byte == b'\n' {
                uart.write_byte(b'\r');
            }
            uart.write_byte(byte);
        }
    }

    /// Whether somebody else than this dispatcher printed last, and ended a line with it.
    pub fn has_line_of_others(&self, printer: u64) -> bool {
        self.ended_line && self.printer != printer
    }

    /// The next received byte.
    pub fn read_byte(&mut self) -> Option<u8> {
        self.uart.as_mut()?.read_byte()
    }

    /// Whether records are printed.
    pub fn records_enabled(&self) -> bool {
        self.nonce_bytes > 0
    }

    /// Starts a record line; its JSON and [`Self::end_record`] must follow in the same kernel entry.
    #[optimize(size)]
    pub fn begin_record(&mut self) {
        let nonce = self.nonce;
        self.write_bytes(b"@@BE1 ");
        self.write_bytes(nonce.get(..self.nonce_bytes).unwrap_or_default());
        self.write_bytes(b" ");
    }

    /// Part of a record: control characters become spaces, so that a record is one line whatever it is made of.
    pub fn record_bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_bytes(&[if byte < b' ' { b' ' } else { byte }]);
        }
    }

    /// Ends a record line.
    pub fn end_record(&mut self) {
        self.write_bytes(b"\n");
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes());
        Ok(())
    }
}

/// Prints a line of the kernel's own; the console cannot fail.
#[macro_export]
macro_rules! say {
    ($console:expr, $($arg:tt)*) => {{
        let _ = core::fmt::Write::write_fmt(&mut $console, format_args!("kernel: {}\n", format_args!($($arg)*)));
    }};
}
