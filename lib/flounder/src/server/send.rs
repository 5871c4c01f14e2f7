//! Sending answers.

use super::{Finished, Server};
use crate::body::Body;
use crate::header::{CallId, Header, Kind};
use crate::outbox::Left;
use crate::transport::{Message, Transport};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};

impl<T: Transport> Server<T> {
    /// Sends the answer to a call that was left for later. Nothing happens if the client has given the call up.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn finish(&mut self, answer: Finished<T::Cap>) -> Result<(), Error> {
        if let Some(error) = self.lost {
            return Err(error);
        }
        if answer.caller.connection != self.number
            || self.open.remove(&answer.caller.call).is_none()
        {
            return Ok(());
        }
        let sent = self.send(answer.caller.call, answer.result);
        sent.map_err(|error| self.lose(error))?;
        // Who watches may do so for messages only, and now something waits for room.
        if let (false, Some(waker)) = (self.outbox.is_empty(), &self.waker) {
            let interest = self.interest();
            self.transport.watch(waker, interest);
        }
        Ok(())
    }

    /// Sends the answer to a call.
    pub(super) fn send(
        &mut self,
        call: CallId,
        result: Result<Body<T::Cap>, Error>,
    ) -> Result<(), Error> {
        let header = Header::new(Kind::Reply, 0, call);
        let result = result.and_then(|body| {
            self.limits.check_send(&body)?;
            match body.len() > Message::<T::Cap>::BYTES && !self.has_memory(body.len()) {
                true => Err(ErrorCode::FlounderNoRoom.into()),
                false => Ok(body),
            }
        });
        match result {
            Ok(Body::Short(mut message)) => self.send_short(header, &mut message),
            Ok(body) => {
                self.outbox.push(header, body);
                self.flush()
            }
            Err(error) => {
                let mut message = Message::with_data([error.raw()], None);
                self.send_short(Header::new(Kind::Failed, 0, call), &mut message)
            }
        }
    }

    #[inline]
    pub(super) fn send_short(
        &mut self,
        header: Header,
        message: &mut Message<T::Cap>,
    ) -> Result<(), Error> {
        match self
            .outbox
            .send_short(&mut self.transport, header, message)?
        {
            Left::Sent => Ok(()),
            Left::Queued => self.flush(),
            Left::Refused(error) => self.refused_reply(header, error),
        }
    }

    /// The transport cannot carry the result, for want of its capability say: the call fails with that.
    #[cold]
    fn refused_reply(&mut self, header: Header, error: Error) -> Result<(), Error> {
        if header.kind == Kind::Reply {
            self.push_error(header.call, error);
        }
        self.flush()
    }

    fn push_error(&mut self, call: CallId, error: Error) {
        let body = Body::words([error.raw()], None);
        self.outbox.push(Header::new(Kind::Failed, 0, call), body);
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        loop {
            let mut refused = Vec::new();
            self.outbox.flush(&mut self.transport, |header, left| {
                if let (Kind::Reply, Left::Refused(error)) = (header.kind, left) {
                    refused.push((header.call, error));
                }
            })?;
            if refused.is_empty() {
                return Ok(());
            }
            for (call, error) in refused {
                self.push_error(call, error);
            }
        }
    }
}
