//! What the hot paths ask about types, as a table.
//!
//! The generated functions are matches, which become jump tables; here it is one load each. Built from those functions when the
//! crate is compiled, so there is nothing to keep in step.

use kpi::cap::{Capability, ObjType};

/// Facts about one type.
#[derive(Clone, Copy)]
struct Facts {
    root: u8,
    /// The size is in the second word of the capability.
    stores_size: bool,
    /// The size otherwise.
    fixed_size: u32,
}

/// Entries of the table: a power of two, so that an index is in range by a mask.
const TYPES: usize = 64;
const _: () = assert!(ObjType::COUNT <= TYPES);

static FACTS: [Facts; TYPES] = table();

const fn table() -> [Facts; TYPES] {
    let mut table = [Facts {
        root: 0,
        stores_size: false,
        fixed_size: 0,
    }; TYPES];
    let mut number = 0;
    while number < ObjType::COUNT {
        if let Some(objtype) = ObjType::from_u8(number as u8) {
            let stores_size = objtype.is_memory() || matches!(objtype, ObjType::L1CNode);
            let fixed_size = match objtype.fixed_size() {
                Some(bytes) => bytes as u32,
                None => 0,
            };
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
            let place = &mut table[number];
            *place = Facts {
                root: objtype.type_root(),
                stores_size,
                fixed_size,
            };
        }
        number += 1;
    }
    table
}

#[inline(always)]
fn facts(objtype: ObjType) -> &'static Facts {
    #[expect(clippy::indexing_slicing, reason = "the mask keeps it in range")]
    &FACTS[objtype as usize % TYPES]
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
    if facts.stores_size {
        stored
    } else {
        u64::from(facts.fixed_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_generated_functions_say() {
        for objtype in ObjType::ALL {
            assert_eq!(type_root(objtype), objtype.type_root());
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
