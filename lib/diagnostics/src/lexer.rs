//! Cuts a text into names, numbers, quoted texts and punctuation.
//!
//! Comments are `// to the end of the line` and `/* ... */`; they do not nest. Lines that begin with `///` are comments too,
//! but they are kept as the documentation of the token that follows.

use crate::{Diagnostic, Source, Span, SyntaxMessage};

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A letter or underscore, followed by letters, digits and underscores (ASCII).
    Name(String),
    /// A decimal or, with `0x`, hexadecimal number.
    Number(u64),
    /// What stands between double quotes. There are no escapes.
    Text(String),
    /// One punctuation character of the language.
    Mark(char),
    /// The end of the text.
    End,
}

impl TokenKind {
    /// How messages name it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Number(number) => format!("the number {number}"),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::End => "the end of the file".to_owned(),
        }
    }
}

/// A token, where it stands, and the `///` comment before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
    /// Documentation before it, one line of text per `///` line; empty if there is none.
    pub doc: String,
}

/// Cuts the text into tokens; `marks` are the punctuation characters of the language.
///
/// The list always ends with [`TokenKind::End`]. What is wrong is reported and left out, and the rest still read.
#[must_use]
pub fn lex(source: &Source, marks: &str) -> (Vec<Token>, Vec<Diagnostic>) {
    let mut lexer = Lexer {
        source,
        at: 0,
        doc: String::new(),
        tokens: Vec::new(),
        problems: Vec::new(),
    };
    while let Some(c) = lexer.peek() {
        lexer.token(c, marks);
    }
    let end = source.text.len();
    lexer.push(TokenKind::End, end);
    (lexer.tokens, lexer.problems)
}

struct Lexer<'a> {
    source: &'a Source,
    at: usize,
    doc: String,
    tokens: Vec<Token>,
    problems: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves over all characters that satisfy the condition, and returns them.
    fn take_while(&mut self, condition: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !condition(c)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push(Token {
            kind,
            span: Span::new(start, self.at),
            doc: core::mem::take(&mut self.doc),
        });
    }

    fn report(&mut self, start: usize, message: &SyntaxMessage) {
        self.problems.push(Diagnostic::new(
            self.source,
            Span::new(start, self.at),
            message,
        ));
    }

    fn token(&mut self, c: char, marks: &str) {
        let start = self.at;
        if c.is_whitespace() {
            self.take_while(char::is_whitespace);
        } else if self.rest().starts_with("//") {
            let comment = self.take_while(|c| c != '\n');
            if let Some(line) = comment.strip_prefix("///") {
                if !self.doc.is_empty() {
                    self.doc.push('\n');
                }
                self.doc.push_str(line.trim());
            }
        } else if self.rest().starts_with("/*") {
            self.block_comment(start);
        } else if c == '"' {
            self.text(start);
        } else if c.is_ascii_digit() {
            self.number(start);
        } else if c.is_ascii_alphabetic() || c == '_' {
            let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            self.push(TokenKind::Name(name.to_owned()), start);
        } else {
            self.at = self.at.saturating_add(c.len_utf8());
            if marks.contains(c) {
                self.push(TokenKind::Mark(c), start);
            } else {
                self.report(start, &SyntaxMessage::UnexpectedCharacter { found: c });
            }
        }
    }

    fn block_comment(&mut self, start: usize) {
        let inside = self.rest().get(2..).unwrap_or_default();
        match inside.find("*/") {
            Some(length) => self.at = self.at.saturating_add(length).saturating_add(4),
            None => {
                self.at = start.saturating_add(2);
                self.report(start, &SyntaxMessage::UnterminatedComment {});
                self.at = self.source.text.len();
            }
        }
    }

    fn text(&mut self, start: usize) {
        self.at = self.at.saturating_add(1);
        let text = self.take_while(|c| c != '"' && c != '\n');
        if self.peek() == Some('"') {
            self.at = self.at.saturating_add(1);
        } else {
            self.report(start, &SyntaxMessage::UnterminatedText {});
        }
        self.push(TokenKind::Text(text.to_owned()), start);
    }

    fn number(&mut self, start: usize) {
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        let (digits, radix) = match word.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (word, 10),
        };
        let well_formed = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        let value = u64::from_str_radix(digits, radix);
        let found = word.to_owned();
        match value {
            Ok(_) if well_formed => {}
            _ if well_formed => self.report(start, &SyntaxMessage::NumberTooLarge { found }),
            _ => self.report(start, &SyntaxMessage::MalformedNumber { found }),
        }
        // A token all the same, so that the parser does not complain once more about the same place.
        self.push(TokenKind::Number(value.unwrap_or(0)), start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> (Vec<TokenKind>, Vec<&'static str>) {
        let (tokens, problems) = lex(&Source::new("t", text), "{};");
        (
            tokens.into_iter().map(|token| token.kind).collect(),
            problems.into_iter().map(|problem| problem.id).collect(),
        )
    }

    #[test]
    fn tokens_of_every_kind() {
        let (tokens, problems) = kinds("a_1 { 12 0xfF } // no\n /* no ; */ \"te xt\" ;");
        assert_eq!(
            tokens,
            [
                TokenKind::Name("a_1".into()),
                TokenKind::Mark('{'),
                TokenKind::Number(12),
                TokenKind::Number(255),
                TokenKind::Mark('}'),
                TokenKind::Text("te xt".into()),
                TokenKind::Mark(';'),
                TokenKind::End,
            ]
        );
        assert!(problems.is_empty());
    }

    #[test]
    fn documentation_belongs_to_the_next_token() {
        let (tokens, _) = lex(&Source::new("t", "/// one\n/// two\na // x\nb"), "");
        let docs: Vec<_> = tokens.iter().map(|token| token.doc.as_str()).collect();
        assert_eq!(docs, ["one\ntwo", "", ""]);
    }

    #[test]
    fn problems_do_not_stop_the_lexer() {
        let (tokens, problems) = kinds("$ 12x 0x 99999999999999999999 \"open\nb é /*");
        assert_eq!(tokens.len(), 6, "{tokens:?}");
        assert_eq!(
            problems,
            [
                "unexpected-character",
                "malformed-number",
                "malformed-number",
                "number-too-large",
                "unterminated-text",
                "unexpected-character",
                "unterminated-comment"
            ]
        );
    }
}
