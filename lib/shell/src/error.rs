//! What is wrong with a line, where, and what to do about it.

use crate::limits;
use core::fmt;

/// An error of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Column of the character at fault, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The quote opened here is never closed.
    OpenQuote(char),
    /// The `${` here has no `}`.
    OpenBrace,
    /// Between `${` and `}` stands something else than a parameter.
    BadBrace,
    /// A backslash ends the line.
    LoneBackslash,
    /// `$(` or a backquote.
    Substitution,
    /// `$1`, `$@` and their like.
    Positional(char),
    /// An operator of `sh` that this shell lacks.
    Unsupported(&'static str),
    /// A descriptor before a redirection.
    Descriptor,
    /// A reserved word where a command is expected.
    Reserved,
    /// An operator with no command before it.
    NothingBefore(&'static str),
    /// An operator with no command behind it.
    NothingBehind(&'static str),
    /// A redirection without a file.
    NoFile(&'static str),
    /// The line is too long.
    LineTooLong,
    /// The name of a variable is too long.
    NameTooLong,
    /// The line has too many commands.
    TooManyCommands,
    /// The pipeline has too many commands.
    PipelineTooLong,
    /// The command has too many words.
    TooManyWords,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.column;
        match self.problem {
            Problem::OpenQuote(quote) => write!(
                f,
                "the quote opened at column {column} is never closed: add a {quote} or put a backslash before it"
            ),
            Problem::OpenBrace => {
                write!(f, "the ${{ at column {column} is never closed: add a }}")
            }
            other => write!(f, "column {column}: {other}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote(quote) => write!(f, "this quote is never closed: add a {quote}"),
            Self::OpenBrace => f.write_str("this ${ is never closed: add a }"),
            Self::BadBrace => f.write_str(
                "between ${ and } stands the name of a variable, ?, ! or $ and nothing else",
            ),
            Self::LoneBackslash => f.write_str(
                "this backslash has no character to make ordinary: remove it, or write it twice",
            ),
            Self::Substitution => f.write_str(
                "the output of a command cannot become words: put it in single quotes if it is meant as text",
            ),
            Self::Positional(c) => write!(
                f,
                "${c} means nothing at a prompt, which has no arguments: write '${c}' for the text"
            ),
            Self::Unsupported(operator) => write!(
                f,
                "this shell has no {operator}: put it in quotes if it is meant as text"
            ),
            Self::Descriptor => f.write_str(
                "descriptors have no numbers here: put a blank before the < or > if the number is an argument",
            ),
            Self::Reserved => f.write_str(
                "a reserved word of sh, which this shell does not have: put it in quotes to run a program of this name",
            ),
            Self::NothingBefore(operator) => {
                write!(f, "there is no command before {operator}: write one, or remove it")
            }
            Self::NothingBehind(operator) => {
                write!(f, "there is no command behind {operator}: write one, or remove it")
            }
            Self::NoFile(operator) => write!(f, "{operator} needs the name of a file behind it"),
            Self::LineTooLong => {
                write!(f, "a line has at most {} bytes: split it", limits::LINE_BYTES)
            }
            Self::NameTooLong => write!(
                f,
                "the name of a variable has at most {} characters",
                limits::NAME_BYTES
            ),
            Self::TooManyCommands => write!(
                f,
                "a line has at most {} commands: split it",
                limits::COMMANDS
            ),
            Self::PipelineTooLong => write!(
                f,
                "a pipeline has at most {} commands",
                limits::PIPELINE
            ),
            Self::TooManyWords => write!(
                f,
                "a command has at most {} words, assignments and redirections together",
                limits::WORDS
            ),
        }
    }
}

impl core::error::Error for ParseError {}
