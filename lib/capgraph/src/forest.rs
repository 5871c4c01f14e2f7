//! The derivation forest, found in one pass.
//!
//! Ranges in the database are disjoint or one inside the other, and what encloses something comes before it. So while the list is
//! read, a stack holds what encloses the present address, outermost at the bottom: who made the next capability is on it.
//! Capabilities without an address are few kinds (a manager and its names); there the last that can be an ancestor is one.

use alloc::vec::Vec;

use kpi::cap::{Capability, ObjType, is_ancestor, is_well_founded};
use kpi::layout::BASE_PAGE_SIZE;

use crate::{Entry, NodeId};

/// Longest chain of types from the first to the last one.
const MAX_TYPES: usize = ObjType::COUNT;

/// Whether `objtype` is made from `from`, directly or through types in between that may be gone.
fn descends(objtype: ObjType, from: ObjType) -> bool {
    if is_well_founded(from, objtype) {
        return true;
    }
    core::iter::successors(objtype.parent(), |above| above.parent())
        .take(MAX_TYPES)
        .any(|above| above == from)
}

/// Whether `parent` can be what `child` was made from; both in database order.
fn is_source(child: &Capability, parent: &Capability) -> bool {
    if is_ancestor(child, parent) {
        // Several ranges may lie around a mapped byte; the Mapping says how large the right one is.
        return child.as_mapping().is_none_or(|mapping| {
            u64::from(mapping.source_pages) == parent.size() / BASE_PAGE_SIZE
        });
    }
    child.objtype().has_address()
        && !child.objtype().is_mapping()
        && child.objtype() != parent.objtype()
        && descends(child.objtype(), parent.objtype())
        && parent.address() <= child.address()
        && child.address() < parent.end()
        && child.end() <= parent.end()
}

/// The parent of each first copy; [`NodeId::NONE`] for others.
pub(crate) fn parents(entries: &[Entry], first: &[NodeId]) -> Vec<NodeId> {
    let mut parents = Vec::with_capacity(entries.len());
    let mut around: Vec<(NodeId, &Capability)> = Vec::new();
    for ((entry, first), number) in entries.iter().zip(first).zip(0..) {
        let (cap, id) = (&entry.cap, NodeId(number));
        if *first != id {
            parents.push(NodeId::NONE);
            continue;
        }
        while let Some((_, top)) = around.last()
            && !stays_around(cap, top)
        {
            around.pop();
        }
        let found = around.iter().rev().find(|(_, top)| is_source(cap, top));
        parents.push(found.map_or(NodeId::NONE, |(id, _)| *id));
        // Neither mappings nor endpoints have anything in them.
        let holds = !cap.objtype().has_address() || cap.size() > 1;
        if holds {
            around.push((id, cap));
        }
    }
    parents
}

/// Whether `top` still matters when the list has come to `cap`.
fn stays_around(cap: &Capability, top: &Capability) -> bool {
    if cap.objtype().type_root() != top.objtype().type_root() {
        return false;
    }
    match cap.objtype().has_address() {
        true => cap.address() < top.end(),
        false => is_ancestor(cap, top),
    }
}

/// First copies by parent, where each parent's begin, and those without one.
pub(crate) fn children(
    first: &[NodeId],
    parents: &[NodeId],
) -> (Vec<NodeId>, Vec<u32>, Vec<NodeId>) {
    let mut from = alloc::vec![0_u32; parents.len() + 1];
    for parent in parents.iter().filter_map(|parent| parent.some()) {
        if let Some(count) = from.get_mut(parent.index() + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for count in &mut from {
        sum += *count;
        *count = sum;
    }
    let mut next = from.clone();
    let mut children = alloc::vec![NodeId::NONE; sum as usize];
    let mut roots = Vec::new();
    for ((parent, first), number) in parents.iter().zip(first).zip(0..) {
        let id = NodeId(number);
        if *first != id {
            continue;
        }
        match parent.some() {
            None => roots.push(id),
            Some(parent) => {
                if let Some(at) = next.get_mut(parent.index()) {
                    if let Some(place) = children.get_mut(*at as usize) {
                        *place = id;
                    }
                    *at += 1;
                }
            }
        }
    }
    (children, from, roots)
}
