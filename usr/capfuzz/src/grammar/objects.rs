//! Invocations of dispatchers and endpoints, and of what else has commands.

use super::{Call, Effect, Grammar, L2, invoke};
use crate::arena::{self, Belief};
use crate::supply::KIT_ROOT;
use crate::tally::Class;
use aos::kpi::addr::CapAddr;
use aos::kpi::cap::{Capability, ObjType};
use aos::kpi::invocation::{DispatcherCommand, WEIGHT_MAX};
use aos::kpi::syscall::{CallWord, SendFlags};
use core::ops::Range;

/// Interrupts that no device here raises.
const VECTORS: Range<u64> = 40..72;
/// Events that every counter can count, among them one that is none.
const EVENTS: [u64; 4] = [0x00, 0x08, 0x11, 0x3ff];

fn has_buffer(cap: &Capability) -> bool {
    cap.as_end_point_lmp()
        .is_some_and(|endpoint| endpoint.epbuflen > 0)
}

impl Grammar {
    pub(super) fn dispatcher(&mut self, belief: &Belief) -> Option<Call> {
        use DispatcherCommand as D;
        let command = match self.random.u32(..4) {
            0 => D::Setup,
            _ => self.one_of(D::ALL)?,
        };
        let is_dispatcher = |cap: &Capability| cap.objtype() == ObjType::Dispatcher;
        let (slot, _) = match command {
            // The one in the stock is set up.
            D::Setup => belief.pick_own(&mut self.random, is_dispatcher)?,
            _ => belief.pick(&mut self.random, is_dispatcher)?,
        };
        let mut args = [0; 6];
        match command {
            D::Setup => {
                let cspace = match self.random.u32(..4) {
                    0 => belief.of_type(&mut self.random, ObjType::L1CNode)?.0,
                    _ => arena::SLOTS + KIT_ROOT as usize,
                };
                let other = match self.random.u32(..4) {
                    0 => arena::address(slot),
                    _ => 0,
                };
                args = [
                    arena::address(cspace),
                    L2,
                    CapAddr::new(0, arena::VSPACE).0.into(),
                    CapAddr::new(0, arena::FRAME).0.into(),
                    u64::from(self.random.u32(..4) == 0),
                    other,
                ];
            }
            D::Properties => args[0] = self.random.u64(..=WEIGHT_MAX),
            D::SetVSpace => {
                let (table, _) = belief.of_type(&mut self.random, ObjType::VNodeAarch64L0)?;
                [args[0], args[1]] = [arena::address(table), L2];
            }
            D::DumpPTables => {
                args[0] = match self.random.u32(..2) {
                    0 => self.value(),
                    _ => 0,
                }
            }
            D::DumpCapabilities => args[0] = self.random.u64(..2) << 8,
            D::PerfMon | D::Stop | D::Resume => {}
        }
        let (number, argc) = (command as u8, command.argc());
        let call = invoke(Class::Dispatcher, number, argc, arena::address(slot), &args);
        Some(call.about(slot, None))
    }

    pub(super) fn send(&mut self, belief: &Belief) -> Option<Call> {
        let (slot, _) = belief.pick(&mut self.random, has_buffer)?;
        let words = self.random.u8(..10);
        let flags = SendFlags(self.random.u8(..8));
        let mut call = invoke(Class::Send, 0, 0, arena::address(slot), &[]).about(slot, None);
        call.words[0] = CallWord::send(2, 2, flags, words).0;
        if self.random.u32(..3) == 0 {
            let (sent, _) = belief.pick(&mut self.random, |_| true)?;
            call.words[2] = arena::address(sent);
            call = call.about(slot, Some(sent));
            if flags.contains(SendFlags::GIVEAWAY) && sent < arena::SLOTS {
                call.effect = Effect::Empties(sent);
            }
        }
        for word in call.words.iter_mut().skip(3) {
            *word = self.random.u64(..);
        }
        Some(call)
    }

    /// What else has commands.
    pub(super) fn authority(&mut self, belief: &Belief) -> Option<Call> {
        let class = self.one_of(&[
            Class::Ram,
            Class::Id,
            Class::Kcb,
            Class::IrqTable,
            Class::IrqDest,
            Class::IrqDest,
            Class::IrqDest,
            Class::Ipi,
            Class::PerfMon,
        ])?;
        let (slot, _) = belief.pick(&mut self.random, |cap| {
            Class::of(cap.objtype()) == Some(class)
        })?;
        let (command, argc, _) = self.one_of(class.commands())?;
        let mut args = [0; 10];
        let mut effect = Effect::None;
        match class {
            Class::IrqTable => {
                let dest = belief.empty(&mut self.random, 1)?;
                let vector = self.random.u64(VECTORS);
                args[..4].copy_from_slice(&[1, arena::cnode(dest), dest as u64 % 256, vector]);
                effect = Effect::Fills(dest, 1);
            }
            Class::IrqDest => {
                let endpoint = belief.pick(&mut self.random, has_buffer);
                let endpoint = endpoint.map_or(0, |(slot, _)| slot);
                args[..2].copy_from_slice(&[arena::address(endpoint), self.random.u64(..2)]);
            }
            // PSCI: no such core, this core, and RAM as entry point.
            Class::Ipi => args[..3].copy_from_slice(&[self.random.u64(..2), 7, 0x4800_0000]),
            Class::PerfMon => {
                let event = self.one_of(&EVENTS)?;
                args[..2].copy_from_slice(&[self.random.u64(..5), event]);
            }
            _ => {}
        }
        let call = invoke(class, command, argc, arena::address(slot), &args);
        Some(call.about(slot, None).does(effect))
    }
}
