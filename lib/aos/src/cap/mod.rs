//! Capability references, and the operations that every type has.
//!
//! A [`CapRef`] names a slot; it owns nothing and may be stale: the kernel decides at each call. Errors are the kernel's, with
//! this library's code on top (`LIB_ERR_CAP_COPY` and so on).
//!
//! | Module | What |
//! |---|---|
//! | here | references, invocation, copy, mint, retype, delete, revoke, identify |
//! | [`owned`] | [`Cap`] and its like: values that own a capability |
//! | [`vnode`] | page tables |
//! | [`dispatcher`] | dispatchers |
//! | [`kernel`], [`monitor`] | the Kernel capability: for init; for monitors |
//! | [`irq`] | device interrupts |
//! | [`cores`] | starting cores, performance counters |
//! | [`objects`] | the own root CNode, and types that have little to say |
//!
//! Barrelfish counterpart: `include/barrelfish/capabilities.h`, `invocations_arch.h`.

mod any;
pub mod cores;
pub mod dispatcher;
pub mod irq;
pub mod kernel;
pub mod monitor;
pub mod objects;
pub mod owned;
pub mod vnode;

pub use any::AnyCap;
pub use owned::{Cap, Derived, Mapped, Own, Owner, give, reap};

use crate::arch::call::{self, Results};
use crate::error::{self, Error, ErrorCode, ResultExt};
use crate::{monitor as service, slot};
use capops::{Call, Operation};
use core::fmt;
use kpi::addr::{CapAddr, CapLevel, L2_BITS};
use kpi::cap::{Capability, ObjType};
use kpi::invocation::{CNodeCommand, RetypeWord};
use kpi::slots::{self, root};
use kpi::syscall::CallWord;

pub use objects::root_cnode_resize;

/// A CNode in some CSpace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CNodeRef {
    /// Address, in the own CSpace, of the root (L1) CNode of the CSpace that is meant.
    pub croot: CapAddr,
    /// Address of the CNode in that CSpace; not used for the root CNode itself.
    pub cnode: CapAddr,
    /// [`CapLevel::Root`]: the root CNode itself. [`CapLevel::L1`]: the L2CNode at `cnode`.
    pub level: CapLevel,
}

impl CNodeRef {
    /// The own root CNode.
    pub const ROOT: Self = Self::root_of(slots::ROOTCN);
    /// The own task CNode.
    pub const TASK: Self = Self::own(root::TASKCN);

    /// The root CNode whose capability is at `croot` of the own CSpace.
    pub const fn root_of(croot: CapAddr) -> Self {
        Self {
            croot,
            cnode: CapAddr::NULL,
            level: CapLevel::Root,
        }
    }

    /// The L2CNode at root slot `l1` of the own CSpace.
    pub const fn own(l1: u32) -> Self {
        Self::foreign(slots::ROOTCN, l1)
    }

    /// The L2CNode at root slot `l1` of the CSpace whose root is at `croot` of the own one.
    pub const fn foreign(croot: CapAddr, l1: u32) -> Self {
        Self {
            croot,
            cnode: CapAddr::new(l1, 0),
            level: CapLevel::L1,
        }
    }

    /// A slot of it.
    pub const fn slot(self, slot: u32) -> CapRef {
        CapRef { cnode: self, slot }
    }
}

/// A slot: a CNode and an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
// 16 bytes that two registers copy; at a multiple of 4 it would take a call of memcpy.
#[repr(align(8))]
pub struct CapRef {
    /// The CNode.
    pub cnode: CNodeRef,
    /// The slot in it.
    pub slot: u32,
}

impl CapRef {
    /// The L0 table of the own address space.
    pub(crate) const fn vroot() -> Self {
        CNodeRef::own(slots::VROOT.l1()).slot(slots::VROOT.l2())
    }

    /// A slot of the own task CNode.
    pub const fn task(slot: u8) -> Self {
        CNodeRef::TASK.slot(slot as u32)
    }

    /// The own root CNode's capability.
    pub const OWN_ROOT: Self = Self::task(slots::task::ROOTCN);

    /// Its address in its CSpace.
    pub const fn addr(self) -> CapAddr {
        match self.cnode.level {
            CapLevel::Root => CapAddr(self.slot << L2_BITS),
            _ => CapAddr(self.cnode.cnode.0 | self.slot),
        }
    }

    /// How deep that address is to be resolved.
    pub const fn level(self) -> CapLevel {
        match self.cnode.level {
            CapLevel::Root => CapLevel::L1,
            _ => CapLevel::L2,
        }
    }

    /// Address, in the own CSpace, of the root of its CSpace.
    pub const fn croot(self) -> CapAddr {
        self.cnode.croot
    }

    /// Whether it lies in the own CSpace.
    pub fn is_own(self) -> bool {
        self.croot() == slots::ROOTCN
    }
}

impl fmt::Display for CapRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addr())
    }
}

/// Invokes the capability at an address of the own CSpace. Inlined, so that each caller loads just the words it has.
#[inline(always)]
fn invoke_at(
    addr: CapAddr,
    level: CapLevel,
    command: u8,
    argc: u8,
    args: &[u64],
) -> Result<[u64; 3], Error> {
    let word = CallWord::invoke(command, level as u8, argc);
    let Results { error, values } = call::call([word.0, u64::from(addr.0)], args);
    error::check(error)?;
    Ok(values)
}

/// Invokes a capability of the own CSpace: `args` are the words from x2 on.
///
/// # Errors
/// The kernel's; `LIB_ERR_CAP_INVOKE` for a capability of another CSpace, which cannot be invoked from here.
#[inline(always)]
pub fn invoke(cap: CapRef, command: u8, argc: u8, args: &[u64]) -> Result<[u64; 3], Error> {
    if !cap.is_own() {
        return Err(Error::new(ErrorCode::LibCapInvoke));
    }
    invoke_at(cap.addr(), cap.level(), command, argc, args)
}

/// Invokes a root CNode.
fn invoke_root(croot: CapAddr, command: CNodeCommand, args: &[u64]) -> Result<[u64; 3], Error> {
    invoke_at(croot, CapLevel::L2, command as u8, command.argc(), args)
}

fn copy_words(dest: CapRef, src: CapRef) -> [u64; 7] {
    [
        u64::from(dest.croot().0),
        u64::from(dest.cnode.cnode.0),
        u64::from(dest.slot),
        u64::from(src.croot().0),
        u64::from(src.addr().0),
        dest.cnode.level as u64,
        src.level() as u64,
    ]
}

/// Copies a capability into an empty slot.
///
/// # Errors
/// `LIB_ERR_CAP_COPY` on the kernel's error.
pub fn cap_copy(dest: CapRef, src: CapRef) -> Result<(), Error> {
    invoke_root(slots::ROOTCN, CNodeCommand::Copy, &copy_words(dest, src))
        .map(|_| ())
        .push_err(ErrorCode::LibCapCopy)
}

/// Copies a capability with parameters: for an LMP endpoint the buffer's offset and (interface type << 16 | words), for
/// others a rights mask.
///
/// # Errors
/// `LIB_ERR_CAP_MINT` on the kernel's error.
pub fn cap_mint(dest: CapRef, src: CapRef, param1: u64, param2: u64) -> Result<(), Error> {
    let [a, b, c, d, e, f, g] = copy_words(dest, src);
    invoke_root(
        slots::ROOTCN,
        CNodeCommand::Mint,
        &[a, b, c, d, e, f, g, param1, param2],
    )
    .map(|_| ())
    .push_err(ErrorCode::LibCapMint)
}

/// Makes `count` objects of `objsize` bytes out of `src` from byte `offset` on, in slots from `dest` on.
///
/// # Errors
/// `LIB_ERR_CAP_RETYPE` on the kernel's error, `SYS_ERR_REVOKE_FIRST` above all: the range is in use.
pub fn cap_retype(
    dest: CapRef,
    src: CapRef,
    offset: u64,
    objtype: ObjType,
    objsize: u64,
    count: u64,
) -> Result<(), Error> {
    let args = retype_args(dest, src, offset, objtype, objsize, count);
    invoke_root(slots::ROOTCN, CNodeCommand::Retype, &args)
        .map(|_| ())
        .push_err(ErrorCode::LibCapRetype)
}

/// The arguments that a retype has, whoever asks for it.
#[inline]
fn retype_args(
    dest: CapRef,
    src: CapRef,
    offset: u64,
    objtype: ObjType,
    objsize: u64,
    count: u64,
) -> [u64; 9] {
    let word = RetypeWord::new(objtype as u8, dest.cnode.level as u8, src.level() as u8);
    [
        u64::from(src.croot().0),
        u64::from(src.addr().0),
        offset,
        word.0,
        objsize,
        count,
        u64::from(dest.croot().0),
        u64::from(dest.cnode.cnode.0),
        u64::from(dest.slot),
    ]
}

fn on_slot(cap: CapRef, command: CNodeCommand) -> Result<[u64; 3], Error> {
    let args = [u64::from(cap.addr().0), cap.level() as u64];
    invoke_root(cap.croot(), command, &args)
}

/// Deletes a capability; the slot is empty afterwards.
///
/// The last copy of a CNode or Dispatcher goes with all that lies in it: by this domain if it holds the Kernel capability, else by its
/// monitor ([`crate::monitor`]). A domain that has none is told `SYS_ERR_RETRY_THROUGH_MONITOR`.
///
/// # Errors
/// `LIB_ERR_CAP_DELETE` on the kernel's error.
pub fn cap_delete(cap: CapRef) -> Result<(), Error> {
    let deleted = on_slot(cap, CNodeCommand::Delete).map(|_| ());
    whole(deleted, cap, Operation::delete()).push_err(ErrorCode::LibCapDelete)
}

/// As [`cap_delete`], as far as one call to the kernel does it.
///
/// # Errors
/// `LIB_ERR_CAP_DELETE` on the kernel's error: `SYS_ERR_RETRY_THROUGH_MONITOR` for the last copy of a CNode or Dispatcher.
pub fn cap_delete_simply(cap: CapRef) -> Result<(), Error> {
    let deleted = on_slot(cap, CNodeCommand::Delete).map(|_| ());
    deleted.push_err(ErrorCode::LibCapDelete)
}

/// Deletes every copy and descendant of a capability, but not itself.
///
/// Last copies of CNodes and Dispatchers: as [`cap_delete`].
///
/// # Errors
/// The kernel's.
pub fn cap_revoke(cap: CapRef) -> Result<(), Error> {
    let revoked = on_slot(cap, CNodeCommand::Revoke).map(|_| ());
    whole(revoked, cap, Operation::revoke()).push_err(ErrorCode::LibCapDelete)
}

/// Goes on with what the kernel alone does not do.
fn whole(result: Result<(), Error>, cap: CapRef, operation: Operation) -> Result<(), Error> {
    match result {
        Err(error) if error.contains(ErrorCode::SysRetryThroughMonitor) => {
            if identify(CapRef::task(slots::task::KERNELCAP)).is_ok() {
                drive(operation, cap)
            } else if service::is_there() {
                service::perform(operation, cap)
            } else {
                Err(error)
            }
        }
        other => other,
    }
}

/// Runs an operation to its end, with the Kernel capability.
fn drive(operation: Operation, cap: CapRef) -> Result<(), Error> {
    operation.run(|call| operation_call(call, cap), |error| error.code())
}

/// Makes one call of an operation on a capability, of any CSpace. Needs the Kernel capability.
///
/// # Errors
/// The kernel's.
pub fn operation_call(call: Call, cap: CapRef) -> Result<(), Error> {
    match call {
        Call::DeleteLast => kernel::delete_last(cap),
        Call::RevokeMarkTarget => kernel::revoke_mark_target(cap),
        Call::Revoke => on_slot(cap, CNodeCommand::Revoke).map(|_| ()),
        Call::Look => match cap_state(cap)?.busy {
            true => Err(Error::new(ErrorCode::SysCapLocked)),
            false => Ok(()),
        },
        Call::DeleteStep => kernel::delete_step(),
        Call::ClearStep => kernel::clear_step(),
    }
}

/// Deletes a capability and frees its slot.
///
/// # Errors
/// `LIB_ERR_CAP_DESTROY` on top of what failed; the slot is freed only when the capability is gone.
pub fn cap_destroy(cap: CapRef) -> Result<(), Error> {
    cap_delete(cap)
        .and_then(|()| slot::slot_free(cap))
        .push_err(ErrorCode::LibCapDestroy)
}

/// What is in a slot.
///
/// # Errors
/// `LIB_ERR_CAP_IDENTIFY` on the kernel's error (an empty slot is `SYS_ERR_CAP_NOT_FOUND`), or when this library does not
/// know the capability's type.
pub fn cap_direct_identify(cap: CapRef) -> Result<Capability, Error> {
    identify(cap).push_err(ErrorCode::LibCapIdentify)
}

#[inline(never)]
pub(crate) fn identify(cap: CapRef) -> Result<Capability, Error> {
    let words = on_slot(cap, CNodeCommand::CapIdentify)?;
    Capability::from_words(words).ok_or(Error::new(ErrorCode::SysIdentifyLookup))
}

/// State of a capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CapState {
    /// Another core owns it.
    pub foreign: bool,
    /// An operation on it is going on.
    pub busy: bool,
}

/// State of the capability in a slot.
///
/// # Errors
/// The kernel's.
pub fn cap_state(cap: CapRef) -> Result<CapState, Error> {
    let [bits, ..] = on_slot(cap, CNodeCommand::GetState)?;
    Ok(CapState {
        foreign: bits & 1 != 0,
        busy: bits & 2 != 0,
    })
}
