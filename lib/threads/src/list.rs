//! Lists of places. A list holds the ends, the places hold the links: so nothing is allocated, and leaving the middle is O(1).

use crate::place::{Links, NOWHERE, Place};

/// Which links of a place a list uses.
pub(crate) trait Chain {
    /// They.
    fn links(place: &mut Place) -> &mut Links;
}

/// Those who wait for a key.
#[derive(Debug)]
pub(crate) enum Waiters {}

impl Chain for Waiters {
    #[inline]
    fn links(place: &mut Place) -> &mut Links {
        &mut place.waiters
    }
}

/// Those who have a deadline.
#[derive(Debug)]
pub(crate) enum Sleepers {}

impl Chain for Sleepers {
    #[inline]
    fn links(place: &mut Place) -> &mut Links {
        &mut place.sleepers
    }
}

/// First and last of a list; both [`NOWHERE`] when it is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct List {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl List {
    /// Not a list yet: all zeroes.
    pub(crate) const ZERO: Self = Self { first: 0, last: 0 };

    pub(crate) const EMPTY: Self = Self {
        first: NOWHERE,
        last: NOWHERE,
    };

    pub(crate) const fn is_empty(&self) -> bool {
        self.first == NOWHERE
    }

    /// Puts a place that is in no list of this chain behind `previous`, or first.
    pub(crate) fn insert<C: Chain>(&mut self, places: &mut [Place], id: u16, previous: u16) {
        let next = match places.get_mut(usize::from(previous)) {
            Some(place) => core::mem::replace(&mut C::links(place).next, id),
            None => core::mem::replace(&mut self.first, id),
        };
        match places.get_mut(usize::from(next)) {
            Some(place) => C::links(place).previous = id,
            None => self.last = id,
        }
        if let Some(place) = places.get_mut(usize::from(id)) {
            *C::links(place) = Links { next, previous };
        }
    }

    /// Puts a place at the end.
    pub(crate) fn append<C: Chain>(&mut self, places: &mut [Place], id: u16) {
        self.insert::<C>(places, id, self.last);
    }

    /// Takes a place of this list out of it.
    pub(crate) fn remove<C: Chain>(&mut self, places: &mut [Place], id: u16) {
        let Some(place) = places.get_mut(usize::from(id)) else {
            return;
        };
        let Links { next, previous } = core::mem::replace(C::links(place), Links::NONE);
        match places.get_mut(usize::from(previous)) {
            Some(place) => C::links(place).next = next,
            None => self.first = next,
        }
        match places.get_mut(usize::from(next)) {
            Some(place) => C::links(place).previous = previous,
            None => self.last = previous,
        }
    }
}
