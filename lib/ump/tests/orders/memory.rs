//! Memory as `loom` models it: a load may return any value that the memory model allows.
//!
//! Words of data are cells that may not be accessed by two threads at once. So the model also finds accesses whose order is
//! left open, even if no wrong value comes of it.

use core::sync::atomic::{AtomicU64, Ordering};
use loom::cell::UnsafeCell;
use std::sync::Arc;
use ump::{Bell, Channel, Control, Data, Flaw, Memory, Side, Slot};

/// Memory with the mistake of this number in [`Flaw::ALL`], and a count of so many bits.
pub enum Modelled<const FLAW: usize, const BITS: u32> {}

/// No mistake.
pub const SOUND: usize = usize::MAX;

/// Bits enough for all counts of these tests.
pub const WIDE: u32 = 8;

impl<const FLAW: usize, const BITS: u32> Memory for Modelled<FLAW, BITS> {
    type Data = Word;
    type Control = Shared;
    const COUNT_BITS: u32 = BITS;
    const FLAW: Option<Flaw> = if FLAW == SOUND {
        None
    } else {
        Some(Flaw::ALL[FLAW])
    };
}

/// A word of data, with a cell beside it that complains about accesses at the same time.
#[derive(Debug, Default)]
pub struct Word {
    value: AtomicU64,
    access: UnsafeCell<()>,
}

impl Data for Word {
    fn read(&self) -> u64 {
        self.access.with(|_| ());
        self.value.load(Ordering::Relaxed)
    }

    fn write(&self, value: u64) {
        self.access.with_mut(|_| ());
        self.value.store(value, Ordering::Relaxed);
    }
}

/// A word that both sides write.
#[derive(Debug, Default)]
pub struct Shared(loom::sync::atomic::AtomicU64);

impl Control for Shared {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }
    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }
    fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.0.swap(value, order)
    }
    fn replace(&self, from: u64, to: u64) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// A channel's memory, and how its ends wake each other.
pub struct Shelf<M: Memory> {
    slots: Vec<Slot<M>>,
    client: loom::sync::Notify,
    server: loom::sync::Notify,
}

impl<M: Memory> Shelf<M> {
    /// With so many lines each way.
    pub fn new(lines: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: (0..2 * (lines + 1)).map(|_| Slot::default()).collect(),
            client: loom::sync::Notify::new(),
            server: loom::sync::Notify::new(),
        })
    }

    /// One end.
    pub fn end(&self, side: Side) -> Channel<'_, impl Bell, M> {
        Channel::new(
            &self.slots,
            side,
            match side {
                Side::Client => Ring(&self.server),
                Side::Server => Ring(&self.client),
            },
        )
        .unwrap()
    }

    /// Sleeps until the other side rings.
    pub fn sleep(&self, side: Side) {
        match side {
            Side::Client => self.client.wait(),
            Side::Server => self.server.wait(),
        }
    }
}

struct Ring<'a>(&'a loom::sync::Notify);

impl Bell for Ring<'_> {
    fn ring(&mut self) {
        self.0.notify();
    }
}
