//! The own root CNode, and types that have little to say: RAM, ID, KernelControlBlock.

use super::{CNodeRef, CapRef, invoke, invoke_root};
use crate::error::{Error, ErrorCode, ResultExt};
use kpi::cap::ObjType;
use kpi::invocation::{CNodeCommand, IdCommand, KcbCommand, RamCommand};
use kpi::slots;

/// Bytes of the slots of the own root CNode.
///
/// # Errors
/// The kernel's.
pub fn root_cnode_bytes() -> Result<u64, Error> {
    invoke_root(slots::ROOTCN, CNodeCommand::GetSize, &[]).map(|[bytes, ..]| bytes)
}

/// Replaces the own root CNode by the larger, empty L1CNode in `new`; the old one is in `old` afterwards, a slot of an L2CNode.
/// Other dispatchers that use the old one keep it.
///
/// # Errors
/// `LIB_ERR_ROOTSA_RESIZE` on the kernel's error. The capability space is unchanged then; what was copied lies in the new CNode.
pub fn root_cnode_resize(new: CapRef, old: CapRef) -> Result<(), Error> {
    let args = [
        u64::from(new.addr().0),
        u64::from(old.cnode.cnode.0),
        u64::from(old.slot),
    ];
    invoke_root(slots::ROOTCN, CNodeCommand::Resize, &args)
        .map(|_| ())
        .push_err(ErrorCode::LibRootsaResize)
}

/// Makes an ID, a name that cannot be forged, in an empty slot of an L2CNode.
///
/// # Errors
/// `LIB_ERR_CAP_CREATE` on the kernel's error.
pub fn id_create(dest: CapRef) -> Result<(), Error> {
    create(dest, ObjType::Id as u64)
}

/// Asks for a capability that is made from nothing: the kernel makes IDs only.
///
/// # Errors
/// As [`id_create`].
pub fn create(dest: CapRef, objtype: u64) -> Result<(), Error> {
    let CNodeRef { cnode, level, .. } = dest.cnode;
    let args = [
        objtype,
        0,
        u64::from(cnode.0),
        level as u64,
        u64::from(dest.slot),
    ];
    invoke_root(dest.croot(), CNodeCommand::Create, &args)
        .map(|_| ())
        .push_err(ErrorCode::LibCapCreate)
}

/// What an ID says: core << 32 | number on that core.
///
/// # Errors
/// The kernel's.
pub fn id_identify(id: CapRef) -> Result<u64, Error> {
    let command = IdCommand::Identify;
    invoke(id, command as u8, command.argc(), &[]).map(|[value, ..]| value)
}

/// Physical address and bytes of a kernel control block.
///
/// # Errors
/// The kernel's.
pub fn kcb_identify(kcb: CapRef) -> Result<(u64, u64), Error> {
    let command = KcbCommand::Identify;
    invoke(kcb, command as u8, command.argc(), &[]).map(|[base, bytes, _]| (base, bytes))
}

/// Does nothing with a RAM capability: the cost of an invocation.
///
/// # Errors
/// The kernel's.
pub fn ram_noop(ram: CapRef) -> Result<(), Error> {
    let command = RamCommand::Noop;
    invoke(ram, command as u8, command.argc(), &[]).map(|_| ())
}
