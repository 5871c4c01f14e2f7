//! Calls that look as if someone knew what they do: one production for each command.
//!
//! A production picks objects that fit out of the [`Belief`], and now and then changes a word to something else ([`Grammar::call`]),
//! so that refusals are tried too. Without a fitting object the words are random.

use crate::arena::{self, Belief};
use crate::tally::Class;
use aos::kpi::addr::CapAddr;
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::invocation::{
    CNodeCommand, DispatcherCommand, MapWord, MappingCommand, RetypeWord, VNodeCommand,
};
use aos::kpi::layout::{BASE_PAGE_SIZE, DISPATCHER_FRAME_BYTES};
use aos::kpi::slots::ROOTCN;
use aos::kpi::syscall::{CallWord, SendFlags};

/// Every slot of the arena is addressed at this level.
const L2: u64 = 2;
/// The own root, as an argument.
const ROOT: u64 = ROOTCN.0 as u64;
/// One call of so many is changed at random.
const SPOILED: u32 = 10;

/// What a call that succeeds does to the arena.
#[derive(Clone, Copy, Debug)]
pub enum Effect {
    /// Nothing.
    None,
    /// Fills so many slots from this one on.
    Fills(usize, usize),
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
}

impl Grammar {
    /// The same seed and the same answers give the same calls.
    pub fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// The next call.
    pub fn call(&mut self, belief: &Belief) -> Call {
        let call = match self.random.u32(..100) {
            0..56 => self.cnode(belief),
            56..80 => self.vnode(belief),
            80..86 => self.mapping(belief),
            86..90 => self.dispatcher(belief),
            90..94 => self.send(belief),
            94..98 => self.authority(belief),
            _ => None,
        };
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

    /// A random slot, for looking.
    pub fn slot(&mut self) -> usize {
        self.random.usize(..arena::SLOTS)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        self.random.choice(all).copied()
    }

    /// Any command of any class with any arguments.
    fn noise(&mut self, belief: &Belief) -> Call {
        let class = self.one_of(&Class::ALL).unwrap_or(Class::CNode);
        let (command, argc, _) = self.one_of(class.commands()).unwrap_or_default();
        let slot = belief
            .pick(&mut self.random, |cap| {
                Class::of(cap.objtype()) == Some(class)
            })
            .map(|(slot, _)| slot);
        let target = slot.unwrap_or_else(|| self.random.usize(..arena::SLOTS));
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
            _ => arena::address(self.random.usize(..arena::SLOTS)),
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

/// CNodes: always the own root.
impl Grammar {
    fn on_root(command: CNodeCommand, args: &[u64]) -> Call {
        invoke(Class::CNode, command as u8, command.argc(), ROOT, args)
    }

    fn cnode(&mut self, belief: &Belief) -> Option<Call> {
        Some(match self.random.u32(..64) {
            0..12 => self.copy(belief)?,
            12..17 => self.mint(belief)?,
            17..36 => self.retype(belief)?,
            36..52 => {
                let (slot, _) =
                    belief.pick(&mut self.random, |cap| cap.objtype() != ObjType::PhysAddr)?;
                let args = [arena::address(slot), L2];
                let call = Self::on_root(CNodeCommand::Delete, &args);
                call.about(slot, None).does(Effect::Empties(slot))
            }
            52..54 => {
                let (slot, _) = belief.pick(&mut self.random, |cap| cap.size() <= 1 << 20)?;
                let args = [arena::address(slot), L2];
                let call = Self::on_root(CNodeCommand::Revoke, &args);
                call.about(slot, None).does(Effect::Revokes(slot))
            }
            54..57 => {
                let slot = self.random.usize(..arena::SLOTS);
                let args = [arena::address(slot), L2];
                Self::on_root(CNodeCommand::GetState, &args).about(slot, None)
            }
            57..60 => {
                let slot = self.random.usize(..arena::SLOTS);
                let args = [arena::address(slot), L2];
                Self::on_root(CNodeCommand::CapIdentify, &args).about(slot, None)
            }
            60 => {
                let (slot, _) = belief.of_type(&mut self.random, ObjType::L1CNode)?;
                let command = CNodeCommand::GetSize;
                let target = arena::address(slot);
                invoke(Class::CNode, command as u8, command.argc(), target, &[]).about(slot, None)
            }
            61 => self.resize(belief)?,
            _ => {
                let slot = belief.empty(&mut self.random, 1)?;
                let args = [
                    ObjType::Id as u64,
                    0,
                    arena::cnode(slot),
                    1,
                    slot as u64 % 256,
                ];
                let call = Self::on_root(CNodeCommand::Create, &args);
                call.about(slot, None).does(Effect::Fills(slot, 1))
            }
        })
    }

    fn copy_args(dest: usize, src: usize) -> [u64; 7] {
        [
            ROOT,
            arena::cnode(dest),
            dest as u64 % 256,
            ROOT,
            arena::address(src),
            1,
            L2,
        ]
    }

    fn copy(&mut self, belief: &Belief) -> Option<Call> {
        // Mappings and their like cannot be copied; try that seldom.
        let wild = self.random.u32(..16) == 0;
        let (src, _) = belief.pick(&mut self.random, |cap| wild || !cap.objtype().is_mapping())?;
        let dest = belief.empty(&mut self.random, 1)?;
        let call = Self::on_root(CNodeCommand::Copy, &Self::copy_args(dest, src));
        Some(call.about(src, Some(dest)).does(Effect::Fills(dest, 1)))
    }

    fn mint(&mut self, belief: &Belief) -> Option<Call> {
        let wanted = match self.random.u32(..3) {
            0 => Some(ObjType::EndPointLmp),
            _ => None,
        };
        let (src, cap) = belief.pick(&mut self.random, |cap| {
            !cap.objtype().is_mapping() && wanted.is_none_or(|wanted| cap.objtype() == wanted)
        })?;
        let dest = belief.empty(&mut self.random, 1)?;
        let (first, second) = match cap.objtype() {
            ObjType::EndPointLmp => {
                let offset = self
                    .random
                    .u64(DISPATCHER_FRAME_BYTES / 2..DISPATCHER_FRAME_BYTES);
                (offset & !15, self.random.u64(2..64))
            }
            // READ and WRITE mostly stay, or else everything becomes useless soon.
            _ => (self.random.u64(..32) | 3, 0),
        };
        let [a, b, c, d, e, f, g] = Self::copy_args(dest, src);
        let args = [a, b, c, d, e, f, g, first, second];
        let call = Self::on_root(CNodeCommand::Mint, &args);
        Some(call.about(src, Some(dest)).does(Effect::Fills(dest, 1)))
    }

    fn retype(&mut self, belief: &Belief) -> Option<Call> {
        let (src, cap) = belief.pick(&mut self.random, |cap| {
            matches!(
                cap.objtype(),
                ObjType::Ram
                    | ObjType::Frame
                    | ObjType::Dispatcher
                    | ObjType::PhysAddr
                    | ObjType::DevFrame
                    | ObjType::ProcessManager
                    | ObjType::IrqSrc
            )
        })?;
        let pages = BASE_PAGE_SIZE << self.random.u32(..5);
        let (objtype, bytes) = match cap.objtype() {
            ObjType::Ram => self.one_of(&[
                (ObjType::Ram, 1 << 20),
                (ObjType::Ram, pages),
                (ObjType::Frame, pages),
                (ObjType::Frame, pages),
                (ObjType::Frame, DISPATCHER_FRAME_BYTES),
                (ObjType::Frame, 2 << 20),
                (ObjType::L1CNode, 16 << 10),
                (ObjType::L1CNode, 32 << 10),
                (ObjType::L2CNode, 16 << 10),
                (ObjType::Dispatcher, 1 << 10),
                (ObjType::EndPointUmp, pages),
                (ObjType::VNodeAarch64L0, 4 << 10),
                (ObjType::VNodeAarch64L1, 4 << 10),
                (ObjType::VNodeAarch64L2, 4 << 10),
                (ObjType::VNodeAarch64L3, 4 << 10),
                (ObjType::VNodeAarch64L3, 4 << 10),
                (ObjType::KernelControlBlock, 128 << 10),
            ])?,
            ObjType::PhysAddr => self.one_of(&[
                (ObjType::PhysAddr, pages),
                (ObjType::DevFrame, pages),
                (ObjType::DevFrame, pages),
            ])?,
            ObjType::Dispatcher => (ObjType::EndPointLmp, 0),
            ObjType::ProcessManager => (ObjType::Domain, 0),
            same => (same, pages),
        };
        let count = match self.random.u32(..4) {
            0 => self.random.usize(1..17),
            _ => 1,
        };
        let count = match objtype {
            ObjType::EndPointLmp => 1,
            _ => count,
        };
        let dest = belief.empty(&mut self.random, count)?;
        let offset = match bytes {
            0 => 0,
            _ => {
                let room = cap.size().saturating_sub(bytes * count as u64);
                self.random.u64(..=room / bytes) * bytes
            }
        };
        let args = [
            ROOT,
            arena::address(src),
            offset,
            RetypeWord::new(objtype as u8, 1, 2).0,
            bytes,
            count as u64,
            ROOT,
            arena::cnode(dest),
            dest as u64 % 256,
        ];
        let call = Self::on_root(CNodeCommand::Retype, &args);
        Some(call.about(src, Some(dest)).does(Effect::Fills(dest, count)))
    }

    /// Of a root that is in the arena: the own one stays as it is.
    fn resize(&mut self, belief: &Belief) -> Option<Call> {
        let (old, _) = belief.of_type(&mut self.random, ObjType::L1CNode)?;
        let (new, _) = belief.of_type(&mut self.random, ObjType::L1CNode)?;
        let back = belief.empty(&mut self.random, 1)?;
        let args = [arena::address(new), arena::cnode(back), back as u64 % 256];
        let command = CNodeCommand::Resize;
        let target = arena::address(old);
        let call = invoke(Class::CNode, command as u8, command.argc(), target, &args);
        Some(call.about(old, Some(back)).does(Effect::Fills(back, 1)))
    }
}

/// Page tables and mappings.
impl Grammar {
    fn vnode(&mut self, belief: &Belief) -> Option<Call> {
        match self.random.u32(..3) {
            0 => self.unmap(belief),
            _ => self.map(belief),
        }
    }

    fn map(&mut self, belief: &Belief) -> Option<Call> {
        let (table, found) = belief.pick(&mut self.random, |cap| cap.objtype().is_vnode())?;
        let next = match found.objtype() {
            ObjType::VNodeAarch64L0 => Some(ObjType::VNodeAarch64L1),
            ObjType::VNodeAarch64L1 => Some(ObjType::VNodeAarch64L2),
            ObjType::VNodeAarch64L2 => Some(ObjType::VNodeAarch64L3),
            _ => None,
        };
        let (source, cap) = belief.pick(&mut self.random, |cap| match next {
            Some(next) => cap.objtype() == next,
            None => matches!(cap.objtype(), ObjType::Frame | ObjType::DevFrame),
        })?;
        let (offset, count) = match next {
            Some(_) => (0, 1),
            None => {
                let pages = (cap.size() / BASE_PAGE_SIZE).max(1);
                let first = self.random.u64(..pages);
                (
                    first * BASE_PAGE_SIZE,
                    self.random.u64(1..=(pages - first).min(16)),
                )
            }
        };
        let slot = belief.empty(&mut self.random, 1)?;
        let entry = self.random.u16(..512 - count as u16 + 1);
        let args = [
            ROOT,
            arena::address(source),
            self.random.u64(..16),
            offset,
            count,
            ROOT,
            arena::cnode(slot),
            MapWord::new(2, 1, slot as u8, entry).0,
        ];
        let command = VNodeCommand::Map;
        let target = arena::address(table);
        let call = invoke(Class::VNode, command as u8, command.argc(), target, &args);
        Some(call.about(table, Some(source)).does(Effect::Fills(slot, 1)))
    }

    fn mapping_and_table(&mut self, belief: &Belief) -> Option<(usize, Capability, Option<usize>)> {
        let (mapping, cap) = belief.pick(&mut self.random, |cap| cap.objtype().is_mapping())?;
        let table = cap.as_mapping()?.pte & !(BASE_PAGE_SIZE - 1);
        let table = belief.pick(&mut self.random, |cap| {
            cap.as_vnode().is_some_and(|vnode| vnode.base == table)
        });
        Some((mapping, cap, table.map(|(slot, _)| slot)))
    }

    fn unmap(&mut self, belief: &Belief) -> Option<Call> {
        let (mapping, _, table) = self.mapping_and_table(belief)?;
        let table = table?;
        let command = VNodeCommand::Unmap;
        let args = [arena::address(mapping), L2];
        let target = arena::address(table);
        let call = invoke(Class::VNode, command as u8, command.argc(), target, &args);
        Some(
            call.about(mapping, Some(table))
                .does(Effect::Empties(mapping)),
        )
    }

    fn mapping(&mut self, belief: &Belief) -> Option<Call> {
        let (mapping, cap, _) = self.mapping_and_table(belief)?;
        let pages = u64::from(cap.as_mapping()?.pte_count).max(1);
        let first = self.random.u64(..pages);
        let args = [
            first,
            self.random.u64(1..=pages - first),
            self.random.u64(..16),
        ];
        let command = MappingCommand::Modify;
        let target = arena::address(mapping);
        let call = invoke(Class::Mapping, command as u8, command.argc(), target, &args);
        Some(call.about(mapping, None))
    }
}

/// Dispatchers and messages.
impl Grammar {
    fn dispatcher(&mut self, belief: &Belief) -> Option<Call> {
        let (slot, _) = belief.of_type(&mut self.random, ObjType::Dispatcher)?;
        let target = arena::address(slot);
        let command = self.one_of(DispatcherCommand::ALL)?;
        let args = match command {
            DispatcherCommand::Setup => {
                let (cspace, _) = belief.of_type(&mut self.random, ObjType::L1CNode)?;
                [
                    arena::address(cspace),
                    L2,
                    CapAddr::new(0, arena::VSPACE).0.into(),
                    CapAddr::new(0, arena::FRAME).0.into(),
                    u64::from(self.random.u32(..8) == 0),
                    0,
                ]
            }
            _ => {
                let mut args = [0; 6];
                for arg in &mut args {
                    *arg = self.value();
                }
                args
            }
        };
        let call = invoke(
            Class::Dispatcher,
            command as u8,
            command.argc(),
            target,
            &args,
        );
        Some(call.about(slot, None))
    }

    fn send(&mut self, belief: &Belief) -> Option<Call> {
        let (slot, _) = belief.pick(&mut self.random, |cap| {
            cap.as_end_point_lmp()
                .is_some_and(|endpoint| endpoint.epbuflen > 0)
        })?;
        let words = self.random.u8(..10);
        let flags = SendFlags(self.random.u8(..8));
        let mut call = invoke(Class::Send, 0, 0, arena::address(slot), &[]);
        call.words[0] = CallWord::send(2, 2, flags, words).0;
        if self.random.u32(..4) == 0 {
            call.words[2] = arena::address(self.random.usize(..arena::SLOTS));
        }
        for word in call.words.iter_mut().skip(3) {
            *word = self.random.u64(..);
        }
        Some(call.about(slot, None))
    }
}

/// What else has commands.
impl Grammar {
    fn authority(&mut self, belief: &Belief) -> Option<Call> {
        let class = self.one_of(&[
            Class::Ram,
            Class::Id,
            Class::Kcb,
            Class::IrqTable,
            Class::IrqDest,
            Class::Ipi,
            Class::PerfMon,
        ])?;
        let (slot, _) = belief.pick(&mut self.random, |cap| {
            Class::of(cap.objtype()) == Some(class)
        })?;
        let (command, argc, _) = self.one_of(class.commands())?;
        let mut args = [0; 10];
        for arg in &mut args {
            *arg = self.random.u64(..8);
        }
        let mut effect = Effect::None;
        match class {
            Class::IrqTable => {
                let dest = belief.empty(&mut self.random, 1)?;
                let vector = self.random.u64(32..64);
                args[..4].copy_from_slice(&[1, arena::cnode(dest), dest as u64 % 256, vector]);
                effect = Effect::Fills(dest, 1);
            }
            Class::IrqDest => {
                let endpoint = belief.of_type(&mut self.random, ObjType::EndPointLmp);
                let endpoint = endpoint.map_or(0, |(slot, _)| slot);
                args[..2].copy_from_slice(&[arena::address(endpoint), self.random.u64(..2)]);
            }
            // PSCI: no such core, this core, and RAM as entry point.
            Class::Ipi => args[..3].copy_from_slice(&[self.random.u64(..2), 7, 0x4800_0000]),
            _ => {}
        }
        let call = invoke(class, command, argc, arena::address(slot), &args);
        Some(call.about(slot, None).does(effect))
    }
}
