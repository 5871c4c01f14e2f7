//! Shared memory as the ring sees it: slots of one cache line, [`Slot`], of atomic words.
//!
//! The ring is generic over [`Memory`] so that the very same code runs on real memory ([`Real`]), and on a model of memory in which
//! tests go through every order of events that the memory model allows.
//!
//! The words of data are atomic, too, though only ever accessed relaxed, which costs nothing: the other side may write to
//! them whenever it likes, and what it does must not be undefined on this side.
//!
//! # Orderings
//!
//! There are four, in two pairs. Each pair hands a line over to the other side.
//!
//! | Access | Ordering | Why |
//! |---|---|---|
//! | a line's control word, published | release | the words of the line, and of all lines staged behind it, are written before |
//! | a line's control word, seen | acquire | the words are read after; with it, they are those |
//! | acknowledgement (its word, or within a published line) | release | the words were read before |
//! | acknowledgement, learnt | acquire | the line is written again after; without it, the receiver could still read the new words as the old line's |
//!
//! Everything else is relaxed: words of data (the pairs order them); control words of lines that are staged behind another (nobody looks at
//! them before the first one is published); marks of sleepers (below).
//!
//! # Sleeping without a fence
//!
//! Who wants to sleep writes "I sleep", then looks for a message. Who sends writes the message, then looks for a sleeper. With two places
//! in memory, both may look before the other's write is seen (store buffering: each write still waits in its core's buffer), and
//! only a full barrier on both sides (SeqCst) prevents it: one for each message. Here it is *one place*: the mark is set in the control word in which the
//! message will come, by compare-and-exchange, and the message is published by swap. All changes of one word are in one order, and
//! a swap reads what it replaces. Either the mark comes first, and the swap finds it; or the swap comes first, and the exchange fails.
//! No barrier is needed for that, and no second line is touched.

use crate::control::{COUNT_BITS, LINE_WORDS};
use crate::flaw::Flaw;
use core::fmt::Debug;
use core::sync::atomic::{AtomicU64, Ordering};
use errors::ErrorCode;

/// A word of data.
pub trait Data: Default + Debug {
    /// Reads it.
    fn read(&self) -> u64;
    /// Writes it.
    fn write(&self, value: u64);
}

/// A word that both sides write.
pub trait Control: Default + Debug {
    /// Reads it.
    fn load(&self, order: Ordering) -> u64;
    /// Writes it.
    fn store(&self, value: u64, order: Ordering);
    /// Writes it and returns what was there, in one step.
    fn swap(&self, value: u64, order: Ordering) -> u64;
    /// Writes `to` if `from` is there; whether it was. One step, relaxed.
    fn replace(&self, from: u64, to: u64) -> bool;
}

/// What shared memory is made of.
pub trait Memory {
    /// A word of data.
    type Data: Data;
    /// A word that both sides write.
    type Control: Control;
    /// Bits of the count of acknowledged lines; less only in tests, which want to see it come round.
    const COUNT_BITS: u32 = COUNT_BITS;
    /// The mistake to make.
    const FLAW: Option<Flaw> = None;
}

/// Memory of the machine.
#[derive(Debug)]
pub enum Real {}

impl Memory for Real {
    type Data = AtomicU64;
    type Control = AtomicU64;
}

impl Data for AtomicU64 {
    #[inline(always)]
    fn read(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
    #[inline(always)]
    fn write(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }
}

impl Control for AtomicU64 {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }
    #[inline(always)]
    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }
    #[inline(always)]
    fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.swap(value, order)
    }
    #[inline(always)]
    fn replace(&self, from: u64, to: u64) -> bool {
        self.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// Bytes of a slot: a cache line.
pub const SLOT_BYTES: usize = 64;

/// A place for a line.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Slot<M: Memory = Real> {
    pub(crate) data: [M::Data; LINE_WORDS],
    pub(crate) control: M::Control,
}

const _: () = assert!(size_of::<Slot>() == SLOT_BYTES && align_of::<Slot>() == SLOT_BYTES);

impl<M: Memory> Default for Slot<M> {
    fn default() -> Self {
        Self {
            data: core::array::from_fn(|_| M::Data::default()),
            control: M::Control::default(),
        }
    }
}

/// Memory that is mapped somewhere, as slots. A channel wants it zeroed.
///
/// # Safety
/// For `'m`, these bytes are mapped, readable and writable and cacheable, and this program accesses them only as slots, of which there may be any number
/// of references. (Other programs may do with them what they like.)
///
/// # Errors
/// `UMP_BUFADDR_INVALID`: the address is null or no multiple of [`SLOT_BYTES`]. `UMP_BUFSIZE_INVALID`: the size is not.
#[expect(unsafe_code, reason = "the one place where an address becomes memory")]
pub unsafe fn slots<'m>(base: *mut u8, bytes: usize) -> Result<&'m [Slot], ErrorCode> {
    let base = base.cast::<Slot>();
    if base.is_null() || !base.is_aligned() {
        return Err(ErrorCode::LibUmpBufaddrInvalid);
    }
    if !bytes.is_multiple_of(SLOT_BYTES) || bytes > isize::MAX as usize {
        return Err(ErrorCode::LibUmpBufsizeInvalid);
    }
    // SAFETY: aligned, not null, not too large; the caller promises that the memory is there and is accessed as slots only. A slot
    // is atomic words, for which any bits are a value, and which may change behind a shared reference.
    Ok(unsafe { core::slice::from_raw_parts(base, bytes / SLOT_BYTES) })
}
