//! The order of the database and the relations between capabilities.

use super::writer::Writer;
use super::{access, variant};
use crate::model::{Capability, CopyRule, File};

const COMPARE: &str = r"
/// The order of the mapping database: type root, then address, then size with the larger first, then type number, then the
/// fields declared `eq`. Capabilities that are equal here are told apart by the database, by where they lie.
#[inline]
#[must_use]
pub fn compare(a: &Capability, b: &Capability) -> core::cmp::Ordering {
    let (root_a, root_b) = (a.objtype.type_root(), b.objtype.type_root());
    if root_a != root_b {
        return root_a.cmp(&root_b);
    }
    let (address_a, address_b) = (a.address(), b.address());
    if address_a != address_b {
        return address_a.cmp(&address_b);
    }
    let (size_a, size_b) = (a.size(), b.size());
    if size_a != size_b {
        return size_b.cmp(&size_a);
    }
    if a.objtype != b.objtype {
        return a.objtype.cmp(&b.objtype);
    }
    compare_fields(a, b)
}

/// Compares the `eq` fields of two capabilities of one type.
";

const RELATIONS: &str = r"
/// May a capability of type `dst` be made directly from one of type `src`?
#[inline]
#[must_use]
pub fn is_well_founded(src: ObjType, dst: ObjType) -> bool {
    dst.parent() == Some(src) || (src == dst && dst.can_retype_from_self())
}

/// Is `parent` an ancestor of `child`: may its type make the child's, and does the child lie inside it? Of two capabilities of
/// one type the ancestor must be larger.
///
/// Something of size 0 lies inside the range that its address belongs to, not in the one that ends there.
#[inline]
#[must_use]
pub fn is_ancestor(child: &Capability, parent: &Capability) -> bool {
    if !is_well_founded(parent.objtype, child.objtype) {
        return false;
    }
    let begins_inside = parent.address() <= child.address()
        && (child.address() < parent.end() || parent.size() == 0);
    let larger = child.objtype != parent.objtype || child.size() < parent.size();
    begins_inside && child.end() <= parent.end() && larger
}
";

pub(super) fn write(out: &mut Writer, file: &File) {
    for line in COMPARE.trim_end().lines() {
        out.line(line);
    }
    compare_fields(out, file);
    is_copy(out, file);
    for line in RELATIONS.trim_end().lines() {
        out.line(line);
    }
}

fn arms(file: &File, value: impl Fn(&Capability) -> String) -> Vec<(String, String)> {
    file.concrete()
        .map(|cap| (format!("ObjType::{}", variant(cap)), value(cap)))
        .collect()
}

fn compare_fields(out: &mut Writer, file: &File) {
    const EQUAL: &str = "core::cmp::Ordering::Equal";
    let value = |cap: &Capability| {
        let comparisons: Vec<String> = access::fields(cap)
            .filter(|(field, _)| field.eq)
            .map(|(field, place)| {
                let a = access::comparable("a", field, place);
                let b = access::comparable("b", field, place);
                format!("{a}.cmp(&{b})")
            })
            .collect();
        in_sequence(&comparisons).unwrap_or(EQUAL.to_owned())
    };
    let arms = arms(file, value);
    let unused = arms.iter().all(|(_, value)| value == EQUAL);
    let head = if unused {
        "fn compare_fields(_: &Capability, _: &Capability) -> core::cmp::Ordering {"
    } else {
        "fn compare_fields(a: &Capability, b: &Capability) -> core::cmp::Ordering {"
    };
    out.open(head);
    out.choice("a.objtype", arms, Some(EQUAL));
    out.close("}");
}

fn is_copy(out: &mut Writer, file: &File) {
    out.gap();
    out.line("/// Are the two copies of each other?");
    out.line("#[inline]");
    out.line("#[must_use]");
    out.open("pub fn is_copy(a: &Capability, b: &Capability) -> bool {");
    out.open("if a.objtype != b.objtype {");
    out.line("return false;");
    out.close("}");
    let by_order = "compare(a, b) == core::cmp::Ordering::Equal";
    let value = |cap: &Capability| match cap.copy {
        CopyRule::Always => "true".to_owned(),
        CopyRule::Never => "false".to_owned(),
        CopyRule::SameRange => by_order.to_owned(),
    };
    out.choice("a.objtype", arms(file, value), Some(by_order));
    out.close("}");
}

/// The first comparison that does not come out equal: one line for a single one, else a block.
fn in_sequence(comparisons: &[String]) -> Option<String> {
    let (last, others) = comparisons.split_last()?;
    let Some((first, between)) = others.split_first() else {
        return Some(last.clone());
    };
    let mut block = format!("let order = {first};\n");
    for comparison in between {
        block.push_str(&format!("let order = order.then({comparison});\n"));
    }
    Some(format!("{block}order.then({last})"))
}
