//! What the project's small languages (Hamlet, Fugu) have in common: positions in a text, tokens, and messages that
//! point at the text.
//!
//! * [`Source`] is a named text, [`Span`] a range of bytes in it.
//! * [`Diagnostic`] is one message at one place. It prints as `file:line:column: what, and what to do`, then the line with
//!   carets under the place, then perhaps a hint. [`Diagnostics`] is the list of all messages of one run.
//! * [`messages!`] declares the messages of a language as an enum, so that a test can ask for one example of each.
//! * [`lex`] cuts a text into [`Token`]s, [`Cursor`] walks over them.
//! * [`build_script`] is the whole of a build script that compiles one file with such a language.
//!
//! Nothing here panics, whatever the text is. This crate runs on the host only, at build time.
#![forbid(unsafe_code)]

mod build;
mod cursor;
mod diagnostic;
mod lexer;
mod message;
mod nearest;
mod source;

pub use build::{FileMessage, build_script, compile_file};
pub use cursor::{Cursor, Problem};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use lexer::{Token, TokenKind, lex};
pub use message::{Message, SyntaxMessage};
pub use nearest::nearest;
pub use source::{Source, Span};
