//! Processes by the process server.

use super::{call, process_channel, start, status, word};
use crate::harness::{Outcome, equal, refused, that};
use crate::parts::DONE;
use crate::processes::Test;
use crate::world::sleep;
use alloc::string::ToString;
use alloc::vec::Vec;
use aos::cap::{AnyCap, cap_direct_identify};
use aos::initproto::{STATUS_FAULT, STATUS_KILLED};
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::ram::{frame_alloc, mm_free};
use aos::rpc::{
    Order, aos_rpc_process_get_all_pids, aos_rpc_process_get_name, aos_rpc_process_kill,
    aos_rpc_process_spawn, aos_rpc_process_wait,
};
use aos::{Args, Error, ErrorCode, event, proc};
use core::time::Duration;

pub const TESTS: &[Test] = &[
    ("process_spawn, process_get_name, get_all_pids", by_name),
    ("ends are told once, faults with words", ends),
    ("what cannot be started is refused", refusals),
    ("kill, suspend and resume", power),
    ("capabilities are passed by the process server", passed),
    ("a program from a frame", from_frame),
    (
        "children end with their parent, detached ones do not",
        parents,
    ),
    ("init is nobody's to kill", init),
];

/// What takes services of a boot menu.
pub const OF_FULL: &[Test] = &[("services are listed, stopped and started", services)];

/// The processes that there are.
fn runs(pid: u32) -> Result<bool, Error> {
    Ok(aos_rpc_process_get_all_pids(&process_channel()?)?.contains(&pid))
}

/// Waits until it is gone.
#[track_caller]
fn is_gone(pid: u32) -> Outcome {
    let deadline = aos::time::after(crate::services::PATIENCE);
    while runs(pid)? {
        that(aos::time::now() < deadline, "gone")?;
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn by_name() -> Outcome {
    let processes = process_channel()?;
    let pid = aos_rpc_process_spawn(&processes, "tests --child sleep", 0)?;
    equal(aos_rpc_process_get_name(&processes, pid)?.as_str(), "tests")?;
    equal(aos_rpc_process_get_name(&processes, 1)?.as_str(), "init")?;
    let pids = aos_rpc_process_get_all_pids(&processes)?;
    that(pids.contains(&1) && pids.contains(&pid), "all of them")?;
    that(pids.is_sorted(), "by number")?;
    let all = call(processes.all())?;
    let found = all.iter().find(|about| about.pid == pid);
    equal(found.map(|about| about.parent), Some(Args::own().pid()))?;
    aos_rpc_process_kill(&processes, pid)?;
    equal(status(pid)?, STATUS_KILLED)?;
    let refusal = aos_rpc_process_get_name(&processes, pid);
    refused(refusal, ErrorCode::SpawnDomainNotfound)
}

fn ends() -> Outcome {
    let processes = process_channel()?;
    let pid = aos_rpc_process_spawn(&processes, "hello one \"two three\"", 0)?;
    equal(aos_rpc_process_wait(&processes, pid)?.status, 0)?;
    let again = aos_rpc_process_wait(&processes, pid);
    refused(again, ErrorCode::SpawnDomainNotfound)?;
    let pid = aos_rpc_process_spawn(&processes, "crash null", 0)?;
    let ended = aos_rpc_process_wait(&processes, pid)?;
    equal(ended.status, STATUS_FAULT)?;
    that(ended.why.contains("fault"), "why")?;
    // Ten at once, waited for in reverse.
    let mut all = Vec::new();
    for _ in 0..10 {
        all.push(start("exit", &[])?);
    }
    for pid in all.into_iter().rev() {
        equal(status(pid)?, DONE)?;
    }
    Ok(())
}

fn refusals() -> Outcome {
    let processes = process_channel()?;
    let spawn = |line: &str, core: u8| aos_rpc_process_spawn(&processes, line, core);
    refused(spawn("no-such-program", 0), ErrorCode::SpawnFindModule)?;
    refused(spawn("hello", 1), ErrorCode::ProcMgmtInvalidSpawnd)?;
    refused(spawn("hello \"", 0), ErrorCode::SpawnGetCmdlineArgs)?;
    refused(spawn("", 0), ErrorCode::SpawnGetCmdlineArgs)?;
    let long = alloc::format!("hello {}", "x".repeat(5000));
    refused(spawn(&long, 0), ErrorCode::SpawnArgspgOverflow)?;
    for order in [
        Order::default(),
        Order {
            args: Vec::from(["hello".to_string()]),
            env: Vec::from(["no variable".to_string()]),
            ..Order::default()
        },
    ] {
        let refusal = call(processes.spawn(order, Vec::new()));
        refused(refusal, ErrorCode::SpawnGetCmdlineArgs)?;
    }
    let none = Order {
        args: Vec::from(["x".to_string()]),
        elf_bytes: 100,
        ..Order::default()
    };
    let refusal = call(processes.spawn(none, Vec::new()));
    refused(refusal, ErrorCode::SpawnLoad)
}

fn power() -> Outcome {
    let processes = process_channel()?;
    let pid = start("sleep", &[])?;
    call(processes.suspend(pid))?;
    let state = |pid| -> Result<_, Error> {
        let all = call(processes.all())?;
        Ok(all.into_iter().find(|about| about.pid == pid))
    };
    let stands = state(pid)?.map(|about| about.state);
    equal(stands, Some(services::process::State::Suspended))?;
    call(processes.resume(pid))?;
    let goes = state(pid)?.map(|about| about.state);
    equal(goes, Some(services::process::State::Running))?;
    call(processes.kill(pid))?;
    equal(status(pid)?, STATUS_KILLED)?;
    for refusal in [
        call(processes.kill(pid)),
        call(processes.suspend(pid)),
        call(processes.resume(pid)),
        call(processes.detach(pid)),
    ] {
        refused(refusal, ErrorCode::SpawnDomainNotfound)?;
    }
    Ok(())
}

fn passed() -> Outcome {
    let processes = process_channel()?;
    let frame = frame_alloc(3 * BASE_PAGE_SIZE)?;
    let order = || Order {
        args: ["tests", "--child", "sup-caps"].map(str::to_string).into(),
        ..Order::default()
    };
    for _ in 0..3 {
        let caps = Vec::from([AnyCap::copy_of(frame)?, AnyCap::copy_of(frame)?]);
        let pid = call(processes.spawn(order(), caps))?;
        equal(status(pid)?, DONE)?;
    }
    Ok(mm_free(frame)?)
}

/// Has been passed two frames of three pages.
pub fn caps() -> Result<(), Error> {
    let wrong = Error::new(ErrorCode::SpawnSetCaps);
    for index in 0..2 {
        let slot = proc::passed(index).ok_or(wrong)?;
        if cap_direct_identify(slot)?.size() != 3 * BASE_PAGE_SIZE {
            return Err(wrong);
        }
    }
    match proc::passed(2) {
        None => Ok(()),
        Some(_) => Err(wrong),
    }
}

fn from_frame() -> Outcome {
    use aos::kpi::rights::PageFlags;
    use aos::paging::MappedFrame;
    let processes = process_channel()?;
    let boot = aos::boot::Boot::of_trusted()?;
    let file = boot.module("hello")?.open()?;
    let frame = frame_alloc(file.len() as u64)?;
    let mut mapped = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    that(mapped.view_mut().write(0, &file), "copied")?;
    mapped.unmap()?;
    let order = Order {
        args: Vec::from(["another".to_string()]),
        elf_bytes: file.len() as u32,
        ..Order::default()
    };
    let _ = file.close();
    let caps = Vec::from([AnyCap::copy_of(frame)?]);
    let pid = call(processes.spawn(order, caps))?;
    equal(status(pid)?, 0)?;
    Ok(mm_free(frame)?)
}

/// Starts a child, one that is detached, and one that it lets go of; tells their numbers by the memory server: no, by waiting for ever.
pub fn parent(number: u64) -> Result<(), Error> {
    let processes = process_channel()?;
    let child = start("sleep", &[])?;
    let sleeping = |detached: bool| Order {
        args: ["tests", "--child", "sleep"].map(str::to_string).into(),
        detached,
        ..Order::default()
    };
    call(processes.spawn(sleeping(true), Vec::new()))?;
    let free = call(processes.spawn(sleeping(false), Vec::new()))?;
    call(processes.detach(free))?;
    if number == 0 {
        // Closes its connection first, and then ends with nobody told.
        drop(processes);
    }
    if word(1) == 0 {
        event::call(process_channel()?.wait(child))?;
    }
    Ok(())
}

fn parents() -> Outcome {
    let processes = process_channel()?;
    for (number, dies) in [(1, false), (1, true)] {
        let before = aos_rpc_process_get_all_pids(&processes)?;
        let words: &[u64] = if dies { &[number] } else { &[number, 1] };
        let parent = start("sup-parent", words)?;
        if dies {
            // Until its three children are there.
            let deadline = aos::time::after(crate::services::PATIENCE);
            while aos_rpc_process_get_all_pids(&processes)?.len() < before.len() + 4 {
                that(aos::time::now() < deadline, "three children")?;
                sleep(Duration::from_millis(2));
            }
            sleep(Duration::from_millis(20));
            aos_rpc_process_kill(&processes, parent)?;
        }
        let end = status(parent)?;
        equal(end, if dies { STATUS_KILLED } else { DONE })?;
        is_gone(parent)?;
        // Two are left, nobody's.
        let deadline = aos::time::after(crate::services::PATIENCE);
        loop {
            let all = call(processes.all())?;
            let new = all.iter().filter(|about| !before.contains(&about.pid));
            let new: Vec<_> = new.collect();
            if new.len() == 2 {
                that(new.iter().all(|about| about.parent == 0), "nobody's")?;
                break;
            }
            that(aos::time::now() < deadline, "two are left")?;
            sleep(Duration::from_millis(2));
        }
        // An operator ends them.
        for pid in aos_rpc_process_get_all_pids(&processes)? {
            if !before.contains(&pid) {
                call(processes.kill(pid))?;
                is_gone(pid)?;
            }
        }
    }
    Ok(())
}

fn init() -> Outcome {
    let processes = process_channel()?;
    for pid in [0, 1, Args::own().pid(), 9_999] {
        refused(
            aos_rpc_process_kill(&processes, pid),
            ErrorCode::SpawnDomainNotfound,
        )?;
    }
    Ok(())
}

fn services() -> Outcome {
    let processes = process_channel()?;
    let state = |name: &str| -> Result<_, Error> {
        let all = call(processes.services())?;
        let found = all.into_iter().find(|service| service.name == name);
        found.ok_or(Error::new(ErrorCode::SuperviseUnknownService))
    };
    for name in ["nameserver", "mem_serv", "echo"] {
        equal(state(name)?.state.as_str(), "running")?;
        that(runs(state(name)?.pid)?, "a process")?;
    }
    call(processes.stop("echo"))?;
    let deadline = aos::time::after(crate::services::PATIENCE);
    while state("echo")?.state != "stopped" {
        that(aos::time::now() < deadline, "stopped")?;
        sleep(Duration::from_millis(1));
    }
    equal(state("echo")?.pid, 0)?;
    call(processes.start("echo"))?;
    while state("echo")?.state != "running" {
        that(aos::time::now() < deadline, "running")?;
        sleep(Duration::from_millis(1));
    }
    let unknown = call(processes.start("nobody"));
    refused(unknown, ErrorCode::SuperviseUnknownService)
}
