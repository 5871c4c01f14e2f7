//! What the hot paths ask about types, as a table.
//!
//! The generated functions are matches, which become jump tables; here it is one load each. Built from those functions when the
//! crate is compiled, so there is nothing to keep in step.

use kpi::cap::{Capability, ObjType};
use kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};

use crate::objects::{holds_entries, is_zeroed};

/// Facts about one type.
#[derive(Clone, Copy)]
struct Facts {
    root: u8,
    /// Number of the type that it is made from; its own if there is none.
    parent: u8,
    flags: u8,
    /// Logarithm of what its size must be a multiple of.
    granule: u8,
    /// The size, where it is not stored.
    fixed_size: u32,
}

/// The size is in the second word of the capability: who makes one chooses it.
const STORES_SIZE: u8 = 1;
const MAPPING: u8 = 2;
const FROM_SELF: u8 = 4;
const ZEROED: u8 = 8;
const VNODE: u8 = 16;
const HOLDS_ENTRIES: u8 = 64;
/// Who identifies it is not shown all of it.
const BLANKED: u8 = 128;

/// Entries of the table: a power of two, so that an index is in range by a mask.
const TYPES: usize = 64;
const _: () = assert!(ObjType::COUNT <= TYPES);

static FACTS: [Facts; TYPES] = table();

const fn table() -> [Facts; TYPES] {
    let mut table = [Facts {
        root: 0,
        parent: 0,
        flags: 0,
        granule: 0,
        fixed_size: 0,
    }; TYPES];
    let mut number = 0;
    while number < ObjType::COUNT {
        if let Some(objtype) = ObjType::from_u8(number as u8) {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
            let place = &mut table[number];
            *place = facts_about(objtype);
        }
        number += 1;
    }
    table
}

const fn facts_about(objtype: ObjType) -> Facts {
    let stores_size = objtype.is_memory() || matches!(objtype, ObjType::L1CNode);
    Facts {
        root: objtype.type_root(),
        parent: match objtype.parent() {
            Some(parent) => parent as u8,
            None => objtype as u8,
        },
        flags: flag(stores_size, STORES_SIZE)
            | flag(objtype.is_mapping(), MAPPING)
            | flag(objtype.can_retype_from_self(), FROM_SELF)
            | flag(is_zeroed(objtype), ZEROED)
            | flag(objtype.is_vnode(), VNODE)
            | flag(holds_entries(objtype), HOLDS_ENTRIES)
            | flag(
                objtype.is_mapping() || matches!(objtype, ObjType::KernelControlBlock),
                BLANKED,
            ),
        granule: match objtype {
            ObjType::L1CNode => L2CNODE_BYTES.trailing_zeros() as u8,
            _ if stores_size || objtype.is_vnode() => BASE_PAGE_SIZE.trailing_zeros() as u8,
            _ => 0,
        },
        fixed_size: match objtype.fixed_size() {
            Some(bytes) => bytes as u32,
            None => 0,
        },
    }
}

const fn flag(holds: bool, flag: u8) -> u8 {
    if holds { flag } else { 0 }
}

#[inline(always)]
fn facts(objtype: ObjType) -> &'static Facts {
    #[expect(clippy::indexing_slicing, reason = "the mask keeps it in range")]
    &FACTS[objtype as usize % TYPES]
}

#[inline(always)]
fn has(objtype: ObjType, flag: u8) -> bool {
    facts(objtype).flags & flag != 0
}

/// [`ObjType::type_root`].
#[inline(always)]
pub(crate) fn type_root(objtype: ObjType) -> u8 {
    facts(objtype).root
}

/// [`Capability::size`].
#[inline(always)]
pub(crate) fn size(cap: &Capability) -> u64 {
    let facts = facts(cap.objtype());
    let [_, stored, _] = cap.to_words();
    if facts.flags & STORES_SIZE != 0 {
        stored
    } else {
        u64::from(facts.fixed_size)
    }
}

/// Whether the size is in the second word.
#[inline(always)]
pub(crate) fn stores_size(objtype: ObjType) -> bool {
    has(objtype, STORES_SIZE)
}

/// [`ObjType::is_mapping`].
#[inline(always)]
pub(crate) fn is_mapping(objtype: ObjType) -> bool {
    has(objtype, MAPPING)
}

/// Whether part of it is kept back when it is identified.
#[inline(always)]
pub(crate) fn is_blanked(objtype: ObjType) -> bool {
    has(objtype, BLANKED)
}

/// [`kpi::cap::is_well_founded`].
#[inline(always)]
pub(crate) fn is_well_founded(from: ObjType, to: ObjType) -> bool {
    if from == to {
        has(to, FROM_SELF)
    } else {
        facts(to).parent == from as u8
    }
}

/// [`is_zeroed`].
#[inline(always)]
pub(crate) fn zeroes(objtype: ObjType) -> bool {
    has(objtype, ZEROED)
}

/// Whether there is nothing to do when the last copy goes and nothing is left that was made from it: it is no Mapping, no table and holds
/// no entries.
#[inline(always)]
pub(crate) fn is_plain(objtype: ObjType) -> bool {
    !has(objtype, MAPPING | VNODE | HOLDS_ENTRIES)
}

/// Bytes of one object of the type: `asked` where the type leaves a choice.
#[inline(always)]
pub(crate) fn object_bytes(objtype: ObjType, asked: u64) -> u64 {
    match facts(objtype).fixed_size {
        0 => asked,
        bytes => u64::from(bytes),
    }
}

/// Whether somebody may ask for an object of so many bytes, as far as the type decides it.
#[inline(always)]
pub(crate) fn may_have_bytes(objtype: ObjType, bytes: u64) -> bool {
    let granule = 1 << facts(objtype).granule;
    bytes & (granule - 1) == 0 && (objtype != ObjType::L2CNode || bytes == L2CNODE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_generated_functions_say() {
        for objtype in ObjType::ALL {
            assert_eq!(type_root(objtype), objtype.type_root());
            assert_eq!(is_mapping(objtype), objtype.is_mapping());
            assert_eq!(zeroes(objtype), is_zeroed(objtype));
            for from in ObjType::ALL {
                let expected = kpi::cap::is_well_founded(from, objtype);
                assert_eq!(is_well_founded(from, objtype), expected);
            }
            let words = [0x1234_5000, 0x7000, (objtype as u64) << 48];
            let Some(cap) =
                Capability::from_words(words).or(Capability::from_words([words[0], 0, words[2]]))
            else {
                continue;
            };
            assert_eq!(size(&cap), cap.size(), "{objtype}");
        }
    }
}
