//! The bootstrap console: printing and reading bytes, for programs that have no service to ask.

use errors::ErrorCode;
use kpi::syscall::{CallWord, GETCHAR_NONE, PRINT_MAX};

use crate::kernel::{Handled, Kernel};

impl Kernel {
    /// Prints at most [`PRINT_MAX`] bytes of a user buffer.
    pub(super) fn print(&mut self, word: CallWord, address: u64, args: &[u64; 10]) -> Handled {
        Self::check_argc(word.argc(), 3)?;
        let [length, ..] = *args;
        let length = length.min(PRINT_MAX);
        self.env
            .with_user_bytes(address, length, |console, bytes| console.write_bytes(bytes))
            .ok_or(ErrorCode::SysInvalidUserBuffer)?;
        self.env.console.printer = self.printer();
        Ok(self.answer_one(length))
    }

    /// Takes a byte that waits in the console.
    pub(super) fn getchar(&mut self, word: CallWord) -> Handled {
        Self::check_argc(word.argc(), 1)?;
        let byte = self.env.console.read_byte();
        let others = self.env.console.has_line_of_others(self.printer());
        let byte = byte.map_or(GETCHAR_NONE, u64::from);
        Ok(self.answer([byte, others.into(), 0]))
    }

    /// Who calls, for the console.
    fn printer(&self) -> u64 {
        self.env.current.map_or(0, |caller| caller.phys().0)
    }
}
