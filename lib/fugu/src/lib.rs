//! The Fugu language: error codes as data.
//!
//! A Fugu file (`/errors/errno.fugu`) lists every error code of the system by domain, each with a text that says what
//! happened. This crate reads such a file and writes the Rust code of one enumeration over all of them.
//!
//! * [`parse`] turns text into a checked [`File`], or into messages that point at the text. It never panics.
//! * [`generate`] turns a [`File`] into Rust code that needs `core` only, is formatted, and is meant to be read.
//! * [`build`] does both for a build script.
//!
//! Numbers: the default success is 0, then every other success in the order of the file, then every failure. So one comparison
//! tells success from failure, and **any insertion renumbers what follows**: all programs of one image are built from one file,
//! and numbers are never stored.
//!
//! Counterpart in Barrelfish: tools/fugu, which writes C. Same grammar and numbers.
#![forbid(unsafe_code)]

mod check;
mod generate;
mod message;
mod model;
mod parse;

use std::path::Path;

pub use diagnostics::{Diagnostic, Diagnostics, Span};
pub use message::FuguMessage;
pub use model::{Case, File, MOST_CODES, Outcome};

/// Reads a Fugu text; `file_name` is what messages call it.
///
/// # Errors
/// Every message that was found, sorted by place. While the syntax is wrong the other rules are not looked at.
pub fn parse(file_name: &str, text: &str) -> Result<File, Diagnostics> {
    let source = diagnostics::Source::new(file_name, text);
    let syntax = parse::file(&source).map_err(Diagnostics::new)?;
    check::file(&source, syntax).map_err(Diagnostics::new)
}

/// Writes the Rust code for a file.
#[must_use]
pub fn generate(file: &File) -> String {
    generate::file(file)
}

/// The whole of a build script: compiles `input` to `output`, or prints the messages and ends the process with status 1.
pub fn build(input: impl AsRef<Path>, output: impl AsRef<Path>) {
    diagnostics::build_script(input.as_ref(), output.as_ref(), |name, text| {
        parse(name, text).map(|file| generate(&file))
    });
}
