//! The Kernel capability as monitors use it: capabilities that have relatives on other cores.
//!
//! A capability travels between monitors as [`Capability`], with all that the kernel knows of it. Barrelfish counterpart:
//! `invoke_monitor_*` of `usr/monitor/include/capops.h`.

use super::kernel::kernel;
use super::{CNodeRef, CapRef};
use crate::error::{Error, ErrorCode};
use kpi::addr::{CapLevel, CoreId};
use kpi::cap::{Capability, ObjType};
use kpi::invocation::KernelCommand;

/// Relations to relatives of a capability, as bits.
pub mod relation {
    /// Copies.
    pub const COPIES: u64 = 1;
    /// Ancestors.
    pub const ANCESTORS: u64 = 2;
    /// Descendants.
    pub const DESCENDANTS: u64 = 4;
}

/// A slot of the own CSpace: address, level.
fn own(cap: CapRef) -> [u64; 2] {
    [u64::from(cap.addr().0), cap.level() as u64]
}

/// A slot of any CSpace: root, its level, address, level.
fn any(cap: CapRef) -> [u64; 4] {
    let [address, level] = own(cap);
    let root = u64::from(cap.croot().0);
    [root, CapLevel::L2 as u64, address, level]
}

fn decoded(words: [u64; 3]) -> Result<Capability, Error> {
    Capability::from_words(words).ok_or(Error::new(ErrorCode::SysIdentifyLookup))
}

/// What is in a slot of any CSpace, kernel-private parts too.
///
/// # Errors
/// The kernel's.
pub fn identify_raw(cap: CapRef) -> Result<Capability, Error> {
    if cap.is_own() {
        kernel(KernelCommand::IdentifyCap, &own(cap)).and_then(decoded)
    } else {
        kernel(KernelCommand::IdentifyDomainsCap, &any(cap)).and_then(decoded)
    }
}

/// Sets those relations to other cores that are in the mask, for all copies; answers what they are then.
///
/// # Errors
/// The kernel's.
pub fn remote_relations(cap: CapRef, relations: u64, mask: u64) -> Result<u64, Error> {
    let [root, root_level, address, level] = any(cap);
    let word = relations & 0xff | (mask & 0xff) << 8;
    let args = [root, root_level, address, level, word];
    kernel(KernelCommand::RemoteRelations, &args).map(|[now, ..]| now)
}

/// Which of these relatives the capability has on this core.
///
/// # Errors
/// The kernel's.
pub fn has_relations(cap: CapRef, mask: u64) -> Result<u64, Error> {
    let [address, level] = own(cap);
    kernel(KernelCommand::CapHasRelations, &[address, level, mask]).map(|[found, ..]| found)
}

fn filled(dest: CapRef) -> (u64, u64, u64) {
    let CNodeRef { cnode, level, .. } = dest.cnode;
    (u64::from(cnode.0), level as u64, u64::from(dest.slot))
}

/// Makes a capability in an empty slot of the own CSpace.
///
/// # Errors
/// The kernel's: `SYS_ERR_ILLEGAL_DEST_TYPE`, `CAPS_ERR_INVALID_ARGS`, and those of the destination.
pub fn cap_create(dest: CapRef, cap: &Capability, owner: CoreId) -> Result<(), Error> {
    let (cnode, level, slot) = filled(dest);
    let [a, b, c] = cap.to_words();
    let args = [cnode, level, slot, u64::from(owner.0), a, b, c];
    kernel(KernelCommand::CreateCap, &args).map(|_| ())
}

/// Copies a capability that is on this core already into an empty slot of any CSpace.
///
/// # Errors
/// The kernel's: `SYS_ERR_CAP_NOT_FOUND`, and those of the destination.
pub fn copy_existing(dest: CapRef, cap: &Capability) -> Result<(), Error> {
    let (cnode, level, slot) = filled(dest);
    let [a, b, c] = cap.to_words();
    let root = u64::from(dest.croot().0);
    let args = [root, cnode, level, slot, a, b, c];
    kernel(KernelCommand::CopyExisting, &args).map(|_| ())
}

/// Empties a slot, whatever other cores have.
///
/// # Errors
/// The kernel's.
pub fn nullify(cap: CapRef) -> Result<(), Error> {
    kernel(KernelCommand::NullifyCap, &own(cap)).map(|_| ())
}

/// The core that owns a capability.
///
/// # Errors
/// The kernel's.
pub fn owner(cap: CapRef) -> Result<CoreId, Error> {
    let [core, ..] = kernel(KernelCommand::GetCapOwner, &any(cap))?;
    let core = u8::try_from(core).map_err(|_| Error::new(ErrorCode::SysCoreNotFound))?;
    Ok(CoreId(core))
}

/// Says which core owns a capability.
///
/// # Errors
/// The kernel's.
pub fn set_owner(cap: CapRef, owner: CoreId) -> Result<(), Error> {
    let [root, root_level, address, level] = any(cap);
    let args = [root, root_level, address, level, u64::from(owner.0)];
    kernel(KernelCommand::SetCapOwner, &args).map(|_| ())
}

/// Locks all copies of a capability.
///
/// # Errors
/// `SYS_ERR_CAP_LOCKED`: it is.
pub fn lock(cap: CapRef) -> Result<(), Error> {
    kernel(KernelCommand::LockCap, &any(cap)).map(|_| ())
}

/// Unlocks all copies of a capability.
///
/// # Errors
/// The kernel's.
pub fn unlock(cap: CapRef) -> Result<(), Error> {
    kernel(KernelCommand::UnlockCap, &any(cap)).map(|_| ())
}

/// Removes all copies of another core's capability.
///
/// # Errors
/// `SYS_ERR_DELETE_REMOTE_LOCAL`: it is this core's.
pub fn delete_foreigns(cap: CapRef) -> Result<(), Error> {
    kernel(KernelCommand::DeleteForeigns, &own(cap)).map(|_| ())
}

/// Deletes or marks what was made from another core's capability, and its copies.
///
/// # Errors
/// `SYS_ERR_CAP_NOT_FOUND`: there is nothing. `SYS_ERR_CAP_LOCKED`.
pub fn revoke_mark_relations(cap: &Capability) -> Result<(), Error> {
    kernel(KernelCommand::RevokeMarkRelations, &cap.to_words()).map(|_| ())
}

/// As [`super::cap_retype`], when other cores have agreed.
///
/// # Errors
/// The kernel's.
pub fn retype(
    dest: CapRef,
    src: CapRef,
    offset: u64,
    objtype: ObjType,
    objsize: u64,
    count: u64,
) -> Result<(), Error> {
    let args = super::retype_args(dest, src, offset, objtype, objsize, count);
    kernel(KernelCommand::Retype, &args).map(|_| ())
}

/// Whether something on this core was made from a capability.
///
/// # Errors
/// The kernel's.
pub fn has_descendants(cap: &Capability) -> Result<bool, Error> {
    kernel(KernelCommand::HasDescendants, &cap.to_words()).map(|[found, ..]| found != 0)
}

/// Whether objects could be made from a capability as far as this core knows.
///
/// # Errors
/// `SYS_ERR_REVOKE_FIRST`: no. `SYS_ERR_RETYPE_INVALID_OFFSET`: not in it.
pub fn is_retypeable(cap: &Capability, offset: u64, objsize: u64, count: u64) -> Result<(), Error> {
    let [a, b, c] = cap.to_words();
    let args = [a, b, c, offset, objsize, count];
    kernel(KernelCommand::IsRetypeable, &args).map(|_| ())
}

/// What the machine is: architecture number, MIDR, interrupts.
///
/// # Errors
/// The kernel's.
pub fn platform() -> Result<[u64; 3], Error> {
    kernel(KernelCommand::GetPlatform, &[])
}
