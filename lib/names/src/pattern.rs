//! Patterns of names, and of texts. Their grammar stands with that of [queries](crate::query).
//!
//! `*` stands for any characters of a label, also none; `**` for any number of labels, also none. So `fs/**` is `fs` and all below it, `fs/*/**`
//! only what is below. A pattern has at most [`PARTS_MAX`] parts and [`PATTERN_MAX`] characters. Several `**` in a row mean the same as one, and are
//! read as one.
//!
//! **Bounds.** To match a name costs at most parts x labels comparisons, and each of them at most the product of both lengths.

use crate::name::{
    DEPTH_MAX, LABEL_MAX, NAME_MAX, Name, Prefix, is_first, is_label, label_too_long, wrong,
};
use crate::text::ParseError;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The most parts of a pattern: those of a name, with a `**` before, between and behind.
pub const PARTS_MAX: usize = 2 * DEPTH_MAX + 1;

/// The most characters of a pattern: those of any name, with stars.
pub const PATTERN_MAX: usize = NAME_MAX + 4 * PARTS_MAX;

/// A pattern of names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    /// `**`.
    Any,
    /// A label, where `*` stands for anything.
    Label(String),
}

impl Pattern {
    /// `**`, which every name matches.
    #[must_use]
    pub fn any() -> Self {
        Self(alloc::vec![Part::Any])
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// Where it breaks which rule.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::read(text, 0, text)
    }

    /// Reads the pattern that stands somewhere in a longer text.
    pub(crate) fn read(text: &str, start: usize, pattern: &str) -> Result<Self, ParseError> {
        const HINT: &str = "a pattern is labels with `/` between them; `*` stands for anything in a label, `**` for any labels";
        if pattern.len() > PATTERN_MAX {
            let what = format!("more than {PATTERN_MAX} characters");
            let hint = "names are shorter";
            return Err(ParseError::at(text, start, what, hint));
        }
        let mut parts = Vec::new();
        let mut at = start.saturating_add(usize::from(pattern.starts_with('/')));
        for part in pattern.strip_prefix('/').unwrap_or(pattern).split('/') {
            let part = read_part(text, part, at, HINT)?;
            at = at.saturating_add(1).saturating_add(match &part {
                Part::Any => 2,
                Part::Label(label) => label.len(),
            });
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
        }
        if parts.len() > PARTS_MAX {
            let what = format!("more than {PARTS_MAX} parts");
            return Err(ParseError::at(text, start, what, "names have fewer labels"));
        }
        Ok(Self(parts))
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &Name) -> bool {
        // Bit i: what was read so far matches the first i parts. PARTS_MAX bits and one are enough.
        let mut states = self.skip(1_u32);
        for label in name.labels() {
            let mut after = 0;
            for (index, part) in self.0.iter().enumerate() {
                let here = 1_u32 << index;
                if states & here == 0 {
                    continue;
                }
                match part {
                    Part::Any => after |= here,
                    Part::Label(pattern) if star(pattern, label) => after |= here << 1,
                    Part::Label(_) => {}
                }
            }
            states = self.skip(after);
        }
        states & (1 << self.0.len()) != 0
    }

    /// With the states that are reached by giving `**` no label.
    fn skip(&self, mut states: u32) -> u32 {
        for (index, part) in self.0.iter().enumerate() {
            if *part == Part::Any {
                states |= (states & (1 << index)) << 1;
            }
        }
        states
    }

    /// The labels that each name that matches begins with, with slashes between them.
    #[must_use]
    pub fn anchor(&self) -> String {
        let mut anchor = String::new();
        for label in self.literal() {
            if !anchor.is_empty() {
                anchor.push('/');
            }
            anchor.push_str(label);
        }
        anchor
    }

    /// The characters that each name that matches begins with.
    #[must_use]
    pub fn beginning(&self) -> String {
        let mut text = self.anchor();
        if let Some(Part::Label(label)) = self.0.get(self.literal().count()) {
            if !text.is_empty() {
                text.push('/');
            }
            text.extend(label.chars().take_while(|char| *char != '*'));
        }
        text
    }

    /// The one name that can match, if there is but one.
    #[must_use]
    pub fn exact(&self) -> Option<Name> {
        let whole = self.literal().count() == self.0.len();
        whole.then(|| Name::parse(&self.anchor()).ok()).flatten()
    }

    fn literal(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map_while(|part| match part {
            Part::Label(label) if !label.contains('*') => Some(label.as_str()),
            _ => None,
        })
    }
}

impl From<&Name> for Pattern {
    fn from(name: &Name) -> Self {
        let labels = name.labels();
        Self(labels.map(|label| Part::Label(label.into())).collect())
    }
}

impl From<&Prefix> for Pattern {
    fn from(prefix: &Prefix) -> Self {
        let mut parts = Vec::new();
        if !prefix.as_str().is_empty() {
            let labels = prefix.as_str().split('/');
            parts.extend(labels.map(|label| Part::Label(label.into())));
            if let Some(Part::Label(last)) = parts.last_mut() {
                last.push('*');
            }
        }
        parts.push(Part::Any);
        Self(parts)
    }
}

fn read_part(text: &str, part: &str, start: usize, hint: &'static str) -> Result<Part, ParseError> {
    if part == "**" {
        return Ok(Part::Any);
    }
    if part.is_empty() {
        return Err(ParseError::at(text, start, "an empty label", hint));
    }
    for (place, char) in part.char_indices() {
        let at = start.saturating_add(place);
        if place > LABEL_MAX {
            return Err(label_too_long(text, at));
        }
        let first = char == '*' || is_first(char);
        if !first && (place == 0 || !is_label(char)) {
            return Err(wrong(text, at, char));
        }
    }
    if let Some(place) = part.find("**") {
        let at = start.saturating_add(place);
        let hint = "`**` stands alone between slashes; within a label one `*` is enough";
        return Err(ParseError::at(text, at, "`**` within a label", hint));
    }
    Ok(Part::Label(part.into()))
}

/// Whether a text matches a pattern in which `*` stands for any characters, also none.
pub(crate) fn star(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // Behind the last `*`, and where in the text that one ends for now.
    let mut last: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', behind)), _) => {
                last = Some((behind, text));
                pattern = behind;
            }
            (Some((expected, behind)), Some((byte, rest))) if expected == byte => {
                (pattern, text) = (behind, rest);
            }
            (None, None) => return true,
            _ => {
                // That `*` takes one byte more.
                let Some((behind, rest)) = last else {
                    return false;
                };
                let Some((_, rest)) = rest.split_first() else {
                    return false;
                };
                last = Some((behind, rest));
                (pattern, text) = (behind, rest);
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(match part {
                Part::Any => "**",
                Part::Label(label) => label,
            })?;
        }
        Ok(())
    }
}
