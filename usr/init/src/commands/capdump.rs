//! `capdump`: every capability of the core as records, for `./hake.sh capviz`.
//!
//! They are collected before the first is sent, because sending changes nothing but takes long: the list is a picture of one
//! moment, and tells which domains there were.

use super::Context;
use crate::children::INIT_PID;
use alloc::string::String;
use alloc::vec::Vec;
use aos::cap::kernel::{next_cap, statistics};
use aos::cap::{CapRef, cap_direct_identify};
use aos::exit::DomainName;
use aos::kpi::slots::task;
use aos::testproto::{Kind, MAX_JSON, Writer};
use aos::{Error, ErrorCode, println};
use capgraph::{Entry, MAX_TEXT};

use crate::records;

/// What a record has beside its capabilities: names, braces, two numbers.
const FRAME: usize = 64;
/// Characters of capabilities in one record.
const ROOM: usize = MAX_JSON - FRAME;
/// How often it is tried when somebody deletes what the walk stands on.
const TRIES: u32 = 8;

/// The command.
pub fn capdump(context: &mut Context<'_>) -> u8 {
    let all = match collect() {
        Ok(all) => all,
        Err(error) => {
            println!("capdump: {error}");
            return 1;
        }
    };
    let own = (INIT_PID, DomainName::own(), CapRef::task(task::DISPATCHER));
    let running = context.children.running().iter();
    let children = running.map(|child| (child.pid, child.name, child.dispatcher()));
    for (pid, name, dispatcher) in core::iter::once(own).chain(children) {
        if let Ok(cap) = cap_direct_identify(dispatcher) {
            let mut writer = Writer::new(Kind::Domain);
            writer.int("pid", pid).display("name", name);
            records::emit(writer.int("dispatcher", cap.address()));
        }
    }
    send(&all);
    println!("capdump: {} capabilities", all.len());
    0
}

/// All capabilities. Room for them is made first: what grows while it walks changes the list itself.
fn collect() -> Result<Vec<Entry>, Error> {
    let mut all = Vec::with_capacity(statistics()?.capabilities as usize + 64);
    for _ in 0..TRIES {
        match walk(&mut all) {
            Err(error) if error.contains(ErrorCode::SysCapNotFound) => all.clear(),
            other => return other.map(|()| all),
        }
    }
    Err(Error::new(ErrorCode::SysCapNotFound))
}

fn walk(all: &mut Vec<Entry>) -> Result<(), Error> {
    let mut cursor = None;
    while let Some(seen) = next_cap(cursor)? {
        cursor = Some(seen.slot);
        all.push(Entry {
            slot: seen.slot,
            cap: seen.cap,
            facts: seen.facts,
        });
    }
    Ok(())
}

fn send(all: &[Entry]) {
    let mut text = String::with_capacity(ROOM);
    let mut first = 0;
    for (index, entry) in all.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = entry.write(&mut text);
        if text.len() + MAX_TEXT > ROOM || index + 1 == all.len() {
            let mut writer = Writer::new(Kind::Cap);
            writer.int("first", first as u64);
            writer.int("total", all.len() as u64);
            records::emit(writer.plain("caps", &text));
            text.clear();
            first = index + 1;
        }
    }
}
