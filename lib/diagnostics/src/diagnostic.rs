//! One message at one place of a text, and the list of them.

use core::fmt;

use crate::{Message, Source, Span};

/// Longest stretch of a source line that a message shows, in characters.
const LINE_SHOWN: usize = 160;
/// Most messages printed from one run; the first few nearly always explain the rest.
const MESSAGES_SHOWN: usize = 20;

/// One message at one place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Kind of message, see [`Message::id`].
    pub id: &'static str,
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub text: String,
    /// Something more that may help, such as a name that was perhaps meant.
    pub hint: Option<String>,
    /// The source line (or the part of it around the place), and what stands under it.
    excerpt: Option<(String, String)>,
}

impl Diagnostic {
    /// The message about `span` of `source`.
    #[must_use]
    pub fn new(source: &Source, span: Span, message: &dyn Message) -> Self {
        let (line, column, content) = source.locate(span.start);
        let width = source
            .text
            .get(span.start..span.end)
            .map_or(1, |text| text.lines().next().unwrap_or("").chars().count());
        Self {
            id: message.id(),
            file: source.name.clone(),
            line,
            column,
            text: format!("{}; {}", message.what(), message.cure()),
            hint: None,
            excerpt: Some(excerpt(content, column.saturating_sub(1), width.max(1))),
        }
    }

    /// A message about a file that could not be read as text at all.
    #[must_use]
    pub fn about_file(file: &str, id: &'static str, text: String) -> Self {
        Self {
            id,
            file: file.to_owned(),
            line: 1,
            column: 1,
            text,
            hint: None,
            excerpt: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The first line alone: `file:line:column: what, and what to do`.
    #[must_use]
    pub fn headline(&self) -> String {
        format!("{}:{}:{}: {}", self.file, self.line, self.column, self.text)
    }
}

/// The visible part of a line, and the carets for the `width` characters from `start` on.
fn excerpt(line: &str, start: usize, width: usize) -> (String, String) {
    let first = if line.chars().count() > LINE_SHOWN {
        start.saturating_sub(LINE_SHOWN / 2)
    } else {
        0
    };
    let shown: String = line
        .chars()
        .skip(first)
        .take(LINE_SHOWN)
        .map(|c| {
            if c == '\t' || !c.is_control() {
                c
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect();
    let start = start.saturating_sub(first);
    // Tabs stay tabs, so that the carets stand below the right characters in every terminal.
    let mut carets: String = shown
        .chars()
        .take(start)
        .map(|c| if c == '\t' { c } else { ' ' })
        .collect();
    let room = shown.chars().count().saturating_sub(start).max(1);
    carets.extend(core::iter::repeat_n('^', width.min(room)));
    (shown, carets)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        if let Some((shown, carets)) = &self.excerpt {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin} |\n{number} | {shown}\n{margin} | {carets}")?;
            if let Some(hint) = &self.hint {
                write!(f, "\n{margin} = hint: {hint}")?;
            }
        } else if let Some(hint) = &self.hint {
            write!(f, "\n = hint: {hint}")?;
        }
        Ok(())
    }
}

/// All messages of one run, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts the messages by place.
    #[must_use]
    pub fn new(mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|message| (message.line, message.column));
        Self { list }
    }

    /// The messages.
    pub fn iter(&self) -> core::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = core::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in self.list.iter().take(MESSAGES_SHOWN) {
            writeln!(f, "{message}")?;
        }
        match self.list.len().saturating_sub(MESSAGES_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}

impl core::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SyntaxMessage;

    #[test]
    fn prints_place_line_caret_and_hint() {
        let source = Source::new("x.hl", "one\n\tcap $$;\n");
        let message = Diagnostic::new(
            &source,
            Span::new(9, 11),
            &SyntaxMessage::UnexpectedCharacter { found: '$' },
        )
        .with_hint(Some("look".to_owned()));
        assert_eq!(
            message.to_string(),
            "x.hl:2:6: the character '$' means nothing here; remove it\n  |\n2 | \tcap $$;\n  | \t    ^^\n  = hint: look"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}$", "a".repeat(5000));
        let source = Source::new("x", &text);
        let message = Diagnostic::new(
            &source,
            Span::new(5000, 5001),
            &SyntaxMessage::UnexpectedCharacter { found: '$' },
        );
        assert_eq!(message.column, 5001);
        let printed = message.to_string();
        assert!(printed.lines().all(|line| line.chars().count() < 200));
        assert!(printed.contains("a$\n"));
    }
}
