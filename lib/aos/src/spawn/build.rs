//! The steps of making a domain, in order.

use super::cspace::CSpace;
use super::{Domain, Program, SpawnError, image};
use crate::cap::dispatcher::{Setup, dispatcher_setup};
use crate::cap::{Cap, CapRef, cap_copy, cap_retype};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::exit::DomainName;
use crate::paging::PagingState;
use alloc::vec;
use alloc::vec::Vec;
use elfload::Plan;
use kpi::addr::VirtAddr;
use kpi::cap::{Dispatcher, Frame, ObjType, VNodeAarch64L0};
use kpi::layout::{ARGS_BASE, DISPATCHER_BASE, DISPATCHER_FRAME_BYTES};
use kpi::rights::PageFlags;
use kpi::slots::{VROOT, root, task, task_addr};

/// Makes a domain. It does not run before [`Domain::start`].
///
/// # Errors
/// [`SpawnError`]: the ELF file's fault, or `SPAWN_ERR_*` naming the step on top of why it failed.
pub fn spawn_load_with_caps(program: &Program<'_>) -> Result<Domain, SpawnError> {
    let plan = elfload::plan(program.elf).map_err(SpawnError::elf)?;
    let (args, args_bytes) = image::args_frame(program.pid, program.args, program.env)?;
    let mut domain = empty_domain(program, args)?;
    match fill(&mut domain, program, &plan, args_bytes) {
        Ok(()) => Ok(domain),
        Err(error) => {
            domain.take_apart();
            Err(error.into())
        }
    }
}

/// CSpace, L0 table, dispatcher: what is needed to have a [`Domain`] at all. It takes them over, and the arguments; when one
/// cannot be had, those before are reaped.
fn empty_domain(program: &Program<'_>, args: Cap<Frame>) -> Result<Domain, Error> {
    let dispatcher: Cap<Dispatcher> = Cap::alloc(0).push_err(ErrorCode::SpawnCreateDispatcher)?;
    let table: Cap<VNodeAarch64L0> = Cap::alloc(0).push_err(ErrorCode::SpawnCreateVnode)?;
    let mut cnodes = Vec::new();
    let cspace = CSpace::new(&mut cnodes).push_err(ErrorCode::SpawnSetupCspace)?;
    let paging = PagingState::foreign(table.slot(), cspace.root.addr())?;
    let (dispatcher, table, args) = (dispatcher.into_slot(), table.into_slot(), args.into_slot());
    Ok(Domain {
        name: DomainName::new(program.name),
        pid: program.pid,
        root: cspace.root,
        dispatcher,
        kept: vec![table],
        frames: vec![args],
        cnodes,
        copies: Vec::new(),
        paging,
    })
}

/// All that goes into it.
fn fill(
    domain: &mut Domain,
    program: &Program<'_>,
    plan: &Plan,
    args_bytes: u64,
) -> Result<(), Error> {
    let cspace = CSpace { root: domain.root };
    let vroot = cspace.slot(VROOT.l1(), VROOT.l2());
    if let Some(table) = domain.kept.first().copied() {
        copy(&mut domain.copies, vroot, table).push_err(ErrorCode::SpawnCopyVnode)?;
    }
    let args = domain.frames.first().copied();
    if let Some(args) = args {
        map(domain, ARGS_BASE, args, args_bytes, PageFlags::READ)
            .push_err(ErrorCode::SpawnMapArgspgToNew)?;
        copy(&mut domain.copies, cspace.task(task::ARGSPAGE), args)?;
    }
    load(domain, cspace, program.elf, plan).push_err(ErrorCode::SpawnLoad)?;
    let frame = image::dispatcher_frame(domain.name, plan.entry)?.into_slot();
    domain.kept.push(frame);
    map(
        domain,
        DISPATCHER_BASE,
        frame,
        DISPATCHER_FRAME_BYTES,
        PageFlags::READ_WRITE,
    )
    .push_err(ErrorCode::SpawnMapDispatcherToNew)?;
    copy(&mut domain.copies, cspace.task(task::DISPFRAME), frame)?;
    cap_copy(cspace.task(task::DISPATCHER), domain.dispatcher)
        .push_err(ErrorCode::SpawnCreateDispatcher)?;
    let selfep = cspace.task(task::SELFEP);
    cap_retype(selfep, domain.dispatcher, 0, ObjType::EndPointLmp, 0, 1)
        .push_err(ErrorCode::SpawnCreateSelfep)?;
    if let Some(endpoint) = program.report_to {
        cap_copy(cspace.task(task::INITEP), endpoint).push_err(ErrorCode::SpawnSetCaps)?;
    }
    cspace.grant(program.grants, &mut domain.cnodes)?;
    dispatcher_setup(
        domain.dispatcher,
        &Setup {
            cspace: domain.root,
            vspace: VROOT,
            frame: task_addr(task::DISPFRAME),
            run: false,
        },
    )
    .push_err(ErrorCode::SpawnSetupDispatcher)
}

/// Segments into memory and into the child's space.
fn load(domain: &mut Domain, cspace: CSpace, elf: &[u8], plan: &Plan) -> Result<(), Error> {
    for (index, segment) in plan.segments.iter().enumerate() {
        let frame = image::segment_frame(elf, segment)?.into_slot();
        domain.frames.push(frame);
        map(domain, segment.base, frame, segment.bytes, segment.flags)
            .push_err(ErrorCode::SpawnElfMap)?;
        copy(
            &mut domain.copies,
            cspace.slot(root::SEGCN, index as u32),
            frame,
        )?;
    }
    Ok(())
}

fn map(
    domain: &mut Domain,
    address: VirtAddr,
    frame: CapRef,
    bytes: u64,
    flags: PageFlags,
) -> Result<(), Error> {
    domain.paging.map_fixed(address, frame, bytes, flags)
}

/// Copies into the child's CSpace and remembers where.
fn copy(copies: &mut Vec<CapRef>, dest: CapRef, src: CapRef) -> Result<(), Error> {
    cap_copy(dest, src)?;
    copies.push(dest);
    Ok(())
}
