//! Errors: stacked fugu codes, newest outermost.

pub use errors::{Error, ErrorCode};

/// The result of a system call's first word.
pub(crate) fn check(raw: u64) -> Result<(), Error> {
    match Error::from_raw(raw) {
        None => Ok(()),
        Some(error) => Err(error),
    }
}

/// Pushes a code on the error of a result.
pub trait Context<T> {
    /// The same result, its error with `code` on top.
    ///
    /// # Errors
    /// The error that was there, with `code` pushed.
    fn context(self, code: ErrorCode) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, Error> {
    fn context(self, code: ErrorCode) -> Self {
        self.map_err(|error| error.push(code))
    }
}

/// Whether a message that was refused with this error can be sent again later.
pub fn is_transient(error: Error) -> bool {
    error.iter().any(|code| {
        matches!(
            code,
            ErrorCode::SYS_ERR_LMP_BUF_OVERFLOW
                | ErrorCode::SYS_ERR_LMP_TARGET_DISABLED
                | ErrorCode::SYS_ERR_LMP_CAPTRANSFER_DST_CNODE_LOOKUP
                | ErrorCode::SYS_ERR_LMP_CAPTRANSFER_DST_CNODE_INVALID
                | ErrorCode::SYS_ERR_LMP_CAPTRANSFER_DST_SLOT_OCCUPIED
        )
    })
}

/// The code for what the books of `mm` refused.
pub(crate) fn from_mm(error: mm::MmError) -> Error {
    use mm::MmError;
    Error::new(match error {
        MmError::Exhausted => ErrorCode::LIB_ERR_RAM_ALLOC,
        MmError::Invalid => ErrorCode::MM_ERR_OUT_OF_BOUNDS,
        MmError::Overlap => ErrorCode::MM_ERR_ALREADY_PRESENT,
        MmError::NotFound => ErrorCode::MM_ERR_NOT_FOUND,
        MmError::NoMemory => ErrorCode::LIB_ERR_MALLOC_FAIL,
    })
}
