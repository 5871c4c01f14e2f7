//! Rows and columns.

use crate::json::Quoted;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    title: &'static str,
    width: usize,
    is_right: bool,
}

impl Column {
    /// Texts, flush left.
    pub const fn left(title: &'static str, width: usize) -> Self {
        Self {
            title,
            width,
            is_right: false,
        }
    }

    /// Numbers, flush right.
    pub const fn right(title: &'static str, width: usize) -> Self {
        Self {
            title,
            width,
            is_right: true,
        }
    }
}

/// What stands in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
    /// Something that is not there: `-`, in JSON `null`.
    None,
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            // A line feed in a text would make a row of its own.
            Self::Text(text) => text.replace(['\n', '\r'], " "),
            Self::None => "-".to_string(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => Quoted(text).to_string(),
            Self::None => "null".to_string(),
        }
    }
}

/// A list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    columns: &'static [Column],
    is_json: bool,
    out: String,
}

impl Listing {
    /// An empty list of these columns: for scripts, or with their titles as the first line.
    pub fn new(columns: &'static [Column], is_json: bool) -> Self {
        let mut this = Self {
            columns,
            is_json,
            out: String::new(),
        };
        if !is_json {
            let titles = columns.iter().map(|column| column.title.to_string());
            this.line(&titles.collect::<Vec<_>>());
        }
        this
    }

    /// One without a line of titles.
    pub fn bare(columns: &'static [Column], is_json: bool) -> Self {
        Self {
            columns,
            is_json,
            out: String::new(),
        }
    }

    /// Adds a row: a value for each column.
    pub fn row<const N: usize>(&mut self, values: [Value; N]) {
        if !self.is_json {
            let texts: Vec<String> = values.iter().map(Value::text).collect();
            return self.line(&texts);
        }
        self.out.push('{');
        for (index, (column, value)) in self.columns.iter().zip(&values).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let key = column.title.to_lowercase();
            let _ = write!(self.out, "{comma}{}:{}", Quoted(&key), value.json());
        }
        self.out.push_str("}\n");
    }

    fn line(&mut self, texts: &[String]) {
        let start = self.out.len();
        for (index, (column, text)) in self.columns.iter().zip(texts).enumerate() {
            let (blank, width) = (if index == 0 { "" } else { " " }, column.width);
            let _ = match column.is_right {
                true => write!(self.out, "{blank}{text:>width$}"),
                false => write!(self.out, "{blank}{text:<width$}"),
            };
        }
        let kept = self.out.get(start..).unwrap_or_default().trim_end().len();
        self.out.truncate(start.saturating_add(kept));
        self.out.push('\n');
    }

    /// What is printed.
    pub fn finish(self) -> String {
        self.out
    }
}
