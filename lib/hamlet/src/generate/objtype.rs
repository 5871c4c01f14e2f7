//! The type enum and what is known about a type alone.

use super::access;
use super::writer::Writer;
use super::{document, origin, variant};
use crate::model::{Capability, File};
use crate::names;

pub(super) fn write(out: &mut Writer, file: &File) {
    constants(out, file);
    enumeration(out, file);
    out.gap();
    out.open("impl ObjType {");
    numbers(out, file);
    names_of(out, file);
    relatives(out, file);
    kinds(out, file);
    sizes(out, file);
    out.close("}");
    out.gap();
    out.open("impl core::fmt::Display for ObjType {");
    out.open("fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {");
    out.line("f.pad(self.name())");
    out.close("}");
    out.close("}");
}

/// A size constant for each capability that declares a size that never varies.
fn constants(out: &mut Writer, file: &File) {
    for capability in &file.capabilities {
        if !capability.declares_size {
            continue;
        }
        if let Some(size) = access::constant_size(capability) {
            out.gap();
            out.line(&format!(
                "/// Size of every `{}`, in bytes.",
                capability.name
            ));
            let name = capability.name.to_uppercase();
            out.line(&format!("pub const OBJSIZE_{name}: u64 = {size};"));
        }
    }
}

fn enumeration(out: &mut Writer, file: &File) {
    out.gap();
    out.line("/// Type of a capability.");
    out.line("#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]");
    out.line("#[repr(u8)]");
    out.open("pub enum ObjType {");
    for (number, capability) in file.concrete().enumerate() {
        let otherwise = format!("`{}`. {}", capability.name, origin(capability));
        document(out, &capability.doc, &otherwise);
        out.line(&format!("{} = {number},", variant(capability)));
    }
    out.close("}");
}

/// A public function of one expression, after a gap unless it is the first of the block.
fn function(out: &mut Writer, doc: &str, signature: &str, body: impl FnOnce(&mut Writer)) {
    out.gap();
    document(out, doc, "");
    out.line("#[inline]");
    out.line("#[must_use]");
    out.open(&format!("pub const fn {signature} {{"));
    body(out);
    out.close("}");
}

fn arms(file: &File, value: impl Fn(&Capability) -> String) -> Vec<(String, String)> {
    file.concrete()
        .map(|capability| (format!("Self::{}", variant(capability)), value(capability)))
        .collect()
}

fn numbers(out: &mut Writer, file: &File) {
    let count = file.concrete().count();
    out.line("/// Number of types.");
    out.line(&format!("pub const COUNT: usize = {count};"));
    out.gap();
    out.line("/// All types, in the order of their numbers.");
    out.open("pub const ALL: [Self; Self::COUNT] = [");
    for capability in file.concrete() {
        out.line(&format!("Self::{},", variant(capability)));
    }
    out.close("];");
    let doc = "The type with that number.";
    function(out, doc, "from_u8(number: u8) -> Option<Self>", |out| {
        let mut arms: Vec<_> = file
            .concrete()
            .enumerate()
            .map(|(number, cap)| (number.to_string(), format!("Some(Self::{})", variant(cap))))
            .collect();
        arms.push(("_".to_owned(), "None".to_owned()));
        out.choice("number", arms, Some("None"));
    });
}

fn names_of(out: &mut Writer, file: &File) {
    function(
        out,
        "Barrelfish's name.",
        "name(self) -> &'static str",
        |out| {
            out.choice("self", arms(file, |cap| format!("{:?}", cap.name)), None);
        },
    );
    out.gap();
    out.line("/// The type with that name, spelled as in [`Self::name`].");
    out.line("#[must_use]");
    out.open("pub fn from_name(name: &str) -> Option<Self> {");
    out.line("Self::ALL.into_iter().find(|objtype| objtype.name() == name)");
    out.close("}");
}

/// Which types come from which.
fn relatives(out: &mut Writer, file: &File) {
    let doc = "Number of the family: types made from each other share it. First sort key of the database.";
    function(out, doc, "type_root(self) -> u8", |out| {
        out.choice("self", arms(file, |cap| cap.root.to_string()), None);
    });
    let some = |name: &str| format!("Some(Self::{})", names::camel(name));
    let doc = "The type this one is made from, if it is made from another.";
    function(out, doc, "parent(self) -> Option<Self>", |out| {
        let parent = |cap: &Capability| cap.from.as_deref().map_or("None".to_owned(), some);
        out.choice("self", arms(file, parent), Some("None"));
    });
    let doc = "One can be made from another of the same type.";
    function(out, doc, "can_retype_from_self(self) -> bool", |out| {
        selected(out, file, |cap| cap.from_self);
    });
    let doc = "More can be made of one while earlier results live, without a look at the database.";
    function(out, doc, "can_retype_multiple(self) -> bool", |out| {
        selected(out, file, |cap| cap.can_retype_multiple);
    });
    let doc = "The type that records where a capability of this type is mapped.";
    function(out, doc, "mapping(self) -> Option<Self>", |out| {
        let mapping = |cap: &Capability| {
            mapping(file, cap).map_or("None".to_owned(), |found| some(&found.name))
        };
        out.choice("self", arms(file, mapping), Some("None"));
    });
}

/// The type that records where capabilities of this one are mapped.
pub(super) fn mapping<'a>(file: &'a File, capability: &Capability) -> Option<&'a Capability> {
    file.find(&format!("{}_Mapping", capability.name))
        .filter(|found| found.from.as_deref() == Some(capability.name.as_str()))
}

/// `matches!` for the types that satisfy the condition.
fn selected(out: &mut Writer, file: &File, condition: impl Fn(&Capability) -> bool) {
    let patterns: Vec<String> = file
        .concrete()
        .filter(|capability| condition(capability))
        .map(|capability| format!("Self::{}", variant(capability)))
        .collect();
    out.one_of("self", &patterns);
}

/// One predicate for each abstract capability.
fn kinds(out: &mut Writer, file: &File) {
    for helper in file.capabilities.iter().filter(|cap| cap.is_abstract) {
        let signature = format!("is_{}(self) -> bool", names::snake(&helper.name));
        let doc = format!("Inherits from `{}`.", helper.name);
        function(out, &doc, &signature, |out| {
            selected(out, file, |cap| inherits(file, cap, &helper.name));
        });
    }
}

/// Does the capability inherit from that one, directly or not?
pub(super) fn inherits(file: &File, capability: &Capability, from: &str) -> bool {
    let mut at = capability;
    // References point backwards in the file, so this ends.
    while let Some(parent) = at.inherit.as_deref() {
        if parent == from {
            return true;
        }
        match file.find(parent) {
            Some(found) => at = found,
            None => return false,
        }
    }
    false
}

fn sizes(out: &mut Writer, file: &File) {
    let doc = "The size in bytes, if all capabilities of this type have the same.";
    function(out, doc, "fixed_size(self) -> Option<u64>", |out| {
        let size = |cap: &Capability| match access::constant_size(cap) {
            Some(size) => format!("Some({size})"),
            None => "None".to_owned(),
        };
        out.choice("self", arms(file, size), Some("None"));
    });
    out.gap();
    out.line("/// The size in bytes, if all capabilities of this type have the same, else 0.");
    out.line("#[inline]");
    out.open("const fn constant_size(self) -> u64 {");
    let size = |cap: &Capability| access::constant_size(cap).unwrap_or(0).to_string();
    out.choice("self", arms(file, size), Some("0"));
    out.close("}");
    let doc = "Capabilities of this type have an address.";
    function(out, doc, "has_address(self) -> bool", |out| {
        selected(out, file, |cap| cap.address.is_some());
    });
}
