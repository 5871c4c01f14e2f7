//! Text to syntax tree: recursive descent, one function per rule of the grammar.
//!
//! ```text
//! file  = class { class }
//! class = "errors" DOMAIN PREFIX "{" case { case } "}" ";"
//! case  = [ "default" ] "success" NAME TEXT "," | "failure" NAME TEXT ","
//! ```
//!
//! After an error the parser goes on at the next case or domain, so that one run reports every broken case once.

use diagnostics::{Cursor, Diagnostic, Problem, Source, Span, TokenKind};

use crate::message::FuguMessage as Message;
use crate::model::Outcome;

/// A name or text, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Spanned {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// `errors DOMAIN PREFIX { ... };`
#[derive(Debug)]
pub(crate) struct ClassSyntax {
    pub(crate) domain: String,
    pub(crate) prefix: Spanned,
    pub(crate) cases: Vec<CaseSyntax>,
}

/// `success NAME "text",` or `failure NAME "text",`
#[derive(Debug)]
pub(crate) struct CaseSyntax {
    pub(crate) outcome: Outcome,
    pub(crate) name: Spanned,
    pub(crate) text: Spanned,
}

type Parsed<T> = Result<T, Problem>;

/// Reads a whole file.
///
/// # Errors
/// All messages about tokens and syntax.
pub(crate) fn file(source: &Source) -> Result<Vec<ClassSyntax>, Vec<Diagnostic>> {
    let mut parser = Parser {
        cursor: Cursor::new(source, "{};,"),
    };
    let mut classes = Vec::new();
    while !parser.cursor.at_end() {
        match parser.class() {
            Ok(class) => classes.push(class),
            Err(Problem) => parser.skip_until(|word| word == "errors"),
        }
    }
    let problems = parser.cursor.into_problems();
    if problems.is_empty() {
        Ok(classes)
    } else {
        Err(problems)
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
}

/// Is this the first word of a case?
fn begins_case(word: &str) -> bool {
    matches!(word, "default" | "success" | "failure")
}

impl Parser<'_> {
    fn at_word(&self, word: &str) -> bool {
        self.cursor.peek_name() == Some(word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.cursor.take();
        }
        found
    }

    fn skip_until(&mut self, stop: impl Fn(&str) -> bool) {
        while !self.cursor.at_end() && !self.cursor.peek_name().is_some_and(&stop) {
            self.cursor.take();
        }
    }

    fn class(&mut self) -> Parsed<ClassSyntax> {
        if !self.take_word("errors") {
            return Err(self.cursor.unexpected("`errors`"));
        }
        let (domain, place) = self.cursor.expect_name("the name of a domain")?;
        let (prefix, span) = self
            .cursor
            .expect_name("the prefix of the domain's codes")?;
        self.cursor.expect_mark('{')?;
        let mut cases = Vec::new();
        let mut broken = false;
        while !self.cursor.at_mark('}') {
            match self.case() {
                Ok(case) => cases.push(case),
                Err(Problem) => {
                    broken = true;
                    self.skip_until(|word| begins_case(word) || word == "errors");
                    if !self.cursor.peek_name().is_some_and(begins_case) {
                        return Err(Problem);
                    }
                }
            }
        }
        if cases.is_empty() && !broken {
            self.cursor.report(place, &Message::EmptyClass { domain });
            return Err(Problem);
        }
        self.cursor.expect_mark('}')?;
        self.cursor.expect_mark(';')?;
        Ok(ClassSyntax {
            domain,
            prefix: Spanned { text: prefix, span },
            cases,
        })
    }

    fn case(&mut self) -> Parsed<CaseSyntax> {
        let is_default = self.take_word("default");
        let outcome = if self.take_word("success") {
            if is_default {
                Outcome::DefaultSuccess
            } else {
                Outcome::Success
            }
        } else if self.at_word("failure") {
            let span = self.cursor.take().span;
            if is_default {
                return Err(self.cursor.report(span, &Message::DefaultFailure {}));
            }
            Outcome::Failure
        } else {
            let expected = if is_default {
                "`success`"
            } else {
                "`success`, `failure` or `}`"
            };
            return Err(self.cursor.unexpected(expected));
        };
        let (name, span) = self.cursor.expect_name("the name of a code")?;
        let name = Spanned { text: name, span };
        let TokenKind::Text(text) = self.cursor.peek().kind.clone() else {
            return Err(self.cursor.unexpected("a text in double quotes"));
        };
        let span = self.cursor.take().span;
        if !self.cursor.take_mark(',') {
            return Err(self.cursor.report(span, &Message::MissingComma {}));
        }
        Ok(CaseSyntax {
            outcome,
            name,
            text: Spanned { text, span },
        })
    }
}
