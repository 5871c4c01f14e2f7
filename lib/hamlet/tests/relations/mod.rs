//! Laws of order, copies and ancestry, for random capabilities.

use core::cmp::Ordering;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::capabilities::{
    CapRights, Capability, Dispatcher, EndPointLmp, Memory, ObjType, compare, is_ancestor, is_copy,
    is_well_founded,
};

/// Small numbers, so that equal and nested ones are frequent.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..4u64,
        Just(0x1000),
        Just(0x2000),
        Just(0x4000),
        any::<u64>()
    ]
}

/// Any capability: three words for fields, cut down to what the type holds.
fn capability() -> impl Strategy<Value = Capability> {
    let kind = (0..ObjType::COUNT, 0..4u8);
    (number(), number(), number(), kind).prop_filter_map("no such", |(a, b, c, (t, rights))| {
        let tail = (t as u64) << 48 | u64::from(rights) << 56;
        let all = Capability::from_words([a, b, c & 0xffff_ffff_ffff | tail]);
        // Fewer and fewer fields until it fits the type.
        all.or_else(|| Capability::from_words([a, b, c & 0xffff_ffff | tail]))
            .or_else(|| Capability::from_words([a, b, c & 0xff << 32 | tail]))
            .or_else(|| Capability::from_words([a, b, tail]))
            .or_else(|| Capability::from_words([a, 0, tail]))
            .or_else(|| Capability::from_words([0, 0, tail]))
    })
}

/// Ranges of memory with addresses and sizes in few steps.
fn range() -> impl Strategy<Value = Capability> {
    let types = [
        ObjType::PhysAddr,
        ObjType::Ram,
        ObjType::Frame,
        ObjType::DevFrame,
    ];
    (0..types.len(), 0..8u64, 1..5u64).prop_filter_map("no such", move |(t, base, pages)| {
        let memory = Memory {
            base: base << 12,
            bytes: pages << 12,
            pasid: 0,
        };
        Capability::new_memory(types[t], memory, CapRights(0x1f))
    })
}

#[test]
fn every_type_is_drawn() {
    let mut seen = [false; ObjType::COUNT];
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..2000 {
        let drawn = capability().new_tree(&mut runner).unwrap().current();
        seen[drawn.objtype() as usize] = true;
    }
    assert_eq!(seen, [true; ObjType::COUNT]);
}

proptest! {
    #[test]
    fn order_is_total(a in capability(), b in capability(), c in capability()) {
        prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        if compare(&a, &b) != Ordering::Greater && compare(&b, &c) != Ordering::Greater {
            prop_assert_ne!(compare(&a, &c), Ordering::Greater);
        }
    }

    #[test]
    fn order_is_by_root_address_size_type(a in capability(), b in capability()) {
        let key = |cap: &Capability| {
            let size = core::cmp::Reverse(cap.size());
            (cap.objtype().type_root(), cap.address(), size, cap.objtype())
        };
        let by_key = key(&a).cmp(&key(&b));
        prop_assert!(by_key == Ordering::Equal || by_key == compare(&a, &b));
    }

    #[test]
    fn words_round_trip(a in capability()) {
        prop_assert_eq!(Capability::from_words(a.to_words()), Some(a));
        prop_assert_eq!(Capability::from_view(a.view(), a.rights()), a);
    }

    #[test]
    fn any_words_are_safe(words in any::<[u64; 3]>()) {
        if let Some(cap) = Capability::from_words(words) {
            prop_assert_eq!(cap.to_words(), words);
        }
    }

    #[test]
    fn rights_do_not_matter_for_identity(a in capability()) {
        let b = a.with_rights(CapRights(0));
        prop_assert_eq!(compare(&a, &b), Ordering::Equal);
        prop_assert_eq!(is_copy(&a, &b), a.objtype() != ObjType::Null);
    }

    #[test]
    fn copies_are_what_the_order_cannot_tell_apart(a in capability(), b in capability()) {
        prop_assert_eq!(is_copy(&a, &b), is_copy(&b, &a));
        if a.objtype() != ObjType::Null {
            // The types that are always copies have no address or eq field, so for them the two agree as well.
            prop_assert_eq!(is_copy(&a, &b), compare(&a, &b) == Ordering::Equal);
        }
    }

    #[test]
    fn ancestors_come_first_and_are_no_copies(a in capability(), b in capability()) {
        if is_ancestor(&b, &a) {
            prop_assert!(is_well_founded(a.objtype(), b.objtype()));
            prop_assert_eq!(compare(&a, &b), Ordering::Less);
            prop_assert!(!is_ancestor(&a, &b) && !is_copy(&a, &b));
        }
    }

    #[test]
    fn ancestry_of_one_type_is_transitive(a in range(), b in range(), c in range()) {
        if is_ancestor(&b, &a) && is_ancestor(&c, &b) && is_well_founded(a.objtype(), c.objtype()) {
            prop_assert!(is_ancestor(&c, &a));
        }
    }

    #[test]
    fn ancestry_of_ranges_is_strict_containment(a in range(), b in range()) {
        let inside = a.address() <= b.address() && b.end() <= a.end();
        let strictly = inside && (a.address(), a.end()) != (b.address(), b.end());
        let same_type = a.objtype() == b.objtype();
        let founded = is_well_founded(a.objtype(), b.objtype());
        prop_assert_eq!(is_ancestor(&b, &a), founded && if same_type { strictly } else { inside });
    }
}

/// An endpoint belongs to its own dispatcher, not to the one that ends where it begins.
#[test]
fn endpoints_of_neighbours() {
    let rights = CapRights(0x1f);
    let dispatcher = |dcb| Capability::new_dispatcher(Dispatcher { dcb }, rights);
    let endpoint = |listener, epoffset| {
        let view = EndPointLmp {
            listener,
            epoffset,
            epbuflen: 10,
            iftype: 0,
        };
        Capability::new_end_point_lmp(view, rights)
    };
    let (first, second) = (dispatcher(0x1000), dispatcher(0x1400));
    assert!(is_ancestor(&endpoint(0x1400, 64), &second));
    assert!(!is_ancestor(&endpoint(0x1400, 64), &first));
    assert!(is_copy(&endpoint(0x1400, 64), &endpoint(0x1400, 64)));
    assert!(!is_copy(&endpoint(0x1400, 64), &endpoint(0x1400, 128)));
}

/// A domain has neither address nor size, and still comes from the process manager.
#[test]
fn ancestry_without_ranges() {
    let manager = Capability::new_process_manager(CapRights(1));
    let domain = Capability::from_words([0, 0, (ObjType::Domain as u64) << 48 | 7]).unwrap();
    assert!(is_ancestor(&domain, &manager));
    assert!(!is_ancestor(&manager, &domain));
    assert!(!is_ancestor(&manager, &manager));
}
