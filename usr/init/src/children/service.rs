//! What children ask for: deleting and revoking what the kernel alone does not, and memory.
//!
//! A delete or revoke is a [`Job`]: one kernel call at a time, in turns with the other children's jobs and with init's own work. The
//! request's root CNode lies in the child's receive slot meanwhile, and is dropped before the answer, so that no CSpace is kept alive by
//! a request; when the child ends, its job ends with it. What such a job has marked by then is deleted by the steps that take the child apart.
//!
//! Memory is made in the child's account, up to [`QUOTA`] and [`ALLOCATIONS`], and comes back in three ways: the child frees it; the account is
//! released when the child ends; and when the child just deletes what it has, the kernel tells, and init tries whether it is free.
//!
//! Nothing that is asked for can harm init: requests are decoded before they are looked at, an address means something only in the CSpace whose
//! root came along, and the kernel checks it there. **Bounds**: one job and one capability for each child, answers that the child has no
//! room for are dropped.

use super::child::Child;
use crate::outcome::Outcome;
use alloc::vec::Vec;
use aos::cap::{
    CNodeRef, CapRef, cap_delete, cap_delete_simply, cap_direct_identify, operation_call,
};
use aos::capops::{Next, Operation};
use aos::error::ResultExt;
use aos::initproto::{Answer, Request, Values, Wish};
use aos::kpi::addr::CapAddr;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::syscall::SendFlags;
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, ErrorCode, lmp};

/// Bytes of memory that a child may have by asking.
const QUOTA: u64 = 16 << 20;
/// Pieces of memory that a child may have by asking.
const ALLOCATIONS: usize = 256;

/// A delete or revoke on its way.
#[derive(Debug)]
pub struct Job {
    /// Number of the request; `None` when the child did not ask: it sent a capability that nobody wants.
    number: Option<u32>,
    operation: Operation,
    target: CapRef,
    /// What is to be answered; what the target is then, is the request's root CNode, which goes first.
    result: Option<Result<Values, Error>>,
}

impl Job {
    /// Deletes what was received unasked.
    pub const fn discard(received: CapRef) -> Self {
        Self {
            number: None,
            operation: Operation::delete(),
            target: received,
            result: None,
        }
    }

    /// Deletes the root CNode of a request that was done, with all that lies in it, if this was the last copy.
    const fn drop_root(number: u32, root: CapRef, result: Result<Values, Error>) -> Self {
        Self {
            number: Some(number),
            operation: Operation::delete(),
            target: root,
            result: Some(result),
        }
    }

    /// Makes one call; answers with the result when that was the last.
    fn step(&mut self) -> Option<Result<(), Error>> {
        let Next::Call(call) = self.operation.next() else {
            return Some(Ok(()));
        };
        let answer = operation_call(call, self.target);
        let plain = answer.map_err(|error| error.code());
        match self.operation.answered(plain) {
            Err(code) if plain == Err(code) => Some(answer),
            // Of an earlier step.
            Err(code) => Some(Err(Error::new(code))),
            Ok(()) if self.operation.next() == Next::Done => Some(Ok(())),
            Ok(()) => None,
        }
    }
}

/// Memory that a child has asked for.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    base: u64,
    bytes: u64,
    /// What it counts: an alignment costs memory too.
    charge: u64,
}

/// Memory in which something has become free: pieces from `next` on were not tried yet.
#[derive(Clone, Copy, Debug)]
pub struct Freed {
    base: u64,
    end: u64,
    next: usize,
}

/// All that a child has asked for, or that came back without its saying so.
pub type Pieces = Vec<Piece>;

impl Child {
    /// Takes a request; `received` says whether a capability came with it.
    pub(super) fn request(&mut self, request: Request, received: bool) {
        let Request { number, wish } = request;
        let result = match wish {
            Wish::Delete { address, level } if received => {
                self.begin(number, Operation::delete(), address, level)
            }
            Wish::Revoke { address, level } if received => {
                self.begin(number, Operation::revoke(), address, level)
            }
            Wish::Delete { .. } | Wish::Revoke { .. } => {
                Err(Error::new(ErrorCode::SysSourceRootcnLookup))
            }
            Wish::Ram { bytes, alignment } => {
                self.give_memory(number, bytes, alignment);
                return;
            }
            Wish::FreeRam { base, bytes } => {
                let result = self.take_memory(base, bytes);
                self.answer(number, result, None);
                return;
            }
            Wish::Spawn
            | Wish::Kill { .. }
            | Wish::Suspend { .. }
            | Wish::Resume { .. }
            | Wish::Detach { .. }
            | Wish::About { .. }
            | Wish::Export { .. }
            | Wish::Withdraw { .. }
            | Wish::Bind { .. }
            | Wish::Accept { .. }
            | Wish::Reject { .. }
            | Wish::Close { .. }
            | Wish::Capability { .. }
            | Wish::Memory => {
                self.ordered = Some(request);
                return;
            }
        };
        if let Err(error) = result {
            self.answer(number, Err(error), None);
        }
    }

    /// Begins a job on a capability of the CSpace whose root was received.
    fn begin(
        &mut self,
        number: u32,
        operation: Operation,
        address: u32,
        level: u8,
    ) -> Result<(), Error> {
        if self.job.is_some() {
            return Err(Error::new(ErrorCode::MonRemoteCapRetry));
        }
        let root = self.channel.receive_slot;
        let address = CapAddr(address);
        let target = match level {
            1 => CNodeRef::root_of(root.addr()).slot(address.l1()),
            2 => CNodeRef::foreign(root.addr(), address.l1()).slot(address.l2()),
            _ => return self.refuse(Error::new(ErrorCode::SysCapLookupDepth)),
        };
        let code = ErrorCode::SysSourceRootcnLookup;
        match cap_direct_identify(root) {
            Ok(cap) if cap.objtype() == ObjType::L1CNode => {}
            Ok(_) => return self.refuse(Error::new(ErrorCode::SysCnodeNotRoot)),
            Err(error) => return Err(error.push(code)),
        }
        self.job = Some(Job {
            number: Some(number),
            operation,
            target,
            result: None,
        });
        Ok(())
    }

    /// Gets rid of what was received, and says why it is of no use.
    fn refuse(&mut self, error: Error) -> Result<(), Error> {
        self.job = Some(Job::discard(self.channel.receive_slot));
        Err(error)
    }

    /// Makes one call for the child, if there is a job. Answers whether there was.
    pub(super) fn work(&mut self) -> bool {
        let Some(job) = &mut self.job else {
            return false;
        };
        self.calls += 1;
        let result = job.step();
        if self.most_calls == Some(self.calls) {
            self.outcome = Some(Outcome::Killed);
            return true;
        }
        let Some(result) = result else {
            return true;
        };
        let (number, earlier) = (job.number, job.result.take());
        self.job = None;
        // What was to be discarded is gone, and the slot may hold the capability of the next request already.
        if let Some(number) = number {
            match earlier {
                Some(result) => {
                    self.answer_with(number, result, None);
                }
                None => self.end_request(number, result.map(|()| Values::default())),
            }
        }
        true
    }

    /// Drops the root CNode that came with a request, then answers. Of the last copy all that lies in it goes too: a job of its own.
    pub(super) fn end_request(&mut self, number: u32, result: Result<Values, Error>) {
        let root = self.channel.receive_slot;
        match cap_delete_simply(root) {
            Err(error) if error.contains(ErrorCode::SysRetryThroughMonitor) => {
                self.job = Some(Job::drop_root(number, root, result));
            }
            // Empty when the job itself took it.
            _ => {
                self.answer_with(number, result, None);
            }
        }
    }

    /// Sends an answer, and a capability, which then leaves this CSpace. Answers whether it was sent.
    fn answer(&self, number: u32, result: Result<(), Error>, cap: Option<CapRef>) -> bool {
        self.answer_with(number, result.map(|()| Values::default()), cap)
    }

    /// The same, with values.
    pub(super) fn answer_with(
        &self,
        number: u32,
        result: Result<Values, Error>,
        cap: Option<CapRef>,
    ) -> bool {
        let Some(endpoint) = self.domain.answers() else {
            return false;
        };
        let (error, values) = match result {
            Ok(values) => (0, values),
            Err(error) => (error.raw(), Values::default()),
        };
        let answer = Answer {
            number,
            error,
            values,
        };
        let (words, count) = answer.encode();
        let words = words.get(..count).unwrap_or_default();
        lmp::send(endpoint, words, cap, SendFlags::GIVEAWAY).is_ok()
    }

    fn give_memory(&mut self, number: u32, bytes: u64, alignment: u64) {
        match self.make_memory(bytes, alignment) {
            Ok((slot, piece)) => {
                if self.answer(number, Ok(()), Some(slot)) {
                    self.pieces.push(piece);
                } else {
                    // It was not waiting for one.
                    let _ = cap_delete(slot);
                    let _ = self.domain.account().reclaim(piece.base, piece.bytes, slot);
                }
                let _ = slot_free(slot);
            }
            Err(error) => {
                self.answer(number, Err(error), None);
            }
        }
    }

    /// A RAM capability in a slot of init's.
    fn make_memory(&mut self, bytes: u64, alignment: u64) -> Result<(CapRef, Piece), Error> {
        // What has come back by itself would have been freed by now; who asks waits until all of it is back.
        let mut all = ALLOCATIONS;
        self.take_back(&mut all);
        self.returned.clear();
        let refused = Error::new(ErrorCode::LibRamAlloc);
        let charged: u64 = self.pieces.iter().map(|piece| piece.charge).sum();
        let bytes = bytes
            .max(1)
            .checked_next_multiple_of(BASE_PAGE_SIZE)
            .ok_or(refused)?;
        let charge = bytes.max(alignment);
        let permitted = alignment.is_power_of_two() && charge <= QUOTA.saturating_sub(charged);
        if !permitted || self.pieces.len() >= ALLOCATIONS || self.pieces.try_reserve(1).is_err() {
            return Err(refused);
        }
        let slot = slot_alloc()?;
        let account = self.domain.account();
        let made = account
            .object_at_aligned(slot, ObjType::Ram, bytes, alignment)
            .and_then(|()| cap_direct_identify(slot));
        let made = made.and_then(|cap| account.watch(cap.address()).map(|()| cap));
        match made {
            Ok(cap) => {
                let base = cap.address();
                let piece = Piece {
                    base,
                    bytes,
                    charge,
                };
                Ok((slot, piece))
            }
            Err(error) => {
                let _ = cap_delete(slot);
                let _ = slot_free(slot);
                Err(error)
            }
        }
    }

    /// The kernel says that something went which lay there.
    pub(super) fn memory_free(&mut self, base: u64, bytes: u64) {
        let end = base.saturating_add(bytes);
        let earlier = self
            .freed
            .map_or((base, end), |freed| (freed.base, freed.end));
        self.freed = Some(Freed {
            base: earlier.0.min(base),
            end: earlier.1.max(end),
            next: 0,
        });
    }

    /// Takes back what of that is free now; each piece that is tried, and may be in use, counts. So a child that frees a page again and again costs
    /// others no more than their turn.
    pub(super) fn take_back(&mut self, tries: &mut usize) {
        while let Some(Freed { base, end, next }) = self.freed {
            let Some(&piece) = self.pieces.get(next) else {
                self.freed = None;
                return;
            };
            let (at, length) = (piece.base, piece.bytes);
            let overlaps = at < end && base < at.saturating_add(length);
            let mut next = next + 1;
            if overlaps {
                let Some(left) = tries.checked_sub(1) else {
                    return;
                };
                *tries = left;
                if self.returned.try_reserve(1).is_ok() && self.take_memory(at, length).is_ok() {
                    // Another one is in its place.
                    self.returned.push(piece);
                    next -= 1;
                }
            }
            self.freed = Some(Freed { base, end, next });
        }
    }

    fn take_memory(&mut self, base: u64, bytes: u64) -> Result<(), Error> {
        let code = ErrorCode::MmMmFree;
        let is_it = |piece: &Piece| (piece.base, piece.bytes) == (base, bytes);
        let back = self.returned.iter().position(is_it);
        if let Some(index) = back {
            self.returned.swap_remove(index);
            return Ok(());
        }
        let found = self.pieces.iter().position(is_it);
        let index = found.ok_or(Error::new(ErrorCode::MmNotFound).push(code))?;
        let probe = slot_alloc().push_err(code)?;
        let result = self.domain.account().reclaim(base, bytes, probe);
        slot_free(probe)?;
        result?;
        self.pieces.swap_remove(index);
        Ok(())
    }
}
