//! Every path of a world of three allocators that need one another, from the smallest legal reserve.
//!
//! The world is what the header of `mm::reserve` speaks of. All that may happen is a choice: whether RAM has a chunk with room or one must be
//! cut, whether a frame needs a new table, whether the place for a CNode is there. The search goes through all states
//! that can be reached.
#![expect(
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use mm::reserve::{Keeper, Plan, Refill};
use std::collections::HashSet;

const NODES: usize = 0;
const SLOTS: usize = 1;
const ROOT: usize = 2;

/// Taking RAM: a node, and for a cut three more and a slot.
const RAM: [u32; 3] = [1 + 3, 1, 0];
/// Most slots that an operation takes.
const RUN: u32 = 3;

const PLAN: Plan<3> = Plan {
    refills: [
        // A frame and its slot and mapping; a table with its own.
        Refill {
            takes: [2 * RAM[0], 2 * RAM[1] + 4, 0],
            gives: 30,
        },
        // A CNode in a root slot, with a node for itself and perhaps one for another page of root slots.
        Refill {
            takes: [RAM[0] + 2, RAM[1], 1],
            gives: 20,
        },
        // A larger root CNode, and a slot for the old one.
        Refill {
            takes: [RAM[0], RAM[1] + 2, 0],
            gives: 8,
        },
    ],
    operation: [RAM[0], RAM[1] + RUN, 1],
    release: [2, 0, 0],
};
const _: () = assert!(PLAN.is_sound());

/// Pages that can be free at most: with more, RAM is not out in this step.
const PAGES: u32 = 6;
/// Slots that come back are not counted beyond.
const SLOTS_BACK: u32 = 40;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct State {
    levels: [u32; 3],
    /// Free pages.
    pages: u32,
}

/// A path ran dry, of this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Dry(usize);

/// A path: answers to what may happen, the last of which is changed for the next one.
#[derive(Default)]
struct Path {
    choices: Vec<bool>,
    at: usize,
}

impl Path {
    fn choose(&mut self) -> bool {
        if self.at == self.choices.len() {
            self.choices.push(false);
        }
        self.at += 1;
        self.choices[self.at - 1]
    }

    /// The next path; none when all are done.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some(last) = self.choices.pop() {
            if !last {
                self.choices.push(true);
                return true;
            }
        }
        false
    }
}

/// Why something did not come about; then nothing has changed.
enum Refusal {
    Dry(Dry),
    NoRam,
}

struct World<'a> {
    state: State,
    path: &'a mut Path,
}

impl World<'_> {
    fn take(&mut self, resource: usize, count: u32) -> Result<(), Refusal> {
        let left = self.state.levels[resource].checked_sub(count);
        self.state.levels[resource] = left.ok_or(Refusal::Dry(Dry(resource)))?;
        Ok(())
    }

    fn ram(&mut self) -> Result<(), Refusal> {
        if self.state.pages == 0 {
            return Err(Refusal::NoRam);
        }
        self.state.pages -= 1;
        if self.path.choose() {
            self.take(NODES, RAM[0])?;
            self.take(SLOTS, RAM[1])
        } else if self.path.choose() {
            self.take(NODES, 1)
        } else {
            Ok(())
        }
    }

    fn refill(&mut self, resource: usize) -> Result<(), Refusal> {
        match resource {
            NODES => {
                self.ram()?;
                self.take(SLOTS, 2)?;
                if self.path.choose() {
                    self.ram()?;
                    self.take(SLOTS, 2)?;
                }
            }
            SLOTS => {
                // Four pages in a row may be missing even when there are pages.
                if self.path.choose() {
                    return Err(Refusal::NoRam);
                }
                self.ram()?;
                self.take(ROOT, 1)?;
                let nodes = if self.path.choose() { 2 } else { 1 };
                self.take(NODES, nodes)?;
            }
            _ => {
                self.take(SLOTS, 2)?;
                self.ram()?;
            }
        }
        self.state.levels[resource] += PLAN.refills[resource].gives;
        Ok(())
    }

    fn round(&mut self, keeper: &mut Keeper<3>) -> Result<(), Dry> {
        assert!(keeper.begin());
        let mut failed = false;
        let mut turns = 0;
        while let Some(resource) = keeper.next(&self.state.levels) {
            assert!(!keeper.begin(), "a refill begins no round");
            turns += 1;
            let before = self.state;
            match self.refill(resource) {
                Ok(()) => {}
                Err(Refusal::NoRam) => {
                    self.state = before;
                    failed = true;
                    keeper.failed();
                }
                Err(Refusal::Dry(dry)) => return Err(dry),
            }
        }
        assert!(turns <= 3);
        assert!(
            failed || keeper.ready(&self.state.levels),
            "{:?}",
            self.state
        );
        Ok(())
    }

    fn operation(&mut self, operation: usize) -> Result<(), Refusal> {
        match operation {
            // An object with some slots.
            0 => {
                self.ram()?;
                let slots = if self.path.choose() { RUN } else { 1 };
                self.take(SLOTS, slots)?;
            }
            // A CNode for somebody else.
            1 => {
                self.ram()?;
                self.take(ROOT, 1)?;
            }
            // Slots alone.
            2 => self.take(SLOTS, RUN)?,
            // A page is given back, with the slot of its capability, and leaves a hole of its own or not.
            _ => {
                self.state.levels[SLOTS] = SLOTS_BACK
                    .max(self.state.levels[SLOTS])
                    .min(self.state.levels[SLOTS] + 1);
                if self.path.choose() {
                    self.take(NODES, 1)?;
                }
                self.state.pages = PAGES.min(self.state.pages + 1);
            }
        }
        Ok(())
    }
}

/// Goes through all states that can be reached. Answers their number, and whether an operation was ever refused.
fn search(reserve: [u32; 3]) -> Result<(usize, bool), Dry> {
    let starts = (0..=PAGES).map(|pages| State {
        levels: reserve,
        pages,
    });
    let mut left: Vec<State> = starts.collect();
    let mut seen: HashSet<State> = left.iter().copied().collect();
    let mut refused = false;
    while let Some(state) = left.pop() {
        for operation in 0..4 {
            let mut path = Path::default();
            loop {
                let mut world = World {
                    state,
                    path: &mut path,
                };
                let mut keeper = Keeper::new(&PLAN);
                // In the world with too little, the first operation begins all the same.
                let may = keeper.ready(&state.levels) || state.levels == reserve || operation == 3;
                refused |= !may;
                let done = if may {
                    world.operation(operation)
                } else {
                    Ok(())
                };
                match done {
                    Ok(()) => {}
                    Err(Refusal::NoRam) => world.state = state,
                    Err(Refusal::Dry(dry)) => return Err(dry),
                }
                world.round(&mut keeper)?;
                let next = world.state;
                if seen.insert(next) {
                    left.push(next);
                }
                if !path.advance() {
                    break;
                }
            }
        }
    }
    Ok((seen.len(), refused))
}

#[test]
fn no_path_runs_dry() {
    let (states, refused) = search(PLAN.reserve()).unwrap();
    println!("{states} states");
    assert!(states > 1000 && refused);
}

#[test]
fn with_one_less_some_path_runs_dry() {
    for resource in [NODES, SLOTS, ROOT] {
        let mut reserve = PLAN.reserve();
        reserve[resource] -= 1;
        assert_eq!(search(reserve).err(), Some(Dry(resource)), "{resource}");
    }
}

#[test]
fn a_refill_that_gives_too_little_is_found() {
    for resource in 0..3 {
        let mut plan = PLAN;
        plan.refills[resource].gives = [29, 13, 1][resource];
        assert!(!plan.is_sound());
    }
    assert_eq!(PLAN.reserve(), [14, 11, 2]);
    assert_eq!(PLAN.marks(), [24, 14, 2]);
}
