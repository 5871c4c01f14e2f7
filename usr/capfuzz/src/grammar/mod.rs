//! Calls that look as if someone knew what they do: one production for each command.
//!
//! A production picks objects that fit out of the [`Belief`], and now and then changes a word to something else ([`Grammar::call`]),
//! so that refusals are tried too. Without a fitting object the words are random.

mod cnodes;
mod objects;
mod tables;

use crate::arena::{self, Belief, Place};
use crate::tally::Class;
use aos::kpi::slots::ROOTCN;
use aos::kpi::syscall::CallWord;

/// Every slot is addressed at this level.
const L2: u64 = 2;
/// The own root, as an argument.
const ROOT: u64 = ROOTCN.0 as u64;
/// One call of so many is changed at random.
const SPOILED: u32 = 16;
/// Productions that are tried before a call is made of random words.
const TRIES: u32 = 4;
/// Filled slots of the arena beyond which deleting comes first.
const FULL: usize = arena::SLOTS * 3 / 4;

/// What a call that succeeds does to the arena.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// Nothing.
    None,
    /// Fills so many slots from this one on.
    Fills(usize, usize),
    /// Fills a slot with a Mapping that lies there.
    Maps(usize, Place),
    /// Empties this slot.
    Empties(usize),
    /// Deletes what derives from this slot's capability, and its copies.
    Revokes(usize),
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Class of the type it is meant for.
    pub class: Class,
    /// Its command.
    pub command: u8,
    /// The words.
    pub words: [u64; 12],
    /// What it does if it succeeds.
    pub effect: Effect,
    /// The slots it is about: to look at when it fails.
    pub about: [Option<usize>; 2],
}

/// Makes calls.
pub struct Grammar {
    random: fastrand::Rng,
    /// A slot that is worked with more often than others, so that much gathers at one object.
    favourite: usize,
}

impl Grammar {
    /// The same seed and the same answers give the same calls.
    pub fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let favourite = random.usize(..arena::SLOTS);
        Self { random, favourite }
    }

    /// The next call.
    pub fn call(&mut self, belief: &Belief) -> Call {
        if self.random.u32(..256) == 0 {
            self.favourite = self.random.usize(..arena::SLOTS);
        }
        let call = (0..TRIES).find_map(|_| self.production(belief));
        let mut call = call.unwrap_or_else(|| self.noise(belief));
        if self.random.u32(..SPOILED) == 0 {
            let index = self.random.usize(2..12);
            let value = self.value();
            if let Some(word) = call.words.get_mut(index) {
                *word = value;
            }
            // What it does now is not known: look at both ends afterwards.
            call.effect = Effect::None;
        }
        call
    }

    /// A call that fits, if what it takes is there.
    fn production(&mut self, belief: &Belief) -> Option<Call> {
        match self.random.u32(..100) {
            0..38 if belief.filled() > FULL => self.delete(belief),
            0..9 => self.copy(belief),
            9..14 => self.mint(belief),
            14..34 => self.retype(belief),
            34..38 => self.nest(belief),
            38..52 => self.delete(belief),
            52..54 => self.revoke(belief),
            54..58 => self.seldom(belief),
            58..71 => self.map(belief),
            71..75 => self.unmap(belief),
            75..78 => self.modify_flags(belief),
            78..83 => self.mapping(belief),
            83..89 => self.dispatcher(belief),
            89..94 => self.send(belief),
            94..98 => self.authority(belief),
            _ => Some(self.noise(belief)),
        }
    }

    /// A random slot, for looking.
    pub fn slot(&mut self) -> usize {
        match self.random.u32(..8) {
            0 => self.random.usize(arena::SLOTS..arena::ALL),
            _ => self.random.usize(..arena::SLOTS),
        }
    }

    /// A random number below a bound.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.random.u32(..bound)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        self.random.choice(all).copied()
    }

    /// Any command of any class with any arguments.
    fn noise(&mut self, belief: &Belief) -> Call {
        let class = self.one_of(&Class::ALL).unwrap_or(Class::CNode);
        let slot = belief
            .pick(&mut self.random, |cap| {
                Class::of(cap.objtype()) == Some(class)
            })
            .map(|(slot, _)| slot);
        let target = slot.unwrap_or_else(|| self.random.usize(..arena::ALL));
        // What is invoked instead of it has commands of its own.
        let other = belief.get(target).and_then(|cap| Class::of(cap.objtype()));
        let class = other.unwrap_or(class);
        let (command, argc, _) = self.one_of(class.commands()).unwrap_or_default();
        let mut words = [0; 12];
        for word in words.iter_mut().skip(2) {
            *word = self.value();
        }
        words[0] = CallWord::invoke(command, 2, argc).0;
        words[1] = arena::address(target);
        Call {
            class,
            command,
            words,
            effect: Effect::None,
            about: [slot, None],
        }
    }

    /// A word that may mean something.
    fn value(&mut self) -> u64 {
        match self.random.u32(..6) {
            0 => self.random.u64(..),
            1 => self.random.u64(..16),
            2 => 1 << self.random.u32(..64),
            3 => u64::MAX << self.random.u32(..64),
            _ => arena::address(self.random.usize(..arena::ALL)),
        }
    }
}

/// An invocation of the capability at `target`.
fn invoke(class: Class, command: u8, argc: u8, target: u64, args: &[u64]) -> Call {
    let mut words = [0; 12];
    let head = [CallWord::invoke(command, 2, argc).0, target];
    for (place, word) in words.iter_mut().zip(head.iter().chain(args)) {
        *place = *word;
    }
    Call {
        class,
        command,
        words,
        effect: Effect::None,
        about: [None, None],
    }
}

impl Call {
    const fn about(mut self, first: usize, second: Option<usize>) -> Self {
        self.about = [Some(first), second];
        self
    }

    const fn does(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}
