//! Model checking of deletion and revocation in steps: every interleaving of their kernel entries with what others may do between
//! two of them. The code is the real one, `capops` and `caps`; a state is the machine, copied and hashed.
//!
//! From every set of up to so many capabilities (CNodes, a dispatcher, a frame, a page table; each in the driver's CNode, in one of
//! the CNodes, or held by the dispatcher), for every capability, its deletion and its revocation are begun. Then, in any order:
//! the next kernel entry of the operation; up to so many acts of others (copy, delete, revoke, retype also of memory that was just
//! freed, map, start of a dispatcher, a second whole delete or revoke), each of which may also be continued entry by entry, or never.
//!
//! In every state: the database and the page tables are in order, no capability lies in freed memory, no dispatcher runs without
//! its CNode. If whoever works stopped for ever here (was killed), one revocation of all RAM would bring all memory back. An
//! operation ends within a bounded number of entries; when a revocation has ended, nobody else has access.
//!
//! `./hake.sh test` checks the small sets, `--long` (`BARRELEYE_LONG`) all up to four capabilities.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod sets;
mod state;
#[path = "../support/mod.rs"]
mod support;

use capops::Operation;
use sets::{Set, build, sets};
use state::{Act, State, Work};
use stateright::{Checker, Model, Property};
use std::time::Instant;
use support::RAM_SLOT;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    /// The next kernel entry of an operation.
    Step(usize),
    Act(Act),
    /// The next kernel entry of an unfinished act.
    Continue,
}

/// The model: sets of capabilities, and how many acts come between.
struct Interleavings {
    sets: Vec<Set>,
    acts: u8,
}

/// More kernel entries than the operations, and the acts between, take together.
const MOST: u16 = 200;

impl Model for Interleavings {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut states = Vec::new();
        for world in self.sets.iter().filter_map(build) {
            for at in world.names(&world.cnodes()) {
                for revokes in [false, true] {
                    if at == RAM_SLOT && !revokes {
                        continue;
                    }
                    let operation = if revokes {
                        Operation::revoke()
                    } else {
                        Operation::delete()
                    };
                    let work = Work {
                        operation,
                        revokes,
                        at,
                    };
                    states.push(State {
                        world: world.clone(),
                        works: [Some(work), None],
                        unfinished: None,
                        left: self.acts,
                        entries: 0,
                        fault: None,
                    });
                }
            }
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, work) in state.works.iter().enumerate() {
            if work.is_some() {
                actions.push(Action::Step(index));
            }
        }
        if state.unfinished.is_some() {
            actions.push(Action::Continue);
        }
        // After the first operation has ended nothing of interest can be disturbed.
        if state.left > 0 && state.works[0].is_some() && state.unfinished.is_none() {
            actions.extend(state.acts().into_iter().map(Action::Act));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        state.entries += 1;
        match action {
            Action::Step(index) => state.step(index),
            Action::Act(act) => {
                state.left -= 1;
                if state.perform(act) {
                    state.unfinished = Some(act);
                }
            }
            Action::Continue => {
                if let Some(act) = state.unfinished.take()
                    && state.can_name(act)
                    && state.perform(act)
                {
                    state.unfinished = Some(act);
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what must hold holds", |_, state: &State| {
                report(state.world.check())
            }),
            Property::always("no memory is lost", |_, state: &State| {
                report(state.world.nothing_is_lost())
            }),
            Property::always("operations do what they say", |_, state: &State| {
                report(state.fault.clone().map_or(Ok(()), Err))
            }),
            Property::always("operations end", |_, state: &State| state.entries < MOST),
        ]
    }
}

fn report(result: Result<(), String>) -> bool {
    if let Err(why) = &result {
        println!("{why}");
    }
    result.is_ok()
}

/// KiB that this process had at most, where the host tells.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn check(sizes: &[usize], acts: u8) {
    let started = Instant::now();
    let sets: Vec<Set> = sizes.iter().flat_map(|size| sets(*size)).collect();
    let count = sets.len();
    let checker = Interleavings { sets, acts }
        .checker()
        .threads(2)
        .spawn_dfs()
        .join();
    println!(
        "{count} sets of {sizes:?} capabilities, {acts} acts: {} states, {} of them different, {} s",
        checker.state_count(),
        checker.unique_state_count(),
        started.elapsed().as_secs()
    );
    if let Some(kib) = most_memory() {
        println!("at most {} MiB of memory so far", kib >> 10);
        assert!(kib < 8 << 20, "more than 8 GiB");
    }
    if let Some((name, path)) = checker.discoveries().into_iter().next() {
        panic!(
            "{name}: {:#?}\n{:#?}",
            path.last_state(),
            path.clone().into_actions()
        );
    }
}

#[test]
fn small_sets_of_capabilities_in_every_order() {
    check(&[1, 2], 2);
    check(&[3], 1);
}

#[test]
fn all_sets_of_up_to_four_capabilities_in_every_order() {
    if std::env::var_os("BARRELEYE_LONG").is_some() {
        check(&[1, 2, 3], 2);
        check(&[4], 1);
    }
}
