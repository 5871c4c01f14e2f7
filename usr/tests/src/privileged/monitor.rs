//! The Kernel capability's commands, as monitors will use them: one core, other cores made believe.

use crate::harness::{Harness, Outcome, equal, refused, that};
use alloc::string::String;
use aos::Error;
use aos::cap::dispatcher::{Setup, dispatcher_set_vspace, dispatcher_setup};
use aos::cap::monitor::{self, relation};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_destroy, cap_direct_identify, cap_mint, cap_retype,
    cap_revoke, cap_state, invoke, kernel,
};
use aos::error::ErrorCode;
use aos::kpi::addr::CoreId;
use aos::kpi::cap::{Capability, Frame, L2CNode, ObjType, Ram};
use aos::kpi::invocation::KernelCommand;
use aos::kpi::layout::{BASE_PAGE_SIZE, L2CNODE_BYTES};
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::task;
use aos::kpi::syscall::SendFlags;
use aos::lmp::{self, endpoint_create};
use aos::ram::{
    cnode_create_l2, dispatcher_create, frame_alloc, mm_alloc, mm_free, object_alloc, vnode_create,
};
use aos::slot::{slot_alloc, slot_free};

const SUITE: &str = "monitor";
/// Another core.
const OTHER: CoreId = CoreId(3);
const PAGE: u64 = BASE_PAGE_SIZE;

/// Runs the suite.
pub fn run(harness: &mut Harness) {
    harness.test(SUITE, "another core's root table", foreign_table);
    harness.test(SUITE, "only RAM can be retained", retain);
    harness.test(SUITE, "capabilities of any CSpace, raw", identify);
    harness.test(SUITE, "relatives here and elsewhere", relations);
    harness.test(SUITE, "made out of nothing, and copied", create);
    harness.test(SUITE, "making is refused where it must be", create_refused);
    harness.test(SUITE, "owner and lock", owner_and_lock);
    harness.test(SUITE, "forgetting", forget);
    harness.test(SUITE, "another core's capability goes", foreigns);
    harness.test(SUITE, "another core's revocation", relations_revoked);
    harness.test(
        SUITE,
        "steps when there is nothing to do, or too much",
        steps,
    );
    harness.test(SUITE, "a lock holds up no other's end", others_locked);
    harness.test(SUITE, "retype for another core", retype);
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

fn create() -> Outcome {
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

fn create_refused() -> Outcome {
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

fn owner_and_lock() -> Outcome {
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

fn forget() -> Outcome {
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

fn foreigns() -> Outcome {
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

fn relations_revoked() -> Outcome {
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

/// One CNode cannot go, as what lies in it is locked: another one is deleted, and yet another revoked, and their memory is free.
fn others_locked() -> Outcome {
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

fn retype() -> Outcome {
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

/// An address space belongs to one core.
fn foreign_table() -> Outcome {
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
