//! The Hamlet language: capability types as data.
//!
//! A Hamlet file (`/capabilities.hl`) lists every capability type: what it may be made from, which fields it holds, which of
//! them give its address and size in the mapping database, and which tell two capabilities of one range apart. This crate
//! reads such a file and writes the Rust code that the kernel and user space share: the type numbers, the 24-byte
//! capability record with one typed view per type, the order of the database, and the relations between types.
//!
//! * [`parse`] turns text into a checked [`File`], or into messages that point at the text. It never panics.
//! * [`generate`] turns a [`File`] into Rust code that needs `core` only, is formatted, and is meant to be read.
//! * [`build`] does both for a build script.
//!
//! The steps are `parse` (text to syntax tree), `check` (the static rules), `layout` (fields to bits) and `generate`.
//! Counterpart in Barrelfish: tools/hamlet, which writes C. Ours differs in the record (no packed structures, so that
//! every field is aligned), in references (physical addresses, never kernel pointers) and in its messages.
#![forbid(unsafe_code)]

mod ast;
mod check;
mod generate;
mod layout;
mod message;
mod model;
mod names;
mod parse;

use std::path::Path;

pub use diagnostics::{Diagnostic, Diagnostics, Span};
pub use message::HamletMessage;
pub use model::{
    Builtin, Capability, CopyRule, Define, Expression, Field, FieldType, File, Place, Size, Term,
    Word,
};

/// Reads a Hamlet text; `file_name` is what messages call it.
///
/// # Errors
/// Every message that was found, sorted by place. While the syntax is wrong the static rules are not looked at.
pub fn parse(file_name: &str, text: &str) -> Result<File, Diagnostics> {
    let source = diagnostics::Source::new(file_name, text);
    let syntax = parse::file(&source).map_err(Diagnostics::new)?;
    check::file(&source, syntax).map_err(Diagnostics::new)
}

/// Writes the Rust code for a file.
///
/// The code is meant to be `include!`d in a module that has `pub struct CapRights(pub u8)` in scope, deriving at least
/// `Clone`, `Copy`, `Debug`, `PartialEq` and `Eq`.
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
