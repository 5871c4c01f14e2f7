//! Errors of the whole system: a code says what happened, an [`Error`] is a stack of codes.
//!
//! * [`ErrorCode`] is the enumeration generated from `errno.fugu`: number, name as in C, domain, text.
//! * [`Error`] holds up to six codes in one word. Who passes an error on pushes the code of what could not be done
//!   because of it, so that the whole reads from the outermost symptom to the innermost cause.
//! * [`ResultExt`] pushes onto the error of a `Result`.
//!
//! The word is Barrelfish's `errval_t`: ten bits a code, the newest lowest. It is what a system call returns.
//! Differences: success is not an error here (`Result` tells the two apart, and the word 0 means success), pushing a
//! success onto an error leaves it as it is (there it hides the failure), and numbers that are no code are shown as such.
//!
//! Nothing here allocates or panics.
#![no_std]
#![forbid(unsafe_code)]

mod code {
    //! What Fugu made of `errno.fugu`.
    include!(concat!(env!("OUT_DIR"), "/errno.rs"));
}
mod error;

pub use code::ErrorCode;
pub use error::{BITS_PER_CODE, Codes, DEPTH, Error, ResultExt};

impl core::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.text(), self.name())
    }
}

impl core::fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for ErrorCode {}
