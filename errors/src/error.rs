//! The stacked error value.

use core::fmt;
use core::num::NonZeroU64;

use crate::ErrorCode;

/// Bits of one code in the word.
pub const BITS_PER_CODE: u32 = 10;

/// Most codes in one error; older ones fall off.
pub const DEPTH: usize = 6;

/// The bits of one code.
const CODE_MASK: u64 = (1 << BITS_PER_CODE) - 1;

/// The bits of all codes. The four bits above mean nothing and are always 0.
const STACK_MASK: u64 = (1 << (BITS_PER_CODE as usize * DEPTH)) - 1;

/// A stack of error codes, the newest on top.
///
/// Invariants: the newest code is not 0, and no bit above the six codes is set. So `Result<(), Error>` is one word, and the
/// word 0 is free to mean success.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Error(NonZeroU64);

/// The number that stands for a code in the word. `SysOk` is no error and cannot lie in a stack.
#[inline]
const fn number(code: ErrorCode) -> NonZeroU64 {
    match NonZeroU64::new(code as u64) {
        Some(number) => number,
        None => UNKNOWN,
    }
}

/// [`ErrorCode::Unknown`] as it lies in the word.
const UNKNOWN: NonZeroU64 = NonZeroU64::MIN.saturating_add(ErrorCode::Unknown as u64 - 1);

impl Error {
    /// An error of one code. `SysOk` is no error: it becomes [`ErrorCode::Unknown`].
    #[inline]
    #[must_use]
    pub const fn new(code: ErrorCode) -> Self {
        Self(number(code))
    }

    /// The same with one code on top. With six codes already, the oldest falls off.
    ///
    /// Pushing a success changes nothing: what failed stays failed.
    #[inline]
    #[must_use]
    pub const fn push(self, code: ErrorCode) -> Self {
        if code.is_success() {
            return self;
        }
        let older = (self.0.get() << BITS_PER_CODE) & STACK_MASK;
        Self(number(code).saturating_add(older))
    }

    /// The cause: the same without its newest code. `None` if that was the only one.
    #[inline]
    #[must_use]
    pub const fn pop(self) -> Option<Self> {
        Self::from_raw(self.0.get() >> BITS_PER_CODE)
    }

    /// The newest code: what the last function called could not do.
    #[inline]
    #[must_use]
    pub fn code(self) -> ErrorCode {
        ErrorCode::from_u16(self.newest()).unwrap_or(ErrorCode::Unknown)
    }

    /// Number of the newest code.
    #[inline]
    const fn newest(self) -> u16 {
        (self.0.get() & CODE_MASK) as u16
    }

    /// All codes, newest first.
    #[inline]
    #[must_use]
    pub const fn codes(self) -> Codes {
        Codes(Some(self))
    }

    /// Is the code anywhere in the stack?
    #[must_use]
    pub fn contains(self, code: ErrorCode) -> bool {
        self.codes().any(|other| other == code)
    }

    /// Does the newest code tell of a success with a remark?
    #[inline]
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.newest() < ErrorCode::FIRST_FAILURE
    }

    /// The word.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0.get()
    }

    /// The error in a word, `None` if its newest code is 0, which is success. Bits above the six codes are dropped.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: u64) -> Option<Self> {
        if raw & CODE_MASK == 0 {
            return None;
        }
        match NonZeroU64::new(raw & STACK_MASK) {
            Some(stack) => Some(Self(stack)),
            None => None,
        }
    }
}

impl From<ErrorCode> for Error {
    #[inline]
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

/// The codes of an error, newest first.
#[derive(Clone, Debug)]
pub struct Codes(Option<Error>);

impl Iterator for Codes {
    type Item = ErrorCode;

    fn next(&mut self) -> Option<ErrorCode> {
        let error = self.0?;
        self.0 = error.pop();
        Some(error.code())
    }
}

/// The whole chain: `could not copy a capability (LIB_ERR_CAP_COPY): no capability in that slot (SYS_ERR_CAP_NOT_FOUND)`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error = *self;
        loop {
            match error.code() {
                ErrorCode::Unknown => {
                    let number = error.newest();
                    write!(f, "unknown error {number} (ERR_UNKNOWN)")?;
                }
                code => write!(f, "{code}")?,
            }
            match error.pop() {
                Some(cause) => error = cause,
                None => return Ok(()),
            }
            f.write_str(": ")?;
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Error")?;
        f.debug_list().entries(self.codes()).finish()
    }
}

impl core::error::Error for Error {}

/// Adds what could not be done to the error of a result.
pub trait ResultExt {
    /// Pushes the code if this is an error.
    #[must_use]
    fn push_err(self, code: ErrorCode) -> Self;
}

impl<T> ResultExt for Result<T, Error> {
    #[inline]
    fn push_err(self, code: ErrorCode) -> Self {
        self.map_err(|error| error.push(code))
    }
}
