//! Errors: stacked fugu codes, newest outermost.

pub use errors::{Error, ErrorCode, ResultExt};

/// The result of a system call's first word.
pub(crate) fn check(raw: u64) -> Result<(), Error> {
    match Error::from_raw(raw) {
        Some(error) if !error.is_success() => Err(error),
        // Success, perhaps with a remark.
        _ => Ok(()),
    }
}

/// Whether a message that was refused with this error can be sent again later.
pub fn is_transient(error: Error) -> bool {
    error.codes().any(|code| {
        matches!(
            code,
            ErrorCode::SysLmpBufOverflow
                | ErrorCode::SysLmpTargetDisabled
                | ErrorCode::SysLmpCaptransferDstCnodeLookup
                | ErrorCode::SysLmpCaptransferDstCnodeInvalid
                | ErrorCode::SysLmpCaptransferDstSlotOccupied
        )
    })
}

/// The code for what the books of `mm` refused.
pub(crate) fn from_mm(error: mm::MmError) -> Error {
    use mm::MmError;
    Error::new(match error {
        MmError::Exhausted => ErrorCode::LibRamAlloc,
        MmError::Invalid => ErrorCode::MmOutOfBounds,
        MmError::Overlap => ErrorCode::MmAlreadyPresent,
        MmError::NotFound => ErrorCode::MmNotFound,
        MmError::InUse => ErrorCode::MmAlreadyAllocated,
        MmError::NoMemory => ErrorCode::LibMallocFail,
    })
}
