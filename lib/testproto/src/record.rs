//! The kinds of records and their fields.

use crate::json::{Fields, JsonError, Str, Value};
use crate::{MAX_JSON, json};
use core::fmt;

/// What type a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A string.
    Str,
    /// An integer.
    Int,
    /// Either: a value that is shown to people.
    Any,
}

/// The kind of a record: its field `t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stage of the boot is reached.
    Boot,
    /// A command typed at the prompt has ended.
    Cmd,
    /// A test started or ended.
    Test,
    /// A benchmark's figures.
    Bench,
    /// Points for an exercise.
    Grade,
    /// A domain took a fault that it did not handle.
    Fault,
    /// A kernel found one of its invariants broken.
    Panic,
    /// The test run is over.
    End,
    /// Capabilities of the core, several in one record.
    Cap,
    /// A domain, for those who read `cap` records.
    Domain,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Boot,
        Self::Cmd,
        Self::Test,
        Self::Bench,
        Self::Grade,
        Self::Fault,
        Self::Panic,
        Self::End,
        Self::Cap,
        Self::Domain,
    ];

    /// The value of `t`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Cmd => "cmd",
            Self::Test => "test",
            Self::Bench => "bench",
            Self::Grade => "grade",
            Self::Fault => "fault",
            Self::Panic => "panic",
            Self::End => "end",
            Self::Cap => "cap",
            Self::Domain => "domain",
        }
    }

    /// The fields that every record of this kind has. Others may come in addition: those that only some records have
    /// (`expected` and `seen` of a failed test) and those of later versions.
    #[must_use]
    pub const fn fields(self) -> &'static [(&'static str, FieldKind)] {
        use FieldKind::{Any, Int, Str};
        match self {
            Self::Boot => &[("stage", Str)],
            Self::Cmd => &[("line", Str), ("status", Int)],
            Self::Test => &[("suite", Str), ("name", Str), ("ev", Str)],
            Self::Bench => &[
                ("name", Str),
                ("unit", Str),
                ("caps", Int),
                ("samples", Int),
                ("min", Int),
                ("median", Int),
                ("max", Int),
            ],
            Self::Grade => &[
                ("milestone", Any),
                ("task", Str),
                ("points", Int),
                ("max", Int),
            ],
            Self::Fault => &[
                ("domain", Str),
                ("pid", Int),
                ("core", Int),
                ("kind", Str),
                ("esr", Int),
                ("far", Int),
                ("pc", Int),
            ],
            Self::Panic => &[
                ("core", Int),
                ("invariant", Str),
                ("file", Str),
                ("line", Int),
            ],
            Self::End => &[("passed", Int), ("failed", Int), ("skipped", Int)],
            Self::Cap => &[("first", Int), ("total", Int), ("caps", Str)],
            Self::Domain => &[("pid", Int), ("name", Str), ("dispatcher", Int)],
        }
    }
}

/// Why a text is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Longer than [`MAX_JSON`].
    TooLong(usize),
    /// Not a flat JSON object.
    Json(JsonError),
    /// No `t`, or one that names no kind.
    UnknownKind,
    /// A field is missing or has another type.
    Field(Kind, &'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n) => write!(
                f,
                "no record: {n} bytes of JSON, at most {MAX_JSON} are allowed"
            ),
            Self::Json(e) => write!(f, "{e}"),
            Self::UnknownKind => write!(f, "no record: its field `t` names no kind of record"),
            Self::Field(kind, field) => {
                write!(
                    f,
                    "a `{}` record without the field `{field}`, or with another type for it",
                    kind.name()
                )
            }
        }
    }
}

impl core::error::Error for RecordError {}

impl From<JsonError> for RecordError {
    fn from(e: JsonError) -> Self {
        Self::Json(e)
    }
}

/// A checked record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it reports.
    pub kind: Kind,
    json: &'a str,
}

impl<'a> Record<'a> {
    /// Checks that a text is one record, whole.
    ///
    /// # Errors
    ///
    /// Each variant of [`RecordError`].
    pub fn parse(json: &'a str) -> Result<Self, RecordError> {
        if json.len() > MAX_JSON {
            return Err(RecordError::TooLong(json.len()));
        }
        json::Fields::new(json).try_for_each(|field| field.map(|_| ()))?;
        let kind =
            lookup_str(json, "t").and_then(|t| Kind::ALL.into_iter().find(|kind| t == kind.name()));
        let record = Self {
            kind: kind.ok_or(RecordError::UnknownKind)?,
            json,
        };
        for &(name, wanted) in record.kind.fields() {
            let good = match record.get(name) {
                Some(value) => match wanted {
                    FieldKind::Any => true,
                    FieldKind::Str => matches!(value, Value::Str(_)),
                    FieldKind::Int => matches!(value, Value::Int(_)),
                },
                None => false,
            };
            if !good {
                return Err(RecordError::Field(record.kind, name));
            }
        }
        Ok(record)
    }

    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> &'a str {
        self.json
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        lookup(self.json, name)
    }

    /// A string field.
    #[must_use]
    pub fn str(&self, name: &str) -> Option<Str<'a>> {
        lookup_str(self.json, name)
    }

    /// An integer field.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i128> {
        match self.get(name) {
            Some(Value::Int(n)) => Some(n),
            _ => None,
        }
    }
}

fn lookup<'a>(json: &'a str, name: &str) -> Option<Value<'a>> {
    Fields::new(json)
        .map_while(Result::ok)
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value)
}

fn lookup_str<'a>(json: &'a str, name: &str) -> Option<Str<'a>> {
    match lookup(json, name) {
        Some(Value::Str(text)) => Some(text),
        _ => None,
    }
}
