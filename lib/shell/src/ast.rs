//! A command line, taken apart.
//!
//! Each type's `Display` writes it again, with the quotes that it needs: parsing that gives an equal value. So a list can
//! be handed to another shell as text, and a job is shown as what runs.
//!
//! Invariant of values that the parser makes: two literals never stand side by side in a word, and a command has at least one word,
//! assignment or redirection.

use crate::name::is_reserved;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

/// A whole line: chains to run one after the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List {
    /// In the order of the line; none for a blank line or a comment.
    pub items: Vec<Item>,
}

/// A chain, and whether to wait for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// What to run.
    pub chain: Chain,
    /// Whether `&` ends it: nobody waits, and the next item starts at once.
    pub background: bool,
}

/// Pipelines joined by `&&` and `||`, which bind equally strong, from left to right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The first pipeline.
    pub first: Pipeline,
    /// Each further one with what is before it.
    pub rest: Vec<(Connector, Pipeline)>,
}

/// On what the next pipeline of a chain depends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connector {
    /// `&&`: runs if the status so far is 0.
    And,
    /// `||`: runs if the status so far is not 0.
    Or,
}

/// Commands that run at the same time, the output of each being the input of the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pipeline {
    /// At least one.
    pub commands: Vec<Command>,
}

/// A command with what is around it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// `NAME=value` before the command.
    pub assignments: Vec<Assignment>,
    /// The command and its arguments. Without a command, the assignments are for the shell itself.
    pub words: Vec<Word>,
    /// In the order of the line; a later one takes precedence.
    pub redirections: Vec<Redirection>,
}

/// `NAME=value`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The value; it may be a word without pieces.
    pub value: Word,
}

/// `< file` and its like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirection {
    /// What for.
    pub mode: Mode,
    /// Its name.
    pub file: Word,
}

/// What a redirection does with its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// `<`: the input comes from the file.
    Read,
    /// `>`: the output replaces the file.
    Write,
    /// `>>`: the output is added to the file.
    Append,
}

/// A word before expansion.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Word {
    /// Side by side, without blanks in between.
    pub pieces: Vec<Piece>,
}

/// A part of a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Text, its quotes resolved. An empty one (`''`) makes a field although there is nothing in it.
    Literal(String),
    /// A parameter.
    Parameter {
        /// Which.
        parameter: Parameter,
        /// Whether it stands in double quotes: then its value is one field, whatever is in it.
        quoted: bool,
    },
}

/// What `$` names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parameter {
    /// `$NAME` or `${NAME}`.
    Variable(String),
    /// `$?`: the status of the last pipeline.
    Status,
    /// `$!`: the process that was last started in the background.
    Background,
    /// `$$`: the shell's own process.
    Own,
}

impl Connector {
    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}

impl Mode {
    /// As it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Read => "<",
            Self::Write => ">",
            Self::Append => ">>",
        }
    }
}

/// Whether `c` needs no quotes anywhere in a word.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "_-./,:+@%^".contains(c)
}

/// Writes text so that it is one literal word.
pub(crate) fn write_literal(text: &str, out: &mut impl Write) -> fmt::Result {
    if !text.is_empty() && text.chars().all(is_plain) && !is_reserved(text) {
        return out.write_str(text);
    }
    out.write_char('\'')?;
    for (index, part) in text.split('\'').enumerate() {
        if index > 0 {
            out.write_str("'\\''")?;
        }
        out.write_str(part)?;
    }
    out.write_char('\'')
}

/// Text as a word of a line, quoted where that is necessary.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_literal(self.0, f)
    }
}

impl Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.items.iter().enumerate() {
            let is_last = index + 1 == self.items.len();
            item.chain.fmt(f)?;
            f.write_str(match (item.background, is_last) {
                (true, true) => " &",
                (true, false) => " & ",
                (false, true) => "",
                (false, false) => "; ",
            })?;
        }
        Ok(())
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        for (connector, pipeline) in &self.rest {
            write!(f, " {} {pipeline}", connector.text())?;
        }
        Ok(())
    }
}

impl Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(&self.commands, " | ", f)
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(&self.assignments, " ", f)?;
        if !self.assignments.is_empty() && !self.words.is_empty() {
            f.write_char(' ')?;
        }
        separated(&self.words, " ", f)?;
        let is_first = self.assignments.is_empty() && self.words.is_empty();
        if !is_first && !self.redirections.is_empty() {
            f.write_char(' ')?;
        }
        separated(&self.redirections, " ", f)
    }
}

impl Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl Display for Redirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.mode.text(), self.file)
    }
}

impl Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Literal(text) => write_literal(text, f)?,
                Piece::Parameter { parameter, quoted } => {
                    let quote = if *quoted { "\"" } else { "" };
                    // Text right behind a name could be taken for a part of it.
                    let is_name = matches!(parameter, Parameter::Variable(_));
                    let is_tight = matches!(pieces.peek(), Some(Piece::Literal(_)));
                    if is_name && is_tight && !quoted {
                        write!(f, "${{{parameter}}}")?;
                    } else {
                        write!(f, "{quote}${parameter}{quote}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variable(name) => name,
            Self::Status => "?",
            Self::Background => "!",
            Self::Own => "$",
        })
    }
}

fn separated<T: Display>(parts: &[T], separator: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        part.fmt(f)?;
    }
    Ok(())
}
