//! A line to words and operators.
//!
//! Rules, as in POSIX `sh`:
//!
//! * Blanks (space, tab) separate words, and so does an operator. `#` at the start of a word begins a comment.
//! * A backslash makes the next character ordinary; before a line feed both vanish.
//! * Between single quotes everything is ordinary.
//! * Between double quotes `$` keeps its meaning, and a backslash its own before `$`, `` ` ``, `"`, `\` and a line feed.
//! * `$` before a name, `{`, `?`, `!` or `$` is a parameter; before anything else that is no construct of `sh` it is itself.
//!
//! A *partial* lexer takes the end of the line for a cursor: a quote that is open there is no error but is told.

use crate::ast::{Mode, Parameter, Piece, Word};
use crate::error::{ParseError, Problem};
use crate::limits;
use crate::name::{begins_name, continues_name};
use alloc::string::{String, ToString};

/// An operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operator {
    /// The end of a line inside the text.
    Newline,
    /// `;`
    Semicolon,
    /// `&`
    Ampersand,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `<`, `>`, `>>`
    Redirect(Mode),
}

impl Operator {
    /// As it is written.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Newline => "the end of the line",
            Self::Semicolon => ";",
            Self::Ampersand => "&",
            Self::And => "&&",
            Self::Or => "||",
            Self::Pipe => "|",
            Self::Redirect(mode) => mode.text(),
        }
    }
}

/// What the lexer finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// A word.
    Word(Word),
    /// An operator.
    Operator(Operator),
}

/// A token and where it stands, in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spanned {
    pub(crate) token: Token,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// In what a partial line ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Open {
    /// Behind a blank or an operator: a new word.
    #[default]
    Nothing,
    /// In a word, outside quotes.
    Bare,
    /// Between single quotes.
    Single,
    /// Between double quotes.
    Double,
    /// In the name of a variable.
    Variable {
        /// What is there of it.
        name: String,
        /// Whether it began by `${`.
        braced: bool,
    },
    /// In a comment, or behind a backslash.
    Closed,
}

/// The lexer.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    line: &'a str,
    at: usize,
    partial: bool,
    /// In what the line ended; only of a partial lexer, and only after the last token.
    pub(crate) open: Open,
}

impl<'a> Lexer<'a> {
    /// For a whole line, or for one up to the cursor.
    ///
    /// # Errors
    /// [`Problem::LineTooLong`].
    pub(crate) fn new(line: &'a str, partial: bool) -> Result<Self, ParseError> {
        let lexer = Self {
            line,
            at: 0,
            partial,
            open: Open::Nothing,
        };
        if line.len() > limits::LINE_BYTES {
            return Err(ParseError {
                column: 1,
                problem: Problem::LineTooLong,
            });
        }
        Ok(lexer)
    }

    /// An error at a byte of the line.
    pub(crate) fn error(&self, at: usize, problem: Problem) -> ParseError {
        let before = self.line.get(..at).unwrap_or(self.line);
        ParseError {
            column: before.chars().count() + 1,
            problem,
        }
    }

    /// The text between two offsets.
    pub(crate) fn text(&self, start: usize, end: usize) -> &'a str {
        self.line.get(start..end).unwrap_or_default()
    }

    /// The next token.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(crate) fn next(&mut self) -> Result<Option<Spanned>, ParseError> {
        self.skip_blanks();
        let start = self.at;
        let Some(c) = self.peek() else {
            return Ok(None);
        };
        let token = if is_meta(c) {
            Token::Operator(self.operator(c, start)?)
        } else {
            Token::Word(self.word()?)
        };
        let end = self.at;
        Ok(Some(Spanned { token, start, end }))
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.at += 1,
                Some('#') => {
                    let rest = self.rest();
                    self.at += rest.find('\n').unwrap_or(rest.len());
                    if self.peek().is_none() {
                        self.open = Open::Closed;
                    }
                }
                Some('\\') if self.eat("\\\n") => {}
                _ => return,
            }
        }
    }

    fn operator(&mut self, c: char, start: usize) -> Result<Operator, ParseError> {
        const ABSENT: &[&str] = &[
            ";;", ";&", "&>", "|&", "<<", "<&", "<>", "<(", ">&", ">|", ">(", "(", ")",
        ];
        for operator in ABSENT {
            if self.rest().starts_with(operator) {
                return Err(self.error(start, Problem::Unsupported(operator)));
            }
        }
        self.at += c.len_utf8();
        Ok(match c {
            '\n' => Operator::Newline,
            ';' => Operator::Semicolon,
            '&' if self.eat("&") => Operator::And,
            '&' => Operator::Ampersand,
            '|' if self.eat("|") => Operator::Or,
            '|' => Operator::Pipe,
            '<' => Operator::Redirect(Mode::Read),
            _ if self.eat(">") => Operator::Redirect(Mode::Append),
            _ => Operator::Redirect(Mode::Write),
        })
    }

    fn word(&mut self) -> Result<Word, ParseError> {
        let mut word = Word::default();
        let start = self.at;
        self.open = Open::Bare;
        while let Some(c) = self.peek() {
            if is_meta(c) || is_blank(c) {
                self.open = Open::Nothing;
                break;
            }
            let at = self.at;
            self.at += c.len_utf8();
            match c {
                '\\' => match self.take() {
                    Some('\n') => {}
                    Some(ordinary) => push(&mut word, ordinary),
                    None if self.partial => self.open = Open::Closed,
                    None => return Err(self.error(at, Problem::LoneBackslash)),
                },
                '\'' => self.single(&mut word, at)?,
                '"' => self.double(&mut word, at)?,
                '$' => self.dollar(&mut word, at, false)?,
                '`' => return Err(self.error(at, Problem::Substitution)),
                c => push(&mut word, c),
            }
        }
        let is_number = self
            .text(start, self.at)
            .bytes()
            .all(|byte| byte.is_ascii_digit());
        if is_number && matches!(self.peek(), Some('<' | '>')) {
            return Err(self.error(start, Problem::Descriptor));
        }
        Ok(word)
    }

    fn single(&mut self, word: &mut Word, at: usize) -> Result<(), ParseError> {
        let rest = self.rest();
        let end = rest.find('\'');
        if end.is_none() && !self.partial {
            return Err(self.error(at, Problem::OpenQuote('\'')));
        }
        let inside = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        push_str(word, inside);
        self.at += inside.len();
        if !self.eat("'") {
            self.open = Open::Single;
        }
        Ok(())
    }

    fn double(&mut self, word: &mut Word, at: usize) -> Result<(), ParseError> {
        // Quotes around nothing are an empty piece, which makes a field.
        let mut is_empty = true;
        while let Some(c) = self.peek() {
            let here = self.at;
            self.at += c.len_utf8();
            match c {
                '"' => {
                    if is_empty {
                        push_str(word, "");
                    }
                    return Ok(());
                }
                '\\' if self.eat("\n") => continue,
                '\\' => match self.peek() {
                    Some(ordinary @ ('$' | '`' | '"' | '\\')) => {
                        self.at += 1;
                        push(word, ordinary);
                    }
                    Some(_) => push(word, '\\'),
                    None if self.partial => {
                        self.open = Open::Closed;
                        return Ok(());
                    }
                    None => {}
                },
                '$' => self.dollar(word, here, true)?,
                '`' => return Err(self.error(here, Problem::Substitution)),
                c => push(word, c),
            }
            is_empty = false;
        }
        if !self.partial {
            return Err(self.error(at, Problem::OpenQuote('"')));
        }
        if self.open == Open::Bare {
            self.open = Open::Double;
        }
        Ok(())
    }

    /// What follows a `$` at `at`.
    fn dollar(&mut self, word: &mut Word, at: usize, quoted: bool) -> Result<(), ParseError> {
        let braced = self.eat("{");
        let parameter = match self.peek() {
            Some(c) if begins_name(c) => {
                let rest = self.rest();
                let end = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
                let name = rest.get(..end).unwrap_or_default();
                if name.len() > limits::NAME_BYTES {
                    return Err(self.error(self.at, Problem::NameTooLong));
                }
                self.at += end;
                Some(Parameter::Variable(name.to_string()))
            }
            Some('?') => self.special(Parameter::Status),
            Some('!') => self.special(Parameter::Background),
            Some('$') => self.special(Parameter::Own),
            _ => None,
        };
        let at_end = self.partial && self.peek().is_none();
        let parameter = match (parameter, braced) {
            (Some(Parameter::Variable(name)), braced) if at_end => {
                self.open = Open::Variable { name, braced };
                return Ok(());
            }
            (None, braced) if at_end => {
                let name = String::new();
                self.open = Open::Variable { name, braced };
                return Ok(());
            }
            (Some(parameter), false) => parameter,
            (Some(parameter), true) if self.eat("}") => parameter,
            (Some(_), true) if at_end => {
                self.open = Open::Closed;
                return Ok(());
            }
            (_, true) => {
                let closed = self.rest().contains('}');
                let problem = if closed {
                    Problem::BadBrace
                } else {
                    Problem::OpenBrace
                };
                return Err(self.error(at, problem));
            }
            (None, false) => return self.other_dollar(word, at),
        };
        word.pieces.push(Piece::Parameter { parameter, quoted });
        Ok(())
    }

    fn special(&mut self, parameter: Parameter) -> Option<Parameter> {
        self.at += 1;
        Some(parameter)
    }

    /// A `$` that is no parameter of ours.
    fn other_dollar(&self, word: &mut Word, at: usize) -> Result<(), ParseError> {
        match self.peek() {
            Some('(') => Err(self.error(at, Problem::Substitution)),
            Some(c @ ('0'..='9' | '@' | '*' | '#' | '-')) => {
                Err(self.error(at, Problem::Positional(c)))
            }
            _ => {
                push(word, '$');
                Ok(())
            }
        }
    }
}

/// Adds text to the word, to the literal at its end if one is there.
fn push_str(word: &mut Word, text: &str) {
    match word.pieces.last_mut() {
        Some(Piece::Literal(literal)) => literal.push_str(text),
        _ => word.pieces.push(Piece::Literal(text.to_string())),
    }
}

fn push(word: &mut Word, c: char) {
    push_str(word, c.encode_utf8(&mut [0; 4]));
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_meta(c: char) -> bool {
    matches!(c, '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}
