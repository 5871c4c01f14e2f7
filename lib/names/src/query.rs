//! Queries: which services are meant, by name and by properties.
//!
#![doc = "```text"]
#![doc = include_str!("../grammar/query.ebnf")]
#![doc = "```"]
//!
//! [Patterns](crate::pattern) are of names; no pattern means `**`. `first` is that of [names](crate::name), keys, values and texts are those of
//! [properties](crate::properties). `:` is `==`.
//!
//! | Test | True if |
//! |---|---|
//! | `key` | the service has this property, whatever its value: a `false` too |
//! | `key == value`, `key: value` | it has it, and with this value |
//! | `key != value` | it has it, and with another value or another type of value |
//! | `key < value` and so on | it has it, the types are the same and the order is so: numbers as usual, texts by their bytes, `false` before `true` |
//! | `key ~ 'text*'` | it has it, it is a text, and this one where `*` stands for any characters |
//!
//! So each test of a property that is not there is false, and `not` before it true.
//!
//! **Bounds.** A query has at most [`QUERY_MAX`] bytes as it is written, [`TESTS_MAX`] tests and is [`NEST_MAX`] deep. Reading one takes a stack of
//! that depth, as does asking it; neither panics. A query that is [printed](core::fmt::Display) and read again is the same query.
//!
//! Barrelfish counterpart: Octopus' record queries. Theirs have regular expressions instead of `*`, no `or`, `not`, or parentheses.

mod parse;

use crate::name::{Name, Prefix};
use crate::pattern::{Pattern, star};
use crate::properties::{Properties, Value};
use crate::text::{ParseError, write_quoted};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize, Serializer};

/// The most bytes of a query's text.
pub const QUERY_MAX: usize = 1024;
/// The most tests in a query.
pub const TESTS_MAX: usize = 32;
/// How deep a query may be: `not`, `and`, `or` within each other.
pub const NEST_MAX: usize = 16;

/// A query.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Query {
    pattern: Pattern,
    filter: Option<Expr>,
}

/// What is asked of properties.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Expr {
    /// Two or more, none of which is an `All`.
    All(Vec<Expr>),
    /// Two or more, none of which is a `Some`.
    Some(Vec<Expr>),
    Not(Box<Expr>),
    Test(String, Test),
}

/// What is asked of one property.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Test {
    Present,
    Compare(Comparison, Value),
    Like(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Query {
    /// The query for everything.
    #[must_use]
    pub fn any() -> Self {
        Pattern::any().into()
    }

    /// Reads a query.
    ///
    /// # Errors
    /// Where it breaks which rule.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::query(text)
    }

    /// Whether a service is meant.
    #[must_use]
    pub fn matches(&self, name: &Name, properties: &Properties) -> bool {
        self.pattern.matches(name)
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.holds(properties))
    }

    /// Which names are meant.
    #[must_use]
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

impl Expr {
    fn holds(&self, properties: &Properties) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(properties)),
            Self::Some(parts) => parts.iter().any(|part| part.holds(properties)),
            Self::Not(part) => !part.holds(properties),
            Self::Test(key, test) => properties.get(key).is_some_and(|value| test.holds(value)),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Present => true,
            Self::Like(pattern) => matches!(value, Value::Text(text) if star(pattern, text)),
            Self::Compare(comparison, with) => comparison.holds(order(value, with)),
        }
    }
}

/// The order of two values, if they are of one type.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

impl Comparison {
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Equal => order == Some(Ordering::Equal),
            Self::Less => order.is_some_and(Ordering::is_lt),
            Self::AtMost => order.is_some_and(Ordering::is_le),
            Self::More => order.is_some_and(Ordering::is_gt),
            Self::AtLeast => order.is_some_and(Ordering::is_ge),
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Equal => ":",
            Self::Unequal => " !=",
            Self::Less => " <",
            Self::AtMost => " <=",
            Self::More => " >",
            Self::AtLeast => " >=",
        }
    }
}

impl From<Pattern> for Query {
    fn from(pattern: Pattern) -> Self {
        let filter = None;
        Self { pattern, filter }
    }
}

impl From<&Name> for Query {
    fn from(name: &Name) -> Self {
        Pattern::from(name).into()
    }
}

impl From<&Prefix> for Query {
    fn from(prefix: &Prefix) -> Self {
        Pattern::from(prefix).into()
    }
}

impl FromStr for Query {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Query {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        Self::parse(&text)
    }
}

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pattern)?;
        let Some(filter) = &self.filter else {
            return Ok(());
        };
        f.write_str(" { ")?;
        match filter {
            Expr::All(parts) => joined(f, parts, ", ", |part| matches!(part, Expr::All(_)))?,
            other => write!(f, "{other}")?,
        }
        f.write_str(" }")
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => joined(f, parts, " and ", |part| matches!(part, Self::Some(_))),
            // `and` binds more closely.
            Self::Some(parts) => joined(f, parts, " or ", |_| false),
            Self::Not(part) => match **part {
                Self::All(_) | Self::Some(_) => write!(f, "not ({part})"),
                Self::Not(_) | Self::Test(..) => write!(f, "not {part}"),
            },
            Self::Test(key, Test::Present) => f.write_str(key),
            Self::Test(key, Test::Compare(comparison, value)) => {
                write!(f, "{key}{} {value}", comparison.sign())
            }
            Self::Test(key, Test::Like(pattern)) => {
                write!(f, "{key} ~ ")?;
                write_quoted(f, pattern)
            }
        }
    }
}

/// The parts with a word between them, some in parentheses.
fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    between: &str,
    parentheses: impl Fn(&Expr) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        match parentheses(part) {
            true => write!(f, "({part})")?,
            false => write!(f, "{part}")?,
        }
    }
    Ok(())
}
