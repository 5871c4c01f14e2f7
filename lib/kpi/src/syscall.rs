//! How a system call is packed into registers.
//!
//! `svc #0` with up to 12 words in x0..x11; x0 is packed as below and x1 names the invoked capability. On return x0 is the
//! error (0 = OK, else a stacked error value of the `errors` crate) and x1..x3 are results. All other registers keep their
//! values, except those results. **Barreleye**: results may take three words, so that identifying a capability needs no
//! user buffer. The one command that answers in five words, x1..x5, is
//! [`KernelCommand::NextCap`](crate::invocation::KernelCommand::NextCap).
//!
//! | Bits of x0 | Meaning |
//! |---|---|
//! | 3:0 | [`Syscall`] ordinal |
//! | 7:4 | number of argument words, x0 included |
//! | 15:8 | invocation: command number; endpoint send: level of the capability to transfer |
//! | 23:16 | level of the invoked capability |
//! | 27:24 | [`SendFlags`] |
//! | 35:28 | payload words of an endpoint send |

/// System call ordinals (Barrelfish's numbers; those it lists but AArch64 never had are left out).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Syscall {
    /// Invoke a capability; the kernel's only door to objects. See [`crate::invocation`].
    Invoke = 0,
    /// Give the core away. `argc` 2; x1 = endpoint or dispatcher to run, or 0. Only from a disabled dispatcher. Errors:
    /// `CALLER_ENABLED`, `INVALID_YIELD_TARGET` (x1 names something else, or who cannot run).
    Yield = 1,
    /// Send a message, then wait for the next one, in one call. x1 = the endpoint to send to (level 0 in x0: send nothing), x2 = offset in the
    /// own dispatcher frame of the endpoint buffer to wait for, or 0 = any; x3.. = payload, as many words as x0 says; no capability. Only
    /// from a disabled dispatcher. Result: [`ReplyWaitResult`]. It waits only if the frame's `lmp_delivered` equals `lmp_seen`, and not
    /// behind the time in `wakeup`; else it returns at once, the message sent. With an error nothing was sent and nobody waits.
    /// What comes to a waiting dispatcher by a general send is in its buffers as always. Errors: `CALLER_ENABLED`, `ILLEGAL_INVOCATION` (x1 is
    /// no endpoint), `LMP_NO_TARGET`, `LMP_EP_STATE_INVALID`, `LMP_BUF_OVERFLOW` (as a send).
    ReplyWait = 2,
    /// Nothing: the cost of entering and leaving. `argc` 1.
    Nop = 5,
    /// Print a user buffer on the console. `argc` 3; x1 = address, x2 = bytes. Result: bytes printed, at most
    /// [`PRINT_MAX`] a call. Errors: `INVALID_USER_BUFFER` (some of it is not mapped readable, or no RAM): nothing is printed.
    Print = 6,
    /// Read a byte from the bootstrap console. `argc` 1. Results: the byte, or [`GETCHAR_NONE`]; 1 if what was printed last is the end of
    /// a line and another dispatcher printed it.
    Getchar = 7,
}

impl Syscall {
    /// The call with that ordinal.
    #[inline]
    pub const fn from_word(word: u64) -> Option<Self> {
        match word & 0xf {
            0 => Some(Self::Invoke),
            1 => Some(Self::Yield),
            2 => Some(Self::ReplyWait),
            5 => Some(Self::Nop),
            6 => Some(Self::Print),
            7 => Some(Self::Getchar),
            _ => None,
        }
    }
}

/// Most bytes one [`Syscall::Print`] prints: the kernel does a bounded amount of work per entry.
pub const PRINT_MAX: u64 = 256;
/// Result of [`Syscall::Getchar`] when no byte is waiting.
pub const GETCHAR_NONE: u64 = u64::MAX;

/// Flags of an endpoint send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct SendFlags(pub u8);

impl SendFlags {
    /// On success hand the core to the receiver.
    pub const SYNC: Self = Self(1);
    /// On a transient failure hand the core to the receiver.
    pub const YIELD: Self = Self(2);
    /// Delete the sender's slot after the transfer.
    pub const GIVEAWAY: Self = Self(4);
    /// Treat an endpoint as an object, not as a message target.
    pub const IDENTIFY: Self = Self(8);
    /// What libaos uses unless told otherwise.
    pub const DEFAULT: Self = Self(3);

    /// Whether all of `wanted` is there.
    #[inline]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// What a [`Syscall::ReplyWait`] that raised no error ended with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct ReplyWaitResult(pub u64);

impl ReplyWaitResult {
    /// No message came in registers. One may be in a buffer; or the time in `wakeup` has come.
    pub const LOOK: Self = Self(0);

    /// A message of `words` words to the endpoint buffer at `offset` came in x3 to x11. The other ones of these registers are what the
    /// sender had there.
    #[inline]
    pub const fn message(offset: u64, words: u64) -> Self {
        Self(offset << 8 | words)
    }

    /// The endpoint buffer and the words of the message, if one came.
    #[inline]
    pub const fn get(self) -> Option<(u64, usize)> {
        match self.0 {
            0 => None,
            word => Some((word >> 8, (word & 0xff) as usize)),
        }
    }
}

/// The first word of a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct CallWord(pub u64);

impl CallWord {
    /// A call without further fields.
    #[inline]
    pub const fn simple(call: Syscall, argc: u8) -> Self {
        Self(call as u64 | (argc as u64) << 4)
    }

    /// An invocation of an object: `command` on the capability found at `level`, with `argc` words in all.
    #[inline]
    pub const fn invoke(command: u8, level: u8, argc: u8) -> Self {
        Self(
            (argc as u64) << 4
                | (command as u64) << 8
                | (level as u64) << 16
                | (SendFlags::IDENTIFY.0 as u64) << 24,
        )
    }

    /// Send a message to an EndPointLMP at `level`: x2 = a capability to go along, found at `send_level`, or 0; then `words` of payload, at
    /// most [`LMP_WORDS`](crate::lmp::LMP_WORDS). Errors: `LMP_NO_TARGET` (no buffer, or its dispatcher has no frame),
    /// `LMP_EP_STATE_INVALID` (the receiver wrote nonsense to its buffer), `LMP_BUF_OVERFLOW` (it is full). With a capability also
    /// `LMP_CAPTRANSFER_DST_CNODE_INVALID` (the receiver armed no slot), `LMP_CAPTRANSFER_SRC_LOOKUP` over a lookup's error, over
    /// `CAP_RIGHTS` (no GRANT), or, to give away, over `CAP_LOOKUP_DEPTH` (the own root), `CNODE_RIGHTS` (it cannot be taken out) or
    /// `CAP_LOCKED`; `LMP_CAPTRANSFER_DST_SLOT_OCCUPIED`, `CNODE_RIGHTS` (the receiver's CNode is not writable).
    #[inline]
    pub const fn send(level: u8, send_level: u8, flags: SendFlags, words: u8) -> Self {
        Self(
            (words as u64 + 3) << 4
                | (send_level as u64) << 8
                | (level as u64) << 16
                | ((flags.0 & 7) as u64) << 24
                | (words as u64) << 28,
        )
    }

    /// [`Syscall::ReplyWait`] with so many words of payload to an endpoint at `level`; level 0: only wait.
    #[inline]
    pub const fn reply_wait(level: u8, words: u8) -> Self {
        Self(
            Syscall::ReplyWait as u64
                | (words as u64 + 3) << 4
                | (level as u64) << 16
                | (words as u64) << 28,
        )
    }

    /// Argument words, x0 included.
    #[inline]
    pub const fn argc(self) -> u64 {
        self.0 >> 4 & 0xf
    }

    /// Command of an invocation, or level of the capability to transfer.
    #[inline]
    pub const fn command(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Level of the invoked capability.
    #[inline]
    pub const fn level(self) -> u64 {
        self.0 >> 16 & 0xff
    }

    /// Flags of a send.
    #[inline]
    pub const fn flags(self) -> SendFlags {
        SendFlags((self.0 >> 24 & 0xf) as u8)
    }

    /// Payload words of a send.
    #[inline]
    pub const fn payload_words(self) -> u64 {
        self.0 >> 28 & 0xff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_unpacks_to_what_was_packed() {
        let word = CallWord::invoke(9, 2, 11);
        assert_eq!(Syscall::from_word(word.0), Some(Syscall::Invoke));
        assert_eq!((word.command(), word.level(), word.argc()), (9, 2, 11));
        assert!(word.flags().contains(SendFlags::IDENTIFY));
    }

    #[test]
    fn a_send_unpacks_to_what_was_packed() {
        let word = CallWord::send(2, 1, SendFlags::DEFAULT, 9);
        assert_eq!(Syscall::from_word(word.0), Some(Syscall::Invoke));
        assert_eq!(
            (
                word.command(),
                word.level(),
                word.argc(),
                word.payload_words()
            ),
            (1, 2, 12, 9)
        );
        assert!(!word.flags().contains(SendFlags::IDENTIFY));
    }
}
