//! Walks over tokens on behalf of a recursive-descent parser.

use crate::{Diagnostic, Message, Source, Span, SyntaxMessage, Token, TokenKind};

/// A parser's step failed; the message is already in the list. The parser goes on at the next definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem;

/// The tokens, the place in them, and the messages so far.
#[derive(Debug)]
pub struct Cursor<'a> {
    source: &'a Source,
    tokens: Vec<Token>,
    at: usize,
    end: Token,
    /// How many of the messages are the lexer's.
    lexical: usize,
    problems: Vec<Diagnostic>,
}

impl<'a> Cursor<'a> {
    /// Starts before the first token of the text; `marks` as for [`lex`](crate::lex).
    #[must_use]
    pub fn new(source: &'a Source, marks: &str) -> Self {
        let (tokens, problems) = crate::lex(source, marks);
        let length = source.text.len();
        let end = Token {
            kind: TokenKind::End,
            span: Span::new(length, length),
            doc: String::new(),
        };
        Self {
            source,
            tokens,
            at: 0,
            end,
            lexical: problems.len(),
            problems,
        }
    }

    /// The next token, without taking it.
    #[must_use]
    pub fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&self.end)
    }

    /// Takes the next token. At the end this stays at the end.
    pub fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if token.kind != TokenKind::End {
            self.at = self.at.saturating_add(1);
        }
        token
    }

    /// Is everything read?
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::End
    }

    /// Is the next token this punctuation character?
    #[must_use]
    pub fn at_mark(&self, mark: char) -> bool {
        self.peek().kind == TokenKind::Mark(mark)
    }

    /// The next token if it is a name.
    #[must_use]
    pub fn peek_name(&self) -> Option<&str> {
        match &self.peek().kind {
            TokenKind::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Takes the punctuation character if it is next.
    pub fn take_mark(&mut self, mark: char) -> bool {
        let found = self.at_mark(mark);
        if found {
            self.take();
        }
        found
    }

    /// Takes the punctuation character.
    ///
    /// # Errors
    /// Another token stands there; reported.
    pub fn expect_mark(&mut self, mark: char) -> Result<Span, Problem> {
        if self.at_mark(mark) {
            Ok(self.take().span)
        } else {
            Err(self.unexpected(&format!("`{mark}`")))
        }
    }

    /// Takes a name; `what` says in the message what it would have been the name of.
    ///
    /// # Errors
    /// Another token stands there; reported.
    pub fn expect_name(&mut self, what: &str) -> Result<(String, Span), Problem> {
        match self.peek().kind.clone() {
            TokenKind::Name(name) => Ok((name, self.take().span)),
            _ => Err(self.unexpected(what)),
        }
    }

    /// Reports that the next token is not what had to come.
    pub fn unexpected(&mut self, expected: &str) -> Problem {
        let token = self.peek();
        let message = SyntaxMessage::UnexpectedToken {
            found: token.kind.describe(),
            expected: expected.to_owned(),
        };
        let mut span = token.span;
        if token.kind == TokenKind::End {
            // Not at the end of the file, which may be an empty line, but behind what it continues.
            let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
            let end = last.map_or(0, |last| last.span.end);
            span = Span::new(end, end);
        }
        self.report(span, &message)
    }

    /// Reports a message of the language.
    pub fn report(&mut self, span: Span, message: &dyn Message) -> Problem {
        self.report_with_hint(span, message, None)
    }

    /// Reports a message of the language with a hint.
    pub fn report_with_hint(
        &mut self,
        span: Span,
        message: &dyn Message,
        hint: Option<String>,
    ) -> Problem {
        self.problems
            .push(Diagnostic::new(self.source, span, message).with_hint(hint));
        Problem
    }

    /// The messages; ends the walk. If tokens are wrong, only the messages about them: the others would be consequences.
    #[must_use]
    pub fn into_problems(mut self) -> Vec<Diagnostic> {
        if self.lexical > 0 {
            self.problems.truncate(self.lexical);
        }
        self.problems
    }
}
