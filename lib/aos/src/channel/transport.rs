//! The channel as a transport.

use super::listening::{prepare, take_cap};
use super::window::{Side, State, Window};
use super::{Channel, is_unsent};
use crate::arch::scheduler;
use crate::cap::AnyCap;
use crate::error::{Error, ErrorCode};
use crate::event;
use crate::lmp::{self, Endpoint, Waited};
use alloc::vec::Vec;
use core::task::Waker;
use flounder::{Interest, Message, SendError, Transport};
use kpi::lmp::LMP_WORDS;
use kpi::syscall::SendFlags;

impl Transport for Channel {
    type Cap = AnyCap;

    const WORDS: usize = LMP_WORDS;

    fn send(&mut self, words: &[u64], cap: Option<AnyCap>) -> Result<(), SendError<AnyCap>> {
        self.send_with(words, cap, SendFlags::DEFAULT)
    }

    /// The receiver is not run for it, unless its buffer is full.
    fn send_part(&mut self, words: &[u64], cap: Option<AnyCap>) -> Result<(), SendError<AnyCap>> {
        self.send_with(words, cap, SendFlags::YIELD)
    }

    /// It goes out when this domain waits, or sends something else, if it has no capability.
    fn send_and_wait(
        &mut self,
        words: &[u64],
        cap: Option<AnyCap>,
    ) -> Result<(), SendError<AnyCap>> {
        let is_kept = cap.is_none()
            && self.closed.is_none()
            && !is_unsent(self.own())
            && scheduler::hold(self.own(), self.remote.slot(), words);
        match is_kept {
            true => Ok(()),
            false => self.send(words, cap),
        }
    }

    fn receive(&mut self) -> Result<Option<Message<AnyCap>>, Error> {
        let mut message = Message::empty();
        Ok(self.receive_into(&mut message)?.then_some(message))
    }

    fn receive_into(&mut self, message: &mut Message<AnyCap>) -> Result<bool, Error> {
        while let Some(endpoint) = &self.endpoint {
            prepare(endpoint, &mut self.armed);
            let mut header = None;
            message.fill(0, None, |words| header = endpoint.receive_into(words));
            let Some(header) = header else {
                break;
            };
            let cap = match header.has_cap() {
                true => take_cap(endpoint, &mut self.armed),
                false => None,
            };
            message.fill(header.words(), cap, |_| {});
            if !self.is_news(message.words()) {
                return Ok(true);
            }
        }
        self.closed.map_or(Ok(false), Err)
    }

    fn exchange(&mut self, message: &mut Message<AnyCap>) -> Result<bool, SendError<AnyCap>> {
        let id = self.endpoint.as_ref().map(Endpoint::id);
        let is_plain = message.cap.is_none() && self.closed.is_none();
        let id = id.filter(|id| is_plain && !id.has_message());
        let Some(id) = id.filter(|_| self.has_sent_all()) else {
            let cap = message.cap.take();
            return self.send(message.words(), cap).map(|()| false);
        };
        let (to, count) = (Some(self.remote.slot()), message.words().len());
        match lmp::exchange(to, *message.array(), count, Some(id)) {
            Ok(Waited::Message(_, came)) => {
                message.fill(came.words().len(), None, |words| *words = came.into_array());
                Ok(!self.is_news(message.words()))
            }
            Ok(Waited::Look) => Ok(false),
            Ok(Waited::Busy) => self.send(message.words(), None).map(|()| false),
            Err(error) => Err(self.refused(error, None)),
        }
    }

    const SLICE_BYTES: usize = 1 << 10;

    fn send_slice(&mut self, head: u64, data: &[u8]) -> Result<usize, SendError<AnyCap>> {
        if let State::None | State::Made(_) = self.window {
            self.begin_window()?;
        }
        let State::Open(window) = &mut self.window else {
            return Ok(0);
        };
        let written = match window.write(data) {
            Ok(Some(written)) => written,
            Ok(None) => return Err(SendError::Full(None)),
            Err(error) => return Err(SendError::Lost(*self.closed.get_or_insert(error))),
        };
        self.send_with(&[head, written as u64], None, SendFlags::DEFAULT)?;
        if let State::Open(window) = &mut self.window {
            window.told();
        }
        Ok(written)
    }

    fn receive_slice(&mut self, bytes: usize, into: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.window {
            State::Open(window) => window.read(bytes, into),
            _ => Err(Error::new(ErrorCode::FlounderRxProtocol)),
        }
    }

    fn receive_window(&mut self, cap: Option<AnyCap>) -> Result<(), Error> {
        match (self.side, cap, &self.window) {
            // It can be given only now; if there is no room for that, the service sends in fragments.
            (Side::Client, None, State::None) => {
                let _ = self.begin_window();
                Ok(())
            }
            (Side::Client, None, _) => Ok(()),
            (Side::Service, Some(cap), State::None | State::Wanted) => {
                self.window = State::Open(Window::of_client(cap)?);
                Ok(())
            }
            _ => Err(Error::new(ErrorCode::FlounderRxProtocol)),
        }
    }

    fn watch(&mut self, waker: &Waker, interest: Interest) {
        if self.closed.is_some() {
            waker.wake_by_ref();
            return;
        }
        if interest.send {
            event::keep_trying(waker);
        }
        if let Some(endpoint) = self.endpoint.as_ref().filter(|_| interest.receive) {
            event::watch(endpoint.id(), waker);
        }
    }
}
