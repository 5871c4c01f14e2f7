//! Attacks on the kernel, and through it on other domains, that must fail. Each is a test; `tests/attack.menu` runs them.
#![no_std]
#![no_main]

use aos::cap::dispatcher::{Setup, dispatcher_set_vspace, dispatcher_setup};
use aos::cap::{
    CNodeRef, CapRef, cap_copy, cap_delete, cap_direct_identify, cap_mint, cap_retype, invoke,
};
use aos::kpi::cap::ObjType;
use aos::kpi::invocation::CNodeCommand;
use aos::kpi::layout::DISPATCHER_FRAME_BYTES;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::{VROOT, root, task};
use aos::kpi::syscall::SendFlags;
use aos::lmp::{endpoint_create, send};
use aos::testproto::{Kind, Writer};
use aos::{Error, ErrorCode, println, ram, record, slot};
use core::arch::asm;

#[aos::main]
fn main() -> Result<(), Error> {
    ram::add_system_memory()?;
    let (mut passed, mut failed) = (0u64, 0u64);
    for (name, attack) in [
        (
            "a dispatcher on a read-only frame",
            read_only_frame as fn() -> Result<bool, Error>,
        ),
        ("the thread register of another domain", thread_register),
        ("a dispatcher in a read-only space", read_only_space),
        ("a slot emptied by giving away", given_away),
        ("a slot emptied from inside", emptied_from_inside),
        (
            "a buffer in a frame by a dispatcher to look at",
            buffer_by_looking,
        ),
    ] {
        let repelled = attack()?;
        if repelled {
            passed += 1;
        } else {
            failed += 1;
        }
        let event = if repelled { "pass" } else { "fail" };
        let mut writer = Writer::new(Kind::Test);
        writer.str("suite", "attack").str("name", name);
        tell(writer.str("ev", event))?;
    }
    let mut writer = Writer::new(Kind::End);
    writer.int("passed", passed).int("failed", failed);
    tell(writer.int("skipped", 0))
}

fn tell(writer: &mut Writer) -> Result<(), Error> {
    match writer.finish() {
        Ok(json) => record::send(json),
        Err(_) => Err(Error::new(ErrorCode::LibMsgbufOverflow)),
    }
}

/// The kernel saves a dispatcher's registers into its frame: with a frame that may only be read, a dispatcher of one's own
/// would write to memory that one may not write.
fn read_only_frame() -> Result<bool, Error> {
    let frame = ram::frame_alloc(DISPATCHER_FRAME_BYTES)?;
    let read_only = slot::slot_alloc()?;
    cap_mint(read_only, frame, u64::from(CapRights::READ.0), 0)?;
    let dispatcher = ram::object_alloc(ObjType::Dispatcher, 0)?;
    let setup = Setup::own(read_only);
    Ok(match dispatcher_setup(dispatcher, &setup) {
        Ok(()) => false,
        Err(error) => error.contains(ErrorCode::SysDispFrameInvalid),
    })
}

/// A copy of a capability with fewer rights.
fn narrowed(cap: CapRef, rights: CapRights) -> Result<CapRef, Error> {
    let slot = slot::slot_alloc()?;
    cap_mint(slot, cap, u64::from(rights.0), 0)?;
    Ok(slot)
}

fn refused<T>(result: Result<T, Error>, code: ErrorCode) -> bool {
    result.is_err_and(|error| error.contains(code))
}

/// Who chooses the registers of a dispatcher in another's address space can make it do there what its owner can: with a root table
/// that may only be looked at, that would be writing.
fn read_only_space() -> Result<bool, Error> {
    let table = narrowed(CNodeRef::own(VROOT.l1()).slot(VROOT.l2()), CapRights::READ)?;
    let (code, own) = (
        ErrorCode::SysDispVspaceInvalid,
        CapRef::task(task::DISPATCHER),
    );
    let setup = Setup {
        vspace: table.addr(),
        ..Setup::own(ram::frame_alloc(DISPATCHER_FRAME_BYTES)?)
    };
    let dispatcher = ram::object_alloc(ObjType::Dispatcher, 0)?;
    // refuses Dispatcher.Setup: DISP_VSPACE_INVALID
    // refuses Dispatcher.SetVSpace: DISP_VSPACE_INVALID
    Ok(refused(dispatcher_setup(dispatcher, &setup), code)
        && refused(dispatcher_set_vspace(own, table), code))
}

/// A CNode that may only be read, in a root slot, with a copy of an L2CNode in its slot 0.
fn read_only_cnode() -> Result<CNodeRef, Error> {
    let writable = ram::cnode_create_l2()?;
    let inside = writable.slot(0);
    cap_copy(inside, CNodeRef::ROOT.slot(root::TASKCN))?;
    let place = ram::cnode_create_l2()?;
    let (from, to) = (
        CNodeRef::ROOT.slot(writable.cnode.l1()),
        CNodeRef::ROOT.slot(place.cnode.l1()),
    );
    cap_delete(to)?;
    cap_mint(to, from, u64::from(CapRights::READ.0), 0)?;
    Ok(place)
}

/// Giving away empties a slot, which a CNode must permit.
fn given_away() -> Result<bool, Error> {
    let cap = read_only_cnode()?.slot(0);
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    endpoint.arm(slot::slot_alloc()?);
    let given = send(endpoint.cap(), &[], Some(cap), SendFlags::GIVEAWAY);
    Ok(refused(given, ErrorCode::SysCnodeRights) && cap_direct_identify(cap).is_ok())
}

/// Level 0 names the invoked CNode itself, whose slot was found by reading.
fn emptied_from_inside() -> Result<bool, Error> {
    let cap = read_only_cnode()?.slot(0);
    let code = ErrorCode::SysCapLookupDepth;
    let emptied = |command: CNodeCommand| invoke(cap, command as u8, command.argc(), &[0, 0]);
    Ok(refused(emptied(CNodeCommand::Delete), code)
        && refused(emptied(CNodeCommand::Revoke), code)
        && cap_direct_identify(cap).is_ok())
}

/// A message is written to the frame of a dispatcher, at the place that the endpoint names: not by who may only look at it.
fn buffer_by_looking() -> Result<bool, Error> {
    let look = CapRights::READ.union(CapRights::IDENTIFY);
    let dispatcher = narrowed(CapRef::task(task::DISPATCHER), look)?;
    let (endpoint, minted) = (slot::slot_alloc()?, slot::slot_alloc()?);
    cap_retype(endpoint, dispatcher, 0, ObjType::EndPointLmp, 0, 1)?;
    // refuses CNode.Mint: DEST_CAP_RIGHTS
    let minting = cap_mint(minted, endpoint, 256 << 10, 21);
    Ok(refused(minting, ErrorCode::SysDestCapRights))
}

/// TPIDR_EL0 is in no save area: what one domain leaves there must not reach the next.
fn thread_register() -> Result<bool, Error> {
    // SAFETY: nothing in a program uses this register.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) 0x5ec7e7u64, options(nomem, nostack)) };
    // init runs, to take the message, and this program again.
    println!("attack: left something in TPIDR_EL0");
    let mut writer = Writer::new(Kind::Test);
    writer.str("suite", "attack").str("name", "thread register");
    tell(writer.str("ev", "start"))?;
    let left: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) left, options(nomem, nostack)) };
    Ok(left == 0)
}
