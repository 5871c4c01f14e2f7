//! Text to syntax tree: recursive descent, one function per rule of the grammar.
//!
//! ```text
//! file       = { define | capability }                            (a constant may be used above its definition)
//! define     = "define" NAME NUMBER ";"
//! capability = "cap" NAME [ "is_always_copy" | "is_never_copy" | [ "from" NAME ] [ "from_self" ] ]
//!              [ "abstract" ] [ "inherit" NAME ] [ "{" body "}" ] ";"        (no body only with "inherit")
//! body       = [ "can_retype_multiple" ";" ] { item }
//! item       = "address" ( field | "{" address "}" ";" )
//!            | ( "size" | "size_bits" ) ( field | "{" sum "}" ";" )
//!            | [ "eq" ] field
//! address    = "mem_to_phys" "(" sum ")" | "get_address" "(" sum ")" | sum
//! sum        = NAME [ "+" NAME ]                              (a constant if there is one, else a field above)
//! field      = ( TYPE | TEXT ) NAME ";"                       (TEXT: reference to a foreign type)
//! ```
//!
//! Keywords are read in any mixture of upper and lower case. After an error the parser goes on at the next `define` or `cap`, so that one run reports every broken definition once.

use diagnostics::{Cursor, Diagnostic, Problem, Source, TokenKind};

use crate::ast::{
    CapabilitySyntax, DefineSyntax, FieldSyntax, FileSyntax, ItemSyntax, Name, TypeSyntax,
    ValueSyntax,
};
use crate::message::HamletMessage as Message;
use crate::model::CopyRule;

/// The punctuation of the language.
const MARKS: &str = "{}();+";

/// Words that cannot be names. They are recognised in any mixture of upper and lower case.
const KEYWORDS: [&str; 15] = [
    "define",
    "cap",
    "is_always_copy",
    "is_never_copy",
    "from",
    "from_self",
    "abstract",
    "inherit",
    "can_retype_multiple",
    "address",
    "size",
    "size_bits",
    "eq",
    "mem_to_phys",
    "get_address",
];

type Parsed<T> = Result<T, Problem>;

/// Reads a whole file.
///
/// # Errors
/// All messages about tokens and syntax.
pub(crate) fn file(source: &Source) -> Result<FileSyntax, Vec<Diagnostic>> {
    let mut parser = Parser {
        cursor: Cursor::new(source, MARKS),
    };
    let mut file = FileSyntax::default();
    while !parser.cursor.at_end() {
        if parser.definition(&mut file).is_err() {
            parser.skip_to_definition();
        }
    }
    let problems = parser.cursor.into_problems();
    if problems.is_empty() {
        Ok(file)
    } else {
        Err(problems)
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
}

impl Parser<'_> {
    /// The next token as a keyword in lower case, if it is one.
    fn keyword(&self) -> Option<&'static str> {
        let name = self.cursor.peek_name()?;
        KEYWORDS
            .into_iter()
            .find(|keyword| name.eq_ignore_ascii_case(keyword))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.keyword() == Some(keyword);
        if found {
            self.cursor.take();
        }
        found
    }

    /// A name that is not a keyword.
    fn name(&mut self, what: &str) -> Parsed<Name> {
        if self.keyword().is_some() {
            let token = self.cursor.take();
            let word = match token.kind {
                TokenKind::Name(word) => word,
                other => other.describe(),
            };
            return Err(self
                .cursor
                .report(token.span, &Message::ReservedWord { word }));
        }
        let (text, span) = self.cursor.expect_name(what)?;
        Ok(Name { text, span })
    }

    fn definition(&mut self, file: &mut FileSyntax) -> Parsed<()> {
        match self.keyword() {
            Some("define") => file.defines.push(self.define()?),
            Some("cap") => file.capabilities.push(self.capability()?),
            _ => return Err(self.cursor.unexpected("`define` or `cap`")),
        }
        Ok(())
    }

    fn skip_to_definition(&mut self) {
        while !self.cursor.at_end() && !matches!(self.keyword(), Some("define" | "cap")) {
            self.cursor.take();
        }
    }

    fn define(&mut self) -> Parsed<DefineSyntax> {
        self.cursor.take();
        let name = self.name("the name of a constant")?;
        let TokenKind::Number(value) = self.cursor.peek().kind else {
            return Err(self.cursor.unexpected("a number"));
        };
        self.cursor.take();
        self.cursor.expect_mark(';')?;
        Ok(DefineSyntax { name, value })
    }

    fn capability(&mut self) -> Parsed<CapabilitySyntax> {
        let doc = self.cursor.take().doc;
        let name = self.name("the name of a capability")?;
        let mut capability = CapabilitySyntax {
            doc,
            copy: CopyRule::SameRange,
            from: None,
            from_self: false,
            is_abstract: false,
            inherit: None,
            can_retype_multiple: false,
            items: Vec::new(),
            name,
        };
        self.header(&mut capability)?;
        if self.cursor.take_mark('{') {
            self.body(&mut capability)?;
            self.cursor.expect_mark('}')?;
        } else if self.cursor.at_mark(';') && capability.inherit.is_none() {
            let Name { text: name, span } = capability.name;
            return Err(self.cursor.report(span, &Message::NoBody { name }));
        } else if !self.cursor.at_mark(';') {
            return Err(self.cursor.unexpected("`{`"));
        }
        self.cursor.expect_mark(';')?;
        Ok(capability)
    }

    /// Everything between the name and the body.
    fn header(&mut self, capability: &mut CapabilitySyntax) -> Parsed<()> {
        if self.take_keyword("is_always_copy") {
            capability.copy = CopyRule::Always;
        } else if self.take_keyword("is_never_copy") {
            capability.copy = CopyRule::Never;
        }
        if capability.copy != CopyRule::SameRange
            && matches!(self.keyword(), Some("from" | "from_self"))
        {
            let span = self.cursor.peek().span;
            let name = capability.name.text.clone();
            return Err(self
                .cursor
                .report(span, &Message::OriginWithCopyRule { name }));
        }
        if self.take_keyword("from") {
            capability.from = Some(self.name("the name of a capability")?);
        }
        capability.from_self = self.take_keyword("from_self");
        capability.is_abstract = self.take_keyword("abstract");
        if self.take_keyword("inherit") {
            capability.inherit = Some(self.name("the name of a capability")?);
        }
        if let Some(
            word @ ("is_always_copy" | "is_never_copy" | "from" | "from_self" | "abstract"
            | "inherit"),
        ) = self.keyword()
        {
            let span = self.cursor.peek().span;
            let has_origin = capability.from.is_some() || capability.from_self;
            let message = if has_origin && matches!(word, "is_always_copy" | "is_never_copy") {
                Message::OriginWithCopyRule {
                    name: capability.name.text.clone(),
                }
            } else {
                Message::HeaderOrder {
                    word: word.to_owned(),
                }
            };
            return Err(self.cursor.report(span, &message));
        }
        Ok(())
    }

    fn body(&mut self, capability: &mut CapabilitySyntax) -> Parsed<()> {
        if self.take_keyword("can_retype_multiple") {
            self.cursor.expect_mark(';')?;
            capability.can_retype_multiple = true;
        }
        while !self.cursor.at_mark('}') {
            let item = self.item()?;
            capability.items.push(item);
        }
        Ok(())
    }

    fn item(&mut self) -> Parsed<ItemSyntax> {
        let token = self.cursor.peek().clone();
        match self.keyword() {
            Some("can_retype_multiple") => Err(self
                .cursor
                .report(token.span, &Message::RetypeMultipleNotFirst {})),
            Some("address") => {
                self.cursor.take();
                Ok(ItemSyntax::Address(
                    token.span,
                    self.value(token.doc, true)?,
                ))
            }
            Some(word @ ("size" | "size_bits")) => {
                self.cursor.take();
                let value = self.value(token.doc, false)?;
                Ok(ItemSyntax::Size(token.span, word == "size_bits", value))
            }
            Some("eq") => {
                self.cursor.take();
                Ok(ItemSyntax::Field(true, self.field(token.doc)?))
            }
            _ => Ok(ItemSyntax::Field(false, self.field(token.doc)?)),
        }
    }

    /// What follows `address` or `size`: a field, or an expression in braces.
    fn value(&mut self, doc: String, is_address: bool) -> Parsed<ValueSyntax> {
        if !self.cursor.take_mark('{') {
            return Ok(ValueSyntax::Field(self.field(doc)?));
        }
        // Both functions stand for the reference itself: the record holds physical addresses, never kernel pointers.
        let function =
            is_address && (self.take_keyword("mem_to_phys") || self.take_keyword("get_address"));
        let sum = if function {
            self.cursor.expect_mark('(')?;
            let sum = self.sum()?;
            self.cursor.expect_mark(')')?;
            sum
        } else {
            self.sum()?
        };
        self.cursor.expect_mark('}')?;
        self.cursor.expect_mark(';')?;
        Ok(ValueSyntax::Sum(sum))
    }

    fn sum(&mut self) -> Parsed<Vec<Name>> {
        let what = "the name of a constant or field";
        let mut terms = vec![self.name(what)?];
        if self.cursor.take_mark('+') {
            terms.push(self.name(what)?);
        }
        Ok(terms)
    }

    fn field(&mut self, doc: String) -> Parsed<FieldSyntax> {
        let type_name = match self.cursor.peek().kind.clone() {
            TokenKind::Text(text) => {
                self.cursor.take();
                TypeSyntax::Foreign(text)
            }
            _ => TypeSyntax::Named(self.name("a field type or `}`")?),
        };
        let name = self.name("the name of a field")?;
        self.cursor.expect_mark(';')?;
        Ok(FieldSyntax {
            doc,
            type_name,
            name,
        })
    }
}
