//! Invocations of CNodes: what makes, moves and takes away capabilities.

use super::{Call, Effect, Grammar, L2, ROOT, invoke};
use crate::arena::{self, Belief};
use crate::tally::Class;
use aos::kpi::addr::CapAddr;
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::invocation::{CNodeCommand, RetypeWord};
use aos::kpi::layout::{BASE_PAGE_SIZE, DISPATCHER_FRAME_BYTES};

/// An invocation of the own root.
fn on_root(command: CNodeCommand, args: &[u64]) -> Call {
    invoke(Class::CNode, command as u8, command.argc(), ROOT, args)
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

/// What something can be made of.
const fn is_source(cap: &Capability) -> bool {
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
}

/// What is made of RAM, and of how many bytes, most often small things.
const OF_RAM: [(ObjType, u64); 18] = [
    (ObjType::Ram, 1 << 20),
    (ObjType::Ram, 64 << 10),
    (ObjType::Frame, 4 << 10),
    (ObjType::Frame, 4 << 10),
    (ObjType::Frame, 64 << 10),
    (ObjType::Frame, DISPATCHER_FRAME_BYTES),
    (ObjType::Frame, 2 << 20),
    (ObjType::L1CNode, 16 << 10),
    (ObjType::L1CNode, 32 << 10),
    (ObjType::L2CNode, 16 << 10),
    (ObjType::Dispatcher, 1 << 10),
    (ObjType::Dispatcher, 1 << 10),
    (ObjType::EndPointUmp, 8 << 10),
    (ObjType::VNodeAarch64L0, 4 << 10),
    (ObjType::VNodeAarch64L1, 4 << 10),
    (ObjType::VNodeAarch64L2, 4 << 10),
    (ObjType::VNodeAarch64L3, 4 << 10),
    (ObjType::KernelControlBlock, 128 << 10),
];

impl Grammar {
    pub(super) fn copy(&mut self, belief: &Belief) -> Option<Call> {
        let favourite = belief
            .get(self.favourite)
            .filter(|_| self.random.u32(..4) == 0);
        let src = match favourite {
            Some(_) => self.favourite,
            None => belief.pick(&mut self.random, |_| true)?.0,
        };
        let dest = belief.empty(&mut self.random, 1)?;
        let call = on_root(CNodeCommand::Copy, &copy_args(dest, src));
        Some(call.about(src, Some(dest)).does(Effect::Fills(dest, 1)))
    }

    pub(super) fn mint(&mut self, belief: &Belief) -> Option<Call> {
        let bare = |cap: &Capability| {
            cap.as_end_point_lmp()
                .is_some_and(|endpoint| endpoint.epbuflen == 0)
        };
        let endpoint = match self.random.u32(..2) {
            0 => belief.pick(&mut self.random, bare),
            _ => None,
        };
        let (src, cap) = match endpoint {
            Some(found) => found,
            None => belief.pick(&mut self.random, |cap| {
                cap.objtype() != ObjType::EndPointLmp && !cap.objtype().is_mapping()
            })?,
        };
        let dest = belief.empty(&mut self.random, 1)?;
        let (first, second) = match cap.objtype() {
            ObjType::EndPointLmp => {
                let offset = self
                    .random
                    .u64(DISPATCHER_FRAME_BYTES / 2..DISPATCHER_FRAME_BYTES - 8192);
                (offset & !15, self.random.u64(16..900))
            }
            // Most rights stay, or else everything becomes useless soon.
            _ => (!(1 << self.random.u32(..8)), 0),
        };
        let [a, b, c, d, e, f, g] = copy_args(dest, src);
        let args = [a, b, c, d, e, f, g, first, second];
        let call = on_root(CNodeCommand::Mint, &args);
        Some(call.about(src, Some(dest)).does(Effect::Fills(dest, 1)))
    }

    pub(super) fn retype(&mut self, belief: &Belief) -> Option<Call> {
        let (src, cap) = match self.random.u32(..8) {
            // Else sources of a type with few capabilities would hardly ever be chosen.
            0 => belief.of_type(&mut self.random, ObjType::Dispatcher),
            1..6 => belief.of_type(&mut self.random, ObjType::Ram),
            _ => belief.pick(&mut self.random, is_source),
        }?;
        let pages = BASE_PAGE_SIZE << self.random.u32(..5);
        let (objtype, bytes) = match cap.objtype() {
            ObjType::Ram => self.one_of(&OF_RAM)?,
            ObjType::PhysAddr => self.one_of(&[
                (ObjType::PhysAddr, pages),
                (ObjType::DevFrame, pages),
                (ObjType::DevFrame, pages),
            ])?,
            ObjType::Dispatcher => (ObjType::EndPointLmp, 0),
            ObjType::ProcessManager => (ObjType::Domain, 0),
            same => (same, pages),
        };
        let most = match objtype {
            ObjType::EndPointLmp | ObjType::IrqSrc => 1,
            ObjType::Domain => 32,
            _ if bytes >= 512 << 10 => 1,
            // Mostly so many that some are seen half made.
            ObjType::Frame | ObjType::VNodeAarch64L3 => 64,
            _ => 8,
        };
        let count = match self.random.u32(..8) {
            0 => self.random.usize(1..=most),
            _ => 1,
        };
        let dest = belief.empty(&mut self.random, count)?;
        let offset = match (objtype, bytes) {
            (ObjType::IrqSrc, _) => cap.as_irq_src()?.vec_start,
            (_, 0) => 0,
            _ => self.room(belief, &cap, bytes, count as u64),
        };
        let size = match cap.as_irq_src() {
            Some(vectors) => self.random.u64(vectors.vec_start..=vectors.vec_end),
            None => bytes,
        };
        let args = [
            ROOT,
            arena::address(src),
            offset,
            RetypeWord::new(objtype as u8, 1, 2).0,
            size,
            count as u64,
            ROOT,
            arena::cnode(dest),
            dest as u64 % 256,
        ];
        let call = on_root(CNodeCommand::Retype, &args);
        Some(call.about(src, Some(dest)).does(Effect::Fills(dest, count)))
    }

    /// An offset in `cap` where nothing is known to be, if a few random ones include such a one.
    fn room(&mut self, belief: &Belief, cap: &Capability, bytes: u64, count: u64) -> u64 {
        let room = cap.size().saturating_sub(bytes * count);
        let mut offset = 0;
        for _ in 0..4 {
            offset = self.random.u64(..=room / bytes) * bytes;
            if belief.is_free(cap.address() + offset, bytes * count) {
                break;
            }
        }
        offset
    }

    pub(super) fn delete(&mut self, belief: &Belief) -> Option<Call> {
        // The last copy of what holds capabilities takes a monitor: try that seldom.
        let wild = self.random.u32(..8) == 0;
        let (slot, _) = belief.pick_own(&mut self.random, |cap| {
            let holds = cap.objtype().is_cnode() || cap.objtype() == ObjType::Dispatcher;
            wild || !holds && cap.objtype() != ObjType::KernelControlBlock
        })?;
        let args = [arena::address(slot), L2];
        let call = on_root(CNodeCommand::Delete, &args);
        Some(call.about(slot, None).does(Effect::Empties(slot)))
    }

    pub(super) fn revoke(&mut self, belief: &Belief) -> Option<Call> {
        let most = 1 << self.random.u32(12..22);
        let (slot, _) = belief.pick_own(&mut self.random, |cap| cap.size() <= most)?;
        let args = [arena::address(slot), L2];
        let call = on_root(CNodeCommand::Revoke, &args);
        Some(call.about(slot, None).does(Effect::Revokes(slot)))
    }

    /// Copies into a CNode that is an object of the arena, or out of a CSpace there: so CNodes come to lie in one another.
    pub(super) fn nest(&mut self, belief: &Belief) -> Option<Call> {
        let (root, _) = belief.of_type(&mut self.random, ObjType::L1CNode)?;
        let index = self.random.u32(..4);
        let inner = self.random.u64(..8);
        let args = match self.random.u32(..3) {
            // An L2CNode into the root.
            0 => {
                let (src, _) = belief.of_type(&mut self.random, ObjType::L2CNode)?;
                [
                    arena::address(root),
                    0,
                    u64::from(index),
                    ROOT,
                    arena::address(src),
                    0,
                    L2,
                ]
            }
            // Anything into an L2CNode there.
            1 => {
                let (src, _) = belief.pick(&mut self.random, |_| true)?;
                [
                    arena::address(root),
                    CapAddr::new(index, 0).0.into(),
                    inner,
                    ROOT,
                    arena::address(src),
                    1,
                    L2,
                ]
            }
            // Out of it.
            _ => {
                let dest = belief.empty(&mut self.random, 1)?;
                let args = [
                    ROOT,
                    arena::cnode(dest),
                    dest as u64 % 256,
                    arena::address(root),
                    CapAddr::new(index % 2, inner as u8).0.into(),
                    1,
                    L2,
                ];
                let call = on_root(CNodeCommand::Copy, &args);
                return Some(call.about(dest, None).does(Effect::Fills(dest, 1)));
            }
        };
        Some(on_root(CNodeCommand::Copy, &args).about(root, None))
    }

    /// Commands that change little.
    pub(super) fn seldom(&mut self, belief: &Belief) -> Option<Call> {
        Some(match self.random.u32(..8) {
            0 => {
                let (slot, _) = belief.pick(&mut self.random, |_| true)?;
                let args = [arena::address(slot), L2];
                on_root(CNodeCommand::GetState, &args).about(slot, None)
            }
            1 => {
                let (slot, _) = belief.pick(&mut self.random, |_| true)?;
                let args = [arena::address(slot), L2];
                on_root(CNodeCommand::CapIdentify, &args).about(slot, None)
            }
            2 => {
                let (slot, _) = belief.of_type(&mut self.random, ObjType::L1CNode)?;
                let command = CNodeCommand::GetSize;
                let target = arena::address(slot);
                invoke(Class::CNode, command as u8, command.argc(), target, &[]).about(slot, None)
            }
            3 => self.resize(belief)?,
            _ => {
                let slot = belief.empty(&mut self.random, 1)?;
                let args = [
                    ObjType::Id as u64,
                    0,
                    arena::cnode(slot),
                    1,
                    slot as u64 % 256,
                ];
                let call = on_root(CNodeCommand::Create, &args);
                call.about(slot, None).does(Effect::Fills(slot, 1))
            }
        })
    }

    /// Of a root that is in the arena, which is refused: the own one is resized by [`crate::child`].
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
