//! LMP: messages of up to nine words and one capability to another dispatcher of this core.
//!
//! An [`Endpoint`] is a buffer in the dispatcher frame, behind the part that the kernel knows, and a capability that others
//! send to. The kernel writes `delivered`, this library `consumed`; equal means empty. Buffers are carved off the frame and
//! stay: nobody can be sure that no copy of an endpoint is left to write there.
//!
//! A message that came in registers while the domain waited for any ([`event::block_on`]) is read as if it were in its buffer.
//!
//! Barrelfish counterpart: `lmp_endpoints.c`, `lmp_chan.c`.

use crate::arch::call::{self, Results};
use crate::arch::dispatcher;
use crate::arch::scheduler::{self, Scheduler};
use crate::cap::{CapRef, cap_mint, cap_retype, cap_revoke, identify};
use crate::error::{self, Error, ErrorCode, ResultExt, is_transient};
use crate::event;
use crate::slot::{slot_alloc, slot_free};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering, fence};
use kpi::addr::CapAddr;
use kpi::cap::ObjType;
use kpi::lmp::{
    ENDPOINT_BUFFER_BYTES, EndpointBuffer, LMP_DEFAULT_BUFFER_WORDS, LMP_MESSAGE_WORDS, LMP_WORDS,
    LmpHeader,
};
use kpi::slots::{self, task};
use kpi::syscall::{CallWord, SendFlags};

/// Least words of a buffer: one full message and the word that stays free.
pub const MIN_BUFFER_WORDS: u32 = LMP_MESSAGE_WORDS as u32 + 1;
/// Most words of a buffer.
pub const MAX_BUFFER_WORDS: u32 = 4096;

/// The first buffer of every domain: its monitor's answers come here. Who starts the domain mints the endpoint.
pub(crate) const ANSWERS: Buffer = Buffer {
    offset: dispatcher::PRIVATE_START,
    words: LMP_DEFAULT_BUFFER_WORDS as u32,
};

/// Next free byte of the frame.
static NEXT_BUFFER: AtomicU32 = AtomicU32::new(ANSWERS.end());

/// A buffer in the own dispatcher frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    /// Where it is in the frame.
    pub(crate) offset: u32,
    /// Words of it.
    pub(crate) words: u32,
}

/// A place to receive messages.
#[derive(Debug)]
pub struct Endpoint {
    buffer: Buffer,
    /// The capability to send to it.
    cap: CapRef,
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    words: [u64; LMP_WORDS],
    /// As it was in front of a message in the buffer. (A flag beside a count would leave padding, which copies would copy.)
    header: LmpHeader,
}

impl EndpointId {
    /// As the kernel names it. Believed only as far as that there may be a buffer.
    pub(crate) const fn of_hint(hint: u64) -> Self {
        Self(hint as u32)
    }

    /// Where its buffer was last written and read; equal if there is no such endpoint.
    fn positions(self) -> (u32, u32) {
        let buffer = Buffer {
            offset: self.0,
            words: 0,
        };
        if self.0 < ANSWERS.offset || buffer.end() > NEXT_BUFFER.load(Ordering::Relaxed) {
            return (0, 0);
        }
        let delivered = dispatcher::read_u32(buffer.delivered_at());
        (delivered, dispatcher::read_u32(buffer.consumed_at()))
    }

    /// Whether a message is there.
    pub(crate) fn has_message(self) -> bool {
        let (delivered, consumed) = self.positions();
        delivered != consumed || scheduler::with(|book| book.stash.endpoint == self.0)
    }

    /// Its place in the frame, which is never 0.
    pub(crate) const fn place(self) -> u32 {
        self.0
    }

    /// The endpoint that got the last message, if all unread words of the first so many that were delivered to this domain are there.
    pub(crate) fn only_with_messages(delivered: u32) -> Option<Self> {
        // Disabled, since another thread may just be reading.
        scheduler::with(|book| {
            let hint = Self::of_hint(dispatcher::lmp_hint());
            let unread = delivered.wrapping_sub(book.consumed);
            // If they wrap, how many they are only the owner knows.
            let (written, read) = hint.positions();
            (written.checked_sub(read) == Some(unread)).then_some(hint)
        })
    }
}

impl Received {
    /// The payload.
    pub fn words(&self) -> &[u64] {
        self.words.get(..self.header.words()).unwrap_or(&self.words)
    }

    /// The payload, and anything behind it.
    #[inline]
    pub(crate) const fn into_array(self) -> [u64; LMP_WORDS] {
        self.words
    }

    /// Whether a capability came with it: it is in the slot that was armed. Arm another before the next.
    pub const fn has_cap(&self) -> bool {
        self.header.has_cap()
    }
}

/// What a [`reply_wait`] ended with.
#[derive(Clone, Copy, Debug)]
pub enum Waited {
    /// This message came, to that endpoint. It was in no buffer.
    Message(EndpointId, Received),
    /// Sent, if something was to be sent; and look at the buffers, and at the time.
    Look,
    /// Nothing was done: another thread could run, or there are messages to look at. Use [`send`] and
    /// [`event::wait_until`].
    Busy,
}

/// Tells an own endpoint from the others: [`Endpoint::id`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EndpointId(u32);

/// Makes an endpoint with a buffer of so many words.
///
/// # Errors
/// `LIB_ERR_LMP_BUFLEN_INVALID`, `LIB_ERR_NO_ENDPOINT_SPACE` (the frame is full), `LIB_ERR_ENDPOINT_CREATE` on top of others.
pub fn endpoint_create(words: u32) -> Result<Endpoint, Error> {
    if !(MIN_BUFFER_WORDS..=MAX_BUFFER_WORDS).contains(&words) {
        return Err(Error::new(ErrorCode::LibLmpBuflenInvalid));
    }
    let code = ErrorCode::LibEndpointCreate;
    ensure_self_endpoint().push_err(code)?;
    let cap = slot_alloc().push_err(code)?;
    let made = carve(words).and_then(|buffer| buffer.mint(cap).map(|()| buffer));
    match made {
        Ok(buffer) => Ok(Endpoint { buffer, cap }),
        Err(error) => {
            // The slot came from the allocator and is empty.
            let _ = slot_free(cap);
            Err(error.push(code))
        }
    }
}

/// A zeroed buffer in the frame.
fn carve(words: u32) -> Result<Buffer, Error> {
    let carved = NEXT_BUFFER.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |offset| {
        let end = Buffer { offset, words }.end();
        (end <= dispatcher::FRAME_END).then_some(end)
    });
    let offset = carved.map_err(|_| Error::new(ErrorCode::LibNoEndpointSpace))?;
    for at in (offset..offset + ENDPOINT_BUFFER_BYTES as u32).step_by(4) {
        dispatcher::write_u32(at, 0);
    }
    Ok(Buffer { offset, words })
}

/// The endpoint that others are minted from: the spawner made it, for init nobody did.
fn ensure_self_endpoint() -> Result<(), Error> {
    let slot = CapRef::task(task::SELFEP);
    if identify(slot).is_ok() {
        return Ok(());
    }
    let dispatcher = CapRef::task(task::DISPATCHER);
    cap_retype(slot, dispatcher, 0, ObjType::EndPointLmp, 0, 1)
}

impl Endpoint {
    /// The capability to send to it.
    pub const fn cap(&self) -> CapRef {
        self.cap
    }

    /// Its identity among this domain's endpoints.
    #[inline]
    pub const fn id(&self) -> EndpointId {
        EndpointId(self.buffer.offset)
    }

    /// Names the empty slot, of the own CSpace, for the next capability.
    pub fn arm(&self, slot: CapRef) {
        self.buffer.set_slot(slots::ROOTCN, slot.addr());
    }

    /// Accepts no capability: a message with one is refused, transiently for the sender.
    pub fn disarm(&self) {
        self.buffer.set_slot(CapAddr::NULL, CapAddr::NULL);
    }

    /// As [`receive`](Self::receive), into these words.
    #[inline]
    pub(crate) fn receive_into(&self, words: &mut [u64; LMP_WORDS]) -> Option<LmpHeader> {
        self.buffer.receive_into(words)
    }

    /// The next message, if one is there.
    pub fn receive(&self) -> Option<Received> {
        self.buffer.receive()
    }

    /// Makes the own capability the only one to this endpoint, and empties the buffer: for another sender.
    ///
    /// A holder of a copy may have revoked it, and with that taken this one too; then it is minted anew.
    ///
    /// # Errors
    /// The kernel's.
    pub fn renew(&self) -> Result<(), Error> {
        if identify(self.cap).is_err() {
            self.buffer.mint(self.cap)?;
        }
        cap_revoke(self.cap)?;
        while self.receive().is_some() {}
        Ok(())
    }
}

impl Buffer {
    /// First byte of the frame behind it.
    const fn end(self) -> u32 {
        let bytes = ENDPOINT_BUFFER_BYTES as u32 + 8 * self.words;
        self.offset.saturating_add(bytes.next_multiple_of(16))
    }

    /// Puts a capability for it into an empty slot.
    fn mint(self, cap: CapRef) -> Result<(), Error> {
        self.mint_from(cap, CapRef::task(task::SELFEP))
    }

    /// As [`Buffer::mint`], of the dispatcher whose self endpoint this is: the same buffer of another domain.
    pub(crate) fn mint_from(self, cap: CapRef, selfep: CapRef) -> Result<(), Error> {
        cap_mint(cap, selfep, u64::from(self.offset), u64::from(self.words))
    }

    const fn delivered_at(self) -> u32 {
        self.offset + offset_of!(EndpointBuffer, delivered) as u32
    }

    const fn consumed_at(self) -> u32 {
        self.offset + offset_of!(EndpointBuffer, consumed) as u32
    }

    /// Names the slot for the next capability.
    pub(crate) fn set_slot(self, cspace: CapAddr, slot: CapAddr) {
        let at = |field: usize| self.offset + field as u32;
        dispatcher::write_u32(at(offset_of!(EndpointBuffer, recv_cspace)), cspace.0);
        dispatcher::write_u32(at(offset_of!(EndpointBuffer, recv_slot)), slot.0);
    }

    /// The next message, if one is there. One thread at a time takes one.
    pub(crate) fn receive(self) -> Option<Received> {
        let mut words = [0; LMP_WORDS];
        let header = self.receive_into(&mut words)?;
        Some(Received { words, header })
    }

    /// The same, into these words; those behind the message are anything.
    #[inline]
    pub(crate) fn receive_into(self, words: &mut [u64; LMP_WORDS]) -> Option<LmpHeader> {
        scheduler::with(|book| self.receive_disabled(book, words))
    }

    #[inline(always)]
    fn receive_disabled(
        self,
        book: &mut Scheduler,
        words: &mut [u64; LMP_WORDS],
    ) -> Option<LmpHeader> {
        if book.stash.endpoint == self.offset {
            // It came when all buffers were empty.
            book.stash.endpoint = 0;
            *words = book.stash.words;
            return Some(book.stash.header);
        }
        let delivered = dispatcher::read_u32(self.delivered_at());
        let mut consumed = dispatcher::read_u32(self.consumed_at());
        if delivered == consumed || delivered >= self.words || consumed >= self.words {
            return None;
        }
        // The kernel wrote the payload before `delivered`, on this core.
        fence(Ordering::Acquire);
        let header = LmpHeader(self.take_word(&mut consumed));
        let count = header.words().min(LMP_WORDS);
        for word in words.iter_mut().take(count) {
            *word = self.take_word(&mut consumed);
        }
        fence(Ordering::Release);
        dispatcher::write_u32(self.consumed_at(), consumed);
        book.consumed = book.consumed.wrapping_add(count as u32 + 1);
        Some(header)
    }

    fn take_word(self, index: &mut u32) -> u64 {
        let word = dispatcher::read_u64(self.offset + ENDPOINT_BUFFER_BYTES as u32 + 8 * *index);
        *index = (*index + 1) % self.words;
        word
    }
}

/// Sends a message to the endpoint in `endpoint`, with the capability in `cap`, if any.
///
/// # Errors
/// `LIB_ERR_MSGBUF_OVERFLOW` for more than nine words; the kernel's: see [`is_transient`].
pub fn send(
    endpoint: CapRef,
    payload: &[u64],
    cap: Option<CapRef>,
    flags: SendFlags,
) -> Result<(), Error> {
    if payload.len() > LMP_WORDS {
        return Err(Error::new(ErrorCode::LibMsgbufOverflow));
    }
    let (addr, level) = cap.map_or((CapAddr::NULL, 0), |cap| (cap.addr(), cap.level() as u8));
    let word = CallWord::send(endpoint.level() as u8, level, flags, payload.len() as u8);
    let mut args = [0; LMP_WORDS + 1];
    for (place, value) in args.iter_mut().zip([addr.0.into()].iter().chain(payload)) {
        *place = *value;
    }
    let Results { error, .. } = call::call([word.0, endpoint.addr().0.into()], &args);
    error::check(error)
}

/// Sends a message, if `to` is given, and then waits for the next one, to `at` or to any endpoint: by one call to the kernel, which
/// hands the core to who waits there by the same call. The message that ends the wait comes in registers.
///
/// This is the fast path of messages. It is there only for who is alone: see [`Waited::Busy`].
///
/// # Errors
/// Nothing was sent: those of [`send`] without a capability.
#[inline(always)]
pub fn reply_wait<const N: usize>(
    to: Option<CapRef>,
    payload: [u64; N],
    at: Option<EndpointId>,
) -> Result<Waited, Error> {
    const { assert!(N <= LMP_WORDS) };
    let mut words = [0; LMP_WORDS];
    for (place, word) in words.iter_mut().zip(payload) {
        *place = word;
    }
    exchange(to, words, N, at)
}

/// What makes messages fast, each of which can be switched off: for tests, and to compare. All goes the general way then, which means the same.
///
/// A program begins without those that its environment's variable `LMP_FAST_PATH` names, with commas between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shortcut {
    /// `off`: [`reply_wait`], which answers [`Waited::Busy`] without it; so nothing is kept for the next wait either.
    ReplyWait,
    /// `no-deferred`: answers and awaited calls are kept, and go out with the next wait.
    Deferred,
    /// `no-window`: long messages go through memory that both sides share.
    Window,
}

impl Shortcut {
    /// What a word of the variable switches off.
    pub(crate) fn named(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::ReplyWait),
            "no-deferred" => Some(Self::Deferred),
            "no-window" => Some(Self::Window),
            _ => None,
        }
    }

    /// Switches it on or off, for this program.
    pub fn set(self, on: bool) {
        match self {
            Self::ReplyWait => scheduler::with(|book| match on {
                true => book.slow &= !scheduler::SLOW,
                false => book.slow |= scheduler::SLOW,
            }),
            Self::Deferred => scheduler::with(|book| book.keeps_nothing = !on),
            Self::Window => crate::channel::set_windows(on),
        }
    }
}

/// Whether [`Shortcut::ReplyWait`] is taken.
pub fn set_fast_path(on: bool) {
    Shortcut::ReplyWait.set(on);
}

/// [`reply_wait`] with the first `count` of these words, which are at most [`LMP_WORDS`]; the other ones reach the receiver too.
#[inline(always)]
pub(crate) fn exchange(
    to: Option<CapRef>,
    words: [u64; LMP_WORDS],
    count: usize,
    at: Option<EndpointId>,
) -> Result<Waited, Error> {
    let level = to.map_or(0, |to| to.level() as u8);
    let endpoint = to.map_or(0, |to| to.addr().0.into());
    let word = CallWord::reply_wait(level, count as u8);
    let accepts = at.map_or(0, |id| id.0.into());
    let Some(swapped) = scheduler::reply_wait(word, endpoint, accepts, words) else {
        return Ok(Waited::Busy);
    };
    error::check(swapped.error)?;
    Ok(match swapped.result.get() {
        None => Waited::Look,
        Some((offset, count)) => Waited::Message(
            EndpointId(offset as u32),
            Received {
                words: swapped.payload,
                header: LmpHeader::new(count, false),
            },
        ),
    })
}

/// Sends a message, yielding while the receiver's buffer is full, or while it waits for no capability.
///
/// # Errors
/// `LIB_ERR_LMP_CHAN_SEND` on top of an error that is not transient.
pub fn send_waiting(endpoint: CapRef, payload: &[u64], cap: Option<CapRef>) -> Result<(), Error> {
    loop {
        match send(endpoint, payload, cap, SendFlags::DEFAULT) {
            Err(error) if is_transient(error) => event::yield_now(),
            result => return result.push_err(ErrorCode::LibLmpChanSend),
        }
    }
}
