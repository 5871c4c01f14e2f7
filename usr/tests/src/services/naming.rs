//! The name server.

use super::{Echo, PATIENCE, forgotten, soon};
use crate::harness::{Outcome, equal, refused, that};
use crate::parts::DONE;
use crate::processes::Test;
use crate::world::sleep;
use alloc::format;
use alloc::vec::Vec;
use aos::names::engine::{Change, Event, Reason, RegisterOptions, Value, WatchOptions};
use aos::names::{
    nameservice_channel, nameservice_deregister, nameservice_enumerate, nameservice_lookup,
    nameservice_register, nameservice_rpc, nameservice_serve, nameservice_wait_for, query,
};
use aos::proc::{self, End};
use aos::{Error, ErrorCode, names, thread, time};
use core::time::Duration;

pub const TESTS: &[Test] = &[
    ("names are registered and go", registered),
    ("names and queries that are none", no_names),
    ("nobody else's name", others_names),
    ("services are found by what they are", found),
    ("who waits is told when it comes", waits),
    ("who waits in vain is told in time", in_vain),
    ("events", events),
    (
        "messages without a type, to several services of a program",
        untyped,
    ),
];

/// The name that another program tries to get.
const MINE: &str = "svc/mine";

fn known(text: &str) -> Result<Vec<alloc::string::String>, Error> {
    let all = nameservice_enumerate(text)?;
    Ok(all.iter().map(|found| format!("{}", found.name)).collect())
}

fn registered() -> Outcome {
    let unknown = ErrorCode::LibNameserviceUnknownName;
    refused(nameservice_lookup("svc/a"), unknown)?;
    nameservice_register("svc/a", 77, "")?;
    let first = nameservice_lookup("svc/a")?;
    equal(first.handle, 77)?;
    equal(first.pid.0, aos::Args::own().pid())?;
    // Its own is replaced.
    nameservice_register("svc/a", 78, "")?;
    let second = nameservice_lookup("svc/a")?;
    equal(second.handle, 78)?;
    that(first.registration != second.registration, "another one")?;
    nameservice_deregister("svc/a")?;
    refused(nameservice_lookup("svc/a"), unknown)?;
    refused(nameservice_deregister("svc/a"), unknown)?;
    // More than a page of them.
    for number in 0..40 {
        nameservice_register(&format!("svc/many/n{number}"), number, "")?;
    }
    equal(known("svc/many/*")?.len(), 40)?;
    for number in 0..40 {
        let name = format!("svc/many/n{number}");
        equal(nameservice_lookup(&name)?.handle, number)?;
        nameservice_deregister(&name)?;
    }
    equal(known("svc/many/*")?.len(), 0)
}

fn no_names() -> Outcome {
    let long = "a".repeat(300);
    for name in ["", "Upper", "a//b", "a b", "../x", &long] {
        let code = ErrorCode::LibNameserviceInvalidName;
        refused(nameservice_register(name, 1, ""), code)?;
        refused(nameservice_lookup(name), code)?;
        refused(nameservice_deregister(name), code)?;
    }
    for text in ["{", "a { b ==", "{ x }}", &"(".repeat(2000)] {
        refused(nameservice_enumerate(text), ErrorCode::OctParserFail)?;
        refused(
            nameservice_wait_for(text, Duration::ZERO),
            ErrorCode::OctParserFail,
        )?;
    }
    let wrong = nameservice_register("svc/a", 1, "{ a: }");
    refused(wrong, ErrorCode::NameserviceInvalidProperties)
}

fn others_names() -> Outcome {
    nameservice_register(MINE, 5, "")?;
    let other = proc::spawn("tests --child svc-other")?;
    equal(other.wait()?, End::Exited(DONE))?;
    equal(nameservice_lookup(MINE)?.handle, 5)?;
    // What it has left went with it.
    forgotten("svc/other")?;
    Ok(nameservice_deregister(MINE)?)
}

/// Another program that tries to get the name.
pub fn other() -> Result<(), Error> {
    let refused = |result: Result<(), Error>, code| match result {
        Err(error) if error.contains(code) => Ok(()),
        _ => Err(Error::new(ErrorCode::FlounderInvalidState)),
    };
    refused(nameservice_deregister(MINE), ErrorCode::NameserviceNotOwner)?;
    refused(
        nameservice_register(MINE, 6, ""),
        ErrorCode::NameserviceNameTaken,
    )?;
    let update = names::client()?;
    let taken = update.register(
        names::name(MINE)?,
        6,
        names::properties("")?,
        RegisterOptions { replace: true },
    );
    refused(soon(taken).map(drop), ErrorCode::NameserviceNotOwner)?;
    let properties = names::properties("{ a: 1 }")?;
    let name = names::name(MINE)?;
    refused(
        soon(update.update(name, properties)),
        ErrorCode::NameserviceNotOwner,
    )?;
    nameservice_register("svc/other", 7, "")
}

fn found() -> Outcome {
    nameservice_register("svc/disk/one", 1, "{ kind: 'disk', size: 4, boot: true }")?;
    nameservice_register("svc/disk/two", 2, "{ kind: 'disk', size: 16 }")?;
    nameservice_register("svc/net", 3, "{ kind: 'net' }")?;
    let both = ["svc/disk/one", "svc/disk/two"];
    equal(
        known("svc/** { kind == 'disk' }")?,
        both.map(Into::into).into(),
    )?;
    equal(known("svc/*")?, ["svc/net".into()].into())?;
    equal(
        known("svc/** { size > 4 }")?,
        ["svc/disk/two".into()].into(),
    )?;
    equal(known("svc/** { boot }")?, ["svc/disk/one".into()].into())?;
    equal(known("svc/** { kind: 'none' }")?.len(), 0)?;
    let one = nameservice_lookup("svc/disk/one")?;
    equal(one.properties.get("kind"), Some(&Value::from("disk")))?;
    equal(one.properties.get("size"), Some(&Value::Integer(4)))?;
    let client = names::client()?;
    let name = names::name("svc/disk/one")?;
    soon(client.update(name, names::properties("{ size: 32 }")?))?;
    equal(known("svc/** { size > 4 }")?, both.map(Into::into).into())?;
    for name in ["svc/disk/one", "svc/disk/two", "svc/net"] {
        nameservice_deregister(name)?;
    }
    equal(known("svc/**")?.len(), 0)
}

fn waits() -> Outcome {
    let waiting = thread::spawn("waits", || {
        nameservice_wait_for("svc/late { ready }", PATIENCE)
    })?;
    sleep(Duration::from_millis(5));
    nameservice_register("svc/late", 9, "")?;
    sleep(Duration::from_millis(5));
    that(!waiting.is_finished(), "it is not ready")?;
    nameservice_register("svc/late", 10, "{ ready: true }")?;
    equal(waiting.join()??.handle, 10)?;
    nameservice_deregister("svc/late")?;
    // By another program.
    let waiting = thread::spawn("waits", || nameservice_wait_for("svc/later", PATIENCE))?;
    sleep(Duration::from_millis(5));
    let echo = Echo::start("svc/later")?;
    waiting.join()??;
    echo.end()
}

fn in_vain() -> Outcome {
    for millis in [0, 1, 30] {
        let begin = time::now();
        let within = Duration::from_millis(millis);
        refused(
            nameservice_wait_for("svc/never", within),
            ErrorCode::NameserviceTimedOut,
        )?;
        let took = time::micros(time::now() - begin);
        that(took >= millis * 1000, "not before")?;
        that(took < (millis + 200) * 1000, "soon after")?;
    }
    Ok(())
}

fn events() -> Outcome {
    let client = names::client()?;
    let watch = soon(client.watch(query("svc/seen/**")?, WatchOptions::ALL))?;
    let waiting = {
        let client = client.clone();
        thread::spawn("events", move || soon(client.events(8)))?
    };
    sleep(Duration::from_millis(5));
    let echo = Echo::start("svc/seen/echo")?;
    let mut changes = Vec::new();
    let mut take = |all: Vec<Event>| {
        for event in all {
            if let Event::Seen { change, name, .. } = event {
                changes.push((format!("{name}"), change));
            }
        }
        changes.len()
    };
    take(waiting.join()??);
    echo.child.kill()?;
    nameservice_register("svc/seen/x", 1, "")?;
    nameservice_register("svc/unseen", 1, "")?;
    let name = names::name("svc/seen/x")?;
    soon(client.update(name, names::properties("{ a: 1 }")?))?;
    nameservice_deregister("svc/seen/x")?;
    nameservice_deregister("svc/unseen")?;
    while take(soon(client.events(8))?) < 5 {}
    equal(echo.child.wait()?, End::Killed)?;
    let of = |name: &str| -> Vec<Change> {
        let of_it = changes.iter().filter(|(other, _)| other == name);
        of_it.map(|(_, change)| *change).collect()
    };
    equal(
        of("svc/seen/echo"),
        [Change::Appeared, Change::Gone(Reason::Died)].into(),
    )?;
    let x = [
        Change::Appeared,
        Change::Changed,
        Change::Gone(Reason::Deregistered),
    ];
    equal(of("svc/seen/x"), x.into())?;
    soon(client.unwatch(watch))?;
    refused(soon(client.unwatch(watch)), ErrorCode::OctNoSubscription)?;
    // No service is watched: nothing waits for an answer after this.
    let until = aos::event::sleep_until(time::after(Duration::from_millis(5)));
    let silent = aos::event::block_on(aos::flounder::within(client.events(1), until));
    refused(silent, ErrorCode::FlounderTimeout)?;
    Ok(())
}

fn untyped() -> Outcome {
    nameservice_serve("svc/reversed", |message| {
        message.iter().rev().copied().collect()
    })?;
    let mut count = 0_u8;
    nameservice_serve("svc/counted", move |_| {
        count += 1;
        Vec::from([count])
    })?;
    let taken = nameservice_serve("svc/bad name", |_| Vec::new());
    refused(taken, ErrorCode::LibNameserviceInvalidName)?;
    let reversed = nameservice_channel("svc/reversed")?;
    let counted = nameservice_channel("svc/counted")?;
    for number in 1..=3 {
        equal(
            nameservice_rpc(&counted, b"anything")?.as_slice(),
            &[number],
        )?;
        equal(nameservice_rpc(&reversed, b"abc")?.as_slice(), b"cba")?;
    }
    equal(nameservice_rpc(&reversed, b"")?.len(), 0)?;
    let long: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
    let back = nameservice_rpc(&reversed, &long)?;
    that(back.iter().rev().eq(long.iter()), "the same, reversed")?;
    let too_long = alloc::vec![0; (1 << 20) + 1];
    refused(
        nameservice_rpc(&reversed, &too_long),
        ErrorCode::FlounderTxMsgSize,
    )?;
    // Who is connected stays so; nobody else finds it.
    nameservice_deregister("svc/counted")?;
    let unknown = ErrorCode::LibNameserviceUnknownName;
    refused(nameservice_channel("svc/counted"), unknown)?;
    equal(nameservice_rpc(&counted, b"")?.as_slice(), &[4])?;
    nameservice_deregister("svc/reversed").map_err(Into::into)
}
