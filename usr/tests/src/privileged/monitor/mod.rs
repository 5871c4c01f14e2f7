//! The Kernel capability's commands, as monitors will use them: one core, other cores made believe.

mod elsewhere;
mod making;

use crate::harness::{Harness, Outcome, equal, refused, that};
use alloc::string::String;
use aos::Error;
use aos::cap::monitor::relation;
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint, cap_retype,
    cap_revoke, invoke, kernel, monitor,
};
use aos::error::ErrorCode;
use aos::kpi::addr::CoreId;
use aos::kpi::cap::{Capability, Frame, ObjType, Ram};
use aos::kpi::invocation::KernelCommand;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::task;
use aos::lmp::endpoint_create;
use aos::ram::{cnode_create_l2, frame_alloc, mm_alloc, mm_free, object_alloc};
use aos::slot::{slot_alloc, slot_free};

const SUITE: &str = "monitor";

/// Another core.
const OTHER: CoreId = CoreId(3);

const PAGE: u64 = BASE_PAGE_SIZE;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "another core's root table", elsewhere::foreign_table);
    harness.test(SUITE, "only RAM can be retained", retain);
    harness.test(SUITE, "capabilities of any CSpace, raw", identify);
    harness.test(SUITE, "relatives here and elsewhere", relations);
    harness.test(SUITE, "made out of nothing, and copied", making::create);
    harness.test(
        SUITE,
        "making is refused where it must be",
        making::create_refused,
    );
    harness.test(SUITE, "owner and lock", elsewhere::owner_and_lock);
    harness.test(SUITE, "forgetting", elsewhere::forget);
    harness.test(SUITE, "another core's capability goes", elsewhere::foreigns);
    harness.test(
        SUITE,
        "another core's revocation",
        elsewhere::relations_revoked,
    );
    harness.test(
        SUITE,
        "steps when there is nothing to do, or too much",
        steps,
    );
    harness.test(
        SUITE,
        "a lock holds up no other's end",
        elsewhere::others_locked,
    );
    harness.test(SUITE, "retype for another core", making::retype);
    harness.test(SUITE, "registering, naming, records", refusals);
    harness.test(SUITE, "what the machine is", platform);
}

/// An invocation of the Kernel capability.
fn command(number: u8, args: &[u64]) -> Result<[u64; 3], Error> {
    let cap = CapRef::task(task::KERNELCAP);
    invoke(cap, number, args.len() as u8 + 2, args)
}

fn any(cap: CapRef) -> [u64; 4] {
    let (root, address) = (cap.croot(), cap.addr());
    [root.0.into(), 2, address.0.into(), cap.level() as u64]
}

fn own(cap: CapRef) -> [u64; 2] {
    [cap.addr().0.into(), cap.level() as u64]
}

fn frame_of(base: u64, bytes: u64) -> Capability {
    let frame = Frame {
        base,
        bytes,
        pasid: 0,
    };
    Capability::new_frame(frame, CapRights::ALL)
}

fn identify() -> Outcome {
    let frame = frame_alloc(PAGE)?;
    equal(monitor::identify_raw(frame)?, cap_direct_identify(frame)?)?;
    // The own CSpace by another copy of its root.
    let root = slot_alloc()?;
    cap_copy(root, CapRef::OWN_ROOT)?;
    let seen = CNodeRef::foreign(root.addr(), frame.cnode.cnode.l1()).slot(frame.slot);
    equal(monitor::identify_raw(seen)?, cap_direct_identify(frame)?)?;
    cap_destroy(root)?;
    mm_free(frame)?;
    Ok(())
}

fn relations() -> Outcome {
    let ram = mm_alloc(2 * PAGE)?;
    let (frame, copy) = (slot_alloc()?, slot_alloc()?);
    equal(monitor::has_relations(ram, 7)?, relation::ANCESTORS)?;
    cap_retype(frame, ram, 0, ObjType::Frame, PAGE, 1)?;
    equal(
        monitor::has_relations(ram, 7)?,
        relation::ANCESTORS | relation::DESCENDANTS,
    )?;
    cap_copy(copy, frame)?;
    equal(
        monitor::has_relations(frame, relation::COPIES)?,
        relation::COPIES,
    )?;
    equal(monitor::has_relations(frame, relation::DESCENDANTS)?, 0)?;
    // All copies share what is elsewhere.
    equal(
        monitor::remote_relations(frame, 7, relation::COPIES)?,
        relation::COPIES,
    )?;
    equal(monitor::remote_relations(copy, 0, 0)?, relation::COPIES)?;
    cap_destroy(copy)?;
    // refuses CNode.Delete: RETRY_THROUGH_MONITOR
    // refuses Kernel.DeleteLast: RETRY_THROUGH_MONITOR
    refused(cap_delete(frame), ErrorCode::SysRetryThroughMonitor)?;
    refused(command(17, &any(frame)), ErrorCode::SysRetryThroughMonitor)?;
    equal(monitor::remote_relations(frame, 0, 7)?, 0)?;
    cap_delete(frame)?;
    // refuses Kernel.RemoteRelations: CAP_NOT_FOUND
    refused(
        monitor::remote_relations(frame, 0, 0),
        ErrorCode::SysCapNotFound,
    )?;
    slot_free(frame)?;
    mm_free(ram)?;
    Ok(())
}

fn steps() -> Outcome {
    let none = ErrorCode::SysCapNotFound;
    // refuses Kernel.DeleteStep: CAP_NOT_FOUND
    // refuses Kernel.ClearStep: CAP_NOT_FOUND, CAP_LOCKED
    refused(command(21, &[]), none)?;
    refused(command(22, &[]), none)?;
    let cnode = object_alloc(ObjType::L2CNode, L2CNODE_BYTES)?;
    let found = cap_direct_identify(cnode)?;
    command(17, &any(cnode))?;
    refused(command(22, &[]), ErrorCode::SysCapLocked)?;
    command(21, &[])?;
    command(22, &[])?;
    refused(command(22, &[]), none)?;
    refused(cap_direct_identify(cnode), none)?;
    // Its memory can be used again.
    let ram = Ram {
        base: found.address(),
        bytes: L2CNODE_BYTES,
        pasid: 0,
    };
    monitor::cap_create(cnode, &Capability::new_ram(ram, CapRights::ALL), CoreId(0))?;
    mm_free(cnode)?;
    Ok(())
}

/// With a Kernel capability that may not be written nothing can be changed; and to look at something, its CNode need not be writable.
fn without_rights(frame: CapRef) -> Outcome {
    /// Free root slot.
    const READABLE: u32 = 250;
    let (weak, zeroes) = (slot_alloc()?, [0; 10]);
    let read = u64::from(CapRights::READ.0);
    cap_mint(weak, CapRef::task(task::KERNELCAP), read, 0)?;
    let looks = [1, 2, 4, 7, 8, 13, 24, 25, 33, 38, 39, 40];
    for number in 0..64 {
        let Some(command) = KernelCommand::from_u8(number) else {
            continue;
        };
        let args = zeroes.get(..usize::from(command.argc()) - 2);
        let done = invoke(weak, number, command.argc(), args.unwrap_or_default());
        let refused = done.is_err_and(|error| error.contains(ErrorCode::SysDestCapRights));
        equal(refused, !looks.contains(&number))?;
    }
    cap_destroy(weak)?;
    let cnode = cnode_create_l2()?;
    cap_copy(cnode.slot(0), frame)?;
    let readable = CNodeRef::ROOT.slot(READABLE);
    cap_mint(readable, CNodeRef::ROOT.slot(cnode.cnode.l1()), read, 0)?;
    let there = CNodeRef::own(READABLE).slot(0);
    let words = cap_direct_identify(frame)?.to_words();
    equal(command(1, &own(there))?, words)?;
    equal(command(2, &any(there))?, words)?;
    equal(monitor::owner(there)?, CoreId(0))?;
    refused(monitor::lock(there), ErrorCode::SysCnodeRights)?;
    cap_delete(readable)?;
    cap_delete(cnode.slot(0))?;
    // refuses CNode.Revoke: CAP_RIGHTS
    // refuses Kernel.RevokeMarkTarget: CAP_RIGHTS
    let look = slot_alloc()?;
    cap_mint(look, frame, read, 0)?;
    refused(cap_revoke(look), ErrorCode::SysCapRights)?;
    refused(command(19, &any(look)), ErrorCode::SysCapRights)?;
    that(cap_direct_identify(frame).is_ok(), "the owner's")?;
    cap_destroy(look)?;
    Ok(())
}

fn refusals() -> Outcome {
    let frame = frame_alloc(PAGE)?;
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    without_rights(frame)?;
    // refuses Kernel.Register: IRQ_NOT_ENDPOINT, SLOT_IN_USE
    refused(kernel::register(frame), ErrorCode::SysIrqNotEndpoint)?;
    refused(kernel::register(endpoint.cap()), ErrorCode::SysSlotInUse)?;
    // refuses Kernel.DomainId: DISP_CAP_INVALID
    refused(
        kernel::set_domain_id(frame, 1),
        ErrorCode::SysDispCapInvalid,
    )?;
    // refuses Kernel.Record: INVARGS_SYSCALL, INVALID_USER_BUFFER
    let text = String::from("{}");
    let address = text.as_ptr() as u64;
    refused(command(37, &[address, 488]), ErrorCode::SysInvargsSyscall)?;
    refused(command(37, &[0x10, 2]), ErrorCode::SysInvalidUserBuffer)?;
    // Numbers that mean nothing here.
    for number in [10, 26, 27, 28, 29, 30, 31, 32, 34, 99] {
        refused(command(number, &[]), ErrorCode::SysIllegalInvocation)?;
    }
    refused(command(1, &[]), ErrorCode::SysInvargsSyscall)?;
    refused(
        command(1, &own(CNodeRef::own(200).slot(0))),
        ErrorCode::SysCnodeNotFound,
    )?;
    cap_revoke(endpoint.cap())?;
    mm_free(frame)?;
    Ok(())
}

fn platform() -> Outcome {
    let [architecture, midr, interrupts] = monitor::platform()?;
    equal(architecture, 8)?;
    // Arm Ltd.
    equal(midr >> 24, 0x41)?;
    that(interrupts >= 64, "shared interrupts")
}

fn retain() -> Outcome {
    let (ram, frame) = (mm_alloc(PAGE)?, frame_alloc(PAGE)?);
    // refuses Kernel.Retain: INVALID_SOURCE_TYPE
    refused(kernel::retain(frame), ErrorCode::SysInvalidSourceType)?;
    kernel::retain(ram)?;
    kernel::retain(ram)?;
    mm_free(ram)?;
    mm_free(frame)?;
    Ok(())
}
