//! Receiving messages, and having the service do them.

use super::{Caller, Outcome, Progress, Server, Service};
use crate::body::{Body, Incoming, Long};
use crate::header::{Header, Kind};
use crate::inbox::Arrived;
use crate::transport::{Message, Transport};
use errors::{Error, ErrorCode};

impl<T: Transport> Server<T> {
    #[inline]
    pub(super) fn work<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        budget: usize,
        message: &mut Message<T::Cap>,
    ) -> Result<Progress, Error> {
        if !self.outbox.is_empty() {
            self.flush()?;
        }
        let mut received = 0;
        while received < budget {
            if let Some(error) = self.refused {
                // The refusal is out as soon as the queue is empty.
                match self.outbox.is_empty() {
                    true => return Err(error),
                    false => break,
                }
            }
            if !self.has_room() {
                break;
            }
            if !self.transport.receive_into(message)? {
                return Ok(Progress {
                    received,
                    more: false,
                });
            }
            received += 1;
            let header = message.header()?;
            if header.kind == Kind::Window {
                self.transport.receive_window(message.cap.take())?;
                continue;
            }
            if self.inbox.is_empty() {
                self.check(&header)?;
            }
            if header.fragmented && self.inbox.is_empty() {
                let bytes = message.announced();
                let fits = bytes > self.limits.message_bytes || self.has_memory(bytes);
                self.inbox.refuse(!fits);
            }
            let Self {
                inbox,
                transport,
                limits,
                ..
            } = self;
            match inbox.accept(transport, header, message, limits)? {
                Arrived::Short => self.whole(service, header, message, None)?,
                Arrived::Partly => {}
                Arrived::Long(header, Ok(mut long)) => {
                    self.whole(service, header, message, Some(&mut long))?;
                }
                // The data could not be read. A call can fail for that; a message without an answer must not just be missing.
                Arrived::Long(header, Err(error)) if header.kind == Kind::Call => {
                    self.send(header.call, Err(error))?;
                }
                Arrived::Long(_, Err(error)) => return Err(error),
            }
        }
        Ok(Progress {
            received,
            more: received == budget && self.has_room(),
        })
    }

    /// Whether such a message may begin now.
    #[inline]
    fn check(&self, header: &Header) -> Result<(), Error> {
        match header.kind {
            Kind::Call | Kind::OneWay | Kind::Cancel if self.bound => Ok(()),
            Kind::Bind if !self.bound => Ok(()),
            Kind::Reply | Kind::Failed => Err(ErrorCode::FlounderRxInvalidMsgnum.into()),
            _ => Err(ErrorCode::FlounderRxProtocol.into()),
        }
    }

    #[inline]
    fn whole<S: Service<T::Cap>>(
        &mut self,
        service: &mut S,
        header: Header,
        message: &mut Message<T::Cap>,
        long: Option<&mut Long<T::Cap>>,
    ) -> Result<(), Error> {
        let call = header.call;
        let caller = Caller {
            connection: self.number,
            call,
        };
        let one_way = match header.kind {
            Kind::Call => false,
            Kind::OneWay => true,
            Kind::Cancel => {
                if self.open.remove(&call).is_some() {
                    service.cancelled(caller);
                }
                return Ok(());
            }
            _ => return self.bind::<S>(header, message),
        };
        if !one_way && !self.open.is_empty() {
            if self.open.contains_key(&call) {
                return Err(ErrorCode::FlounderRxProtocol.into());
            }
            if self.open.len() >= self.limits.calls {
                return self.send(call, Err(ErrorCode::FlounderTxBusy.into()));
            }
        }
        let mut incoming = Incoming::of_call(message, long, &self.broken);
        match service.dispatch(caller, header.method, one_way, &mut incoming)? {
            Outcome::InPlace => self.send_short(Header::new(Kind::Reply, 0, call), message),
            Outcome::Nothing => Ok(()),
            Outcome::Failed(error) => self.send(call, Err(error)),
            Outcome::Reply(body) => self.send(call, Ok(body)),
            Outcome::Later => {
                let promised = incoming.promised();
                self.open.insert(call, promised);
                Ok(())
            }
        }
    }

    fn bind<S: Service<T::Cap>>(
        &mut self,
        header: Header,
        message: &mut Message<T::Cap>,
    ) -> Result<(), Error> {
        let ([name, version], _) = Incoming::new(message, None).words(false)?;
        let refused = match () {
            () if name != S::NAME => ErrorCode::FlounderInterface,
            () if version != S::VERSION => ErrorCode::FlounderVersion,
            () => {
                self.bound = true;
                return self.send(header.call, Ok(Body::words([], None)));
            }
        };
        self.refused = Some(refused.into());
        self.send(header.call, Err(refused.into()))
    }
}
