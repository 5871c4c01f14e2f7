//! Reading queries: one function for each rule of the grammar.

use super::{Comparison, Expr, NEST_MAX, QUERY_MAX, Query, TESTS_MAX, Test};
use crate::pattern::Pattern;
use crate::properties::{TEXT_MAX, Value, key};
use crate::text::{ParseError, Token, Tokens};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;

/// How many parentheses and `not` may be open while reading. Printing puts at most one pair around each level.
const OPEN_MAX: usize = 2 * NEST_MAX;

/// `query`.
pub(super) fn query(text: &str) -> Result<Query, ParseError> {
    let too_long = || {
        let what = format!("more than {QUERY_MAX} bytes");
        ParseError::at(text, text.len(), what, "ask less, and look at the answers")
    };
    if text.len() > QUERY_MAX {
        return Err(too_long());
    }
    let start = text
        .find(|char: char| !char.is_ascii_whitespace())
        .unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let ends = |char: char| char == '{' || char.is_ascii_whitespace();
    let length = rest.find(ends).unwrap_or(rest.len());
    let pattern = match rest.get(..length).unwrap_or_default() {
        "" => Pattern::any(),
        pattern => Pattern::read(text, start, pattern)?,
    };
    let mut reader = Reader {
        tokens: Tokens::new(text, start.saturating_add(length))?,
        tests: 0,
        open: 0,
    };
    let query = Query {
        pattern,
        filter: reader.filter()?,
    };
    // It can be longer as it is printed, and who sends it to somebody sends it so.
    match query.to_string().len() > QUERY_MAX {
        true => Err(too_long()),
        false => Ok(query),
    }
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    tests: usize,
    open: usize,
}

impl Reader<'_> {
    /// `[ "{" [ expr ] "}" ]`, and the end.
    fn filter(&mut self) -> Result<Option<Expr>, ParseError> {
        let mut filter = None;
        if self.tokens.take_sign("{")? {
            if *self.tokens.peek() != Token::Sign("}") {
                let at = self.tokens.place();
                let expr = self.expr()?;
                if depth(&expr) > NEST_MAX {
                    let what = format!("more than {NEST_MAX} levels of `and`, `or` and `not`");
                    return Err(self
                        .tokens
                        .error(at, what, "write it with fewer parentheses"));
                }
                filter = Some(expr);
            }
            if !self.tokens.take_sign("}")? {
                let hint = "go on with `,`, `and` or `or`, or end with `}`";
                return Err(self.tokens.unexpected(hint));
            }
        }
        match self.tokens.peek() {
            Token::End => Ok(filter),
            _ => Err(self
                .tokens
                .unexpected("a query is a pattern, and then tests of properties in `{` and `}`")),
        }
    }

    /// `expr`.
    fn expr(&mut self) -> Result<Expr, ParseError> {
        let mut parts = Vec::new();
        loop {
            parts.push(self.or()?);
            let more = self.tokens.take_sign(",")?;
            // The last may have a comma behind it.
            if !more || matches!(self.tokens.peek(), Token::Sign("}" | ")")) {
                return Ok(all(parts));
            }
        }
    }

    /// `or`.
    fn or(&mut self) -> Result<Expr, ParseError> {
        let mut parts = Vec::new();
        loop {
            match self.and()? {
                Expr::Some(more) => parts.extend(more),
                one => parts.push(one),
            }
            if !self.tokens.take_word("or")? {
                return Ok(alone(parts, Expr::Some));
            }
        }
    }

    /// `and`.
    fn and(&mut self) -> Result<Expr, ParseError> {
        let mut parts = Vec::new();
        loop {
            parts.push(self.unary()?);
            if !self.tokens.take_word("and")? {
                return Ok(all(parts));
            }
        }
    }

    /// `unary`.
    fn unary(&mut self) -> Result<Expr, ParseError> {
        let negated = self.tokens.take_word("not")?;
        if !negated && !self.tokens.take_sign("(")? {
            return self.test();
        }
        self.open += 1;
        if self.open > OPEN_MAX {
            let hint = "write it with fewer parentheses";
            return Err(self.tokens.unexpected(hint));
        }
        let expr = if negated {
            Expr::Not(Box::new(self.unary()?))
        } else {
            let expr = self.expr()?;
            if !self.tokens.take_sign(")")? {
                let hint = "go on with `,`, `and` or `or`, or close the parenthesis";
                return Err(self.tokens.unexpected(hint));
            }
            expr
        };
        self.open -= 1;
        Ok(expr)
    }

    /// `test`.
    fn test(&mut self) -> Result<Expr, ParseError> {
        self.tests += 1;
        if self.tests > TESTS_MAX {
            let what = format!("more than {TESTS_MAX} tests");
            let at = self.tokens.place();
            return Err(self
                .tokens
                .error(at, what, "ask less, and look at the answers"));
        }
        let key = key(&mut self.tokens)?;
        let comparison = match self.tokens.peek() {
            Token::Sign(":" | "==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::Unequal,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::AtMost,
            Token::Sign(">") => Comparison::More,
            Token::Sign(">=") => Comparison::AtLeast,
            Token::Sign("~") => {
                self.tokens.take()?;
                return match self.tokens.peek() {
                    Token::Text(text) if text.len() <= TEXT_MAX => {
                        let test = Test::Like(text.clone());
                        self.tokens.take()?;
                        Ok(Expr::Test(key, test))
                    }
                    _ => Err(self.tokens.unexpected(
                        "behind `~` comes a text between quotes, where `*` stands for anything",
                    )),
                };
            }
            _ => return Ok(Expr::Test(key, Test::Present)),
        };
        self.tokens.take()?;
        let value = Value::read(&mut self.tokens)?;
        Ok(Expr::Test(key, Test::Compare(comparison, value)))
    }
}

/// All of these, those that are all of others taken apart.
fn all(parts: Vec<Expr>) -> Expr {
    let mut flat = Vec::new();
    for part in parts {
        match part {
            Expr::All(more) => flat.extend(more),
            one => flat.push(one),
        }
    }
    alone(flat, Expr::All)
}

/// One stays as it is.
fn alone(mut parts: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => one,
        (_, last) => {
            parts.extend(last);
            several(parts)
        }
    }
}

/// How many levels it has.
fn depth(expr: &Expr) -> usize {
    let below = match expr {
        Expr::All(parts) | Expr::Some(parts) => parts.iter().map(depth).max().unwrap_or(0),
        Expr::Not(part) => depth(part),
        Expr::Test(..) => 0,
    };
    below.saturating_add(1)
}
