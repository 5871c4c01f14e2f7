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
use crate::paging::PagingState;
use elfload::Plan;
use kpi::cap::ObjType;
use kpi::layout::{ARGS_BASE, BASE_PAGE_SIZE, DISPATCHER_BASE, DISPATCHER_FRAME_BYTES};
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
    let mut paging = PagingState::foreign(table, cspace.root.addr(), account.clone())?;
    let vroot = cspace.slot(VROOT.l1(), VROOT.l2());
    cap_copy(vroot, table).push_err(ErrorCode::SpawnCopyVnode)?;
    let (args, args_bytes) = image::args_frame(account, program.pid, program.args, program.env)?;
    paging
        .map_fixed(ARGS_BASE, args, args_bytes, PageFlags::READ)
        .push_err(ErrorCode::SpawnMapArgspgToNew)?;
    cap_copy(cspace.task(task::ARGSPAGE), args)?;
    load(account, &mut paging, cspace, program.elf, plan).push_err(ErrorCode::SpawnLoad)?;
    let frame = image::dispatcher_frame(account, name, plan.entry)?;
    let bytes = DISPATCHER_FRAME_BYTES;
    paging
        .map_fixed(DISPATCHER_BASE, frame, bytes, PageFlags::READ_WRITE)
        .push_err(ErrorCode::SpawnMapDispatcherToNew)?;
    cap_copy(cspace.task(task::DISPFRAME), frame)?;
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

/// Segments into memory and into the child's space.
fn load(
    account: &Account,
    paging: &mut PagingState,
    cspace: CSpace,
    elf: &[u8],
    plan: &Plan,
) -> Result<(), Error> {
    for (index, segment) in plan.segments.iter().enumerate() {
        let frame = image::segment_frame(account, elf, segment)?;
        paging
            .map_fixed(segment.base, frame, segment.bytes, segment.flags)
            .push_err(ErrorCode::SpawnElfMap)?;
        cap_copy(cspace.slot(root::SEGCN, index as u32), frame)?;
    }
    Ok(())
}
