//! A child: makes its calls, counts what came of them, and ends.

use crate::arena::{self, Belief};
use crate::grammar::{Call, Effect, Grammar};
use crate::tally::Tally;
use aos::cap::{CNodeRef, CapRef};
use aos::kpi::cap::Capability;
use aos::kpi::invocation::CNodeCommand;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{ROOTCN, root};
use aos::kpi::syscall::CallWord;
use aos::paging::MappedFrame;
use aos::{Error, ram};

/// The frame of the tally.
const TALLY: CapRef = CNodeRef::own(root::ARGCN).slot(0);
/// Calls after which the child looks at a slot for no reason: others work in them too.
const LOOK: u64 = 8;

/// Makes `calls` calls.
pub fn play(calls: u64, seed: u64) -> Result<(), Error> {
    ram::add_system_memory()?;
    let tally = Tally::new(MappedFrame::new(TALLY, PageFlags::READ_WRITE)?);
    let mut belief = Belief::new();
    for slot in 0..arena::SLOTS {
        look(&mut belief, slot);
    }
    let mut grammar = Grammar::new(seed);
    for done in 1..=calls {
        let call = grammar.call(&belief);
        // SAFETY: the grammar names arena slots and the own root only; what they lead to is no memory that this program uses.
        let results = unsafe { aos::syscall::raw(call.words) };
        tally.count(call.class, call.command, results.error == 0);
        learn(&mut belief, &call, results.error == 0);
        if done % LOOK == 0 {
            look(&mut belief, grammar.slot());
        }
    }
    Ok(())
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
