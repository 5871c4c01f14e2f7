//! One structure per type with its fields, constructors and readers; the same for abstract capabilities.

use super::writer::Writer;
use super::{access, document, objtype, variant};
use crate::model::{Capability, FieldType, File, Word};
use crate::names;

pub(super) fn write(out: &mut Writer, file: &File) {
    for capability in &file.capabilities {
        if !capability.fields.is_empty() {
            structure(out, capability);
        }
    }
    enumeration(out, file);
    out.gap();
    out.open("impl Capability {");
    view(out, file);
    from_view(out, file);
    for capability in &file.capabilities {
        if capability.is_abstract {
            if !capability.fields.is_empty() {
                shared(out, file, capability);
            }
        } else {
            constructor(out, capability);
            if !capability.fields.is_empty() {
                reader(out, capability);
            }
        }
    }
    out.close("}");
}

fn structure(out: &mut Writer, capability: &Capability) {
    let what = if capability.is_abstract {
        format!(
            "What every capability that inherits from `{}` holds.",
            capability.name
        )
    } else {
        format!("What a `{}` capability holds.", capability.name)
    };
    out.gap();
    document(out, &what, "");
    out.line("#[derive(Clone, Copy, Debug, PartialEq, Eq)]");
    out.open(&format!("pub struct {} {{", variant(capability)));
    for field in &capability.fields {
        let kind = match &field.field_type {
            FieldType::Builtin(builtin) => format!("`{}`", builtin.name()),
            FieldType::Foreign(name) => format!("physical address of a `{name}`"),
        };
        let otherwise = format!("Field `{}` ({kind}).", field.name);
        document(out, &field.doc, &otherwise);
        let (name, rust_type) = (access::name_of(field), access::type_of(field));
        out.line(&format!("pub {name}: {rust_type},"));
    }
    out.close("}");
}

fn enumeration(out: &mut Writer, file: &File) {
    out.gap();
    out.line("/// A capability with its fields, by type.");
    out.line("#[derive(Clone, Copy, Debug, PartialEq, Eq)]");
    out.open("pub enum View {");
    for capability in file.concrete() {
        let name = variant(capability);
        out.line(&format!("/// `{}`.", capability.name));
        if capability.fields.is_empty() {
            out.line(&format!("{name},"));
        } else {
            out.line(&format!("{name}({name}),"));
        }
    }
    out.close("}");
}

fn view(out: &mut Writer, file: &File) {
    out.line("/// The fields, by type.");
    out.line("#[must_use]");
    out.open("pub const fn view(&self) -> View {");
    let arms = file.concrete().map(|capability| {
        let name = variant(capability);
        let value = if capability.fields.is_empty() {
            format!("View::{name}")
        } else {
            format!(
                "View::{name}(self.read_{}())",
                names::snake(&capability.name)
            )
        };
        (format!("ObjType::{name}"), value)
    });
    out.choice("self.objtype", arms.collect(), None);
    out.close("}");
}

fn from_view(out: &mut Writer, file: &File) {
    out.gap();
    out.line("/// A capability with these fields.");
    out.line("#[must_use]");
    out.open("pub const fn from_view(view: View, rights: CapRights) -> Self {");
    let arms = file.concrete().map(|capability| {
        let name = variant(capability);
        let function = names::snake(&capability.name);
        if capability.fields.is_empty() {
            (
                format!("View::{name}"),
                format!("Self::new_{function}(rights)"),
            )
        } else {
            let value = format!("Self::new_{function}(view, rights)");
            (format!("View::{name}(view)"), value)
        }
    });
    for_each_arm(out, arms.collect());
    out.close("}");
}

/// A match on `view` whose arms are never joined, as each binds a view of another type.
fn for_each_arm(out: &mut Writer, arms: Vec<(String, String)>) {
    out.open("match view {");
    for (pattern, value) in arms {
        out.arm(&[pattern], &value);
    }
    out.close("}");
}

/// The record with this type, the fields from `view`.
fn record(out: &mut Writer, capability: &Capability, objtype: &str, brackets: (&str, &str)) {
    out.open(brackets.0);
    for word in Word::ALL {
        let terms = access::word(capability, word);
        if terms.is_empty() {
            out.line(&format!("{}: 0,", word.name()));
        } else {
            out.chain(&format!("{}: ", word.name()), "|", &terms, ",");
        }
    }
    out.line(objtype);
    out.line("rights: rights.0,");
    out.close(brackets.1);
}

fn constructor(out: &mut Writer, capability: &Capability) {
    let name = variant(capability);
    let function = names::snake(&capability.name);
    out.gap();
    out.line(&format!("/// A `{}` capability.", capability.name));
    out.line("#[inline]");
    out.line("#[must_use]");
    let view = format!("view: {name}");
    let parameters = if capability.fields.is_empty() {
        &["rights: CapRights"][..]
    } else {
        &[view.as_str(), "rights: CapRights"]
    };
    out.function(&format!("pub const fn new_{function}"), parameters, "Self");
    let objtype = format!("objtype: ObjType::{name},");
    record(out, capability, &objtype, ("Self {", "}"));
    out.close("}");
}

fn read_function(out: &mut Writer, capability: &Capability) {
    let name = variant(capability);
    let function = names::snake(&capability.name);
    out.gap();
    out.line("#[inline]");
    out.open(&format!("const fn read_{function}(&self) -> {name} {{"));
    let fields: Vec<String> = access::fields(capability)
        .map(|(field, place)| {
            format!(
                "{}: {}",
                access::name_of(field),
                access::read("self", field, place)
            )
        })
        .collect();
    out.literal(&name, &fields);
    out.close("}");
}

fn reader(out: &mut Writer, capability: &Capability) {
    let name = variant(capability);
    let function = names::snake(&capability.name);
    read_function(out, capability);
    out.gap();
    out.line(&format!(
        "/// Its fields, if it is a `{}`.",
        capability.name
    ));
    out.line("#[inline]");
    out.line("#[must_use]");
    out.open(&format!(
        "pub const fn as_{function}(&self) -> Option<{name}> {{"
    ));
    out.open("match self.objtype {");
    out.line(&format!("ObjType::{name} => Some(self.read_{function}()),"));
    out.line("_ => None,");
    out.close("}");
    out.close("}");
}

/// Reader and constructor that serve all heirs of an abstract capability: inherited fields lie at the same place in each.
fn shared(out: &mut Writer, file: &File, capability: &Capability) {
    let name = variant(capability);
    let function = names::snake(&capability.name);
    let heirs: Vec<&Capability> = file
        .concrete()
        .filter(|cap| objtype::inherits(file, cap, &capability.name))
        .collect();
    if heirs.is_empty() {
        return;
    }
    read_function(out, capability);
    out.gap();
    out.line(&format!(
        "/// The fields it inherits from `{}`, if it does.",
        capability.name
    ));
    out.line("#[inline]");
    out.line("#[must_use]");
    out.open(&format!(
        "pub const fn as_{function}(&self) -> Option<{name}> {{"
    ));
    out.open(&format!("if self.objtype.is_{function}() {{"));
    out.line(&format!("Some(self.read_{function}())"));
    out.close("} else {");
    out.depth_in();
    out.line("None");
    out.close("}");
    out.close("}");

    let plain: Vec<String> = heirs
        .iter()
        .filter(|cap| cap.fields.len() == capability.fields.len())
        .map(|cap| format!("ObjType::{}", variant(cap)))
        .collect();
    if plain.is_empty() {
        return;
    }
    out.gap();
    out.line(&format!(
        "/// A capability of a type that holds just what it inherits from `{}`. `None` for every other type.",
        capability.name
    ));
    out.line("#[inline]");
    out.line("#[must_use]");
    out.function(
        &format!("pub const fn new_{function}"),
        &[
            "objtype: ObjType",
            &format!("view: {name}"),
            "rights: CapRights",
        ],
        "Option<Self>",
    );
    out.guard("objtype", &plain);
    record(out, capability, "objtype,", ("Some(Self {", "})"));
    out.close("}");
}
