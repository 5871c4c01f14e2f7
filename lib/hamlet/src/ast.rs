//! The syntax tree: what was written, with places, before any rule was checked.

use diagnostics::Span;

use crate::model::CopyRule;

/// A name and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// `define NAME INTEGER;`
#[derive(Debug)]
pub(crate) struct DefineSyntax {
    pub(crate) name: Name,
    pub(crate) value: u64,
}

/// `cap NAME ... { ... };`
#[derive(Debug)]
pub(crate) struct CapabilitySyntax {
    pub(crate) doc: String,
    pub(crate) name: Name,
    pub(crate) copy: CopyRule,
    pub(crate) from: Option<Name>,
    pub(crate) from_self: bool,
    pub(crate) is_abstract: bool,
    pub(crate) inherit: Option<Name>,
    pub(crate) can_retype_multiple: bool,
    pub(crate) items: Vec<ItemSyntax>,
}

/// One line of a body.
#[derive(Debug)]
pub(crate) enum ItemSyntax {
    /// `address ...`
    Address(Span, ValueSyntax),
    /// `size ...` or, with the flag, `size_bits ...`
    Size(Span, bool, ValueSyntax),
    /// A field, with the flag if it is `eq`.
    Field(bool, FieldSyntax),
}

/// What gives the address or size: a field of its own, or a sum of constants and fields.
#[derive(Debug)]
pub(crate) enum ValueSyntax {
    Field(FieldSyntax),
    Sum(Vec<Name>),
}

/// `TYPE NAME;`
#[derive(Debug)]
pub(crate) struct FieldSyntax {
    pub(crate) doc: String,
    pub(crate) type_name: TypeSyntax,
    pub(crate) name: Name,
}

/// The type of a field.
#[derive(Debug)]
pub(crate) enum TypeSyntax {
    /// One of the built-in types, if it exists.
    Named(Name),
    /// A reference to an object of a foreign type.
    Foreign(String),
}

/// A whole file.
#[derive(Debug, Default)]
pub(crate) struct FileSyntax {
    pub(crate) defines: Vec<DefineSyntax>,
    pub(crate) capabilities: Vec<CapabilitySyntax>,
}
