//! Capabilities made out of nothing, and retypes that other cores have agreed to.

use super::{OTHER, PAGE, frame_of};
use crate::harness::{Outcome, equal, refused, that};
use aos::cap::monitor::relation;
use aos::cap::{CNodeRef, cap_destroy, cap_direct_identify, cap_retype, cap_state, monitor};
use aos::error::ErrorCode;
use aos::kpi::addr::CoreId;
use aos::kpi::cap::{Capability, L2CNode, ObjType, Ram};
use aos::kpi::rights::CapRights;
use aos::ram::{frame_alloc, mm_alloc, mm_free};
use aos::slot::{slot_alloc, slot_free};

pub fn create() -> Outcome {
    let ram = mm_alloc(4 * PAGE)?;
    let base = cap_direct_identify(ram)?.address();
    let (made, copy) = (slot_alloc()?, slot_alloc()?);
    let frame = frame_of(base + PAGE, PAGE);
    monitor::cap_create(made, &frame, OTHER)?;
    equal(monitor::owner(made)?, OTHER)?;
    that(cap_state(made)?.foreign, "another core's")?;
    equal(monitor::remote_relations(made, 0, 0)?, relation::COPIES)?;
    monitor::copy_existing(copy, &frame)?;
    equal(cap_direct_identify(copy)?, frame)?;
    equal(monitor::owner(copy)?, OTHER)?;
    equal(monitor::has_descendants(&cap_direct_identify(ram)?)?, true)?;
    cap_destroy(copy)?;
    cap_destroy(made)?;
    equal(monitor::has_descendants(&cap_direct_identify(ram)?)?, false)?;
    mm_free(ram)?;
    Ok(())
}

pub fn create_refused() -> Outcome {
    let frame = frame_alloc(2 * PAGE)?;
    let base = cap_direct_identify(frame)?.address();
    let slot = slot_alloc()?;
    let all = CapRights::ALL;
    let cnode = L2CNode {
        cnode: base,
        rightsmask: all,
    };
    // refuses Kernel.CreateCap: ILLEGAL_DEST_TYPE
    for (cap, owner) in [
        (Capability::NULL, CoreId(0)),
        (Capability::new_l2_cnode(cnode, all), CoreId(0)),
        (Capability::new_l2_cnode(cnode, all), OTHER),
        (Capability::new_kernel(all), CoreId(0)),
        (Capability::new_irq_table(all), CoreId(0)),
    ] {
        refused(
            monitor::cap_create(slot, &cap, owner),
            ErrorCode::SysIllegalDestType,
        )?;
    }
    let ram = |base, bytes| {
        let ram = Ram {
            base,
            bytes,
            pasid: 0,
        };
        Capability::new_ram(ram, all)
    };
    // refuses Kernel.CreateCap: CAPS_ERR_INVALID_ARGS
    for cap in [
        frame_of(base + 1, PAGE),
        frame_of(base, 0),
        frame_of(base, 100),
        frame_of(u64::MAX - PAGE + 1, PAGE),
        frame_of(base + PAGE, 2 * PAGE),
        ram(0x900_0000, PAGE),
        // In a frame, where user programs can write.
        ram(base, PAGE),
    ] {
        refused(
            monitor::cap_create(slot, &cap, OTHER),
            ErrorCode::CapsInvalidArgs,
        )?;
    }
    refused(
        monitor::cap_create(frame, &frame_of(base, PAGE), OTHER),
        ErrorCode::SysSlotInUse,
    )?;
    // refuses Kernel.CopyExisting: CAP_NOT_FOUND, CNODE_NOT_ROOT
    refused(
        monitor::copy_existing(slot, &frame_of(base, PAGE)),
        ErrorCode::SysCapNotFound,
    )?;
    let no_root = CNodeRef::foreign(frame.addr(), 0).slot(0);
    refused(
        monitor::copy_existing(no_root, &frame_of(base, PAGE)),
        ErrorCode::SysCnodeNotRoot,
    )?;
    slot_free(slot)?;
    mm_free(frame)?;
    Ok(())
}

pub fn retype() -> Outcome {
    let (ram, frame) = (mm_alloc(4 * PAGE)?, slot_alloc()?);
    let source = cap_direct_identify(ram)?;
    monitor::set_owner(ram, OTHER)?;
    let direct = cap_retype(frame, ram, 0, ObjType::Frame, PAGE, 1);
    // refuses CNode.Retype: RETRY_THROUGH_MONITOR
    refused(direct, ErrorCode::SysRetryThroughMonitor)?;
    monitor::is_retypeable(&source, 0, PAGE, 4)?;
    monitor::retype(frame, ram, PAGE, ObjType::Frame, PAGE, 1)?;
    // refuses Kernel.IsRetypeable: REVOKE_FIRST, RETYPE_INVALID_OFFSET
    refused(
        monitor::is_retypeable(&source, 0, PAGE, 4),
        ErrorCode::SysRevokeFirst,
    )?;
    refused(
        monitor::is_retypeable(&source, PAGE, PAGE, 1),
        ErrorCode::SysRevokeFirst,
    )?;
    monitor::is_retypeable(&source, 2 * PAGE, PAGE, 2)?;
    let outside = ErrorCode::SysRetypeInvalidOffset;
    refused(monitor::is_retypeable(&source, PAGE, PAGE, 4), outside)?;
    refused(monitor::is_retypeable(&source, 0, PAGE, 0), outside)?;
    refused(
        monitor::is_retypeable(&source, 0, u64::MAX, u64::MAX),
        outside,
    )?;
    cap_destroy(frame)?;
    monitor::set_owner(ram, CoreId(0))?;
    mm_free(ram)?;
    Ok(())
}
