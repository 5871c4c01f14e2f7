//! A child: makes its calls, counts what came of them, and ends.

use crate::arena::{self, Belief};
use crate::grammar::{Call, Effect, Grammar};
use crate::tally::{Class, Tally};
use aos::cap::{CNodeRef, CapRef};
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::invocation::CNodeCommand;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{ROOTCN, root};
use aos::kpi::syscall::CallWord;
use aos::paging::MappedFrame;
use aos::{Error, event, ram, slot};

/// The frame of the tally.
const TALLY: CapRef = CNodeRef::own(root::ARGCN).slot(0);
/// Calls after which the child looks at a slot for no reason: others work in them too.
const LOOK: u64 = 8;
/// Most calls in one turn, before others are let run.
const TURN: u32 = 16;
/// One call of so many is a resize of the own root.
const RESIZE: u32 = 1024;
/// Bytes of the first larger root; later ones have more.
const ROOT_BYTES: u64 = 32 << 10;
/// Resizes in a life.
const RESIZES: u64 = 4;

/// Makes `calls` calls.
pub fn play(calls: u64, seed: u64) -> Result<(), Error> {
    ram::add_system_memory()?;
    let tally = Tally::new(MappedFrame::new(TALLY, PageFlags::READ_WRITE)?);
    let mut belief = Belief::new();
    for slot in 0..arena::ALL {
        look(&mut belief, slot);
    }
    let mut grammar = Grammar::new(seed);
    let (mut turn, mut resizes) = (1, 0);
    for done in 1..=calls {
        if resizes < RESIZES && grammar.below(RESIZE) == 0 {
            let command = CNodeCommand::Resize as u8;
            tally.count(Class::CNode, command, resize(resizes)?);
            resizes += 1;
            continue;
        }
        let call = grammar.call(&belief);
        // SAFETY: the grammar names arena slots and the own root only; what they lead to is no memory that this program uses.
        let results = unsafe { aos::syscall::raw(call.words) };
        tally.count(call.class, call.command, results.error == 0);
        learn(&mut belief, &call, results.error == 0);
        if done % LOOK == 0 {
            look(&mut belief, grammar.slot());
        }
        turn -= 1;
        if turn == 0 {
            turn = 1 + grammar.below(TURN);
            event::yield_now();
        }
    }
    Ok(())
}

/// Replaces the own root by a larger one, made of own memory, which stays.
fn resize(before: u64) -> Result<bool, Error> {
    let bytes = ROOT_BYTES + (before << 14);
    let new = ram::object_alloc(ObjType::L1CNode, bytes)?;
    Ok(aos::cap::objects::root_cnode_resize(new, slot::slot_alloc()?).is_ok())
}

/// What the outcome tells about the arena.
fn learn(belief: &mut Belief, call: &Call, succeeded: bool) {
    match call.effect {
        _ if !succeeded => {
            for slot in call.about.into_iter().flatten() {
                look(belief, slot);
            }
        }
        Effect::None => {}
        Effect::Fills(first, count) => {
            for slot in first..first + count {
                look(belief, slot);
            }
        }
        Effect::Maps(slot, place) => {
            look(belief, slot);
            belief.set_place(slot, place);
        }
        Effect::Empties(slot) => belief.set(slot, None),
        Effect::Revokes(slot) => {
            if let Some(cap) = belief.get(slot) {
                belief.revoked(slot, &cap);
            }
        }
    }
}

/// Looks what is in a slot. These calls are not counted.
fn look(belief: &mut Belief, slot: usize) {
    let command = CNodeCommand::CapIdentify;
    let mut words = [0; 12];
    words[0] = CallWord::invoke(command as u8, 2, command.argc()).0;
    words[1] = ROOTCN.0.into();
    words[2] = arena::address(slot);
    words[3] = 2;
    // SAFETY: identifying changes nothing.
    let results = unsafe { aos::syscall::raw(words) };
    let found = match results.error {
        0 => Capability::from_words(results.values),
        _ => None,
    };
    belief.set(slot, found);
}
