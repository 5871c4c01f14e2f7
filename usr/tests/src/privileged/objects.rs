//! Names (ID, Domain), kernel control blocks, starting cores, performance counters.

use crate::harness::{Harness, Outcome, equal, refused, that};
use aos::cap::cores::{
    CoreState, core_state, ipi_send_start, notify, perfmon_activate, perfmon_deactivate,
    perfmon_read, perfmon_write,
};
use aos::cap::objects::{create, id_create, id_identify, kcb_identify, ram_noop};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint, cap_retype,
    invoke,
};
use aos::error::ErrorCode;
use aos::kpi::addr::PhysAddr;
use aos::kpi::cap::ObjType;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::task;
use aos::paging::MappedFrame;
use aos::ram::{frame_alloc, mm_alloc, mm_free, object_alloc, object_alloc_at};
use aos::slot::{slot_alloc, slot_free};
use core::hint::black_box;

const SUITE: &str = "objects";
/// A root slot that nothing else uses.
const SCRATCH: u32 = 180;
/// Somewhere in RAM.
const ENTRY: PhysAddr = PhysAddr(0x4800_0000);
/// Event: a cycle.
const CYCLES: u64 = 0x11;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "each ID has a number of its own", ids);
    harness.test(
        SUITE,
        "creating is refused where it must be",
        create_refused,
    );
    harness.test(SUITE, "256 domain names in one call", domains);
    harness.test(SUITE, "a kernel control block", control_block);
    harness.test(SUITE, "invoking RAM does nothing", noop);
    harness.test(SUITE, "memory of a message channel", channel);
    harness.test(SUITE, "starting a core is refused where it must be", start);
    harness.test(SUITE, "an event counter counts", counter);
    harness.test(
        SUITE,
        "counting is refused where it must be",
        counter_refused,
    );
}

fn ids() -> Outcome {
    let (first, second, copy) = (slot_alloc()?, slot_alloc()?, slot_alloc()?);
    id_create(first)?;
    id_create(second)?;
    cap_copy(copy, first)?;
    equal(id_identify(copy)?, id_identify(first)?)?;
    equal(id_identify(second)?, id_identify(first)? + 1)?;
    for slot in [first, second, copy] {
        cap_destroy(slot)?;
    }
    Ok(())
}

fn create_refused() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    // refuses CNode.Create: TYPE_NOT_CREATABLE, SLOTS_IN_USE, DEST_CNODE_LOOKUP, DEST_TYPE_INVALID
    refused(
        create(slot, ObjType::Ram as u64),
        ErrorCode::SysTypeNotCreatable,
    )?;
    refused(create(slot, 1000), ErrorCode::SysTypeNotCreatable)?;
    refused(id_create(frame), ErrorCode::SysSlotsInUse)?;
    let nowhere = CNodeRef::own(200).slot(0);
    refused(id_create(nowhere), ErrorCode::SysDestCnodeLookup)?;
    let in_root = CNodeRef::ROOT.slot(200);
    refused(id_create(in_root), ErrorCode::SysDestTypeInvalid)?;
    slot_free(slot)?;
    mm_free(frame)?;
    Ok(())
}

fn domains() -> Outcome {
    let cnode = CNodeRef::ROOT.slot(SCRATCH);
    object_alloc_at(cnode, ObjType::L2CNode, L2CNODE_BYTES)?;
    let names = CNodeRef::own(SCRATCH);
    let manager = CapRef::task(task::PROC_MNG);
    cap_retype(names.slot(0), manager, 0, ObjType::Domain, 0, 256)?;
    let number = |slot| {
        let cap = cap_direct_identify(names.slot(slot));
        cap.map(|cap| cap.as_domain().map_or(0, |domain| domain.core_local_id))
    };
    equal(number(255)?, number(0)? + 255)?;
    refused(
        cap_retype(names.slot(0), manager, 0, ObjType::Domain, 0, 257),
        ErrorCode::SysRetypeInvalidCount,
    )?;
    cap_delete(cnode)?;
    Ok(())
}

fn control_block() -> Outcome {
    let kcb = object_alloc(ObjType::KernelControlBlock, 0)?;
    let (base, bytes) = kcb_identify(kcb)?;
    equal(
        (base.is_multiple_of(BASE_PAGE_SIZE), bytes),
        (true, 128 << 10),
    )?;
    // Who cannot invoke it is not told.
    equal(cap_direct_identify(kcb)?.address(), 0)?;
    // refuses Kcb.Clone: NOT_IMPLEMENTED
    refused(invoke(kcb, 1, 2, &[]), ErrorCode::SysNotImplemented)?;
    cap_destroy(kcb)?;
    Ok(())
}

fn noop() -> Outcome {
    let ram = mm_alloc(BASE_PAGE_SIZE)?;
    ram_noop(ram)?;
    refused(invoke(ram, 1, 2, &[]), ErrorCode::SysIllegalInvocation)?;
    mm_free(ram)?;
    Ok(())
}

fn channel() -> Outcome {
    let channel = object_alloc(ObjType::EndPointUmp, BASE_PAGE_SIZE)?;
    let named = slot_alloc()?;
    cap_mint(named, channel, 7, 0)?;
    let found = cap_direct_identify(named)?.as_end_point_ump();
    equal(found.map(|endpoint| endpoint.iftype), Some(7))?;
    refused(invoke(channel, 0, 2, &[]), ErrorCode::SysIllegalInvocation)?;
    // It is mapped as a frame is, by the one and by the other.
    let first = MappedFrame::new(channel, PageFlags::READ_WRITE)?;
    let second = MappedFrame::new(named, PageFlags::READ)?;
    equal(second.view().load(8), Some(0))?;
    first.view().store(8, 7);
    equal(second.view().load(8), Some(7))?;
    second.unmap()?;
    first.unmap()?;
    cap_destroy(named)?;
    mm_free(channel)?;
    Ok(())
}

fn start() -> Outcome {
    // refuses Ipi.SendStart: PSCI_ERR_ALREADY_ON, PSCI_ERR_INVALID_PARAMETER, PSCI_ERR_INVALID_ADDRESS
    refused(ipi_send_start(0, ENTRY, 0), ErrorCode::PsciAlreadyOn)?;
    refused(
        ipi_send_start(77, ENTRY, 0),
        ErrorCode::PsciInvalidParameter,
    )?;
    refused(
        ipi_send_start(1 << 24, ENTRY, 0),
        ErrorCode::PsciInvalidParameter,
    )?;
    for address in [0, 0x900_0000, ENTRY.0 + 2, u64::MAX - 3] {
        let started = ipi_send_start(77, PhysAddr(address), 0);
        refused(started, ErrorCode::PsciInvalidAddress)?;
    }
    // refuses Ipi.SendStart: ARCHITECTURE_NOT_SUPPORTED, DEST_CAP_RIGHTS
    let ipi = CapRef::task(task::IPI);
    let words = [77, 1, ENTRY.0, 0, 0];
    refused(
        invoke(ipi, 0, 7, &words),
        ErrorCode::SysArchitectureNotSupported,
    )?;
    let weak = slot_alloc()?;
    cap_mint(weak, ipi, CapRights::READ.0.into(), 0)?;
    refused(invoke(weak, 0, 7, &words), ErrorCode::SysDestCapRights)?;
    // refuses Ipi.Notify: DEST_CAP_RIGHTS
    refused(invoke(weak, 3, 3, &[0]), ErrorCode::SysDestCapRights)?;
    cap_destroy(weak)?;
    // The same by the Kernel capability.
    let kernel = CapRef::task(task::KERNELCAP);
    refused(
        invoke(kernel, 0, 7, &[0, 7, ENTRY.0, 0, 0]),
        ErrorCode::PsciAlreadyOn,
    )?;
    // refuses Ipi.GetState: PSCI_ERR_INVALID_PARAMETER
    equal(core_state(0)?, CoreState::On)?;
    refused(core_state(77), ErrorCode::PsciInvalidParameter)?;
    // refuses Ipi.Notify: PSCI_ERR_INVALID_PARAMETER
    refused(notify(1 << 24), ErrorCode::PsciInvalidParameter)?;
    // refuses Ipi.SendInit: NOT_IMPLEMENTED
    refused(invoke(ipi, 1, 2, &[]), ErrorCode::SysNotImplemented)
}

fn counter() -> Outcome {
    perfmon_activate(0, CYCLES)?;
    let before = perfmon_read(0)?;
    for number in 0..10_000u64 {
        black_box(number);
    }
    let after = perfmon_read(0)?;
    that(after > before, "it counts")?;
    perfmon_deactivate(0)?;
    perfmon_write(0, 5)?;
    equal(perfmon_read(0)?, 5)
}

fn counter_refused() -> Outcome {
    let none = ErrorCode::SysPerfmonNotAvailable;
    // refuses PerfMon.Activate: PERFMON_NOT_AVAILABLE
    refused(perfmon_activate(31, CYCLES), none)?;
    refused(perfmon_activate(1 << 32, CYCLES), none)?;
    refused(perfmon_activate(0, 0x3f), none)?;
    refused(perfmon_activate(0, 1 << 20), none)?;
    // refuses PerfMon.Write: PERFMON_NOT_AVAILABLE
    // refuses PerfMon.Deactivate: PERFMON_NOT_AVAILABLE
    // refuses PerfMon.Read: PERFMON_NOT_AVAILABLE
    refused(perfmon_write(31, 0), none)?;
    refused(perfmon_deactivate(31), none)?;
    refused(perfmon_read(31), none)?;
    let weak = slot_alloc()?;
    cap_mint(
        weak,
        CapRef::task(task::PERF_MON),
        CapRights::READ.0.into(),
        0,
    )?;
    let rights = ErrorCode::SysDestCapRights;
    // refuses PerfMon.Activate: DEST_CAP_RIGHTS
    // refuses PerfMon.Write: DEST_CAP_RIGHTS
    // refuses PerfMon.Deactivate: DEST_CAP_RIGHTS
    refused(invoke(weak, 0, 4, &[0, CYCLES]), rights)?;
    refused(invoke(weak, 1, 4, &[0, 0]), rights)?;
    refused(invoke(weak, 2, 3, &[0]), rights)?;
    that(
        invoke(weak, 3, 3, &[0]).is_ok(),
        "reading takes no right to write",
    )?;
    cap_destroy(weak)?;
    Ok(())
}
