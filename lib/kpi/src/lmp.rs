//! The endpoint buffer in a receiver's dispatcher frame, and the notes the kernel itself sends.
//!
//! An endpoint capability names a dispatcher, the offset of an [`EndpointBuffer`] in that dispatcher's frame and the
//! number of words behind it. A message is a header word and its payload; messages wrap. `delivered` and `consumed` are word
//! indices; equal means empty, so one word always stays free.

/// Most payload words of a message (**Barreleye**: 9, as in the AOS course; upstream has 4).
pub const LMP_WORDS: usize = 9;
/// Words of the largest message with its header.
pub const LMP_MESSAGE_WORDS: usize = LMP_WORDS + 1;
/// Buffer words that hold two full messages, the default (one word stays free).
pub const LMP_DEFAULT_BUFFER_WORDS: usize = 2 * LMP_MESSAGE_WORDS + 1;

/// The part of an endpoint that kernel and user share; `words` words of buffer follow directly.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EndpointBuffer {
    /// User: address, in the receiver's CSpace, of the root CNode in which `recv_slot` is meant; 0 = cannot receive one.
    pub recv_cspace: u32,
    /// User: address of the empty slot for the next capability. The kernel never clears it: arm it anew after each one.
    pub recv_slot: u32,
    /// Kernel: index of the next word it will write.
    pub delivered: u32,
    /// User: index of the next word it will read.
    pub consumed: u32,
}

/// Bytes of [`EndpointBuffer`].
pub const ENDPOINT_BUFFER_BYTES: usize = 16;
const _: () = assert!(core::mem::size_of::<EndpointBuffer>() == ENDPOINT_BUFFER_BYTES);

/// First word of a message in the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct LmpHeader(pub u64);

impl LmpHeader {
    /// Header of a message of `words` payload words.
    #[inline]
    pub const fn new(words: usize, has_cap: bool) -> Self {
        Self((words as u64) << 8 | has_cap as u64)
    }

    /// Whether a capability came with it.
    #[inline]
    pub const fn has_cap(self) -> bool {
        self.0 & 1 == 1
    }

    /// Payload words; believe it only up to [`LMP_WORDS`].
    #[inline]
    pub const fn words(self) -> usize {
        (self.0 >> 8 & 0xff) as usize
    }
}

/// First payload word of what the kernel sends to the registered monitor endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum KernelNote {
    /// Dispatchers are gone: {domain id, 1}; or {0, how many}, when too many have gone at once to tell them one by one. Whoever waits for the
    /// end of one then looks whether it has a Dispatcher capability still.
    Death = 1,
    /// A dispatcher was taken off the scheduler because it cannot handle its faults: {domain id, [`FaultKind`], ESR, FAR, PC}.
    Fault = 2,
    /// Memory made from a retained capability has become free: {base, bytes}. A hint: the range may be larger, if several were
    /// waiting, and in use again. A retype tells.
    Free = 3,
}

/// Why a dispatcher was stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum FaultKind {
    /// More faults while disabled than allowed, without leaving disabled mode.
    DisabledFaults = 1,
    /// Its CSpace, VSpace root or dispatcher frame was deleted under it.
    LostObject = 2,
    /// A system error (SError) was raised while it ran.
    SystemError = 3,
    /// It entered an exception state that AArch64 user code has no business in.
    Unexpected = 4,
}

impl FaultKind {
    /// The kind with that number.
    pub const fn from_word(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::DisabledFaults),
            2 => Some(Self::LostObject),
            3 => Some(Self::SystemError),
            4 => Some(Self::Unexpected),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        for words in 0..=LMP_WORDS {
            for cap in [false, true] {
                let header = LmpHeader::new(words, cap);
                assert_eq!((header.words(), header.has_cap()), (words, cap));
            }
        }
    }
}
