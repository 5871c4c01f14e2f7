//! Processes that a program starts through init: command lines, environment, passed capabilities, ends, suspending, killing.
//!
//! An ordinary program runs the same tests: `tests --child proc-plain`.

use crate::harness::{Failure, Harness, Outcome, equal, refused, that};
use crate::own_space;
use crate::parts::DONE;
use crate::world::{World, sleep};
use alloc::vec::Vec;
use aos::cap::dispatcher::dispatcher_capabilities;
use aos::cap::{CapRef, cap_direct_identify};
use aos::initproto::Fault;
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::invocation::CapPosition;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{root, task};
use aos::paging::MappedFrame;
use aos::proc::{self, Command, End, State};
use aos::ram::{frame_alloc, mm_free, mm_usage};
use aos::slot::{slot_alloc, slot_free, slot_usage};
use aos::{Args, Error, ErrorCode, println, thread, time};
use core::time::Duration;
use random::Random;

const SUITE: &str = "processes";
/// Long enough for a domain that runs to be seen to do something.
const WHILE: Duration = Duration::from_millis(300);

/// A test's name, and the test.
pub type Test = (&'static str, fn() -> Outcome);

const TESTS: [Test; 17] = [
    ("a program ends with its status", status),
    ("quotes, arguments and environment", words),
    ("the environment is handed down", environment),
    ("words that are none are refused", no_words),
    ("capabilities are passed", passed),
    ("what one holds is told to itself and its parent", held),
    ("a fault is told", fault),
    ("a killed program is told of, once", killed),
    (
        "a suspended one stands still, a resumed one goes on",
        suspended,
    ),
    ("several at once, waited for in any order", several),
    ("orders that are none", bad_orders),
    ("nobody has power over others' programs", others),
    (
        "children end with their parent, detached ones do not",
        parents,
    ),
    ("who waits for a child that is let go is told", let_go),
    (
        "what the spawner mapped is looked up, protected, unmapped",
        own_space::test,
    ),
    (
        "suspended, resumed and killed at random moments",
        random_moments,
    ),
    ("nothing is lost in a hundred programs", balance),
];

/// Runs the suite.
pub fn run(harness: &mut Harness, world: &World) {
    for (name, test) in TESTS {
        harness.test(SUITE, name, test);
    }
    harness.test(SUITE, "a program from the bytes of its file", || {
        of_elf(world)
    });
}

/// Runs tests in an ordinary program, which has no records.
pub fn all(suite: &str, tests: &[Test]) -> Result<(), Error> {
    for (name, test) in tests {
        if let Err(failure) = test() {
            println!("{name}: {failure:?}");
            return Err(Error::new(ErrorCode::SpawnRun));
        }
    }
    println!("{suite}: {} tests passed", tests.len());
    Ok(())
}

/// What the children do: `tests --child proc-PART`.
pub fn play(part: &str) -> Result<(), Error> {
    match part {
        "proc-plain" => all(SUITE, &TESTS),
        "proc-words" => {
            let args = Args::own();
            let words: Vec<&str> = args.words().skip(2).collect();
            let is_right = words == ["a b", "", "c\"d"] && args.var("COLOUR") == Some("deep blue");
            is_right
                .then_some(())
                .ok_or(Error::new(ErrorCode::SpawnSetupEnv))
        }
        "proc-hand-down" => {
            let child = proc::spawn("tests --child proc-words \"a b\" \"\" \"c\\\"d\"")?;
            match child.wait()? {
                End::Exited(DONE) => Ok(()),
                _ => Err(Error::new(ErrorCode::SpawnSetupEnv)),
            }
        }
        "proc-passed" => {
            let passed = [proc::passed(0), proc::passed(1), proc::passed(2)];
            let [Some(first), Some(second), None] = passed else {
                return Err(Error::new(ErrorCode::SpawnSetCaps));
            };
            let frames =
                [first, second].map(|frame| MappedFrame::new(frame, PageFlags::READ_WRITE));
            let [first, second] = frames;
            let value = first?.view().load(8).unwrap_or_default();
            second?.view().store(16, value + 1);
            Ok(())
        }
        "proc-count" => {
            let frame = proc::passed(0).ok_or(Error::new(ErrorCode::SpawnSetCaps))?;
            let frame = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
            for value in 0_u64.. {
                frame.view().store(0, value);
            }
            Ok(())
        }
        "proc-look" => {
            let own = proc::capability_behind(Args::own().pid(), CapPosition::START)?;
            let parent = proc::about(Args::own().pid())?.and_then(|about| about.parent);
            let others = [Some(1), parent, Some(u32::MAX)].into_iter().flatten();
            let mut refusals = others.map(|pid| proc::capability_behind(pid, CapPosition::START));
            let code = ErrorCode::SpawnDomainNotfound;
            let are_refused =
                refusals.all(|result| result.is_err_and(|error| error.contains(code)));
            match own.is_some() && are_refused {
                true => Ok(()),
                false => Err(Error::new(ErrorCode::SysIllegalInvocation)),
            }
        }
        "proc-while" => {
            sleep(3 * WHILE);
            Ok(())
        }
        "proc-parent" => {
            proc::spawn("tests --child sleep")?;
            Command::new("tests")
                .args(["--child", "sleep"])
                .detached()
                .spawn()?;
            proc::spawn("tests --child sleep")?.detach()
        }
        _ => Err(Error::new(ErrorCode::SpawnGetCmdlineArgs)),
    }
}

fn status() -> Outcome {
    for status in [0, 7, 255] {
        let child = Command::new("hello")
            .arg("--status")
            .arg(alloc::format!("{status}"))
            .spawn()?;
        equal(child.wait()?, End::Exited(status))?;
    }
    Ok(())
}

fn words() -> Outcome {
    let line = "COLOUR=\"deep blue\" tests --child proc-words \"a b\" \"\" \"c\\\"d\"";
    equal(proc::spawn(line)?.wait()?, End::Exited(DONE))?;
    let child = Command::new("tests")
        .args(["--child", "proc-words", "a b", "", "c\"d"])
        .env("COLOUR", "green")
        .env("COLOUR", "deep blue")
        .spawn()?;
    equal(child.wait()?, End::Exited(DONE))?;
    let bare = Command::of_line("tests --child proc-words")?.env_clear();
    equal(bare.spawn()?.wait()?, End::Exited(1))
}

fn no_words() -> Outcome {
    let wrong = [
        Command::new("hello").env("", "value"),
        Command::new("hello").env("A=B", "c"),
        Command::new("hello").env("1A", "c"),
        Command::new("hello").env("A", "c\0"),
        Command::new("hello").arg("a\0b"),
    ];
    for command in wrong {
        refused(command.spawn(), ErrorCode::SpawnGetCmdlineArgs)?;
    }
    Ok(())
}

fn environment() -> Outcome {
    let line = "COLOUR=\"deep blue\" tests --child proc-hand-down";
    equal(proc::spawn(line)?.wait()?, End::Exited(DONE))
}

fn passed() -> Outcome {
    let frames = [frame_alloc(BASE_PAGE_SIZE)?, frame_alloc(BASE_PAGE_SIZE)?];
    let [first, second] = frames;
    let views = frames.map(|frame| MappedFrame::new(frame, PageFlags::READ_WRITE));
    let [first_view, second_view] = views;
    let (first_view, second_view) = (first_view?, second_view?);
    first_view.view().store(8, 41);
    let command = Command::of_line("tests --child proc-passed")?;
    let child = command.clone().pass(first).pass(second).spawn()?;
    equal(child.wait()?, End::Exited(DONE))?;
    equal(second_view.view().load(16), Some(42))?;
    equal(command.spawn()?.wait()?, End::Exited(1))?;
    first_view.unmap()?;
    second_view.unmap()?;
    for frame in frames {
        mm_free(frame)?;
    }
    Ok(())
}

/// What a process holds, as init says.
fn holdings(pid: u32) -> Result<Vec<(CapPosition, Capability)>, Error> {
    let (mut all, mut behind) = (Vec::new(), CapPosition::START);
    while let Some((position, capability)) = proc::capability_behind(pid, behind)? {
        behind = position;
        all.push((position, capability));
    }
    Ok(all)
}

fn held() -> Outcome {
    // Others change what this program holds meanwhile, but not its task CNode.
    let is_task = |found: &(CapPosition, Capability)| {
        found.0.address().l1() == root::TASKCN && found.0.level() == 2
    };
    let mut told = holdings(Args::own().pid())?;
    told.retain(is_task);
    let listed = dispatcher_capabilities(CapRef::task(task::DISPATCHER));
    let mut listed = listed.collect::<Result<Vec<_>, Error>>()?;
    listed.retain(is_task);
    that(told.len() > 3 && told == listed, "as the kernel lists it")?;
    let frame = frame_alloc(3 * BASE_PAGE_SIZE)?;
    let child = Command::of_line("tests --child proc-while")?.pass(frame);
    let child = child.spawn()?;
    let base = cap_direct_identify(frame)?.address();
    let has = |found: &(CapPosition, Capability)| {
        found.1.objtype() == ObjType::Frame && found.1.address() == base
    };
    that(holdings(child.pid())?.iter().any(has), "what was passed")?;
    child.kill()?;
    let pid = child.pid();
    child.wait()?;
    refused(
        proc::capability_behind(pid, CapPosition::START),
        ErrorCode::SpawnDomainNotfound,
    )?;
    mm_free(frame)?;
    let child = Command::of_line("tests --child proc-look")?.spawn()?;
    equal(child.wait()?, End::Exited(DONE))?;
    let memory = proc::machine_memory()?;
    let fits = memory.largest <= memory.free && memory.free < memory.total;
    that(fits, "the machine's memory")
}

fn fault() -> Outcome {
    for (line, name) in [
        ("crash null", "null-pointer"),
        ("crash stack", "stack-overflow"),
        ("crash undefined", "undefined-instruction"),
    ] {
        let end = proc::spawn(line)?.wait()?;
        equal(end.status(), 129)?;
        let End::Faulted(fault) = end else {
            return Err(Failure::new(name, alloc::format!("{end:?}")));
        };
        equal(Fault::name(&fault), name)?;
    }
    equal(proc::spawn("crash panic")?.wait()?, End::Exited(101))
}

fn killed() -> Outcome {
    let gone = ErrorCode::SpawnDomainNotfound;
    let child = proc::spawn("tests --child sleep")?;
    let pid = child.pid();
    equal(child.try_wait(), None)?;
    child.kill()?;
    equal(child.wait()?, End::Killed)?;
    refused(proc::wait(pid), gone)?;
    refused(proc::kill(pid), gone)?;
    let ended = proc::spawn("hello")?;
    let pid = ended.pid();
    while proc::list()?.iter().any(|process| process.pid == pid) {
        sleep(Duration::from_millis(1));
    }
    // It is gone; how it ended is still told.
    refused(ended.kill(), gone)?;
    equal(ended.wait()?, End::Exited(0))
}

fn suspended() -> Outcome {
    let frame = frame_alloc(BASE_PAGE_SIZE)?;
    let view = MappedFrame::new(frame, PageFlags::READ)?;
    let child = Command::of_line("tests --child proc-count")?.pass(frame);
    let child = child.spawn()?;
    let count = || view.view().load(0).unwrap_or_default();
    let state = || -> Result<Option<State>, Error> {
        let list = proc::list()?;
        let found = list.iter().find(|process| process.pid == child.pid());
        Ok(found.map(|process| process.state))
    };
    sleep(WHILE);
    let moves = || {
        let before = count();
        sleep(WHILE);
        count() != before
    };
    that(moves(), "it counts")?;
    equal(state()?, Some(State::Running))?;
    for _ in 0..2 {
        child.suspend()?;
    }
    equal(state()?, Some(State::Suspended))?;
    that(!moves(), "it stands still")?;
    for _ in 0..2 {
        child.resume()?;
    }
    that(moves(), "it goes on")?;
    child.suspend()?;
    child.kill()?;
    equal(child.wait()?, End::Killed)?;
    view.unmap()?;
    Ok(mm_free(frame)?)
}

fn several() -> Outcome {
    let mut children = Vec::new();
    for status in 0..8_u8 {
        let line = alloc::format!("hello --status {status}");
        children.push((proc::spawn(&line)?, status));
    }
    let own = Args::own().pid();
    let list = proc::list()?;
    let is_mine = |pid| {
        let found = list.iter().find(|process| process.pid == pid);
        found.is_none_or(|process| process.parent == Some(own))
    };
    that(
        children.iter().all(|(child, _)| is_mine(child.pid())),
        "they are this program's",
    )?;
    that(list.iter().any(|process| process.pid == own), "so am I")?;
    while let Some((child, status)) = children.pop() {
        equal(child.wait()?, End::Exited(status))?;
    }
    Ok(())
}

fn bad_orders() -> Outcome {
    refused(proc::spawn("nobody"), ErrorCode::SpawnFindModule)?;
    let unclosed = proc::spawn("hello \"");
    refused(unclosed, ErrorCode::SpawnGetCmdlineArgs)?;
    refused(proc::spawn("A=1"), ErrorCode::SpawnGetCmdlineArgs)?;
    let long = "x".repeat(5000);
    let long = Command::new("hello").arg(long).spawn();
    refused(long, ErrorCode::SpawnArgspgOverflow)?;
    let empty = slot_alloc()?;
    let command = Command::new("hello").pass(empty);
    refused(command.spawn(), ErrorCode::SpawnSetCaps)?;
    slot_free(empty)?;
    let file = Command::of_elf("hello", b"no program").spawn();
    refused(file, ErrorCode::ElfHeader)
}

fn others() -> Outcome {
    let own = Args::own().pid();
    for pid in [0, 1, own, 9_999_999] {
        let code = ErrorCode::SpawnDomainNotfound;
        refused(proc::kill(pid), code)?;
        refused(proc::suspend(pid), code)?;
        refused(proc::resume(pid), code)?;
        refused(proc::wait(pid), code)?;
    }
    Ok(())
}

fn parents() -> Outcome {
    let sleepers = || -> Result<usize, Error> {
        let own = Args::own().pid();
        let list = proc::list()?;
        let mut others = list.iter();
        let is_sleeper = |process: &&proc::Process| process.pid > own && process.parent.is_none();
        Ok(others.by_ref().filter(is_sleeper).count())
    };
    let before = sleepers()?;
    let parent = proc::spawn("tests --child proc-parent")?;
    let pid = parent.pid();
    equal(parent.wait()?, End::Exited(DONE))?;
    equal(sleepers()?, before + 2)?;
    let list = proc::list()?;
    let orphans = list.iter().filter(|process| process.parent == Some(pid));
    equal(orphans.count(), 0)
}

fn let_go() -> Outcome {
    let child = proc::spawn("tests --child proc-while")?;
    let pid = child.pid();
    let waits = || thread::spawn("waits", move || proc::wait(pid));
    let waiting = [waits()?, waits()?];
    // By now they wait; no message comes that would wake them.
    sleep(Duration::from_millis(20));
    child.detach()?;
    let deadline = time::after(WHILE);
    for waiting in waiting {
        refused(waiting.join()?, ErrorCode::SpawnDomainNotfound)?;
    }
    that(time::now() < deadline, "at once")?;
    refused(proc::wait(pid), ErrorCode::SpawnDomainNotfound)
}

/// Programs that have init do all kinds of things, at any moment of which they are suspended, go on, or are killed.
fn random_moments() -> Outcome {
    let mut random = Random::new(1);
    let mut killed = 0;
    for seed in 1..=40_u64 {
        let child = proc::spawn(&alloc::format!("tests --child busy {seed}"))?;
        for _ in 0..random.below(4) {
            sleep(Duration::from_micros(random.below(400)));
            // It may have come to its own end.
            let suspended = child.suspend();
            sleep(Duration::from_micros(random.below(300)));
            match (suspended, child.resume()) {
                (Ok(()), Ok(())) => {}
                (_, resumed) => {
                    refused(resumed, ErrorCode::SpawnDomainNotfound)?;
                    break;
                }
            }
        }
        if random.below(2) == 0 {
            // In the middle of nothing.
            let _ = child.suspend();
        }
        let _ = child.kill();
        match child.wait()? {
            End::Killed => killed += 1,
            // Some of what they do ends them.
            End::Exited(_) | End::Faulted(_) => {}
            End::Stopped => return Err(Failure::new("an end of its own", "stopped")),
        }
    }
    that(killed > 10, "some were killed")
}

fn balance() -> Outcome {
    let round = || -> Outcome {
        let frame = CapRef::task(task::DISPFRAME);
        let child = Command::new("hello").pass(frame).spawn()?;
        equal(child.wait()?, End::Exited(0))
    };
    round()?;
    let in_use = || (mm_usage().free, slot_usage().1);
    let before = in_use();
    for _ in 0..100 {
        round()?;
    }
    equal(in_use(), before)
}

fn of_elf(world: &World) -> Outcome {
    world.with_elf("hello", |elf| {
        let child = Command::of_elf("copy", elf).args(["--status", "5"]);
        let child = child.spawn()?;
        equal(alloc::format!("{}", child.name()), "copy".into())?;
        equal(child.wait()?, End::Exited(5))?;
        // What prints names prints no more lines for that.
        let child = Command::of_elf("two\nlines", elf).spawn()?;
        let pid = child.pid();
        let listed = proc::list()?.into_iter().find(|other| other.pid == pid);
        let names = [Some(child.name()), listed.map(|other| other.name)];
        child.wait()?;
        for name in names.into_iter().flatten() {
            equal(alloc::format!("{name}"), "two?lines".into())?;
        }
        let half = elf.get(..elf.len() / 2).unwrap_or_default();
        refused(Command::of_elf("half", half).spawn(), ErrorCode::SpawnLoad)
    })
}
