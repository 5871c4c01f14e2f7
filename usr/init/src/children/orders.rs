//! What children ask for about processes: to start some, and to manage those that they have started.
//!
//! A child that another has started is init's as all others are, and is looked after in the same way; only its end is told to who has started it,
//! by a message to the endpoint that came with the order, and not at the prompt. It ends with its parent, unless the parent lets go of it.
//!
//! **Whom a child has power over.** Those that it has started. The capabilities that it passes, the frame of an ELF file and the endpoint are
//! found in the CSpace whose root came along, by init's copying them; so it can pass only what it has. The file is copied as a whole before it is
//! looked at: nobody can change it meanwhile. Nor does it harm init if the child takes the frame away while it is copied ([`theirs`]).
//!
//! **Bounds.** An order has at most 4 KiB, a file [`ELF_MAX`]; one order at a time for each child. Ends wait for room in the endpoint's buffer, at
//! most [`UNTOLD_MAX`] of them; then the oldest is dropped: only who never looks at its buffer can let so many wait.

use super::{Children, Ended, INIT_PID, Start, Trust, theirs};
use crate::outcome::Outcome;
use alloc::vec::Vec;
use aos::account::Account;
use aos::cap::dispatcher::dispatcher_capability_behind;
use aos::cap::{CNodeRef, CapRef, cap_copy, cap_delete, cap_direct_identify};
use aos::error::{ResultExt, is_transient};
use aos::initproto::{About, Address, End, Message, Order, Request, State, Values, Wish};
use aos::kpi::addr::CapAddr;
use aos::kpi::cap::ObjType;
use aos::kpi::invocation::CapPosition;
use aos::kpi::rights::PageFlags;
use aos::kpi::syscall::SendFlags;
use aos::paging::MappedFrame;
use aos::slot::{slot_alloc, slot_free};
use aos::spawn::{Grant, Place, SpawnError};
use aos::{Error, ErrorCode, lmp, ram};

/// Most bytes of an ELF file that comes in a frame.
const ELF_MAX: u64 = 8 << 20;
/// Most ends that wait to be told.
const UNTOLD_MAX: usize = 64;

/// Who has started a child.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    /// Its number.
    pub pid: u32,
    /// The endpoint that is told of the end, in a slot of init's.
    notices: Option<CapRef>,
}

/// An end that is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Notice {
    endpoint: CapRef,
    message: Message,
}

impl Children {
    /// Does what children have asked for about processes.
    pub(super) fn serve_orders(&mut self) {
        let mut pid = INIT_PID;
        while let Some(process) = self.table.after(pid) {
            pid = process.pid;
            let Some(child) = self.table.get_mut(pid) else {
                continue;
            };
            let (Some(request), None) = (child.ordered.take(), child.outcome) else {
                continue;
            };
            let text = core::mem::take(&mut child.order);
            let root = child.channel.receive_slot;
            let Request { number, wish } = request;
            let result = self.order(pid, wish, &text, root);
            if let Some(child) = self.table.get_mut(pid) {
                child.end_request(number, result);
            }
        }
        self.reap();
    }

    pub(super) fn order(
        &mut self,
        asking: u32,
        wish: Wish,
        text: &[u8],
        root: CapRef,
    ) -> Result<Values, Error> {
        match wish {
            Wish::Spawn => {
                let pid = self.spawn(asking, text, root)?;
                Ok([u64::from(pid), 0, 0, 0])
            }
            Wish::Kill { pid } => {
                self.own_child(asking, pid)?;
                // The caller reaps.
                if let Some(child) = self.table.get_mut(pid) {
                    child.outcome.get_or_insert(Outcome::Killed);
                }
                Ok(Values::default())
            }
            Wish::Suspend { pid } => {
                self.own_child(asking, pid)?;
                self.suspend(pid, true).map(|_| Values::default())
            }
            Wish::Resume { pid } => {
                self.own_child(asking, pid)?;
                self.suspend(pid, false).map(|_| Values::default())
            }
            Wish::Detach { pid } => {
                self.own_child(asking, pid)?;
                if let Some(child) = self.table.get_mut(pid) {
                    child.background = true;
                    forget(child.parent.take());
                }
                Ok(Values::default())
            }
            Wish::About { pid } => Ok(self.about(pid)),
            Wish::Capability { pid, behind } => self.capability(asking, pid, behind),
            Wish::Memory => Ok(self.memory()),
            Wish::Export { .. }
            | Wish::Withdraw { .. }
            | Wish::Bind { .. }
            | Wish::Accept { .. }
            | Wish::Reject { .. }
            | Wish::Close { .. } => self.broker(asking, wish, root),
            _ => Err(Error::new(ErrorCode::SysIllegalInvocation)),
        }
    }

    /// Fails unless `pid` was started by `asking` and has not ended.
    fn own_child(&self, asking: u32, pid: u32) -> Result<(), Error> {
        let child = self.table.get(pid);
        let parent = child.filter(|child| child.outcome.is_none());
        match parent.and_then(|child| child.parent) {
            Some(parent) if parent.pid == asking => Ok(()),
            _ => Err(Error::new(ErrorCode::SpawnDomainNotfound)),
        }
    }

    /// What a process holds behind a position.
    fn capability(&self, asking: u32, pid: u32, behind: u64) -> Result<Values, Error> {
        let asker = self.table.get(asking);
        let is_trusted = asker.is_some_and(|child| child.trust == Trust::Kernel);
        if asking != pid && !is_trusted {
            self.own_child(asking, pid)?;
        }
        let found = self.domains().find(|domain| domain.pid == pid);
        let domain = found.ok_or(Error::new(ErrorCode::SpawnDomainNotfound))?;
        let behind = CapPosition(behind);
        let next = dispatcher_capability_behind(domain.dispatcher, behind)?;
        Ok(next.map_or(Values::default(), |(position, capability)| {
            let [first, second, third] = capability.to_words();
            [position.0, first, second, third]
        }))
    }

    /// The machine's memory: all, what is free, the most in one piece.
    fn memory(&self) -> Values {
        let usage = ram::mm_usage();
        let total = self.boot.info().ram_bytes.max(usage.total);
        [total, usage.free, usage.largest, 0]
    }

    fn about(&self, pid: u32) -> Values {
        let next = self.domains().find(|running| running.pid > pid);
        let Some(running) = next else {
            return Values::default();
        };
        let child = self.table.get(running.pid);
        let parent = child.and_then(|child| child.parent);
        let about = About {
            pid: running.pid,
            parent: parent.map_or(0, |parent| parent.pid),
            state: match running.suspended {
                true => State::Suspended,
                false => State::Running,
            },
            core: aos::core_id().0,
            name: running.name.to_bytes(),
        };
        about.encode()
    }

    fn spawn(&mut self, asking: u32, text: &[u8], root: CapRef) -> Result<u32, Error> {
        let bad = Error::new(ErrorCode::SpawnGetCmdlineArgs);
        let order = Order::parse(text).ok_or(bad)?;
        let args: Vec<&str> = order.args().collect();
        let env: Vec<&str> = order.env().collect();
        let name = args.first().copied().ok_or(bad)?;
        let root_code = ErrorCode::SysSourceRootcnLookup;
        let capability = cap_direct_identify(root).push_err(root_code)?;
        if capability.objtype() != ObjType::L1CNode {
            return Err(Error::new(ErrorCode::SysCnodeNotRoot));
        }
        let caps = order.caps().zip(0..);
        let passed: Option<Vec<Grant>> = caps
            .map(|(cap, index)| {
                Some(Grant {
                    cap: resolve(root, cap?),
                    place: Place::Argument(index),
                })
            })
            .collect();
        let passed = passed.ok_or(Error::new(ErrorCode::SpawnSetCaps))?;
        let notices = order.notices.filter(|_| !order.detached);
        let notices = notices.map(|at| endpoint(resolve(root, at))).transpose()?;
        // Who may pass on the right to be what all others rely on.
        let asker = self.table.get(asking);
        let may = asker.is_some_and(|child| child.is_service && child.trust == Trust::Kernel);
        let start = Start {
            env: &env,
            background: order.detached,
            is_service: order.name_server && may,
            ..Start::new(&[], &args)
        };
        let spawned = match order.elf {
            Some((at, bytes)) => self.spawn_file(resolve(root, at), bytes, &start, &passed),
            None => self.spawn_module(name, &start, &passed),
        };
        let parent = Parent {
            pid: asking,
            notices,
        };
        match spawned {
            Ok(pid) => {
                if let Some(child) = self.table.get_mut(pid).filter(|_| !order.detached) {
                    child.parent = Some(parent);
                }
                Ok(pid)
            }
            Err(error) => {
                forget(Some(parent));
                Err(error.error)
            }
        }
    }

    fn spawn_module(
        &mut self,
        name: &str,
        start: &Start<'_>,
        passed: &[Grant],
    ) -> Result<u32, SpawnError> {
        let module = self.boot.module(name)?;
        let file = module.open()?;
        let start = Start {
            elf: &file,
            ..*start
        };
        let spawned = self.start_with(&start, passed);
        // What cannot be unmapped only costs addresses.
        let _ = file.close();
        spawned
    }

    /// From a file in a frame of someone else's: from a copy of it, which is here only as long as it is read.
    fn spawn_file(
        &mut self,
        frame: CapRef,
        bytes: u32,
        start: &Start<'_>,
        passed: &[Grant],
    ) -> Result<u32, SpawnError> {
        let account = Account::new();
        let copied = copy_file(frame, u64::from(bytes), &account);
        let spawned = copied.map_err(Into::into).and_then(|copied| {
            // SAFETY: a frame of init's own, just made; nobody else has a capability for it.
            let elf = unsafe { copied.view().bytes() };
            let elf = elf.get(..bytes as usize);
            let start = Start {
                elf: elf.unwrap_or_default(),
                ..*start
            };
            let spawned = self.start_with(&start, passed);
            // What cannot be unmapped only costs addresses.
            let _ = copied.unmap();
            spawned
        });
        let released = account.release();
        let pid = spawned?;
        released?;
        Ok(pid)
    }

    /// Tells who has started it of a child's end, now or later.
    pub(super) fn tell_parent(&mut self, parent: Parent, ended: Ended) {
        let Some(endpoint) = parent.notices else {
            return;
        };
        if self.untold.len() >= UNTOLD_MAX {
            let Notice { endpoint, .. } = self.untold.remove(0);
            drop_endpoint(endpoint);
        }
        let (pid, end) = (ended.pid, end_of(ended.outcome));
        let message = Message::Ended { pid, end };
        self.untold.push(Notice { endpoint, message });
        self.tell_ends();
    }

    /// Tells what can be told.
    pub(super) fn tell_ends(&mut self) {
        self.untold.retain(|notice| {
            let (words, count) = notice.message.encode();
            let words = words.get(..count).unwrap_or_default();
            match lmp::send(notice.endpoint, words, None, SendFlags::DEFAULT) {
                Err(error) if is_transient(error) => true,
                // Told, or nobody is there any more.
                _ => {
                    drop_endpoint(notice.endpoint);
                    false
                }
            }
        });
    }
}

/// A capability of the CSpace whose root is in `root`.
const fn resolve(root: CapRef, at: Address) -> CapRef {
    let address = CapAddr(at.address);
    match at.level {
        1 => CNodeRef::root_of(root.addr()).slot(address.l1()),
        _ => CNodeRef::foreign(root.addr(), address.l1()).slot(address.l2()),
    }
}

/// A copy of an endpoint, in a slot of init's.
pub(super) fn endpoint(from: CapRef) -> Result<CapRef, Error> {
    let code = ErrorCode::SpawnSetCaps;
    let slot = slot_alloc()?;
    let copied = cap_copy(slot, from).and_then(|()| cap_direct_identify(slot));
    match copied {
        Ok(cap) if cap.objtype() == ObjType::EndPointLmp => Ok(slot),
        other => {
            drop_endpoint(slot);
            Err(other.map_or_else(|error| error.push(code), |_| Error::new(code)))
        }
    }
}

/// Lets go of such a copy.
pub(super) fn drop_endpoint(slot: CapRef) {
    // Empty when its domain is gone.
    let _ = cap_delete(slot);
    let _ = slot_free(slot);
}

/// Nobody is told of the end.
fn forget(parent: Option<Parent>) {
    if let Some(slot) = parent.and_then(|parent| parent.notices) {
        drop_endpoint(slot);
    }
}

/// The first bytes of a frame of someone else's, copied.
fn copy_file(frame: CapRef, bytes: u64, account: &Account) -> Result<MappedFrame, Error> {
    let code = ErrorCode::SpawnLoad;
    if bytes == 0 || bytes > ELF_MAX {
        return Err(Error::new(ErrorCode::ElfFilesz).push(code));
    }
    let source = slot_alloc()?;
    let copied = (|| {
        cap_copy(source, frame)?;
        let capability = cap_direct_identify(source)?;
        if capability.objtype() != ObjType::Frame || capability.size() < bytes {
            return Err(Error::new(ErrorCode::ElfFilesz));
        }
        let theirs = MappedFrame::part(source, bytes, PageFlags::READ)?;
        let made = account.object(ObjType::Frame, bytes);
        let made = made.and_then(|copy| MappedFrame::part(copy, bytes, PageFlags::READ_WRITE));
        let read = made.map(|mut copy| {
            // SAFETY: just made; nobody else has a capability for it.
            let place = unsafe { copy.view_mut().bytes_mut() };
            let all = theirs::read(&theirs, place);
            (copy, all)
        });
        // What cannot be unmapped only costs addresses.
        let _ = theirs.unmap();
        match read? {
            (copy, true) => Ok(copy),
            (copy, false) => {
                let _ = copy.unmap();
                Err(Error::new(ErrorCode::LibFrameIdentify))
            }
        }
    })();
    let _ = cap_delete(source);
    let _ = slot_free(source);
    copied.push_err(code)
}

/// What others than init are told of an end.
const fn end_of(outcome: Outcome) -> End {
    match outcome {
        Outcome::Exited(status) => End::Exited(status),
        Outcome::Faulted(fault) => End::Faulted(fault),
        Outcome::Stopped(..) | Outcome::Died => End::Stopped,
        Outcome::Killed => End::Killed,
    }
}
