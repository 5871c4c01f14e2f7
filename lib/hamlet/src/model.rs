//! A checked file: every name resolved, every field placed in the record.

use diagnostics::Span;

/// A checked Hamlet file.
#[derive(Debug, Clone)]
pub struct File {
    /// Name of the file, as messages and the generated code show it.
    pub name: String,
    /// Constants, in order.
    pub defines: Vec<Define>,
    /// Capabilities in order, abstract ones among them. An entry refers only to earlier ones.
    pub capabilities: Vec<Capability>,
}

impl File {
    /// The capabilities that have a number, in the order of their numbers.
    pub fn concrete(&self) -> impl Iterator<Item = &Capability> {
        self.capabilities
            .iter()
            .filter(|capability| !capability.is_abstract)
    }

    /// The capability with that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Capability> {
        self.capabilities
            .iter()
            .find(|capability| capability.name == name)
    }
}

/// A named constant.
#[derive(Debug, Clone)]
pub struct Define {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u64,
}

/// When two capabilities of one type are copies of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyRule {
    /// When the order of the database cannot tell them apart.
    SameRange,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A capability type.
#[derive(Debug, Clone)]
pub struct Capability {
    /// Name in the file, which is Barrelfish's.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// The `///` lines before it.
    pub doc: String,
    /// A helper without a number, made to be inherited from.
    pub is_abstract: bool,
    /// When two are copies.
    pub copy: CopyRule,
    /// The type it is made from.
    pub from: Option<String>,
    /// Can be made from its own type.
    pub from_self: bool,
    /// Where part of its definition comes from.
    pub inherit: Option<String>,
    /// More can be made from one while earlier results live.
    pub can_retype_multiple: bool,
    /// Fields, inherited ones first.
    pub fields: Vec<Field>,
    /// How many of the fields are inherited.
    pub inherited_fields: usize,
    /// Its address in the database.
    pub address: Option<Expression>,
    /// Its size in the database; `None` is 0.
    pub size: Option<Size>,
    /// The size is its own, not inherited.
    pub declares_size: bool,
    /// First sort key: counts the types that are made from no other.
    pub root: u8,
    /// Where each field lies in the record.
    pub places: Vec<Place>,
}

/// A field of a capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub field_type: FieldType,
    /// Takes part in the order of the database.
    pub eq: bool,
    /// The `///` lines before it.
    pub doc: String,
}

/// Type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// One of the language's own.
    Builtin(Builtin),
    /// A reference to an object of a type the language does not know: its physical address.
    Foreign(String),
}

impl FieldType {
    /// Bits in the record.
    #[must_use]
    pub fn bits(&self) -> u32 {
        match self {
            Self::Builtin(builtin) => builtin.bits(),
            Self::Foreign(_) => 64,
        }
    }
}

/// The language's own field types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// 8 bits.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
    /// 64 bits.
    U64,
    /// Signed, 32 bits.
    Int,
    /// Physical address of any core.
    GenPAddr,
    /// Size of a physical range.
    GenSize,
    /// Physical address of this core.
    LPAddr,
    /// Virtual address of any core.
    GenVAddr,
    /// Virtual address of this core.
    LVAddr,
    /// Address of a capability.
    CAddr,
    /// Rights mask.
    CapRights,
    /// Core number.
    CoreId,
    /// Physical address space number.
    Pasid,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::Int,
        Self::GenPAddr,
        Self::GenSize,
        Self::LPAddr,
        Self::GenVAddr,
        Self::LVAddr,
        Self::CAddr,
        Self::CapRights,
        Self::CoreId,
        Self::Pasid,
    ];

    /// Its name in the language.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::Int => "int",
            Self::GenPAddr => "genpaddr",
            Self::GenSize => "gensize",
            Self::LPAddr => "lpaddr",
            Self::GenVAddr => "genvaddr",
            Self::LVAddr => "lvaddr",
            Self::CAddr => "caddr",
            Self::CapRights => "caprights",
            Self::CoreId => "coreid",
            Self::Pasid => "pasid",
        }
    }

    /// Bits in the record.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::U8 | Self::CapRights | Self::CoreId => 8,
            Self::U16 => 16,
            Self::U32 | Self::Int | Self::CAddr | Self::Pasid => 32,
            Self::U64
            | Self::GenPAddr
            | Self::GenSize
            | Self::LPAddr
            | Self::GenVAddr
            | Self::LVAddr => 64,
        }
    }
}

/// The size of a capability in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// The expression is the logarithm (base 2) of the size.
    pub is_bits: bool,
    /// The value.
    pub value: Expression,
}

impl Size {
    /// The size, if it is the same for every capability of the type.
    #[must_use]
    pub fn constant(&self) -> Option<u64> {
        let value = self.value.constant()?;
        if self.is_bits {
            1u64.checked_shl(u32::try_from(value).ok()?)
        } else {
            Some(value)
        }
    }
}

/// A sum of one or two terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The terms.
    pub terms: Vec<Term>,
}

impl Expression {
    /// The value, if no field takes part.
    #[must_use]
    pub fn constant(&self) -> Option<u64> {
        self.terms.iter().try_fold(0u64, |sum, term| match term {
            Term::Constant(value) => sum.checked_add(*value),
            Term::Field(_) => None,
        })
    }

    /// The field, if the expression is just that.
    #[must_use]
    pub fn lone_field(&self) -> Option<usize> {
        match self.terms.as_slice() {
            [Term::Field(index)] => Some(*index),
            _ => None,
        }
    }
}

/// A term of a sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// A constant.
    Constant(u64),
    /// The field with that index.
    Field(usize),
}

/// A part of the capability record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// First 64 bits: the address, in every type that has one.
    W0,
    /// Second 64 bits: the size, in every type that stores one.
    W1,
    /// 32 bits.
    Half,
    /// 16 bits.
    Quarter,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::W0, Self::W1, Self::Half, Self::Quarter];

    /// Bits in it.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W0 | Self::W1 => 64,
            Self::Half => 32,
            Self::Quarter => 16,
        }
    }

    /// Its name in the generated record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::W0 => "w0",
            Self::W1 => "w1",
            Self::Half => "half",
            Self::Quarter => "quarter",
        }
    }
}

/// Where a field lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The part of the record.
    pub word: Word,
    /// Lowest bit in it.
    pub shift: u32,
}
