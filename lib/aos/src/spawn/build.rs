//! The steps of making a domain, in order.

use super::cspace::CSpace;
use super::{Domain, Program, SpawnError, image};
use crate::account::Account;
use crate::cap::dispatcher::{Setup, dispatcher_setup};
use crate::cap::vnode::table_type;
use crate::cap::{CapRef, cap_copy, cap_retype};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::exit::DomainName;
use crate::lmp::ANSWERS;
use crate::paging::{PagingState, paging_init_state_foreign};
use alloc::vec::Vec;
use elfload::{Plan, Segment};
use kpi::addr::CapAddr;
use kpi::cap::ObjType;
use kpi::layout::{
    ARGS_BASE, ARGS_BYTES, BASE_PAGE_SIZE, DISPATCHER_BASE, DISPATCHER_FRAME_BYTES, LARGE_PAGE_SIZE,
};
use kpi::rights::PageFlags;
use kpi::slots::{VROOT, root, task, task_addr};

/// Makes a domain. It does not run before [`Domain::start`].
///
/// # Errors
/// [`SpawnError`]: the ELF file's fault, or `SPAWN_ERR_*` naming the step on top of why it failed.
pub fn spawn_load_with_caps(program: &Program<'_>) -> Result<Domain, SpawnError> {
    let domain = match elfload::plan(program.elf) {
        Ok(plan) => build(program, &plan, program.account).map_err(SpawnError::from),
        Err(error) => Err(SpawnError::elf(error)),
    };
    if domain.is_err() {
        // The first error counts.
        let _ = program.account.release();
    }
    domain
}

/// CSpace, L0 table, dispatcher, and all that goes into them.
fn build(program: &Program<'_>, plan: &Plan, account: &Account) -> Result<Domain, Error> {
    // First, so that it is the first to go.
    let dispatcher = account
        .object(ObjType::Dispatcher, 0)
        .push_err(ErrorCode::SpawnCreateDispatcher)?;
    let cspace = CSpace::new(account).push_err(ErrorCode::SpawnSetupCspace)?;
    let table = account
        .object(table_type(0), BASE_PAGE_SIZE)
        .push_err(ErrorCode::SpawnCreateVnode)?;
    let name = DomainName::new(program.name);
    let mut paging = paging_init_state_foreign(table, cspace.root.addr(), account.clone())?;
    let vroot = cspace.slot(VROOT.l1(), VROOT.l2());
    cap_copy(vroot, table).push_err(ErrorCode::SpawnCopyVnode)?;
    let mut frames = Frames::new();
    let items = most_items(plan);
    let (args, args_bytes) = image::args_frame(account, program.args, program.env, items)?;
    paging
        .map_fixed(ARGS_BASE, args, args_bytes, PageFlags::READ)
        .push_err(ErrorCode::SpawnMapArgspgToNew)?;
    hand(&mut frames, cspace.task(task::ARGSPAGE), args)?;
    for (index, segment) in plan.segments.iter().enumerate() {
        let frame = load(account, &mut paging, program.elf, segment);
        let slot = cspace.slot(root::SEGCN, index as u32);
        frame
            .and_then(|frame| hand(&mut frames, slot, frame))
            .push_err(ErrorCode::SpawnLoad)?;
    }
    let frame = image::dispatcher_frame(account, name, plan.entry)?;
    let bytes = DISPATCHER_FRAME_BYTES;
    paging
        .map_fixed(DISPATCHER_BASE, frame, bytes, PageFlags::READ_WRITE)
        .push_err(ErrorCode::SpawnMapDispatcherToNew)?;
    hand(&mut frames, cspace.task(task::DISPFRAME), frame)?;
    let books = paging.export(&frames)?;
    let (words, env) = (program.args, program.env);
    image::fill_args(args, args_bytes, program.pid, words, env, &books)?;
    cap_copy(cspace.task(task::DISPATCHER), dispatcher)
        .push_err(ErrorCode::SpawnCreateDispatcher)?;
    let answers = endpoints(program, account, cspace, dispatcher)?;
    cspace.grant(program.grants, account)?;
    dispatcher_setup(
        dispatcher,
        &Setup {
            cspace: cspace.root,
            vspace: VROOT,
            frame: task_addr(task::DISPFRAME),
            run: false,
        },
    )
    .push_err(ErrorCode::SpawnSetupDispatcher)?;
    Ok(Domain {
        name,
        pid: program.pid,
        root: cspace.root,
        dispatcher,
        vital: [frame, table],
        answers,
        paging,
        account: account.clone(),
    })
}

/// Its own endpoint, and those to its spawner; answers with the one for the spawner's answers.
fn endpoints(
    program: &Program<'_>,
    account: &Account,
    cspace: CSpace,
    dispatcher: CapRef,
) -> Result<Option<CapRef>, Error> {
    let selfep = cspace.task(task::SELFEP);
    cap_retype(selfep, dispatcher, 0, ObjType::EndPointLmp, 0, 1)
        .push_err(ErrorCode::SpawnCreateSelfep)?;
    let code = ErrorCode::SpawnSetCaps;
    let Some(endpoint) = program.report_to else {
        return Ok(None);
    };
    cap_copy(cspace.task(task::INITEP), endpoint).push_err(code)?;
    if !program.served {
        return Ok(None);
    }
    cap_copy(cspace.task(task::MONITOREP), endpoint).push_err(code)?;
    let answers = account.slot().push_err(code)?;
    ANSWERS.mint_from(answers, selfep).push_err(code)?;
    Ok(Some(answers))
}

/// A segment into memory and into the child's space.
fn load(
    account: &Account,
    paging: &mut PagingState,
    elf: &[u8],
    segment: &Segment,
) -> Result<CapRef, Error> {
    let frame = image::segment_frame(account, elf, segment)?;
    paging
        .map_fixed(segment.base, frame, segment.bytes, segment.flags)
        .push_err(ErrorCode::SpawnElfMap)?;
    Ok(frame)
}

/// Frames that are mapped, and where the child finds them.
type Frames = Vec<(CapRef, CapAddr)>;

/// Copies a frame that is mapped to where the child finds it.
fn hand(frames: &mut Frames, slot: CapRef, frame: CapRef) -> Result<(), Error> {
    cap_copy(slot, frame)?;
    let reserved = frames.try_reserve(1);
    reserved.map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
    frames.push((frame, slot.addr()));
    Ok(())
}

/// Most items that the books of the child's space will have: for each thing that is mapped a region, and a Mapping and a table of each of two
/// levels for every large page that it touches; and the tables of the other levels.
fn most_items(plan: &Plan) -> usize {
    let things = [DISPATCHER_FRAME_BYTES, ARGS_BYTES].into_iter();
    let things = things.chain(plan.segments.iter().map(|segment| segment.bytes));
    let large = |bytes: u64| (bytes / LARGE_PAGE_SIZE + 2) as usize;
    things.map(|bytes| 1 + 3 * large(bytes)).sum::<usize>() + 1
}
