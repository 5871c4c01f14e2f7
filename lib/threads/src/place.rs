//! What is known of one thread.

use core::fmt;

/// Which place a thread has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id(pub(crate) u16);

impl Id {
    /// The thread that the domain begins with.
    pub const MAIN: Self = Self(0);

    /// Its number, below the number of places.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A thread as others name it: a place, and who of all that had it. Names nobody when that thread is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle {
    pub(crate) id: Id,
    pub(crate) generation: u16,
}

impl Handle {
    /// Its place.
    pub const fn id(self) -> Id {
        self.id
    }
}

/// What a thread waits for: the address of a lock, or one of the keys below, which no lock has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key(pub usize);

impl Key {
    /// Nothing but time.
    pub const TIME: Self = Self(0);
    /// Something from outside of the domain: a message, an interrupt.
    pub const OUTSIDE: Self = Self(1);

    /// The end of a thread.
    pub const fn end_of(id: Id) -> Self {
        Self(0x400 + id.0 as usize)
    }

    /// A thread being unparked.
    pub const fn parked(id: Id) -> Self {
        Self(0x800 + id.0 as usize)
    }
}

/// Most places that a table can have: keys of threads lie below the first page's end.
pub(crate) const MAX_PLACES: usize = 0x400;

/// What a thread does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody is here.
    Free,
    /// It could run.
    Ready,
    /// It runs.
    Running,
    /// It waits.
    Blocked,
    /// It has ended and is to be joined.
    Ended,
}

/// Why a thread that waited goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wake {
    /// It was woken: what it waited for is its own.
    Granted,
    /// Its time came first.
    TimedOut,
    /// Nothing happened; look again.
    Spurious,
}

/// A thread's name: at most 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Name(pub [u8; 16]);

impl Name {
    /// No name.
    pub const EMPTY: Self = Self([0; 16]);

    /// Cut to what fits, at a character boundary.
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; 16];
        let mut length = name.len().min(bytes.len());
        while !name.is_char_boundary(length) {
            length -= 1;
        }
        if let (Some(place), Some(text)) = (bytes.get_mut(..length), name.as_bytes().get(..length))
        {
            place.copy_from_slice(text);
        }
        Self(bytes)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        core::str::from_utf8(text).unwrap_or("?")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The link that leads nowhere. Larger than any place's number.
pub(crate) const NOWHERE: u16 = u16::MAX;

/// Neighbours in a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Links {
    pub(crate) next: u16,
    pub(crate) previous: u16,
}

impl Links {
    const ZERO: Self = Self {
        next: 0,
        previous: 0,
    };

    pub(crate) const NONE: Self = Self {
        next: NOWHERE,
        previous: NOWHERE,
    };
}

/// One thread. 64 bytes, so that its address is a shift and an addition.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Place {
    /// The caller's: where it keeps what belongs to this thread.
    pub(crate) data: usize,
    /// What it waits for.
    pub(crate) key: Key,
    pub(crate) deadline: u64,
    pub(crate) name: Name,
    /// Neighbour in the ready queue or among the free places.
    pub(crate) next_ready: u16,
    /// Neighbours among those who wait for keys of the same bucket.
    pub(crate) waiters: Links,
    /// Neighbours among those who have a deadline.
    pub(crate) sleepers: Links,
    pub(crate) generation: u16,
    pub(crate) state: State,
    /// Whether it is in the queue of a key.
    pub(crate) queued: bool,
    /// Whether it is among the sleepers.
    pub(crate) timed: bool,
    /// It was woken, and did not ask yet why.
    pub(crate) woken: bool,
    /// Why, if so.
    pub(crate) wake: Wake,
    pub(crate) detached: bool,
    /// Whether somebody waits for its end, and who.
    pub(crate) joined: bool,
    pub(crate) joiner: u16,
    /// It was unparked before it parked.
    pub(crate) token: bool,
}

impl Place {
    /// All zeroes, so that a table costs no room in a program's file. What is not right yet is set before it is used.
    pub(crate) const EMPTY: Self = Self {
        data: 0,
        key: Key::TIME,
        deadline: 0,
        name: Name::EMPTY,
        next_ready: 0,
        waiters: Links::ZERO,
        sleepers: Links::ZERO,
        generation: 0,
        state: State::Free,
        queued: false,
        timed: false,
        woken: false,
        wake: Wake::Granted,
        detached: false,
        joined: false,
        joiner: 0,
        token: false,
    };
}

impl Place {
    /// Why it was woken, if it was: to be asked once.
    pub(crate) const fn take_wake(&mut self) -> Option<Wake> {
        match core::mem::replace(&mut self.woken, false) {
            true => Some(self.wake),
            false => None,
        }
    }

    /// Sets why it was woken, if it was.
    pub(crate) const fn set_wake(&mut self, wake: Option<Wake>) {
        self.woken = wake.is_some();
        if let Some(wake) = wake {
            self.wake = wake;
        }
    }
}

const _: () = assert!(size_of::<Place>() == 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_characters() {
        assert_eq!(Name::new("worker").as_str(), "worker");
        assert_eq!(Name::new("0123456789abcdef!").as_str(), "0123456789abcdef");
        assert_eq!(Name::new("0123456789abcdeß").as_str(), "0123456789abcde");
        assert_eq!(Name::new("").as_str(), "");
        assert_eq!(Name([0xff; 16]).as_str(), "?");
    }
}
