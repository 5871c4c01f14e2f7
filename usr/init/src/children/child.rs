//! One child: its domain, its endpoint, what it says.

use super::orders::Parent;
use super::service::{Freed, Job, Pieces};
use super::trust::relay;
use super::{Ended, Running, Start, Trust};
use crate::outcome::Outcome;
use alloc::boxed::Box;
use alloc::vec::Vec;
use aos::cap::dispatcher::dispatcher_capabilities;
use aos::cap::{CNodeRef, CapRef, cap_delete, monitor};
use aos::exit::DomainName;
use aos::initproto::{Message, ORDER_MAX, RecordAssembler, Request};
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::lmp::{Endpoint, endpoint_create};
use aos::slot::slot_alloc;
use aos::spawn::Domain;
use aos::{Error, println};

/// Where a child's messages come, and the slot for a capability with one. Used for one child after the other.
#[derive(Debug)]
pub struct Channel {
    pub(super) endpoint: Endpoint,
    pub(super) receive_slot: CapRef,
}

impl Channel {
    /// A new one.
    ///
    /// # Errors
    /// Why slot or endpoint could not be had.
    pub(super) fn new() -> Result<Self, Error> {
        let receive_slot = slot_alloc()?;
        let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
        endpoint.arm(receive_slot);
        Ok(Self {
            endpoint,
            receive_slot,
        })
    }

    /// Ready for another child: nobody else can send here, and nothing is here.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn renew(&self) -> Result<(), Error> {
        self.endpoint.renew()?;
        // Mostly empty.
        match cap_delete(self.receive_slot) {
            Err(error) if !error.contains(aos::ErrorCode::SysCapNotFound) => Err(error),
            _ => Ok(()),
        }
    }
}

/// A child.
#[derive(Debug)]
pub struct Child {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: DomainName,
    /// Whether its end is told at the prompt.
    pub background: bool,
    /// Whether it may be what all others rely on.
    pub(super) is_service: bool,
    /// Whether it stands still.
    pub(super) suspended: bool,
    /// Which child has started it and waits for it.
    pub(super) parent: Option<Parent>,
    /// What it orders, and the request that its order is for.
    pub(super) order: Vec<u8>,
    pub(super) ordered: Option<Request>,
    /// Calls that were made to the kernel for it.
    pub(super) calls: u32,
    /// It is killed behind so many.
    pub(super) most_calls: Option<u32>,
    pub(super) domain: Domain,
    pub(super) channel: Channel,
    pub(super) outcome: Option<Outcome>,
    pub(super) job: Option<Job>,
    pub(super) pieces: Pieces,
    /// Of which it has not said that it frees them.
    pub(super) returned: Pieces,
    /// Where to look for what has come back.
    pub(super) freed: Option<Freed>,
    pub(super) trust: Trust,
    assembler: Box<RecordAssembler>,
    complained: bool,
}

impl Child {
    pub(super) fn new(domain: Domain, channel: Channel, start: &Start<'_>) -> Self {
        Self {
            pid: domain.pid(),
            name: domain.name(),
            background: start.background,
            is_service: start.is_service,
            suspended: false,
            parent: None,
            order: Vec::new(),
            ordered: None,
            calls: 0,
            most_calls: None,
            domain,
            channel,
            outcome: None,
            job: None,
            pieces: Pieces::new(),
            returned: Pieces::new(),
            freed: None,
            trust: start.trust,
            assembler: Box::default(),
            complained: false,
        }
    }

    /// What others may know of it.
    pub(super) fn running(&self) -> Running {
        Running {
            pid: self.pid,
            suspended: self.suspended,
            name: self.name,
            dispatcher: self.domain.dispatcher(),
        }
    }

    /// Its end, if it has one.
    pub(super) fn ended(&self) -> Option<Ended> {
        Some(Ended {
            pid: self.pid,
            name: self.name,
            outcome: self.outcome?,
            background: self.background,
        })
    }

    /// Reads what it has sent. As long as there is a job or an order, the rest waits in the buffer.
    pub(super) fn listen(&mut self) {
        while self.outcome.is_none()
            && self.job.is_none()
            && self.ordered.is_none()
            && let Some(message) = self.channel.endpoint.receive()
        {
            let has_cap = message.has_cap();
            match Message::decode(message.words()) {
                Some(Message::Exit { status }) => self.outcome = Some(Outcome::Exited(status)),
                Some(Message::Fault(fault)) => self.outcome = Some(Outcome::Faulted(fault)),
                Some(Message::Record {
                    bytes,
                    length,
                    last,
                }) if self.trust != Trust::Plain => {
                    let chunk = bytes.get(..usize::from(length)).unwrap_or_default();
                    self.assembler.feed(chunk, last, relay);
                }
                Some(Message::Text { bytes, length }) => {
                    let part = bytes.get(..usize::from(length)).unwrap_or_default();
                    // What is too long is no order, nor is what there is no memory for, and is refused as one.
                    let has_room = self.order.try_reserve(part.len()).is_ok();
                    if has_room && self.order.len() <= ORDER_MAX {
                        self.order.extend_from_slice(part);
                    }
                }
                Some(Message::Request(request)) => self.request(request, has_cap),
                _ => self.complain(),
            }
            if has_cap && self.job.is_none() && self.ordered.is_none() {
                self.job = Some(Job::discard(self.channel.receive_slot));
            }
        }
    }

    /// Unlocks what lies in its CSpace: who has the Kernel capability may have locked it, and nobody else would undo that.
    pub(super) fn unlock_all(&self) {
        let root = self.domain.root().addr();
        for (position, _) in dispatcher_capabilities(self.domain.dispatcher()).map_while(Result::ok)
        {
            let address = position.address();
            let slot = match position.level() {
                1 => CNodeRef::root_of(root).slot(address.l1()),
                _ => CNodeRef::foreign(root, address.l1()).slot(address.l2()),
            };
            // It may have gone with the one before.
            let _ = monitor::unlock(slot);
        }
    }

    fn complain(&mut self) {
        if !core::mem::replace(&mut self.complained, true) {
            println!(
                "init: {} (pid {}) sends messages that it may not send",
                self.name, self.pid
            );
        }
    }
}
