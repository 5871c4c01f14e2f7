//! The types as Rust types: each view stands for its type of capability, and the relations between types become traits, so
//! that a program which asks for an impossible retype does not compile.

use super::writer::Writer;
use super::{document, objtype, variant};
use crate::model::{Capability, File};

const TRAITS: &str = r#"
/// A type of capability as a Rust type: what such a capability holds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of capability",
    label = "not one of the types of `capabilities.hl`"
)]
pub trait CapType: Copy {
    /// Its number.
    const OBJTYPE: ObjType;

    /// What a capability holds, if it is of this type.
    fn of(capability: &Capability) -> Option<Self>;
}

/// A capability of type `T` can be made from one of this type: [`is_well_founded`] for the compiler. Types that record
/// mappings are left out: they are made by mapping only.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` capability cannot be retyped to `{T}`",
    label = "no `{T}` is made from `{Self}`",
    note = "`capabilities.hl` names for every type what it is made from"
)]
pub trait RetypesTo<T: CapType>: CapType {}

/// The type inherits from an abstract one, for example from `Memory`.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` capability is not of the kind `{A}`",
    label = "`{Self}` does not inherit from `{A}`",
    note = "`capabilities.hl` names for every type what it inherits from"
)]
pub trait Inherits<A>: CapType {}

/// The type can be mapped in a page table.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` capability cannot be mapped",
    label = "a page table has no entries for a `{Self}`",
    note = "RAM becomes a `Frame` first: `retype::<Frame>()`"
)]
pub trait MappedBy: CapType {
    /// The type that records where.
    type Mapping: CapType;
}
"#;

/// Keeps the compiler from listing every implementation below the message.
const NOT_LISTED: &str = "#[diagnostic::do_not_recommend]";

pub(super) fn write(out: &mut Writer, file: &File) {
    for line in TRAITS.trim_end().lines() {
        out.line(line);
    }
    // Number 0 is the empty slot.
    for capability in file.concrete().skip(1) {
        if capability.fields.is_empty() {
            unit(out, capability);
        }
        cap_type(out, capability);
    }
    out.gap();
    for source in file.concrete() {
        for dest in file.concrete() {
            if well_founded(source, dest) && !records_mappings(file, dest) {
                let (source, dest) = (variant(source), variant(dest));
                out.line(NOT_LISTED);
                out.line(&format!("impl RetypesTo<{dest}> for {source} {{}}"));
            }
        }
    }
    for helper in file.capabilities.iter().filter(|cap| cap.is_abstract) {
        for heir in file.concrete() {
            if !helper.fields.is_empty() && objtype::inherits(file, heir, &helper.name) {
                let (helper, heir) = (variant(helper), variant(heir));
                out.line(NOT_LISTED);
                out.line(&format!("impl Inherits<{helper}> for {heir} {{}}"));
            }
        }
    }
    for capability in file.concrete() {
        if let Some(mapping) = objtype::mapping(file, capability) {
            out.gap();
            out.open(&format!("impl MappedBy for {} {{", variant(capability)));
            out.line(&format!("type Mapping = {};", variant(mapping)));
            out.close("}");
        }
    }
}

/// As the generated function of that name.
fn well_founded(source: &Capability, dest: &Capability) -> bool {
    dest.from.as_deref() == Some(source.name.as_str())
        || (source.name == dest.name && dest.from_self)
}

fn records_mappings(file: &File, capability: &Capability) -> bool {
    file.concrete()
        .any(|cap| objtype::mapping(file, cap).is_some_and(|found| found.name == capability.name))
}

/// A type whose capabilities hold nothing.
fn unit(out: &mut Writer, capability: &Capability) {
    out.gap();
    let what = format!(
        "What a `{}` capability holds: nothing, it is an authority.",
        capability.name
    );
    document(out, &what, "");
    out.line("#[derive(Clone, Copy, Debug, PartialEq, Eq)]");
    out.line(&format!("pub struct {};", variant(capability)));
}

fn cap_type(out: &mut Writer, capability: &Capability) {
    let name = variant(capability);
    out.gap();
    out.open(&format!("impl CapType for {name} {{"));
    out.line(&format!("const OBJTYPE: ObjType = ObjType::{name};"));
    out.gap();
    out.line("#[inline]");
    let fields = !capability.fields.is_empty();
    out.open("fn of(capability: &Capability) -> Option<Self> {");
    if fields {
        let function = crate::names::snake(&capability.name);
        out.line(&format!("capability.as_{function}()"));
    } else {
        out.line("(capability.objtype == Self::OBJTYPE).then_some(Self)");
    }
    out.close("}");
    out.close("}");
}
