//! Messages on their way in: fragments put together again, each checked before anything is kept.
//!
//! Invariant: between two messages at most one is incomplete, and it holds no more memory than twice what has arrived, and no
//! more than the limits allow. Data in shared memory is copied as soon as its capability comes, after its length is checked.
//! Any violation ends the connection, and with it the incomplete message.
//!
//! Errors: `FLOUNDER_ERR_RX_INVALID_LENGTH` (too long for the limits, or more or less data than was announced), `RX_CAPS`
//! (likewise), `RX_PROTOCOL` (a part without a beginning, of another call, or a new message within another).

use crate::body::{Block, Long, WORD};
use crate::header::{Header, Kind, Sizes};
use crate::limits::Limits;
use crate::transport::{Message, Transport};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};

#[derive(Debug)]
struct Partial<C> {
    header: Header,
    /// Bytes that will come in fragments.
    total: usize,
    caps_total: usize,
    long: Long<C>,
    /// Why the data in shared memory could not be read; what follows is still received, and the call fails.
    unread: Option<Error>,
    /// Bytes that have come in fragments.
    come: usize,
}

#[derive(Debug)]
pub(crate) struct Inbox<C> {
    partial: Option<Box<Partial<C>>>,
    /// The next long message is received, but not kept.
    refuses: bool,
}

/// What a message of the transport led to.
#[derive(Debug)]
pub(crate) enum Arrived<C> {
    /// It is a message by itself.
    Short,
    /// It was the last part of this one, whose body could be read or not.
    Long(Header, Result<Long<C>, Error>),
    /// Nothing yet: a part of a message, or the end of one that will not be finished.
    Partly,
}

impl<C> Inbox<C> {
    pub(crate) fn new() -> Self {
        Self {
            partial: None,
            refuses: false,
        }
    }

    /// Whether no message is incomplete.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.partial.is_none()
    }

    /// Whether there is no memory for the message that begins: it fails, once it is here.
    pub(crate) fn refuse(&mut self, refuses: bool) {
        self.refuses = refuses;
    }

    /// Bytes that the incomplete message will have, as far as they are kept.
    #[inline]
    pub(crate) fn announced(&self) -> usize {
        let kept = self
            .partial
            .as_ref()
            .filter(|partial| partial.unread.is_none());
        kept.map_or(0, |partial| partial.total)
    }

    /// Forgets the incomplete message.
    pub(crate) fn clear(&mut self) {
        self.partial = None;
    }

    /// Takes a message of the transport. If the inbox is empty, the caller has checked that such a message may begin now.
    #[inline]
    pub(crate) fn accept<T: Transport<Cap = C>>(
        &mut self,
        transport: &mut T,
        header: Header,
        message: &mut Message<C>,
        limits: &Limits,
    ) -> Result<Arrived<C>, Error> {
        if self.partial.is_none() && !header.fragmented {
            return match header.kind {
                Kind::Part | Kind::Slice | Kind::Abort => Err(ErrorCode::FlounderRxProtocol.into()),
                _ => Ok(Arrived::Short),
            };
        }
        self.accept_fragment(transport, header, message, limits)
    }

    #[inline(never)]
    fn accept_fragment<T: Transport<Cap = C>>(
        &mut self,
        transport: &mut T,
        header: Header,
        message: &mut Message<C>,
        limits: &Limits,
    ) -> Result<Arrived<C>, Error> {
        let mut cap = message.cap.take();
        let mut data = message.data();
        let mut partial = match self.partial.take() {
            None => {
                let (sizes, rest) = data
                    .split_first()
                    .ok_or(ErrorCode::FlounderRxInvalidLength)?;
                data = rest;
                let sizes = Sizes::from_word(*sizes);
                let mut partial = begin(transport, header, sizes, &mut cap, limits)?;
                if self.refuses {
                    partial.unread = Some(ErrorCode::FlounderNoRoom.into());
                    partial.long.bytes = Vec::new();
                }
                partial
            }
            Some(partial) if header.kind == Kind::Abort && partial.header.call == header.call => {
                return Ok(Arrived::Partly);
            }
            Some(mut partial)
                if header.kind == Kind::Part && partial.header.call == header.call =>
            {
                if data.is_empty() && cap.is_none() {
                    return Err(ErrorCode::FlounderRxInvalidLength.into());
                }
                partial.add_cap(cap.take())?;
                partial
            }
            Some(mut partial)
                if header.kind == Kind::Slice && partial.header.call == header.call =>
            {
                let bytes = message.exactly::<1>().filter(|_| cap.is_none());
                let [bytes] = bytes.ok_or(ErrorCode::FlounderRxInvalidLength)?;
                partial.add_slice(transport, bytes)?;
                data = &[];
                partial
            }
            Some(_) => return Err(ErrorCode::FlounderRxProtocol.into()),
        };
        if header.kind != Kind::Slice {
            partial.add_data(data)?;
        }
        if partial.come < partial.total || partial.long.caps.len() < partial.caps_total {
            self.partial = Some(partial);
            return Ok(Arrived::Partly);
        }
        let header = Header {
            fragmented: false,
            ..partial.header
        };
        let body = match partial.unread {
            None => Ok(partial.long),
            Some(error) => Err(error),
        };
        Ok(Arrived::Long(header, body))
    }
}

/// Begins a message, with the capability of its first fragment.
fn begin<T: Transport>(
    transport: &mut T,
    header: Header,
    sizes: Sizes,
    cap: &mut Option<T::Cap>,
    limits: &Limits,
) -> Result<Box<Partial<T::Cap>>, Error> {
    if sizes.bytes > limits.message_bytes as u64 {
        return Err(ErrorCode::FlounderRxInvalidLength.into());
    }
    if usize::from(sizes.caps) > limits.caps {
        return Err(ErrorCode::FlounderRxCaps.into());
    }
    let bytes = sizes.bytes as usize;
    let mut partial = Box::new(Partial {
        header,
        total: bytes,
        caps_total: sizes.caps.into(),
        long: Long {
            bytes: Vec::new(),
            caps: VecDeque::new(),
        },
        unread: None,
        come: 0,
    });
    if !sizes.packed {
        partial.add_cap(cap.take())?;
        return Ok(partial);
    }
    let frame = cap.take().ok_or(ErrorCode::FlounderRxCaps)?;
    partial.total = 0;
    match transport.unpack(frame, bytes) {
        Ok(copy) if copy.len() == bytes => partial.long.bytes = copy,
        Ok(_) => partial.unread = Some(ErrorCode::FlounderRxInvalidLength.into()),
        Err(error) => partial.unread = Some(error),
    }
    Ok(partial)
}

impl<C> Partial<C> {
    /// Each fragment carries one capability, until all are there.
    fn add_cap(&mut self, cap: Option<C>) -> Result<(), Error> {
        if cap.is_some() != (self.long.caps.len() < self.caps_total) {
            return Err(ErrorCode::FlounderRxCaps.into());
        }
        self.long.caps.extend(cap);
        Ok(())
    }

    /// What lies in shared memory. All capabilities are there before.
    fn add_slice<T: Transport<Cap = C>>(
        &mut self,
        transport: &mut T,
        bytes: u64,
    ) -> Result<(), Error> {
        let missing = self.total.saturating_sub(self.come);
        let come = usize::try_from(bytes).unwrap_or(usize::MAX);
        let is_whole = come == missing || come.is_multiple_of(WORD);
        if come == 0 || come > missing || !is_whole || self.long.caps.len() < self.caps_total {
            return Err(ErrorCode::FlounderRxInvalidLength.into());
        }
        self.come += come;
        if self.unread.is_some() {
            let mut nowhere = Vec::new();
            reserve(&mut nowhere, come, come)?;
            return transport.receive_slice(come, &mut nowhere);
        }
        reserve(&mut self.long.bytes, come, missing)?;
        transport.receive_slice(come, &mut self.long.bytes)
    }

    fn add_data(&mut self, words: &[u64]) -> Result<(), Error> {
        let missing = self.total.saturating_sub(self.come);
        if words.len() > missing.div_ceil(WORD) || (missing > 0 && words.is_empty()) {
            return Err(ErrorCode::FlounderRxInvalidLength.into());
        }
        let come = (words.len() * WORD).min(missing);
        self.come += come;
        if self.unread.is_some() {
            return Ok(());
        }
        reserve(&mut self.long.bytes, come, missing)?;
        (self.long.bytes).extend_from_slice(Block::of_words(words).bytes(come));
        Ok(())
    }
}

/// Makes room for what has come, and as much again, if so much is missing.
fn reserve(bytes: &mut Vec<u8>, come: usize, missing: usize) -> Result<(), Error> {
    if bytes.capacity() - bytes.len() < come {
        let more = bytes.len().max(come).min(missing);
        bytes
            .try_reserve_exact(more)
            .map_err(|_| ErrorCode::FlounderRxInvalidLength)?;
    }
    Ok(())
}
