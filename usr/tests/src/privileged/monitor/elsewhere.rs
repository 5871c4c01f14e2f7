//! Owners, locks, and capabilities of other cores.

use super::{OTHER, PAGE, any, command};
use crate::harness::{Outcome, equal, refused, that};
use aos::cap::dispatcher::{Setup, dispatcher_set_vspace, dispatcher_setup};
use aos::cap::monitor::relation;
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_retype,
    cap_revoke, cap_state, monitor,
};
use aos::error::ErrorCode;
use aos::kpi::addr::CoreId;
use aos::kpi::cap::{Capability, ObjType, Ram};
use aos::kpi::layout::L2CNODE_BYTES;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::task;
use aos::kpi::syscall::SendFlags;
use aos::lmp;
use aos::lmp::endpoint_create;
use aos::ram::{
    cnode_create_l2, dispatcher_create, frame_alloc, mm_alloc, mm_free, object_alloc, vnode_create,
};
use aos::slot::{slot_alloc, slot_free};

pub fn owner_and_lock() -> Outcome {
    let (frame, copy) = (frame_alloc(PAGE)?, slot_alloc()?);
    cap_copy(copy, frame)?;
    equal(monitor::owner(frame)?, CoreId(0))?;
    monitor::set_owner(frame, OTHER)?;
    equal(monitor::owner(copy)?, OTHER)?;
    // refuses Kernel.SetCapOwner: CORE_NOT_FOUND
    refused(
        monitor::set_owner(frame, CoreId(255)),
        ErrorCode::SysCoreNotFound,
    )?;
    // refuses Kernel.RevokeMarkTarget: RETRY_THROUGH_MONITOR
    // refuses CNode.Revoke: RETRY_THROUGH_MONITOR
    refused(command(19, &any(frame)), ErrorCode::SysRetryThroughMonitor)?;
    refused(cap_revoke(frame), ErrorCode::SysRetryThroughMonitor)?;
    monitor::set_owner(frame, CoreId(0))?;
    monitor::lock(copy)?;
    that(cap_state(frame)?.busy, "busy")?;
    let locked = ErrorCode::SysCapLocked;
    // refuses Kernel.LockCap: CAP_LOCKED
    // refuses Kernel.DeleteLast: CAP_LOCKED
    // refuses Kernel.RevokeMarkTarget: CAP_LOCKED
    // refuses Kernel.NullifyCap: CAP_LOCKED
    // refuses CNode.Delete: CAP_LOCKED
    // refuses CNode.Revoke: CAP_LOCKED
    // refuses CNode.Retype: CAP_LOCKED
    refused(monitor::lock(frame), locked)?;
    refused(command(17, &any(frame)), locked)?;
    refused(command(19, &any(frame)), locked)?;
    refused(monitor::nullify(frame), locked)?;
    refused(cap_delete(frame), locked)?;
    refused(cap_revoke(frame), locked)?;
    let slot = slot_alloc()?;
    refused(cap_retype(slot, frame, 0, ObjType::Frame, PAGE, 1), locked)?;
    // Given away, it would be in both places.
    // refuses Syscall.Send: CAP_LOCKED
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    endpoint.arm(slot);
    let given = lmp::send(endpoint.cap(), &[], Some(copy), SendFlags::GIVEAWAY);
    refused(given, locked)?;
    refused(cap_direct_identify(slot), ErrorCode::SysCapNotFound)?;
    that(endpoint.receive().is_none(), "no message")?;
    slot_free(slot)?;
    monitor::unlock(frame)?;
    cap_destroy(copy)?;
    mm_free(frame)?;
    Ok(())
}

/// One CNode cannot go, as what lies in it is locked: another one is deleted, and yet another revoked, and their memory is free.
pub fn others_locked() -> Outcome {
    let whole = |cnode: CNodeRef| CNodeRef::ROOT.slot(cnode.cnode.l1());
    let [held, other] = [cnode_create_l2()?, cnode_create_l2()?];
    let frame = frame_alloc(PAGE)?;
    cap_copy(held.slot(7), frame)?;
    monitor::lock(frame)?;
    let locked = ErrorCode::SysCapLocked;
    for _ in 0..2 {
        refused(cap_delete(whole(held)), locked)?;
    }
    let slot = slot_alloc()?;
    let base = cap_direct_identify(whole(other))?.address();
    cap_delete(whole(other))?;
    let ram = Ram {
        base,
        bytes: L2CNODE_BYTES,
        pasid: 0,
    };
    monitor::cap_create(slot, &Capability::new_ram(ram, CapRights::ALL), CoreId(0))?;
    cap_delete(slot)?;
    // In the place of that one, out of memory that is revoked.
    let memory = mm_alloc(L2CNODE_BYTES)?;
    for _ in 0..2 {
        cap_retype(whole(other), memory, 0, ObjType::L2CNode, L2CNODE_BYTES, 1)?;
        cap_copy(other.slot(1), CapRef::OWN_ROOT)?;
        cap_revoke(memory)?;
    }
    mm_free(memory)?;
    // What waits goes with any other's steps.
    // refuses Kernel.DeleteStep: CAP_LOCKED
    refused(command(21, &[]), locked)?;
    refused(cap_delete(whole(held)), locked)?;
    monitor::unlock(frame)?;
    cap_delete(object_alloc(ObjType::L2CNode, L2CNODE_BYTES)?)?;
    let gone = cap_direct_identify(whole(held));
    refused(gone, ErrorCode::SysCapNotFound)?;
    mm_free(frame)?;
    slot_free(slot)?;
    elsewhere()
}

/// A CNode holds the last copy here of a frame of which there are copies elsewhere.
fn elsewhere() -> Outcome {
    let held = cnode_create_l2()?;
    let whole = CNodeRef::ROOT.slot(held.cnode.l1());
    let frame = frame_alloc(PAGE)?;
    let raw = monitor::identify_raw(frame)?;
    cap_copy(held.slot(3), frame)?;
    monitor::remote_relations(frame, relation::COPIES, relation::COPIES)?;
    cap_delete(frame)?;
    let retry = ErrorCode::SysRetryThroughMonitor;
    refused(cap_delete(whole), retry)?;
    // refuses Kernel.DeleteStep: RETRY_THROUGH_MONITOR
    refused(command(21, &[]), retry)?;
    // With a copy outside the other one can go.
    monitor::copy_existing(frame, &raw)?;
    cap_delete(object_alloc(ObjType::L2CNode, L2CNODE_BYTES)?)?;
    let gone = cap_direct_identify(whole);
    refused(gone, ErrorCode::SysCapNotFound)?;
    monitor::remote_relations(frame, 0, relation::COPIES)?;
    mm_free(frame)?;
    Ok(())
}

pub fn foreigns() -> Outcome {
    let (frame, copy) = (frame_alloc(PAGE)?, slot_alloc()?);
    let found = cap_direct_identify(frame)?;
    cap_copy(copy, frame)?;
    // refuses Kernel.DeleteForeigns: DELETE_REMOTE_LOCAL
    refused(
        monitor::delete_foreigns(frame),
        ErrorCode::SysDeleteRemoteLocal,
    )?;
    monitor::set_owner(frame, OTHER)?;
    monitor::lock(frame)?;
    monitor::delete_foreigns(frame)?;
    refused(cap_direct_identify(frame), ErrorCode::SysCapNotFound)?;
    refused(cap_direct_identify(copy), ErrorCode::SysCapNotFound)?;
    slot_free(copy)?;
    monitor::cap_create(frame, &found, CoreId(0))?;
    mm_free(frame)?;
    Ok(())
}

pub fn relations_revoked() -> Outcome {
    let ram = mm_alloc(4 * PAGE)?;
    let found = cap_direct_identify(ram)?;
    let (frame, copy) = (slot_alloc()?, slot_alloc()?);
    cap_retype(frame, ram, PAGE, ObjType::Frame, PAGE, 1)?;
    cap_copy(copy, ram)?;
    // refuses Kernel.RevokeMarkRelations: CAP_LOCKED, CAP_NOT_FOUND
    monitor::lock(frame)?;
    refused(
        monitor::revoke_mark_relations(&found),
        ErrorCode::SysCapLocked,
    )?;
    monitor::unlock(frame)?;
    monitor::revoke_mark_relations(&found)?;
    for slot in [ram, copy, frame] {
        refused(cap_direct_identify(slot), ErrorCode::SysCapNotFound)?;
    }
    refused(
        monitor::revoke_mark_relations(&found),
        ErrorCode::SysCapNotFound,
    )?;
    slot_free(copy)?;
    slot_free(frame)?;
    monitor::cap_create(ram, &found, CoreId(0))?;
    mm_free(ram)?;
    Ok(())
}

/// An address space belongs to one core.
pub fn foreign_table() -> Outcome {
    let table = vnode_create(0)?;
    let invalid = ErrorCode::SysDispVspaceInvalid;
    let setup = Setup {
        vspace: table.addr(),
        ..Setup::own(CapRef::task(task::DISPFRAME))
    };
    monitor::set_owner(table, OTHER)?;
    let dispatcher = dispatcher_create()?;
    // refuses Dispatcher.Setup: DISP_VSPACE_INVALID
    refused(dispatcher_setup(dispatcher, &setup), invalid)?;
    // refuses Dispatcher.SetVSpace: DISP_VSPACE_INVALID
    let own = CapRef::task(task::DISPATCHER);
    refused(dispatcher_set_vspace(own, table), invalid)?;
    mm_free(dispatcher)?;
    monitor::set_owner(table, CoreId(0))?;
    let dispatcher = dispatcher_create()?;
    dispatcher_setup(dispatcher, &setup)?;
    mm_free(dispatcher)?;
    mm_free(table)?;
    Ok(())
}

pub fn forget() -> Outcome {
    let frame = frame_alloc(PAGE)?;
    let found = cap_direct_identify(frame)?;
    monitor::remote_relations(frame, relation::COPIES, relation::COPIES)?;
    monitor::nullify(frame)?;
    refused(cap_direct_identify(frame), ErrorCode::SysCapNotFound)?;
    refused(monitor::nullify(frame), ErrorCode::SysCapNotFound)?;
    // Now no core has it: make it again, to give its memory back.
    monitor::cap_create(frame, &found, CoreId(0))?;
    mm_free(frame)?;
    // refuses Kernel.NullifyCap: RETRY_THROUGH_MONITOR
    let cnode = object_alloc(ObjType::L2CNode, L2CNODE_BYTES)?;
    refused(monitor::nullify(cnode), ErrorCode::SysRetryThroughMonitor)?;
    mm_free(cnode)?;
    Ok(())
}
