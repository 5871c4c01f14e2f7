//! Which hole is taken.

use super::node::{FITS, Node, PAGE};
use super::{MmError, Ram, Span};
use arena::Store;

/// How many holes are looked at that may have no room at a large alignment.
pub const LOOKS: usize = 16;

/// Size and alignment in pages.
pub(super) fn checked(bytes: u64, alignment: u64) -> Result<(u64, u64), MmError> {
    match bytes.checked_next_multiple_of(PAGE) {
        Some(bytes) if bytes > 0 && alignment.is_power_of_two() => Ok((bytes, alignment.max(PAGE))),
        _ => Err(MmError::Invalid),
    }
}

impl<C: Copy, S: Store<Node<C>>> Ram<C, S> {
    /// The place that [`Ram::alloc_within`] takes.
    pub(crate) fn choose(&self, bytes: u64, alignment: u64, within: Span) -> Result<Span, MmError> {
        let (bytes, alignment) = checked(bytes, alignment)?;
        let best = match within {
            Span::ALL => self.best(bytes, alignment),
            _ => None,
        };
        best.or_else(|| self.lowest(bytes, alignment, within))
            .ok_or(MmError::Exhausted)
    }

    /// As [`Ram::choose`], but never a whole region: what is of the root's own type there would be a *copy* of the root, and who revokes a
    /// copy takes the root away.
    pub(crate) fn choose_part(
        &self,
        bytes: u64,
        alignment: u64,
        within: Span,
    ) -> Result<Span, MmError> {
        let place = self.choose(bytes, alignment, within)?;
        if self
            .region_of(place.base)
            .is_none_or(|region| region.span != place)
        {
            return Ok(place);
        }
        // Not in a region of this size, so in a larger one.
        let larger = place.bytes().checked_add(PAGE).ok_or(MmError::Exhausted)?;
        let place = self.choose(larger, alignment, within)?;
        Ok(Span {
            end: place.end - PAGE,
            ..place
        })
    }

    /// A place in the smallest hole that has room for certain, or is among the smallest that are large enough.
    fn best(&self, bytes: u64, alignment: u64) -> Option<Span> {
        let at_least = |key| self.sizes.at_least(&self.arena, &key);
        let mut key = (bytes, 0);
        for _ in 0..LOOKS {
            let hole = self.arena.get(at_least(key)?)?;
            if let Some(place) = hole.place(bytes, alignment, Span::ALL) {
                return Some(place);
            }
            key = (hole.bytes, hole.base + 1);
        }
        let certain = bytes.checked_add(alignment - PAGE)?;
        let hole = self.arena.get(at_least((certain, 0))?)?;
        hole.place(bytes, alignment, Span::ALL)
    }

    /// The lowest place; for an alignment without sums, perhaps a higher one or none.
    pub(super) fn lowest(&self, bytes: u64, alignment: u64, within: Span) -> Option<Span> {
        let before = self.holes.at_most(&self.arena, &within.base);
        let before = before.and_then(|id| self.arena.get(id));
        if let Some(place) = before.and_then(|hole| hole.place(bytes, alignment, within)) {
            return Some(place);
        }
        let class = FITS.iter().rposition(|fits| *fits <= alignment)?;
        let class_alignment = *FITS.get(class)?;
        let looks = match class_alignment == alignment {
            // The first that has room below any limit has it lowest.
            true => 1,
            false => LOOKS,
        };
        let mut from = within.base;
        for _ in 0..looks {
            let found = self.holes.first_with(
                &self.arena,
                &from,
                |below| below.most(class) >= bytes,
                |hole| hole.fits(class_alignment) >= bytes,
            );
            let hole = self.arena.get(found?)?;
            if let Some(place) = hole.place(bytes, alignment, within) {
                return Some(place);
            }
            from = hole.base + 1;
        }
        let certain = bytes.checked_add(alignment - PAGE)?;
        let found = self.holes.first_with(
            &self.arena,
            &from,
            |below| below.most(0) >= certain,
            |hole| hole.bytes >= certain,
        );
        self.arena.get(found?)?.place(bytes, alignment, within)
    }
}
