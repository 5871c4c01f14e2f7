//! Messages on their way in: fragments put together again, each checked before anything is kept.
//!
//! Invariant: between two messages at most one is incomplete, and it holds no more memory than twice what has arrived, and no
//! more than the limits allow. Any violation ends the connection, and with it the incomplete message.
//!
//! Errors: `FLOUNDER_ERR_RX_EMPTY_MSG` (no header), `RX_INVALID_MSGNUM` (no such kind of message), `RX_INVALID_LENGTH` (too long
//! for the limits, or more or less data than was announced), `RX_CAPS` (likewise), `RX_PROTOCOL` (a part without a beginning, of
//! another call, or a new message within another).

use crate::body::{Body, Caps, WORD};
use crate::header::{Header, Kind};
use crate::limits::Limits;
use crate::transport::Message;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};

#[derive(Debug)]
struct Partial<C> {
    header: Header,
    total: usize,
    caps_total: usize,
    bytes: Vec<u8>,
    caps: Caps<C>,
}

#[derive(Debug)]
pub(crate) struct Inbox<C> {
    partial: Option<Partial<C>>,
}

/// What a message led to.
#[derive(Debug)]
pub(crate) enum Arrived<C> {
    Whole(Header, Body<C>),
    /// Nothing yet: a part of a message, or the end of one that will not be finished.
    Partly,
}

impl<C> Inbox<C> {
    pub(crate) fn new() -> Self {
        Self { partial: None }
    }

    /// Whether no message is incomplete.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.partial.is_none()
    }

    /// Forgets the incomplete message.
    pub(crate) fn clear(&mut self) {
        self.partial = None;
    }

    /// Takes a message of the transport; `allowed` says whether a message of this kind may begin now.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        message: Message<C>,
        limits: &Limits,
        allowed: impl FnOnce(&Header) -> Result<(), Error>,
    ) -> Result<Arrived<C>, Error> {
        let first = message.words().first().copied();
        let header = Header::from_word(first.ok_or(ErrorCode::FlounderRxEmptyMsg)?)
            .ok_or(ErrorCode::FlounderRxInvalidMsgnum)?;
        if self.partial.is_some() || header.fragmented || header.kind == Kind::Part {
            return self.accept_fragment(header, message, limits, allowed);
        }
        if header.kind == Kind::Abort {
            return Err(ErrorCode::FlounderRxProtocol.into());
        }
        allowed(&header)?;
        Ok(Arrived::Whole(header, Body::of_message(message)))
    }

    fn accept_fragment(
        &mut self,
        header: Header,
        message: Message<C>,
        limits: &Limits,
        allowed: impl FnOnce(&Header) -> Result<(), Error>,
    ) -> Result<Arrived<C>, Error> {
        let (mut partial, data) = match self.partial.take() {
            None if header.fragmented => {
                allowed(&header)?;
                let sizes = message.words().get(1).copied();
                let sizes = sizes.ok_or(ErrorCode::FlounderRxInvalidLength)?;
                (begin(header, sizes, limits)?, 2)
            }
            Some(partial) if header.kind == Kind::Abort && partial.header.call == header.call => {
                return Ok(Arrived::Partly);
            }
            Some(partial) if header.kind == Kind::Part && partial.header.call == header.call => {
                (partial, 1)
            }
            _ => return Err(ErrorCode::FlounderRxProtocol.into()),
        };
        add(&mut partial, message, data)?;
        if partial.bytes.len() < partial.total || partial.caps.len() < partial.caps_total {
            self.partial = Some(partial);
            return Ok(Arrived::Partly);
        }
        let header = Header {
            fragmented: false,
            ..partial.header
        };
        Ok(Arrived::Whole(
            header,
            Body::bytes(partial.bytes, partial.caps),
        ))
    }
}

fn begin<C>(header: Header, sizes: u64, limits: &Limits) -> Result<Partial<C>, Error> {
    let caps_total = (sizes >> 48) as usize;
    let total = usize::try_from(sizes & ((1 << 48) - 1)).unwrap_or(usize::MAX);
    if total > limits.message_bytes {
        return Err(ErrorCode::FlounderRxInvalidLength.into());
    }
    if caps_total > limits.caps {
        return Err(ErrorCode::FlounderRxCaps.into());
    }
    Ok(Partial {
        header,
        total,
        caps_total,
        bytes: Vec::new(),
        caps: Caps::new(None),
    })
}

/// Adds the data behind the first `skip` words, and the capability.
fn add<C>(partial: &mut Partial<C>, message: Message<C>, skip: usize) -> Result<(), Error> {
    let missing = partial.total - partial.bytes.len();
    let words = message.words().get(skip..).unwrap_or(&[]);
    let progress = !words.is_empty() || message.cap.is_some();
    if words.len() > missing.div_ceil(WORD) || (missing > 0 && words.is_empty()) || !progress {
        return Err(ErrorCode::FlounderRxInvalidLength.into());
    }
    if message.cap.is_some() != (partial.caps.len() < partial.caps_total) {
        return Err(ErrorCode::FlounderRxCaps.into());
    }
    let bytes = (words.len() * WORD).min(missing);
    if partial.bytes.capacity() - partial.bytes.len() < bytes {
        let more = partial.bytes.len().max(bytes).min(missing);
        partial
            .bytes
            .try_reserve_exact(more)
            .map_err(|_| ErrorCode::FlounderRxInvalidLength)?;
    }
    let mut left = bytes;
    for word in words {
        let part = left.min(WORD);
        partial
            .bytes
            .extend_from_slice(word.to_le_bytes().get(..part).unwrap_or(&[]));
        left -= part;
    }
    if let Some(cap) = message.cap {
        partial.caps.push(cap);
    }
    Ok(())
}
