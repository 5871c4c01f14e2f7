//! Reads values in postcard's format from bytes that nobody vouches for.
//!
//! Why not postcard's own reader: it believes the length of a sequence. Elements may have no bytes (`Vec<()>`), and then a
//! message of ten bytes keeps the reader busy for 2^64 steps; values may contain themselves (`enum Tree { Node(Vec<Tree>) }`), and
//! then a short message overflows the stack. Here:
//!
//! * a sequence or map has no more elements than bytes are left, so one of elements without bytes is refused unless it is empty
//!   or other data follows;
//! * values nest at most [`DEPTH_MAX`] deep.
//!
//! Writing is postcard's; a test compares the two readers.

use core::fmt;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// How deep values may nest.
pub(crate) const DEPTH_MAX: u8 = 64;

/// The bytes are no such value.
#[derive(Debug)]
pub(crate) struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are no such value")
    }
}

impl core::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Read<V> = Result<V, Unreadable>;

/// What is left to read.
#[derive(Debug)]
pub(crate) struct Input<'de> {
    rest: &'de [u8],
    depth: u8,
}

/// Unsigned numbers of so many bits: seven a byte, the lowest first, the highest bit set in all bytes but the last.
macro_rules! varint {
    ($name:ident, $number:ty) => {
        fn $name(&mut self, bits: u32) -> Read<$number> {
            let mut value: $number = 0;
            let mut shift = 0;
            loop {
                let byte = self.byte()?;
                let part = <$number>::from(byte & 0x7f);
                if shift >= bits || part.leading_zeros() < <$number>::BITS - bits + shift {
                    return Err(Unreadable);
                }
                value |= part << shift;
                if byte & 0x80 == 0 {
                    return Ok(value);
                }
                shift += 7;
            }
        }
    };
}

impl<'de> Input<'de> {
    pub(crate) fn new(rest: &'de [u8]) -> Self {
        Self { rest, depth: 0 }
    }

    pub(crate) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    pub(crate) fn take_rest(&mut self) -> &'de [u8] {
        core::mem::take(&mut self.rest)
    }

    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*first)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk().ok_or(Unreadable)?;
        self.rest = rest;
        Ok(*first)
    }

    varint!(varint, u64);
    varint!(varint_128, u128);

    /// A number of this type.
    fn unsigned<N: TryFrom<u64>>(&mut self) -> Read<N> {
        let raw = self.varint(8 * size_of::<N>() as u32)?;
        N::try_from(raw).map_err(|_| Unreadable)
    }

    /// A signed number: 0, -1, 1, -2 ... are 0, 1, 2, 3 ...
    fn signed<N: TryFrom<i64>>(&mut self) -> Read<N> {
        let raw = self.varint(8 * size_of::<N>() as u32)?;
        let value = (raw >> 1) as i64 ^ -((raw & 1) as i64);
        N::try_from(value).map_err(|_| Unreadable)
    }

    /// Bytes, with their number before them.
    pub(crate) fn bytes(&mut self) -> Read<&'de [u8]> {
        let length = self.unsigned()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Read<&'de str> {
        core::str::from_utf8(self.bytes()?).map_err(|_| Unreadable)
    }

    fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Unreadable),
        }
    }

    /// The number of elements that follow.
    fn count(&mut self) -> Read<usize> {
        let count = self.unsigned()?;
        match count <= self.rest.len() {
            true => Ok(count),
            false => Err(Unreadable),
        }
    }

    /// Reads what lies one level deeper.
    fn nested<V>(&mut self, read: impl FnOnce(&mut Self) -> Read<V>) -> Read<V> {
        if self.depth >= DEPTH_MAX {
            return Err(Unreadable);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn elements<V: Visitor<'de>>(&mut self, left: usize, visitor: V) -> Read<V::Value> {
        self.nested(|input| visitor.visit_seq(Elements { input, left }))
    }
}

macro_rules! numbers {
    ($($deserialize:ident $visit:ident $read:ident),* $(,)?) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
            visitor.$visit(self.$read()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Input<'de> {
    type Error = Unreadable;

    numbers!(
        deserialize_bool visit_bool flag,
        deserialize_u8 visit_u8 byte,
        deserialize_u16 visit_u16 unsigned,
        deserialize_u32 visit_u32 unsigned,
        deserialize_u64 visit_u64 unsigned,
        deserialize_i16 visit_i16 signed,
        deserialize_i32 visit_i32 signed,
        deserialize_i64 visit_i64 signed,
        deserialize_str visit_borrowed_str text,
        deserialize_string visit_borrowed_str text,
        deserialize_bytes visit_borrowed_bytes bytes,
        deserialize_byte_buf visit_borrowed_bytes bytes,
    );

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Read<V::Value> {
        Err(Unreadable)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Read<V::Value> {
        Err(Unreadable)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Read<V::Value> {
        Err(Unreadable)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_i8(self.byte()? as i8)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_u128(self.varint_128(128)?)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let raw = self.varint_128(128)?;
        visitor.visit_i128((raw >> 1) as i128 ^ -((raw & 1) as i128))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let mut characters = self.text()?.chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => visitor.visit_char(character),
            _ => Err(Unreadable),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        match self.flag()? {
            true => self.nested(|input| visitor.visit_some(input)),
            false => visitor.visit_none(),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        self.nested(|input| visitor.visit_newtype_struct(input))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let count = self.count()?;
        self.elements(count, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Read<V::Value> {
        self.elements(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Read<V::Value> {
        self.elements(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.elements(fields.len(), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Read<V::Value> {
        let left = self.count()?;
        self.nested(|input| visitor.visit_map(Elements { input, left }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.nested(|input| visitor.visit_enum(input))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence, a tuple, a structure or a map.
struct Elements<'a, 'de> {
    input: &'a mut Input<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Unreadable;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.input).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = Unreadable;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<Option<S::Value>> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Read<S::Value> {
        seed.deserialize(&mut *self.input)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Input<'de> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Read<(S::Value, Self)> {
        let number: u32 = self.unsigned()?;
        let value = seed.deserialize(IntoDeserializer::<Unreadable>::into_deserializer(number))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Input<'de> {
    type Error = Unreadable;

    fn unit_variant(self) -> Read<()> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Read<S::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Read<V::Value> {
        self.elements(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.elements(fields.len(), visitor)
    }
}

#[cfg(test)]
mod tests {
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
}
