//! Domains: several at once, their ends, bad programs, time slices.

use crate::harness::{Failure, Harness, Outcome, equal, that};
use crate::parts::DONE;
use crate::world::{World, sleep};
use alloc::vec::Vec;
use aos::account::Account;
use aos::initproto::{FaultCause, Message, STATUS_PANIC};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::ram::frame_alloc;
use aos::syscall;
use core::time::Duration;

const SUITE: &str = "spawn";

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    harness.test(SUITE, "a program ends with its status", || status(world));
    harness.test(SUITE, "lines of another domain are noticed", || {
        lines(world)
    });
    harness.test(SUITE, "a boot module by its name", || by_name(world));
    harness.test(SUITE, "several domains at once", || several(world));
    harness.test(SUITE, "time slices: two domains that never yield", || {
        time_slices(world)
    });
    harness.test(
        SUITE,
        "a stopped domain stands still, a resumed one goes on",
        || stop_and_resume(world),
    );
    for (kind, name) in CRASHES {
        harness.test(SUITE, kind, || crash(world, kind, name));
    }
    harness.test(SUITE, "a fault while disabled is reported", || {
        disabled(world)
    });
    harness.test(SUITE, "a panic is status 101", || panics(world));
    harness.test(SUITE, "a file that is no program is refused", || {
        bad_file(world)
    });
    harness.test(SUITE, "arguments that do not fit are refused", || {
        long_args(world)
    });
}

/// Kinds of `crash`, and the fault's name.
const CRASHES: [(&str, &str); 10] = [
    ("null", "null-pointer"),
    ("undefined", "undefined-instruction"),
    ("fp", "floating-point"),
    ("stack", "stack-overflow"),
    ("kernel-address", "read"),
    ("jump", "execute"),
    ("readonly", "write"),
    ("execute-stack", "execute"),
    ("unaligned", "pc-alignment"),
    ("breakpoint", "breakpoint"),
];

fn status(world: &World) -> Outcome {
    for status in [0u8, 7, 255] {
        let text = alloc::format!("{status}");
        let message = world.run("hello", &["hello", "--status", &text])?;
        equal(message, Some(Message::Exit { status }))?;
    }
    Ok(())
}

/// Who shows a prompt hears when another domain has printed behind it.
fn lines(world: &World) -> Outcome {
    equal(
        world.run("hello", &["hello"])?,
        Some(Message::Exit { status: 0 }),
    )?;
    equal(syscall::look_at_console(), (None, true))?;
    syscall::print(b"\n")?;
    equal(syscall::look_at_console(), (None, false))
}

fn by_name(world: &World) -> Outcome {
    let child = world.argv(&["hello", "--status", "9"])?;
    child.domain.start()?;
    equal(child.wait(), Some(Message::Exit { status: 9 }))?;
    child.domain.destroy()?;
    that(world.argv(&[]).is_err(), "no name, no domain")?;
    that(world.argv(&["nobody"]).is_err(), "no such module")
}

fn several(world: &World) -> Outcome {
    let mut children = Vec::new();
    for _ in 0..8 {
        children.push(world.child("exit", None)?);
    }
    for child in &children {
        child.domain.start()?;
    }
    for child in children {
        equal(child.wait(), Some(Message::Exit { status: DONE }))?;
        child.domain.destroy()?;
    }
    Ok(())
}

fn time_slices(world: &World) -> Outcome {
    let frames = [frame_alloc(BASE_PAGE_SIZE)?, frame_alloc(BASE_PAGE_SIZE)?];
    let mut children = Vec::new();
    for frame in frames {
        let child = world.child("count", Some(frame))?;
        child.domain.start()?;
        children.push((child, MappedFrame::new(frame, PageFlags::READ)?));
    }
    let counts = || -> Vec<u64> {
        let loads = children.iter().map(|(_, frame)| frame.view().load(0));
        loads.map(Option::unwrap_or_default).collect()
    };
    // Several slices of the default length, 80 ms.
    sleep(Duration::from_millis(500));
    let first = counts();
    sleep(Duration::from_millis(500));
    let second = counts();
    for (before, after) in first.iter().zip(&second) {
        that(*before > 0 && after > before, "every domain makes progress")?;
    }
    for (child, frame) in children {
        child.domain.destroy()?;
        frame.unmap()?;
    }
    Ok(())
}

fn stop_and_resume(world: &World) -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let child = world.child("count", Some(frame))?;
    let view = MappedFrame::new(frame, PageFlags::READ)?;
    child.domain.start()?;
    sleep(Duration::from_millis(300));
    child.domain.stop()?;
    let stopped = view.view().load(0);
    that(stopped > Some(0), "it ran")?;
    sleep(Duration::from_millis(300));
    equal(view.view().load(0), stopped)?;
    child.domain.start()?;
    sleep(Duration::from_millis(300));
    that(view.view().load(0) > stopped, "it goes on")?;
    child.domain.destroy()?;
    view.unmap()?;
    Ok(())
}

fn crash(world: &World, kind: &str, name: &'static str) -> Outcome {
    match world.run("crash", &["crash", kind])? {
        Some(Message::Fault(fault)) => equal(fault.name(), name),
        other => Err(Failure::new(name, alloc::format!("{other:?}"))),
    }
}

fn disabled(world: &World) -> Outcome {
    match world.run("crash", &["crash", "disabled"])? {
        Some(Message::Fault(fault)) => equal(fault.cause, FaultCause::WhileDisabled),
        other => Err(Failure::new("a fault", alloc::format!("{other:?}"))),
    }
}

fn panics(world: &World) -> Outcome {
    let message = world.run("crash", &["crash", "panic"])?;
    equal(
        message,
        Some(Message::Exit {
            status: STATUS_PANIC,
        }),
    )
}

fn bad_file(world: &World) -> Outcome {
    let free = aos::ram::mm_usage().free;
    let mut elf = Vec::from(world.elf().get(..8192).unwrap_or_default());
    that(
        world
            .make("bad", &elf, &["bad"], &[], &Account::new())
            .is_err(),
        "a cut file is refused",
    )?;
    elf.fill(0);
    that(
        world
            .make("bad", &elf, &["bad"], &[], &Account::new())
            .is_err(),
        "zeroes are refused",
    )?;
    equal(aos::ram::mm_usage().free, free)
}

fn long_args(world: &World) -> Outcome {
    let long = alloc::vec![b'x'; 20 << 10];
    let long = core::str::from_utf8(&long).unwrap_or("");
    let args = [long; 8];
    that(
        world
            .make("tests", world.elf(), &args, &[], &Account::new())
            .is_err(),
        "160 KiB of arguments are refused",
    )
}
