//! What carries messages: bounded messages of words, each with at most one capability.
//!
//! [`send`](Transport::send), [`receive`](Transport::receive) and [`watch`](Transport::watch) are what a transport must have. It
//! may have a fast path ([`exchange`](Transport::exchange)) and carry long data in shared memory ([`pack`](Transport::pack)).
//!
//! A transport delivers in order, each message once, or says that the connection is lost. It never waits: a full buffer is
//! [`SendError::Full`], and [`Transport::watch`] names the task to wake when that may have changed.
//!
//! Barrelfish counterpart: the channel structures `lmp_chan` and `ump_chan` under a Flounder binding.

use crate::body::{Block, WORD};
use crate::header::{CALL_SHIFT, CallId, Header, SPARE, SPARE_SHIFT, Sizes};
use alloc::vec::Vec;
use core::task::Waker;
use errors::{Error, ErrorCode};

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
    #[inline]
    pub fn new(words: &[u64], cap: Option<C>) -> Self {
        let mut all = [0; MESSAGE_WORDS];
        for (to, from) in all.iter_mut().zip(words) {
            *to = *from;
        }
        Self::from_array(all, words.len(), cap)
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

    /// None: no words.
    #[inline]
    pub const fn empty() -> Self {
        Self {
            words: [0; MESSAGE_WORDS],
            length: 0,
            cap: None,
        }
    }

    /// Becomes another message, whose first `length` words `write` writes; those behind are anything.
    #[inline]
    pub fn fill(
        &mut self,
        length: usize,
        cap: Option<C>,
        write: impl FnOnce(&mut [u64; MESSAGE_WORDS]),
    ) {
        write(&mut self.words);
        self.length = length.min(MESSAGE_WORDS);
        self.cap = cap;
    }

    /// All words that it has room for; those behind its own are anything.
    #[inline]
    pub const fn array(&self) -> &[u64; MESSAGE_WORDS] {
        &self.words
    }

    /// Its words.
    #[inline]
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.length).unwrap_or(&self.words)
    }

    /// These values behind a place for the header.
    #[inline]
    pub(crate) fn with_data<const N: usize>(values: [u64; N], cap: Option<C>) -> Self {
        const { assert!(N < MESSAGE_WORDS) };
        let mut words = [0; MESSAGE_WORDS];
        for (to, from) in words.iter_mut().skip(1).zip(values) {
            *to = from;
        }
        Self {
            words,
            length: N + 1,
            cap,
        }
    }

    /// Bytes, at most [`MESSAGE_WORDS`] - 1 words of them, behind a place for the header.
    pub(crate) fn with_bytes(bytes: &[u8], cap: Option<C>) -> Self {
        let mut words = [0; MESSAGE_WORDS];
        for (to, from) in words.iter_mut().skip(1).zip(Block::of_bytes(bytes).words()) {
            *to = from;
        }
        let count = bytes.len().div_ceil(WORD);
        words[0] = ((count * WORD - bytes.len()) as u64) << SPARE_SHIFT;
        Self::from_array(words, count + 1, cap)
    }

    /// As [`with_data`](Self::with_data), in place.
    #[inline]
    pub(crate) fn set_data<const N: usize>(&mut self, values: [u64; N], cap: Option<C>) {
        const { assert!(N < MESSAGE_WORDS) };
        for (to, from) in self.words.iter_mut().skip(1).zip(values) {
            *to = from;
        }
        self.words[0] = 0;
        self.length = N + 1;
        self.cap = cap;
    }

    /// Fills the place of the header.
    #[inline]
    pub(crate) fn set_header(&mut self, header: Header) {
        let [first, ..] = &mut self.words;
        *first = *first & SPARE | header.to_word();
    }

    /// Fills the place of the call in a header that has none yet.
    #[inline]
    pub(crate) fn set_call(&mut self, call: CallId) {
        let [first, ..] = &mut self.words;
        *first = *first & ((1 << CALL_SHIFT) - 1) | call.raw() << CALL_SHIFT;
    }

    /// The header.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RX_EMPTY_MSG`, `FLOUNDER_ERR_RX_INVALID_MSGNUM`.
    #[inline]
    pub(crate) fn header(&self) -> Result<Header, Error> {
        let [first, ..] = self.words;
        match self.length {
            0 => Err(ErrorCode::FlounderRxEmptyMsg.into()),
            _ => Header::from_word(first).ok_or_else(|| ErrorCode::FlounderRxInvalidMsgnum.into()),
        }
    }

    /// Whether this is the header.
    #[inline]
    pub(crate) fn has_header(&self, header: Header) -> bool {
        let [first, ..] = self.words;
        self.length > 0 && first & !SPARE == header.to_word()
    }

    /// Bytes of the last word that are no data.
    #[inline]
    fn spare(&self) -> usize {
        let [first, ..] = self.words;
        ((first & SPARE) >> SPARE_SHIFT) as usize
    }

    /// Bytes of data.
    #[inline]
    pub(crate) fn data_bytes(&self) -> usize {
        (self.data().len() * WORD).saturating_sub(self.spare())
    }

    /// Bytes of data that fit into one message.
    pub(crate) const BYTES: usize = (MESSAGE_WORDS - 1) * WORD;

    /// Bytes that the first of several messages announces.
    pub(crate) fn announced(&self) -> usize {
        let sizes = self.data().first().map(|word| Sizes::from_word(*word));
        sizes.map_or(0, |sizes| {
            usize::try_from(sizes.bytes).unwrap_or(usize::MAX)
        })
    }

    /// The words behind the header.
    #[inline]
    pub(crate) fn data(&self) -> &[u64] {
        self.words.get(1..self.length).unwrap_or(&[])
    }

    /// Exactly `N` words behind the header.
    #[inline]
    pub(crate) fn exactly<const N: usize>(&self) -> Option<[u64; N]> {
        const { assert!(N < MESSAGE_WORDS) };
        if self.length != N + 1 || self.spare() != 0 {
            return None;
        }
        let mut values = [0; N];
        for (to, from) in values.iter_mut().zip(self.words.iter().skip(1)) {
            *to = *from;
        }
        Some(values)
    }

    /// Moves it out; the words stay, the capability does not.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self {
            words: self.words,
            length: self.length,
            cap: self.cap.take(),
        }
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
///
/// Its methods are called, and capabilities are dropped, while the connection is locked: none of them may use the connection
/// that it belongs to. (Memory for [`pack`](Self::pack), say, must not be asked for over this very connection.)
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

    /// As [`send`](Self::send), of a message that is no use without the next one: a transport that wakes the other side for each message can wait
    /// for the last.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    fn send_part(
        &mut self,
        words: &[u64],
        cap: Option<Self::Cap>,
    ) -> Result<(), SendError<Self::Cap>> {
        self.send(words, cap)
    }

    /// As [`send`](Self::send), of an answer or of a call that is awaited: whoever sends it will soon wait for messages, and a transport that can send and
    /// wait at once may keep it until then. It is sent before anything else that is sent here.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    fn send_and_wait(
        &mut self,
        words: &[u64],
        cap: Option<Self::Cap>,
    ) -> Result<(), SendError<Self::Cap>> {
        self.send(words, cap)
    }

    /// The next message, if one is there.
    ///
    /// # Errors
    /// The other side is gone and all that it sent is read.
    fn receive(&mut self) -> Result<Option<Message<Self::Cap>>, Error>;

    /// The same, where it is to lie: true if one was there. A transport that can write it there at once overrides this.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[inline]
    fn receive_into(&mut self, message: &mut Message<Self::Cap>) -> Result<bool, Error> {
        let received = self.receive()?;
        Ok(received.map(|received| *message = received).is_some())
    }

    /// Sends, and if the other side can answer while this one stands still, receives the next message in place of the sent one: true. False: sent,
    /// and nothing has been received yet. A transport with such a fast path (LMP's `reply_wait`) overrides this.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    fn exchange(&mut self, message: &mut Message<Self::Cap>) -> Result<bool, SendError<Self::Cap>> {
        let cap = message.cap.take();
        self.send(message.words(), cap)?;
        Ok(false)
    }

    /// Bytes of data from which a message is [packed](Self::pack) rather than sent in fragments. Never by default.
    const FRAME_BYTES: usize = usize::MAX;

    /// Puts data into memory that the other side can read, and returns the capability to it. `None`: not now, for lack of memory
    /// say; the message goes in fragments then, which always works.
    fn pack(&mut self, _data: &[u8]) -> Option<Self::Cap> {
        None
    }

    /// Copies `length` bytes, at most [`Limits::message_bytes`](crate::Limits), out of memory that the other side has
    /// [packed](Self::pack), and gives the capability back. The other side may still write there: what is decoded is the copy.
    ///
    /// # Errors
    /// The capability is none to readable memory of this length, or there is no memory for the copy. The message is lost, the
    /// connection is not.
    fn unpack(&mut self, _cap: Self::Cap, _length: usize) -> Result<Vec<u8>, Error> {
        Err(ErrorCode::FlounderRxCaps.into())
    }

    /// Bytes that must be left of a message for [`send_slice`](Self::send_slice) to be tried. Never by default.
    const SLICE_BYTES: usize = usize::MAX;

    /// Puts as much of the data as fits into memory that both sides share, and sends the message of this word and the number of those bytes. Answers
    /// that number, which is one of whole words unless it is all of them; 0: there is no such memory, and nothing was sent.
    ///
    /// # Errors
    /// As [`send`](Self::send). Full also as long as the other side has not taken the slice before.
    fn send_slice(&mut self, _head: u64, _data: &[u8]) -> Result<usize, SendError<Self::Cap>> {
        Ok(0)
    }

    /// Appends a slice of so many bytes, which have room in the vector. What is decoded is this copy.
    ///
    /// # Errors
    /// The memory is not there, or not so large: the end of the connection.
    fn receive_slice(&mut self, _bytes: usize, _into: &mut Vec<u8>) -> Result<(), Error> {
        Err(ErrorCode::FlounderRxProtocol.into())
    }

    /// A message of kind [`Window`](crate::header::Kind::Window) has come.
    ///
    /// # Errors
    /// It is not one that this side can get now, or not of use: the end of the connection.
    fn receive_window(&mut self, _cap: Option<Self::Cap>) -> Result<(), Error> {
        Err(ErrorCode::FlounderRxProtocol.into())
    }

    /// Wakes this task once when what it waits for may be possible, or the connection is lost; at once if it is possible
    /// already. Only the last task to watch is woken.
    fn watch(&mut self, waker: &Waker, interest: Interest);
}

/// The smallest message that a transport may have: header and four words.
pub const MIN_WORDS: usize = 5;

/// Stops the build for a transport with messages that are too small or too large.
#[inline]
pub(crate) const fn check_words<T: Transport>() {
    const { assert!(T::WORDS >= MIN_WORDS && T::WORDS <= MESSAGE_WORDS) };
}
