//! What a monitor does with the Kernel capability, meanwhile: every command, on what lies in the arena, while the children work.
//!
//! The Kernel capability is authority over everything, so not all is random here: no capability is made of nothing that could be
//! made, and the machine stays on. What changes the state that all copies share (owner, lock, relations to other cores) is done by a copy of the
//! parent's own, so that it can be undone whatever the children do meanwhile; they do get a turn then.

use crate::arena;
use crate::tally::{Class, Tally};
use aos::cap::{CNodeRef, CapRef, cap_copy, cap_delete, cap_direct_identify};
use aos::kpi::cap::{Capability, Id, ObjType};
use aos::kpi::invocation::{KernelCommand, RetypeWord};
use aos::kpi::rights::CapRights;
use aos::kpi::slots::{ROOTCN, task, task_addr};
use aos::kpi::syscall::CallWord;
use aos::slot::slot_alloc;
use aos::{Error, event};

use KernelCommand as K;

const L2: u64 = 2;
const ROOT: u64 = ROOTCN.0 as u64;
/// Slots that are looked at to find something.
const TRIES: usize = 64;
/// A core that does not exist.
const ELSEWHERE: u64 = 9;
/// All relations to other cores, as a mask.
const RELATIONS: u64 = 7 << 8;

/// The monitor's part of the parent.
pub struct Monitor {
    tally: Tally,
    /// Slot for a copy of what is worked on.
    held: CapRef,
}

impl Monitor {
    /// Counts in that tally.
    ///
    /// # Errors
    /// `LIB_ERR_SLOT_ALLOC`.
    pub fn new(tally: Tally) -> Result<Self, Error> {
        let held = slot_alloc()?;
        Ok(Self { tally, held })
    }

    /// How its calls went.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Makes one call, or some calls that belong together.
    pub fn act(&self, random: &mut fastrand::Rng) {
        let Some(command) = random.choice(K::ALL.iter().copied()) else {
            return;
        };
        let wanted = match command {
            K::DomainId => Some(ObjType::Dispatcher),
            K::Retype | K::Retain => Some(ObjType::Ram),
            K::DeleteForeigns => Some(ObjType::Frame),
            _ => None,
        };
        let slot = find(random, wanted);
        let address = arena::address(slot);
        let empty = random.usize(..arena::SLOTS);
        let (cnode, index) = (arena::cnode(empty), empty as u64 % 256);
        let there = [ROOT, L2, address, L2];
        match command {
            K::IdentifyCap | K::NullifyCap | K::Retain => self.call(command, &[address, L2]),
            K::IdentifyDomainsCap | K::GetCapOwner | K::DeleteLast | K::RevokeMarkTarget => {
                self.call(command, &there)
            }
            K::LockCap | K::UnlockCap | K::SetCapOwner | K::RemoteRelations | K::DeleteForeigns => {
                return self.by_a_copy(command, slot);
            }
            K::CapHasRelations => self.call(command, &[address, L2, 7]),
            // The raw capability of some slot, or nothing.
            K::CopyExisting | K::HasDescendants | K::IsRetypeable | K::RevokeMarkRelations => {
                let raw = self.call(K::IdentifyCap, &[address, L2]);
                let [a, b, c] = raw.unwrap_or_default();
                match command {
                    K::CopyExisting => self.call(command, &[ROOT, cnode, 1, index, a, b, c]),
                    K::IsRetypeable => self.call(command, &[a, b, c, 0, 4096, 1]),
                    K::RevokeMarkRelations if !is_own(slot) => return,
                    _ => self.call(command, &[a, b, c]),
                }
            }
            // A token, which takes nothing from anybody.
            K::CreateCap => {
                let id = Id {
                    coreid: ELSEWHERE as u8,
                    core_local_id: random.u32(..),
                };
                let [a, b, c] = Capability::new_id(id, CapRights::ALL).to_words();
                self.call(command, &[cnode, 1, index, 0, a, b, c])
            }
            K::Retype => {
                let args = [
                    ROOT,
                    address,
                    random.u64(..16) << 12,
                    RetypeWord::new(ObjType::Frame as u8, 1, 2).0,
                    4096,
                    1,
                    ROOT,
                    cnode,
                    index,
                ];
                self.call(command, &args)
            }
            K::DomainId => self.call(command, &[address, 7]),
            // There is one already.
            K::Register => self.call(command, &[address]),
            K::SpawnCore => self.call(command, &[random.u64(..2), 7, 0x4800_0000, 0, 0]),
            K::NextCap | K::CheckInvariants => self.call(command, &[0]),
            // A record of nonsense would be believed.
            K::Record => self.call(command, &[random.u64(..) | 1 << 63, 16]),
            // With a word too many: refused.
            K::Shutdown | K::Reboot => {
                let words = [CallWord::invoke(command as u8, 2, 3).0, kernel_cap()];
                self.raw(command, &words, &[])
            }
            K::GetCoreId
            | K::GetArchId
            | K::DeleteStep
            | K::ClearStep
            | K::GetPlatform
            | K::Statistics => self.call(command, &[]),
        };
        self.finish(random);
    }

    /// Whatever was marked is deleted, now or while the children work too.
    fn finish(&self, random: &mut fastrand::Rng) {
        let slowly = random.bool();
        while self.step() {
            if slowly {
                event::yield_now();
            }
        }
    }

    fn step(&self) -> bool {
        // Answers that nothing is left to do are not counted: they are the rule.
        [K::DeleteStep, K::ClearStep].into_iter().any(|command| {
            let done = invoke(command, &[]).is_some();
            if done {
                self.tally.count(Class::Kernel, command as u8, true);
            }
            done
        })
    }

    /// Changes the shared state of a capability by a copy of it, lets the children work, and changes it back.
    fn by_a_copy(&self, command: KernelCommand, slot: usize) {
        // The authorities of init are on loan.
        if !is_own(slot) || cap_copy(self.held, slot_of(slot)).is_err() {
            return;
        }
        let held = u64::from(self.held.addr().0);
        let there = [ROOT, L2, held, L2];
        let with = |word| [ROOT, L2, held, L2, word];
        match command {
            K::LockCap | K::UnlockCap => {
                self.call(K::LockCap, &there);
                event::yield_now();
                self.call(K::UnlockCap, &there);
            }
            K::RemoteRelations => {
                self.call(command, &with(7 | RELATIONS));
                event::yield_now();
                self.call(command, &with(RELATIONS));
            }
            _ => {
                self.call(K::SetCapOwner, &with(ELSEWHERE));
                event::yield_now();
                // What another core's object holds, this core would not clean up.
                let frame =
                    cap_direct_identify(self.held).is_ok_and(|cap| cap.objtype() == ObjType::Frame);
                if command == K::DeleteForeigns && frame {
                    self.call(command, &[held, L2]);
                } else {
                    self.call(K::SetCapOwner, &with(0));
                }
            }
        }
        self.let_go();
    }

    /// Empties the slot of the own copy.
    pub fn let_go(&self) {
        if cap_direct_identify(self.held).is_ok() {
            // Refused while a child has it half made; then it is tried again before the next copy, which is refused meanwhile.
            let _ = cap_delete(self.held);
        }
    }

    fn call(&self, command: KernelCommand, args: &[u64]) -> Option<[u64; 3]> {
        let results = invoke(command, args);
        let succeeded = results.is_some();
        self.tally.count(Class::Kernel, command as u8, succeeded);
        results
    }

    fn raw(&self, command: KernelCommand, head: &[u64], args: &[u64]) -> Option<[u64; 3]> {
        let results = raw(head, args);
        let succeeded = results.is_some();
        self.tally.count(Class::Kernel, command as u8, succeeded);
        results
    }
}

const fn slot_of(slot: usize) -> CapRef {
    CNodeRef::own(arena::FIRST + slot as u32 / 256).slot(slot as u32 % 256)
}

/// Whether what lies in a slot of the arena is made of the arena's memory, or a token.
fn is_own(slot: usize) -> bool {
    cap_direct_identify(slot_of(slot)).is_ok_and(|cap| {
        cap.objtype() == ObjType::Id
            || cap.objtype().has_address()
                && !matches!(
                    cap.objtype(),
                    ObjType::PhysAddr
                        | ObjType::DevFrame
                        | ObjType::DevFrameMapping
                        | ObjType::EndPointLmp
                )
    })
}

/// A slot of the arena with something (of that type), if one is found soon.
fn find(random: &mut fastrand::Rng, wanted: Option<ObjType>) -> usize {
    let mut slot = 0;
    for _ in 0..TRIES {
        slot = random.usize(..arena::SLOTS);
        match cap_direct_identify(slot_of(slot)) {
            Ok(cap) if wanted.is_none_or(|wanted| cap.objtype() == wanted) => break,
            _ => {}
        }
    }
    slot
}

const fn kernel_cap() -> u64 {
    task_addr(task::KERNELCAP).0 as u64
}

fn invoke(command: KernelCommand, args: &[u64]) -> Option<[u64; 3]> {
    let head = [
        CallWord::invoke(command as u8, 2, command.argc()).0,
        kernel_cap(),
    ];
    raw(&head, args)
}

fn raw(head: &[u64], args: &[u64]) -> Option<[u64; 3]> {
    let mut words = [0; 12];
    for (place, word) in words.iter_mut().zip(head.iter().chain(args)) {
        *place = *word;
    }
    // SAFETY: only arena slots are changed, and no memory of this program is behind them.
    let results = unsafe { aos::syscall::raw(words) };
    (results.error == 0).then_some(results.values)
}
