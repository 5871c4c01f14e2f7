//! Fields to bits: packs the fields of a capability into the record's 176 free bits.
//!
//! The address goes to the first word and a stored size to the second, so that the database reads both without looking at the
//! type first. The rest is placed largest first, each where the fewest bits stay free. Inherited fields keep the places they
//! have in the capability inherited from, so that one reader serves all heirs.

use crate::model::{Expression, Field, Place, Size, Word};

/// Places for all fields; the first `inherited.len()` of them are given.
///
/// `None` if they do not fit.
pub(crate) fn place(
    fields: &[Field],
    inherited: &[Place],
    address: Option<&Expression>,
    size: Option<&Size>,
) -> Option<Vec<Place>> {
    let mut used = Used::default();
    let mut places: Vec<Option<Place>> = vec![None; fields.len()];
    for ((slot, field), place) in places.iter_mut().zip(fields).zip(inherited) {
        used.occupy(*place, field.field_type.bits());
        *slot = Some(*place);
    }

    let wished = [
        (address.and_then(Expression::lone_field), Word::W0),
        (size.and_then(|size| size.value.lone_field()), Word::W1),
    ];
    for (field, word) in wished {
        let Some(index) = field else { continue };
        if let (Some(slot @ None), Some(field)) = (places.get_mut(index), fields.get(index)) {
            *slot = used.take(word, field.field_type.bits());
        }
    }

    let mut rest: Vec<(usize, u32)> = fields
        .iter()
        .enumerate()
        .map(|(index, field)| (index, field.field_type.bits()))
        .collect();
    rest.sort_by_key(|(_, bits)| core::cmp::Reverse(*bits));
    for (index, bits) in rest {
        if let Some(slot @ None) = places.get_mut(index) {
            *slot = Some(used.best(bits)?);
        }
    }
    places.into_iter().collect()
}

/// How many bits of each word are taken, from the lowest up.
#[derive(Default)]
struct Used {
    bits: [u32; Word::ALL.len()],
}

impl Used {
    fn of(&self, word: Word) -> u32 {
        let [w0, w1, half, quarter] = self.bits;
        match word {
            Word::W0 => w0,
            Word::W1 => w1,
            Word::Half => half,
            Word::Quarter => quarter,
        }
    }

    fn of_mut(&mut self, word: Word) -> &mut u32 {
        let [w0, w1, half, quarter] = &mut self.bits;
        match word {
            Word::W0 => w0,
            Word::W1 => w1,
            Word::Half => half,
            Word::Quarter => quarter,
        }
    }

    fn occupy(&mut self, place: Place, bits: u32) {
        let used = self.of_mut(place.word);
        *used = (*used).max(place.shift.saturating_add(bits));
    }

    /// The next free place in `word`, if it is large enough. Widths are powers of two placed in falling order within one
    /// capability, so places come out aligned; after inherited fields they may not be, and need not be.
    fn take(&mut self, word: Word, bits: u32) -> Option<Place> {
        let shift = self.of(word);
        let place = Place { word, shift };
        if shift.saturating_add(bits) > word.bits() {
            return None;
        }
        self.occupy(place, bits);
        Some(place)
    }

    /// A place in the word with the fewest free bits that are enough. The first word comes last: types without an address leave
    /// it alone while they can.
    fn best(&mut self, bits: u32) -> Option<Place> {
        let free = |word: Word| word.bits().saturating_sub(self.of(word));
        let word = [Word::Quarter, Word::Half, Word::W1, Word::W0]
            .into_iter()
            .filter(|word| free(*word) >= bits)
            .min_by_key(|word| free(*word))?;
        self.take(word, bits)
    }
}
