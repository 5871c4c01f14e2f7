//! What carries messages: bounded messages of words, each with at most one capability.
//!
//! A transport delivers in order, each message once, or says that the connection is lost. It never waits: a full buffer is
//! [`SendError::Full`], and [`Transport::watch`] names the task to wake when that may have changed.
//!
//! Barrelfish counterpart: the channel structures `lmp_chan` and `ump_chan` under a Flounder binding.

use core::task::Waker;
use errors::Error;

/// Words in the longest message of any transport: an LMP message.
pub const MESSAGE_WORDS: usize = 9;

/// One message of a transport.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<C> {
    words: [u64; MESSAGE_WORDS],
    length: usize,
    /// The capability that came with it.
    pub cap: Option<C>,
}

impl<C> Message<C> {
    /// A message of these words; words after the [`MESSAGE_WORDS`]th are cut off.
    pub fn new(words: &[u64], cap: Option<C>) -> Self {
        let mut all = [0; MESSAGE_WORDS];
        let length = words.len().min(MESSAGE_WORDS);
        for (to, from) in all.iter_mut().zip(words) {
            *to = *from;
        }
        Self {
            words: all,
            length,
            cap,
        }
    }

    /// A message that lies in an array already; `length` above [`MESSAGE_WORDS`] counts as that.
    #[inline]
    pub fn from_array(words: [u64; MESSAGE_WORDS], length: usize, cap: Option<C>) -> Self {
        Self {
            words,
            length: length.min(MESSAGE_WORDS),
            cap,
        }
    }

    /// Its words.
    #[inline]
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.length).unwrap_or(&self.words)
    }

    /// The whole array and how many words of it are the message.
    #[inline]
    pub(crate) fn into_array(self) -> ([u64; MESSAGE_WORDS], usize, Option<C>) {
        (self.words, self.length, self.cap)
    }
}

/// Why a message was not sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SendError<C> {
    /// There is no room now; here is the capability back. Try again when woken.
    Full(Option<C>),
    /// This message cannot be sent, but others can: its capability does not exist, for example.
    Refused(Error),
    /// The other side is gone.
    Lost(Error),
}

/// What a task waits for at a transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    /// A message to receive.
    pub receive: bool,
    /// Room to send.
    pub send: bool,
}

/// One end of a connection.
pub trait Transport {
    /// What stands for a capability here. Dropping it gives it back.
    type Cap;

    /// Words in a message, [`MIN_WORDS`] to [`MESSAGE_WORDS`]; the same at both ends.
    const WORDS: usize;

    /// Sends one message of at most [`WORDS`](Self::WORDS) words.
    ///
    /// # Errors
    /// See [`SendError`]. The capability comes back only if the transport was full.
    fn send(&mut self, words: &[u64], cap: Option<Self::Cap>) -> Result<(), SendError<Self::Cap>>;

    /// The next message, if one is there.
    ///
    /// # Errors
    /// The other side is gone and all that it sent is read.
    fn receive(&mut self) -> Result<Option<Message<Self::Cap>>, Error>;

    /// Sends, and if the other side can answer while this one stands still, returns the next message received. `None`: sent,
    /// and nothing has been received yet. A transport with such a fast path (LMP's `reply_wait`) overrides this.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    fn exchange(
        &mut self,
        words: &[u64],
        cap: Option<Self::Cap>,
    ) -> Result<Option<Message<Self::Cap>>, SendError<Self::Cap>> {
        self.send(words, cap)?;
        Ok(None)
    }

    /// Wakes this task once when what it waits for may be possible, or the connection is lost; at once if it is possible
    /// already. Only the last task to watch is woken.
    fn watch(&mut self, waker: &Waker, interest: Interest);
}

/// The smallest message that a transport may have: header and four words.
pub const MIN_WORDS: usize = 5;
