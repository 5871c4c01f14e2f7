//! Words and operators to a list. No recursion: the grammar has no brackets.

use crate::ast::{
    Assignment, Chain, Command, Connector, Item, List, Piece, Pipeline, Redirection, Word,
};
use crate::error::{ParseError, Problem};
use crate::lex::{Lexer, Operator, Spanned, Token};
use crate::limits;
use crate::name::{is_name, is_reserved};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

/// Takes a line apart. Text of several lines is taken as if `;` stood between them.
///
/// # Errors
/// The first error of the line, with its column.
pub fn parse(line: &str) -> Result<List, ParseError> {
    let mut parser = Parser {
        lexer: Lexer::new(line, false)?,
        next: None,
        commands: 0,
    };
    parser.advance()?;
    parser.list()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Option<Spanned>,
    commands: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<(), ParseError> {
        self.next = self.lexer.next()?;
        Ok(())
    }

    /// The operator that comes next, if one does.
    fn operator(&self) -> Option<Operator> {
        match self.next.as_ref()?.token {
            Token::Operator(operator) => Some(operator),
            Token::Word(_) => None,
        }
    }

    fn skip_newlines(&mut self) -> Result<(), ParseError> {
        while self.operator() == Some(Operator::Newline) {
            self.advance()?;
        }
        Ok(())
    }

    fn list(&mut self) -> Result<List, ParseError> {
        let mut items = Vec::new();
        loop {
            self.skip_newlines()?;
            if self.next.is_none() {
                return Ok(List { items });
            }
            let chain = self.chain()?;
            // A chain ends at one of these or at the end.
            let end = self.operator();
            let background = end == Some(Operator::Ampersand);
            items.push(Item { chain, background });
            if end.is_some() {
                self.advance()?;
            }
        }
    }

    fn chain(&mut self) -> Result<Chain, ParseError> {
        let first = self.pipeline(None)?;
        let mut rest = Vec::new();
        loop {
            let connector = match self.operator() {
                Some(Operator::And) => Connector::And,
                Some(Operator::Or) => Connector::Or,
                _ => return Ok(Chain { first, rest }),
            };
            let pipeline = self.behind_operator(connector.text())?;
            rest.push((connector, pipeline));
        }
    }

    fn behind_operator(&mut self, text: &'static str) -> Result<Pipeline, ParseError> {
        let at = self.next.as_ref().map_or(0, |token| token.start);
        self.advance()?;
        self.skip_newlines()?;
        self.pipeline(Some((text, at)))
    }

    /// A pipeline; `behind` is the operator before it, if one needs it.
    fn pipeline(&mut self, behind: Option<(&'static str, usize)>) -> Result<Pipeline, ParseError> {
        let mut commands = vec![self.command(behind)?];
        while self.operator() == Some(Operator::Pipe) {
            let at = self.next.as_ref().map_or(0, |token| token.start);
            self.advance()?;
            self.skip_newlines()?;
            let command = self.command(Some(("|", at)))?;
            if commands.len() == limits::PIPELINE {
                return Err(self.lexer.error(at, Problem::PipelineTooLong));
            }
            commands.push(command);
        }
        Ok(Pipeline { commands })
    }

    fn command(&mut self, behind: Option<(&'static str, usize)>) -> Result<Command, ParseError> {
        let mut command = Command::default();
        let mut parts = 0;
        while let Some(Spanned { token, start, end }) = self.next.take() {
            match token {
                Token::Word(word) => {
                    self.advance()?;
                    self.word(&mut command, word, start, end)?;
                }
                Token::Operator(Operator::Redirect(mode)) => {
                    self.advance()?;
                    let next = self.next.take();
                    let Some(Token::Word(file)) = next.map(|next| next.token) else {
                        return Err(self.lexer.error(start, Problem::NoFile(mode.text())));
                    };
                    self.advance()?;
                    command.redirections.push(Redirection { mode, file });
                }
                token @ Token::Operator(_) => {
                    self.next = Some(Spanned { token, start, end });
                    break;
                }
            }
            parts += 1;
            if parts > limits::WORDS {
                return Err(self.lexer.error(start, Problem::TooManyWords));
            }
        }
        if parts == 0 {
            return Err(self.missing(behind));
        }
        self.commands += 1;
        if self.commands > limits::COMMANDS {
            return Err(self.lexer.error(0, Problem::TooManyCommands));
        }
        Ok(command)
    }

    fn word(
        &self,
        command: &mut Command,
        word: Word,
        start: usize,
        end: usize,
    ) -> Result<(), ParseError> {
        if command.words.is_empty() {
            let raw = self.lexer.text(start, end);
            if let Some(assignment) = assignment(raw, &word) {
                if assignment.name.len() > limits::NAME_BYTES {
                    return Err(self.lexer.error(start, Problem::NameTooLong));
                }
                command.assignments.push(assignment);
                return Ok(());
            }
            if is_reserved(raw) {
                return Err(self.lexer.error(start, Problem::Reserved));
            }
        }
        command.words.push(word);
        Ok(())
    }

    /// What to say where a command should be and is not.
    fn missing(&self, behind: Option<(&'static str, usize)>) -> ParseError {
        match (behind, &self.next) {
            (Some((operator, at)), _) => self.lexer.error(at, Problem::NothingBehind(operator)),
            (None, Some(token)) => {
                let operator = self.operator().map_or("", Operator::text);
                self.lexer
                    .error(token.start, Problem::NothingBefore(operator))
            }
            (None, None) => self.lexer.error(0, Problem::NothingBefore("the end")),
        }
    }
}

/// The assignment that a word is, if it is one. `raw` is the word as it is written: only an unquoted name and `=` count.
pub(crate) fn assignment(raw: &str, word: &Word) -> Option<Assignment> {
    let (name, _) = raw.split_once('=').filter(|(name, _)| is_name(name))?;
    let mut value = word.clone();
    let Some(Piece::Literal(text)) = value.pieces.first_mut() else {
        return None;
    };
    text.drain(..(name.len() + 1).min(text.len()));
    // A value is not split, so that an empty literal says nothing.
    if text.is_empty() {
        value.pieces.remove(0);
    }
    let name = name.to_string();
    Some(Assignment { name, value })
}
