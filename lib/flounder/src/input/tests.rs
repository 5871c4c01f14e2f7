//! The reader against postcard's own, and what only this one refuses.

use super::{DEPTH_MAX, Input};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

type Numbers = (u8, u16, u32, u64, u128, usize);
type Signed = (i8, i16, i32, i64, i128, isize);

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct All {
    numbers: Numbers,
    signed: Signed,
    other: (bool, char, f32, f64, (), [u16; 3]),
    text: String,
    maybe: Option<Box<Kind>>,
    kinds: Vec<Kind>,
    map: BTreeMap<u32, String>,
    wrapped: Wrapped,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Kind {
    Unit,
    One(i32),
    Two(u8, Vec<u8>),
    Named { a: u64, b: String },
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Wrapped(u64);

#[derive(PartialEq, Debug, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Node(Vec<Tree>),
}

fn read<V: DeserializeOwned>(bytes: &[u8]) -> Option<(V, usize)> {
    let mut input = Input::new(bytes);
    let value = V::deserialize(&mut input).ok()?;
    Some((value, input.rest().len()))
}

fn by_postcard<V: DeserializeOwned>(bytes: &[u8]) -> Option<(V, usize)> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    Some((value, rest.len()))
}

/// Both readers say the same; what only the strict one may refuse is a length that the bytes left cannot have.
fn same<V: DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(read::<V>(bytes), by_postcard::<V>(bytes));
    Ok(())
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Unit),
        any::<i32>().prop_map(Kind::One),
        any::<(u8, Vec<u8>)>().prop_map(|(a, b)| Kind::Two(a, b)),
        (any::<u64>(), ".{0,9}").prop_map(|(a, b)| Kind::Named { a, b }),
    ]
}

fn all() -> impl Strategy<Value = All> {
    let kinds = (
        prop::option::of(kind()),
        prop::collection::vec(kind(), 0..5),
    );
    let other = (any::<bool>(), any::<char>(), -9_f32..9.0, -9_f64..9.0);
    let map = prop::collection::btree_map(any::<u32>(), ".{0,5}", 0..4);
    let fields = (any::<[u16; 3]>(), ".{0,20}", any::<u64>());
    (any::<Numbers>(), any::<Signed>(), other, kinds, map, fields).prop_map(
        |(numbers, signed, (a, b, c, d), (maybe, kinds), map, (array, text, wrapped))| All {
            numbers,
            signed,
            other: (a, b, c, d, (), array),
            text,
            maybe: maybe.map(Box::new),
            kinds,
            map,
            wrapped: Wrapped(wrapped),
        },
    )
}

proptest! {
    #[test]
    fn what_postcard_wrote_is_read(value in all()) {
        let bytes = postcard::to_allocvec(&value).unwrap();
        prop_assert_eq!(read(&bytes), Some((value, 0)));
    }

    #[test]
    fn damaged_values_are_read_as_postcard_reads_them(value in all(), at: prop::sample::Index, byte: u8) {
        let mut bytes = postcard::to_allocvec(&value).unwrap();
        *at.get_mut(&mut bytes) = byte;
        same::<All>(&bytes)?;
    }

    #[test]
    fn any_bytes_are_read_as_postcard_reads_them(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        same::<(u16, i32)>(&bytes)?;
        same::<(u64, i64)>(&bytes)?;
        same::<(u128, i128)>(&bytes)?;
        same::<(bool, char)>(&bytes)?;
        same::<(String, Option<u8>)>(&bytes)?;
        same::<Vec<Kind>>(&bytes)?;
        same::<BTreeMap<u8, i16>>(&bytes)?;
    }
}

#[test]
fn elements_without_bytes_end() {
    let length = postcard::to_allocvec(&(1_u64 << 60)).unwrap();
    assert_eq!(read::<Vec<()>>(&length), None);
    assert_eq!(read::<BTreeSet<()>>(&length), None);
    assert_eq!(
        read::<Vec<Vec<[u64; 0]>>>(&[&[1], length.as_slice()].concat()),
        None
    );
    assert_eq!(read::<BTreeMap<(), ()>>(&length), None);
    assert_eq!(read::<Vec<()>>(&[0]), Some((Vec::new(), 0)));
}

#[test]
fn values_that_contain_themselves_end() {
    // Each level is `Node` with one element; each counts twice, as an enumeration and as a sequence.
    let tree = |levels: u8| {
        let mut bytes: Vec<u8> = (0..levels).flat_map(|_| [1, 1]).collect();
        bytes.push(0);
        bytes
    };
    assert!(read::<Tree>(&tree(DEPTH_MAX / 2 - 1)).is_some());
    assert_eq!(read::<Tree>(&tree(DEPTH_MAX / 2)), None);
    let deep: Vec<u8> = [1, 1].repeat(1 << 20);
    assert_eq!(read::<Tree>(&deep), None);
}
