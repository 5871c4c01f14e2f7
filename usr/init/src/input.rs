//! The console's input: polled, since the bootstrap console has no interrupt.

use alloc::collections::VecDeque;
use aos::syscall;
use core::time::Duration;

/// How long init sleeps between two looks at the console. A message wakes it at once.
pub const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// Most bytes kept while a program runs; what is typed beyond is dropped with a bell.
const TYPE_AHEAD: usize = 4096;
/// Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// Bytes that were typed and not yet used.
#[derive(Debug, Default)]
pub struct Input {
    ahead: VecDeque<u8>,
    /// Another domain has printed a line where the prompt was.
    overwritten: bool,
}

impl Input {
    /// Nothing typed.
    pub const fn new() -> Self {
        Self {
            ahead: VecDeque::new(),
            overwritten: false,
        }
    }

    /// The next byte, if one was typed.
    pub fn next(&mut self) -> Option<u8> {
        self.ahead.pop_front().or_else(|| {
            let (byte, overwritten) = syscall::look_at_console();
            self.overwritten = overwritten;
            byte
        })
    }

    /// The oldest byte that was typed ahead.
    pub fn take_ahead(&mut self) -> Option<u8> {
        self.ahead.pop_front()
    }

    /// Whether another domain had printed a line behind the prompt when there was last nothing typed.
    pub const fn is_overwritten(&self) -> bool {
        self.overwritten
    }

    /// Collects what is typed while a program runs. Answers whether Ctrl-C was among it; that drops what came before.
    pub fn interrupted(&mut self) -> bool {
        let mut interrupted = false;
        while let Some(byte) = syscall::getchar() {
            if byte == INTERRUPT {
                self.ahead.clear();
                interrupted = true;
            } else if self.ahead.len() < TYPE_AHEAD {
                self.ahead.push_back(byte);
            } else {
                aos::print!("\x07");
            }
        }
        interrupted
    }
}
