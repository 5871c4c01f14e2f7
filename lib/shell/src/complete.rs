//! Completion of the word before the cursor.
//!
//! [`context`] says what kind of word it is and what is there of it, quotes and variables resolved. The shell finds the
//! candidates that begin with it. [`complete`] says what to insert, or that there is a choice, which [`columns`] lays out.
//!
//! Nothing that was typed is changed: what is inserted goes on in the quotes that are open at the cursor.

use crate::ast::{Mode, is_plain};
use crate::expand::Values;
use crate::lex::{Lexer, Open, Operator, Spanned, Token};
use crate::name::continues_name;
use crate::parse::assignment;
use alloc::string::String;
use alloc::vec::Vec;

/// What is to be completed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// What kind of word.
    pub kind: Kind,
    /// What is there of it. Candidates begin with it.
    pub prefix: String,
    quotes: Quotes,
}

/// Kinds of words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The name of a command.
    Command,
    /// An argument.
    Argument {
        /// The words before it, the command first; so its index is their number.
        words: Vec<String>,
    },
    /// The name of a variable.
    Variable,
    /// The file of a redirection.
    File(Mode),
    /// The value in `NAME=value`.
    Value {
        /// The variable.
        name: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quotes {
    None,
    Single,
    Double,
    Name { braced: bool },
}

/// What completion comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Completion {
    /// No candidate.
    Nothing,
    /// Insert this at the cursor. Behind the only candidate the word is closed and a blank set.
    Insert(String),
    /// Several candidates with nothing more in common.
    Choice,
}

/// What the word before the cursor is; `None` if there is none to complete: in a comment, behind a backslash, behind an
/// error.
pub fn context(line: &str, cursor: usize, values: &Values) -> Option<Context> {
    let line = line.get(..cursor)?;
    let mut lexer = Lexer::new(line, true).ok()?;
    let mut words: Vec<String> = Vec::new();
    let mut redirect = None;
    let mut last: Option<Spanned> = None;
    loop {
        let next = lexer.next().ok()?;
        let at_end = next.is_none() || next.as_ref().is_some_and(|token| is_open(token, line));
        if at_end && lexer.open != Open::Nothing {
            last = next;
            break;
        }
        let Some(next) = next else { break };
        match next.token {
            Token::Operator(Operator::Redirect(mode)) => redirect = Some(mode),
            Token::Operator(_) => {
                words.clear();
                redirect = None;
            }
            Token::Word(_) if redirect.take().is_some() => {}
            Token::Word(word) => {
                let raw = lexer.text(next.start, next.end);
                if !words.is_empty() || assignment(raw, &word).is_none() {
                    words.push(values.text(&word).ok()?);
                }
            }
        }
    }
    let quotes = match &lexer.open {
        Open::Closed => return None,
        Open::Nothing | Open::Bare => Quotes::None,
        Open::Single => Quotes::Single,
        Open::Double => Quotes::Double,
        Open::Variable { name, braced } => {
            return Some(Context {
                kind: Kind::Variable,
                prefix: name.clone(),
                quotes: Quotes::Name { braced: *braced },
            });
        }
    };
    let (word, raw) = match last {
        Some(Spanned {
            token: Token::Word(word),
            start,
            end,
        }) => (word, lexer.text(start, end)),
        _ => Default::default(),
    };
    if let Some(mode) = redirect {
        let prefix = values.text(&word).ok()?;
        let kind = Kind::File(mode);
        return Some(Context {
            kind,
            prefix,
            quotes,
        });
    }
    if words.is_empty() {
        let (kind, prefix) = match assignment(raw, &word) {
            Some(assignment) => {
                let name = assignment.name;
                (Kind::Value { name }, values.text(&assignment.value).ok()?)
            }
            None => (Kind::Command, values.text(&word).ok()?),
        };
        return Some(Context {
            kind,
            prefix,
            quotes,
        });
    }
    Some(Context {
        kind: Kind::Argument { words },
        prefix: values.text(&word).ok()?,
        quotes,
    })
}

/// Whether a token is a word that reaches the cursor.
fn is_open(token: &Spanned, line: &str) -> bool {
    token.end == line.len() && matches!(token.token, Token::Word(_))
}

/// What to insert for candidates; those that do not begin with the prefix are passed over.
pub fn complete<'a>(
    context: &Context,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Completion {
    let mut common: Option<&str> = None;
    let mut is_only = true;
    for candidate in candidates {
        let Some(rest) = candidate.strip_prefix(context.prefix.as_str()) else {
            continue;
        };
        common = Some(match common {
            None => rest,
            Some(common) => {
                is_only &= common == rest;
                shared(common, rest)
            }
        });
    }
    let Some(common) = common else {
        return Completion::Nothing;
    };
    if common.is_empty() && !is_only {
        return Completion::Choice;
    }
    let mut text = quoted(common, context.quotes);
    if is_only {
        text.push_str(match context.quotes {
            Quotes::None => " ",
            Quotes::Single => "' ",
            Quotes::Double => "\" ",
            Quotes::Name { braced: true } => "}",
            Quotes::Name { braced: false } => "",
        });
    }
    if text.is_empty() {
        return Completion::Nothing;
    }
    Completion::Insert(text)
}

/// The longest common beginning.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let pairs = one.char_indices().zip(other.chars());
    let end = pairs
        .take_while(|((_, a), b)| a == b)
        .map(|((index, a), _)| index + a.len_utf8())
        .last();
    one.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Text as it must be typed in these quotes.
fn quoted(text: &str, quotes: Quotes) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match quotes {
            Quotes::None if c == '\n' => out.push_str("'\n'"),
            Quotes::None if !is_plain(c) => out.extend(['\\', c]),
            Quotes::Single if c == '\'' => out.push_str("'\\''"),
            Quotes::Double if "$`\"\\".contains(c) => out.extend(['\\', c]),
            Quotes::Name { .. } if !continues_name(c) => break,
            _ => out.push(c),
        }
    }
    out
}

/// Names in columns, in the order given, down and then right, for a terminal of `width` columns; each row ends with a line
/// feed. Control characters are shown as `?`.
pub fn columns<S: AsRef<str>>(names: &[S], width: usize) -> String {
    const GAP: usize = 2;
    let names: Vec<String> = names.iter().map(|name| visible(name.as_ref())).collect();
    let widest = names.iter().map(|name| name.chars().count()).max();
    let column = widest.unwrap_or(0) + GAP;
    // The gap behind the last column may lie beyond the edge.
    let across = (width.saturating_add(GAP) / column).max(1);
    let rows = names.len().div_ceil(across);
    let mut out = String::new();
    for row in 0..rows {
        let mut gap = 0;
        for name in names.iter().skip(row).step_by(rows) {
            out.extend(core::iter::repeat_n(' ', gap));
            out.push_str(name);
            gap = column.saturating_sub(name.chars().count());
        }
        out.push('\n');
    }
    out
}

fn visible(name: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    name.chars().map(shown).collect()
}
