//! Dispatchers: another address space, shares of the core, lists of what one maps and holds, and every refusal.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use crate::tables::{Tables, hang, own_root};
use crate::world::{World, sleep};
use alloc::vec::Vec;
use aos::cap::dispatcher::{
    Setup, dispatcher_capabilities, dispatcher_mappings, dispatcher_resume, dispatcher_set_vspace,
    dispatcher_set_weight, dispatcher_setup, dispatcher_stop,
};
use aos::cap::vnode::{Entries, vnode_map};
use aos::cap::{CNodeRef, CapRef, cap_destroy, cap_direct_identify, cap_mint, cap_retype, invoke};
use aos::error::ErrorCode;
use aos::kpi::addr::CapLevel;
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::invocation::{CNodeCommand, CapPosition, DispatcherCommand};
use aos::kpi::layout::{BASE_PAGE_SIZE, DISPATCHER_FRAME_BYTES, PTABLE_ENTRIES};
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::{CapRights, PageFlags};
use aos::kpi::slots::{VROOT, task};
use aos::paging::MappedFrame;
use aos::ram::{frame_alloc, mm_free, object_alloc, vnode_create};
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, time};
use core::time::Duration;

const SUITE: &str = "dispatchers";

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "every mapping is listed", list_mappings);
    harness.test(SUITE, "every capability is listed", list_capabilities);
    harness.test(SUITE, "to another root table and back", switch);
    harness.test(SUITE, "the core by weight", || weights(world));
    harness.test(
        SUITE,
        "invocations are refused where they must be",
        refusals,
    );
    harness.test(SUITE, "setup is refused where it must be", setup_refusals);
}

const OWN: CapRef = CapRef::task(task::DISPATCHER);

/// Makes a dispatcher of a page of memory, which does not run, and an endpoint of it: first without a buffer, then with one behind those that
/// this program uses, because the frame is its own.
pub fn make_receiver(
    memory: CapRef,
    dispatcher: CapRef,
    whole: CapRef,
    endpoint: CapRef,
) -> Result<(), Error> {
    cap_retype(dispatcher, memory, 0, ObjType::Dispatcher, 1024, 1)?;
    let setup = Setup::own(CapRef::task(task::DISPFRAME));
    dispatcher_setup(dispatcher, &setup)?;
    cap_retype(whole, dispatcher, 0, ObjType::EndPointLmp, 0, 1)?;
    let words = LMP_DEFAULT_BUFFER_WORDS as u64;
    cap_mint(endpoint, whole, DISPATCHER_FRAME_BYTES - 4096, words)
}

fn list_mappings() -> Outcome {
    let cap = frame_alloc(3 * BASE_PAGE_SIZE)?;
    let physical = cap_direct_identify(cap)?.address();
    let frame = MappedFrame::new(cap, PageFlags::READ)?;
    let address = frame.view().address().0;
    let runs: Result<Vec<_>, _> = dispatcher_mappings(OWN).collect();
    let runs = runs?;
    that(
        runs.windows(2).all(|pair| match pair {
            [a, b] => a.base.0 + a.bytes <= b.base.0,
            _ => true,
        }),
        "runs in order",
    )?;
    let found = runs
        .iter()
        .find(|run| (run.base.0..run.base.0 + run.bytes).contains(&address));
    let found = found.ok_or_else(|| Failure::new("a run", "none"))?;
    equal(found.physical.0 + (address - found.base.0), physical)?;
    that(
        found.base.0 + found.bytes >= address + 3 * BASE_PAGE_SIZE,
        "all of it",
    )?;
    // Where this code is.
    let code = list_mappings as fn() -> Outcome as usize as u64;
    let code = runs
        .iter()
        .find(|run| (run.base.0..run.base.0 + run.bytes).contains(&code));
    equal(
        code.map(|run| run.how.flags()),
        Some(PageFlags::READ_EXECUTE),
    )?;
    frame.unmap()?;
    mm_free(cap)?;
    Ok(())
}

/// The slot at a position of the own CSpace.
fn slot_at(position: CapPosition) -> CapRef {
    let address = position.address();
    match position.level() {
        1 => CNodeRef::ROOT.slot(address.l1()),
        _ => CNodeRef::own(address.l1()).slot(address.l2()),
    }
}

fn own_capabilities() -> Result<Vec<(CapPosition, Capability)>, Error> {
    dispatcher_capabilities(OWN).collect()
}

fn list_capabilities() -> Outcome {
    let listed = own_capabilities()?;
    for (position, cap) in &listed {
        equal(cap_direct_identify(slot_at(*position))?, *cap)?;
    }
    let has = |cap: CapRef, level: CapLevel| {
        let wanted = CapPosition::new(cap.addr(), level as u8);
        listed.iter().any(|(position, _)| *position == wanted)
    };
    that(has(OWN, CapLevel::L2), "the dispatcher")?;
    that(has(CNodeRef::ROOT.slot(0), CapLevel::L1), "the task CNode")?;
    // Nothing twice, nothing out of order.
    let key = |position: CapPosition| {
        let address = position.address();
        (address.l1(), position.level(), address.l2())
    };
    that(
        listed.windows(2).all(|pair| match pair {
            [(a, _), (b, _)] => key(*a) < key(*b),
            _ => true,
        }),
        "positions in order",
    )
}

/// A root table with the same tables of level 1 as the own one: found by reading that.
fn twin() -> Result<CapRef, Error> {
    let tables = Tables::new()?;
    let view = slot_alloc()?;
    let entries = Entries { entry: 0, count: 1 };
    vnode_map(tables.l3, own_root(), PageFlags::READ, 0, entries, view)?;
    let base = 5usize << 39;
    let known: Vec<(u64, CapRef)> = own_capabilities()?
        .into_iter()
        .filter(|(_, cap)| cap.objtype() == ObjType::VNodeAarch64L1)
        .map(|(position, cap)| (cap.address(), slot_at(position)))
        .collect();
    let root = vnode_create(0)?;
    for index in 0..PTABLE_ENTRIES {
        let entry: *const u64 = core::ptr::with_exposed_provenance(base + 8 * index as usize);
        // SAFETY: mapped above.
        let entry = unsafe { entry.read_volatile() };
        let table = known
            .iter()
            .find(|(address, _)| entry & 1 == 1 && entry & 0xffff_ffff_f000 == *address);
        if let Some((_, table)) = table {
            hang(root, *table, index as u16)?;
        }
    }
    cap_destroy(view)?;
    tables.free()?;
    Ok(root)
}

fn switch() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let before = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    before.view().store(0, 1);
    let root = twin()?;
    // To the same one: nothing happens.
    dispatcher_set_vspace(OWN, own_root())?;
    for round in 0..3 {
        dispatcher_set_vspace(OWN, root)?;
        equal(before.view().load(0), Some(1 + 2 * round))?;
        before.view().store(0, 2 + 2 * round);
        // Two root tables lead here now; both must forget what is unmapped.
        let more = MappedFrame::new(frame, PageFlags::READ)?;
        equal(more.view().load(0), Some(2 + 2 * round))?;
        dispatcher_set_vspace(OWN, own_root())?;
        equal(more.view().load(0), Some(2 + 2 * round))?;
        more.unmap()?;
        before.view().store(0, 3 + 2 * round);
    }
    // The dispatcher alone holds the new one, and gives it up, with all that hangs in it, when it goes back.
    dispatcher_set_vspace(OWN, root)?;
    let base = cap_direct_identify(root)?.address();
    cap_destroy(root)?;
    equal(before.view().load(0), Some(7))?;
    dispatcher_set_vspace(OWN, own_root())?;
    that(
        own_capabilities()?
            .iter()
            .all(|(_, cap)| cap.address() != base),
        "the table is gone",
    )?;
    before.unmap()?;
    mm_free(frame)?;
    Ok(())
}

fn weights(world: &World) -> Outcome {
    let frames = [frame_alloc(BASE_PAGE_SIZE)?, frame_alloc(BASE_PAGE_SIZE)?];
    let [light, heavy] = frames;
    let children = [
        world.child("count", Some(light))?,
        world.child("count", Some(heavy))?,
    ];
    let light = MappedFrame::new(light, PageFlags::READ)?;
    for child in &children {
        child.domain.start()?;
    }
    // The two do not count equally fast (QEMU is slow on pages that once held code), so one is compared to itself.
    let rate = || {
        let (start, before) = (time::now(), light.view().load(0).unwrap_or(0));
        sleep(Duration::from_millis(2500));
        let counted = light.view().load(0).unwrap_or(0) - before;
        counted * 1000 / (time::now() - start).max(1)
    };
    sleep(Duration::from_millis(300));
    let alone = rate();
    let [_, child] = &children;
    dispatcher_set_weight(child.domain.dispatcher(), 16)?;
    let outweighed = rate();
    for child in children {
        child.domain.destroy()?;
    }
    light.unmap()?;
    for frame in frames {
        mm_free(frame)?;
    }
    // A half becomes a seventeenth. The host may be busy, so less is asked.
    if outweighed < alone / 2 {
        return Ok(());
    }
    Err(Failure::new(
        "less than half the share",
        alloc::format!("{outweighed} after {alone}"),
    ))
}

fn raw(dispatcher: CapRef, command: DispatcherCommand, args: &[u64]) -> Result<[u64; 3], Error> {
    invoke(dispatcher, command as u8, command.argc(), args)
}

fn first_error<T>(mut list: impl Iterator<Item = Result<T, Error>>) -> Result<(), Error> {
    list.next().map_or(Ok(()), |first| first.map(|_| ()))
}

fn refusals() -> Outcome {
    let empty = object_alloc(ObjType::Dispatcher, 0)?;
    // refuses Dispatcher.Properties: DISP_PROPERTIES
    for properties in [
        [0, 0, 0, 0, 0],
        [17, 0, 0, 0, 0],
        [1 << 16 | 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 1],
    ] {
        refused(
            raw(empty, DispatcherCommand::Properties, &properties),
            ErrorCode::SysDispProperties,
        )?;
    }
    dispatcher_set_weight(empty, 16)?;
    // refuses Dispatcher.PerfMon: PERFMON_NOT_AVAILABLE
    // refuses Dispatcher.DumpPTables: DISP_VSPACE_INVALID
    // refuses Dispatcher.DumpCapabilities: DISP_CSPACE_INVALID, CAP_LOOKUP_DEPTH
    // refuses Dispatcher.Stop: DISP_NOT_RUNNABLE
    // refuses Dispatcher.Resume: DISP_NOT_RUNNABLE
    // refuses Dispatcher.SetVSpace: DISP_NOT_RUNNABLE, DISP_VSPACE_INVALID, DISP_VSPACE_ROOT
    refused(
        raw(empty, DispatcherCommand::PerfMon, &[]),
        ErrorCode::SysPerfmonNotAvailable,
    )?;
    // There are no guests here, and nothing behind the last command.
    for command in [3, 9] {
        refused(
            invoke(empty, command, 2, &[]),
            ErrorCode::SysIllegalInvocation,
        )?;
    }
    refused(
        first_error(dispatcher_mappings(empty)),
        ErrorCode::SysDispVspaceInvalid,
    )?;
    refused(
        first_error(dispatcher_capabilities(empty)),
        ErrorCode::SysDispCspaceInvalid,
    )?;
    let bad_position = CapPosition::new(OWN.addr(), 3).0;
    refused(
        raw(OWN, DispatcherCommand::DumpCapabilities, &[bad_position]),
        ErrorCode::SysCapLookupDepth,
    )?;
    refused(dispatcher_stop(empty), ErrorCode::SysDispNotRunnable)?;
    refused(dispatcher_resume(empty), ErrorCode::SysDispNotRunnable)?;
    refused(
        dispatcher_set_vspace(empty, own_root()),
        ErrorCode::SysDispNotRunnable,
    )?;
    let table = vnode_create(1)?;
    refused(
        dispatcher_set_vspace(OWN, table),
        ErrorCode::SysDispVspaceInvalid,
    )?;
    mm_free(table)?;
    refused(
        dispatcher_set_vspace(OWN, table),
        ErrorCode::SysDispVspaceRoot,
    )?;
    rights(empty)?;
    mm_free_dispatcher(empty)
}

/// The kernel alone does not delete the last copy of a Dispatcher; with the monitor's help it goes.
fn mm_free_dispatcher(empty: CapRef) -> Outcome {
    let command = CNodeCommand::Delete;
    let args = [u64::from(empty.addr().0), empty.level() as u64];
    refused(
        invoke(CapRef::OWN_ROOT, command as u8, command.argc(), &args),
        ErrorCode::SysRetryThroughMonitor,
    )?;
    mm_free(empty)?;
    Ok(())
}

/// A capability without the right changes nothing and tells nothing.
fn rights(dispatcher: CapRef) -> Outcome {
    let weak = slot_alloc()?;
    cap_mint(weak, dispatcher, u64::from(CapRights::READ.0), 0)?;
    // refuses Dispatcher.Setup: DISP_CAP_RIGHTS
    // refuses Dispatcher.Properties: DISP_CAP_RIGHTS
    // refuses Dispatcher.DumpPTables: DISP_CAP_RIGHTS
    // refuses Dispatcher.DumpCapabilities: DISP_CAP_RIGHTS
    // refuses Dispatcher.Stop: DISP_CAP_RIGHTS
    // refuses Dispatcher.Resume: DISP_CAP_RIGHTS
    // refuses Dispatcher.SetVSpace: DISP_CAP_RIGHTS
    let zeroes = [0; 10];
    for command in [
        DispatcherCommand::Setup,
        DispatcherCommand::Properties,
        DispatcherCommand::DumpPTables,
        DispatcherCommand::DumpCapabilities,
        DispatcherCommand::Stop,
        DispatcherCommand::Resume,
        DispatcherCommand::SetVSpace,
    ] {
        let args = zeroes.get(..usize::from(command.argc()) - 2);
        refused(
            raw(weak, command, args.unwrap_or_default()),
            ErrorCode::SysDispCapRights,
        )?;
        refused(
            invoke(weak, command as u8, command.argc() - 1, &zeroes),
            ErrorCode::SysInvargsSyscall,
        )?;
    }
    cap_destroy(weak)?;
    Ok(())
}

fn setup_refusals() -> Outcome {
    let empty = object_alloc(ObjType::Dispatcher, 0)?;
    let good = Setup::own(CapRef::task(task::DISPFRAME));
    let small = frame_alloc(BASE_PAGE_SIZE)?;
    let slot = slot_alloc()?;
    let read_only = slot_alloc()?;
    cap_mint(
        read_only,
        CapRef::task(task::DISPFRAME),
        u64::from(CapRights::READ.0),
        0,
    )?;
    // refuses Dispatcher.Setup: DISP_NOT_RUNNABLE, DISP_CSPACE_ROOT, DISP_CSPACE_INVALID, DISP_VSPACE_ROOT, DISP_VSPACE_INVALID
    // refuses Dispatcher.Setup: DISP_FRAME, DISP_FRAME_INVALID, DISP_FRAME_SIZE, DISP_OCAP_LOOKUP, DISP_OCAP_TYPE, SLOT_IN_USE
    for (setup, code) in [
        (
            Setup {
                vspace: CapRef::task(0).addr(),
                ..good
            },
            ErrorCode::SysDispNotRunnable,
        ),
        (
            Setup {
                cspace: slot,
                ..good
            },
            ErrorCode::SysDispCspaceRoot,
        ),
        (
            Setup {
                cspace: small,
                ..good
            },
            ErrorCode::SysDispCspaceInvalid,
        ),
        (
            Setup {
                vspace: slot.addr(),
                ..good
            },
            ErrorCode::SysDispVspaceRoot,
        ),
        (
            Setup {
                vspace: small.addr(),
                ..good
            },
            ErrorCode::SysDispVspaceInvalid,
        ),
        (
            Setup {
                frame: slot.addr(),
                ..good
            },
            ErrorCode::SysDispFrame,
        ),
        (
            Setup {
                frame: VROOT,
                ..good
            },
            ErrorCode::SysDispFrameInvalid,
        ),
        (
            Setup {
                frame: read_only.addr(),
                ..good
            },
            ErrorCode::SysDispFrameInvalid,
        ),
        (
            Setup {
                frame: small.addr(),
                ..good
            },
            ErrorCode::SysDispFrameSize,
        ),
    ] {
        refused(dispatcher_setup(empty, &setup), code)?;
    }
    // Inherits a domain id from what is no dispatcher.
    let root = CapRef::OWN_ROOT;
    let words = |other: u64| {
        [
            u64::from(root.addr().0),
            root.level() as u64,
            u64::from(good.vspace.0),
            u64::from(good.frame.0),
            0,
            other,
        ]
    };
    let setup = DispatcherCommand::Setup;
    refused(
        raw(empty, setup, &words(u64::from(slot.addr().0))),
        ErrorCode::SysDispOcapLookup,
    )?;
    refused(
        raw(empty, setup, &words(u64::from(small.addr().0))),
        ErrorCode::SysDispOcapType,
    )?;
    // Who runs was set up before.
    refused(dispatcher_setup(OWN, &good), ErrorCode::SysDispCspaceRoot)?;
    refused(dispatcher_setup(OWN, &good), ErrorCode::SysSlotInUse)?;
    slot_free(slot)?;
    cap_destroy(read_only)?;
    mm_free(small)?;
    Ok(())
}
