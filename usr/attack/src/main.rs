//! Attacks on the kernel, and through it on other domains, that must fail. Each is a test; `tests/attack.menu` runs them.
#![no_std]
#![no_main]

use aos::cap::dispatcher::{Setup, dispatcher_setup};
use aos::cap::{CapRef, cap_mint};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::DISPATCHER_FRAME_BYTES;
use aos::kpi::rights::CapRights;
use aos::kpi::slots::VROOT;
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
        send(writer.str("ev", event))?;
    }
    let mut writer = Writer::new(Kind::End);
    writer.int("passed", passed).int("failed", failed);
    send(writer.int("skipped", 0))
}

fn send(writer: &mut Writer) -> Result<(), Error> {
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
    let setup = Setup {
        cspace: CapRef::OWN_ROOT,
        vspace: VROOT,
        frame: read_only.addr(),
        run: false,
    };
    Ok(match dispatcher_setup(dispatcher, &setup) {
        Ok(()) => false,
        Err(error) => error.contains(ErrorCode::SysDispFrameInvalid),
    })
}

/// TPIDR_EL0 is in no save area: what one domain leaves there must not reach the next.
fn thread_register() -> Result<bool, Error> {
    // SAFETY: nothing in a program uses this register.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) 0x5ec7e7u64, options(nomem, nostack)) };
    // init runs, to take the message, and this program again.
    println!("attack: left something in TPIDR_EL0");
    let mut writer = Writer::new(Kind::Test);
    writer.str("suite", "attack").str("name", "thread register");
    send(writer.str("ev", "start"))?;
    let left: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) left, options(nomem, nostack)) };
    Ok(left == 0)
}
