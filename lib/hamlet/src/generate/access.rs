//! Expressions that read a field from the record, or make a word of the record from fields.

use crate::model::{Builtin, Capability, Expression, Field, FieldType, Place, Size, Term, Word};
use crate::names;

/// Rust's unsigned type of so many bits.
pub(super) fn unsigned(bits: u32) -> &'static str {
    match bits {
        8 => "u8",
        16 => "u16",
        32 => "u32",
        _ => "u64",
    }
}

/// Rust's type of a field in a view.
pub(super) fn type_of(field: &Field) -> &'static str {
    match field.field_type {
        FieldType::Builtin(Builtin::CapRights) => "CapRights",
        FieldType::Builtin(Builtin::Int) => "i32",
        _ => unsigned(field.field_type.bits()),
    }
}

/// Rust's name of a field in a view.
pub(super) fn name_of(field: &Field) -> String {
    names::field(&field.name).unwrap_or_default()
}

/// Fields of a capability with their places.
pub(super) fn fields(capability: &Capability) -> impl Iterator<Item = (&Field, Place)> {
    capability
        .fields
        .iter()
        .zip(capability.places.iter().copied())
}

/// The bits of a field as an unsigned number of its width, read from the record `record`.
pub(super) fn bits(record: &str, field: &Field, place: Place) -> String {
    let word = format!("{record}.{}", place.word.name());
    let width = field.field_type.bits();
    match place.shift {
        0 if width == place.word.bits() => word,
        0 => format!("{word} as {}", unsigned(width)),
        shift => format!("({word} >> {shift}) as {}", unsigned(width)),
    }
}

/// A field with the type it has in a view.
pub(super) fn read(record: &str, field: &Field, place: Place) -> String {
    let bits = bits(record, field, place);
    match field.field_type {
        FieldType::Builtin(Builtin::CapRights) => format!("CapRights({bits})"),
        FieldType::Builtin(Builtin::Int) => format!("{bits} as i32"),
        _ => bits,
    }
}

/// As [`read`], in parentheses if a method is to be called on it.
pub(super) fn comparable(record: &str, field: &Field, place: Place) -> String {
    let value = match field.field_type {
        FieldType::Builtin(Builtin::CapRights) => bits(record, field, place),
        _ => read(record, field, place),
    };
    if value.contains(" as ") {
        format!("({value})")
    } else {
        value
    }
}

/// The terms that make up a word of the record, from a view called `view`. Empty if no field lies in it.
pub(super) fn word(capability: &Capability, word: Word) -> Vec<String> {
    let inside: Vec<_> = fields(capability)
        .filter(|(_, place)| place.word == word)
        .collect();
    let alone = inside.len() == 1;
    inside
        .iter()
        .map(|(field, place)| {
            let value = match field.field_type {
                FieldType::Builtin(Builtin::CapRights) => format!("view.{}.0", name_of(field)),
                FieldType::Builtin(Builtin::Int) => format!("view.{} as u32", name_of(field)),
                _ => format!("view.{}", name_of(field)),
            };
            let cast = if field.field_type.bits() == word.bits() {
                value
            } else {
                format!("{value} as {}", unsigned(word.bits()))
            };
            match place.shift {
                0 if alone => cast,
                0 => format!("({cast})"),
                shift if alone => format!("({cast}) << {shift}"),
                shift => format!("(({cast}) << {shift})"),
            }
        })
        .collect()
}

/// A sum as a `u64`, read from `self`.
fn sum(capability: &Capability, expression: &Expression) -> String {
    let mut terms = expression.terms.iter().map(|term| match term {
        Term::Constant(value) => format!("{value}u64"),
        Term::Field(index) => match fields(capability).nth(*index) {
            Some((field, place)) if field.field_type.bits() == 64 => bits("self", field, place),
            Some((field, place)) => format!("{} as u64", bits("self", field, place)),
            None => "0u64".to_owned(),
        },
    });
    let first = terms.next().unwrap_or_default();
    match terms.next() {
        None => first,
        Some(second) if first.contains(' ') => format!("({first}).wrapping_add({second})"),
        Some(second) => format!("{first}.wrapping_add({second})"),
    }
}

/// The address as a `u64`, read from `self`.
pub(super) fn address(capability: &Capability) -> Option<String> {
    capability
        .address
        .as_ref()
        .map(|address| sum(capability, address))
}

/// The size as a `u64`, read from `self`. `None` if it is absent or the same for all capabilities of the type.
pub(super) fn stored_size(capability: &Capability) -> Option<String> {
    let size = capability.size.as_ref()?;
    match size.constant() {
        Some(_) => None,
        None if size.is_bits => Some(format!("power_of_two({})", sum(capability, &size.value))),
        None => Some(sum(capability, &size.value)),
    }
}

/// The size, if it is the same for all capabilities of the type.
pub(super) fn constant_size(capability: &Capability) -> Option<u64> {
    capability.size.as_ref().and_then(Size::constant)
}
