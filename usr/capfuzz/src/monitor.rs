//! What a monitor does with the Kernel capability, meanwhile: every command, on slots of the arena, while the children work.
//!
//! The Kernel capability is authority over everything, so not all is random here: no capability is made of nothing that could be
//! made, no owner becomes another core, what is locked is unlocked, and the machine stays on.

use crate::arena;
use crate::tally::{Class, Tally};
use aos::kpi::cap::ObjType;
use aos::kpi::invocation::{KernelCommand, RetypeWord};
use aos::kpi::slots::{ROOTCN, task, task_addr};
use aos::kpi::syscall::CallWord;

const L2: u64 = 2;
const ROOT: u64 = ROOTCN.0 as u64;

/// Makes one call, or a pair of calls that belong together, and counts it.
pub fn act(random: &mut fastrand::Rng, tally: &Tally) {
    let Some(command) = random.choice(KernelCommand::ALL.iter().copied()) else {
        return;
    };
    let slot = random.usize(..arena::SLOTS);
    let (address, cnode, index) = (arena::address(slot), arena::cnode(slot), slot as u64 % 256);
    let there = [ROOT, L2, address, L2];
    use KernelCommand as K;
    let succeeded = match command {
        K::IdentifyCap | K::NullifyCap | K::DeleteForeigns | K::Retain => {
            call(command, &[address, L2]).is_some()
        }
        K::IdentifyDomainsCap
        | K::GetCapOwner
        | K::DeleteLast
        | K::RevokeMarkTarget
        | K::UnlockCap => call(command, &there).is_some(),
        K::LockCap => {
            let locked = call(command, &there).is_some();
            call(K::UnlockCap, &there);
            locked
        }
        K::RemoteRelations | K::SetCapOwner => call(command, &[ROOT, L2, address, L2, 0]).is_some(),
        K::CapHasRelations => call(command, &[address, L2, 7]).is_some(),
        // The raw capability of some slot, or nothing.
        K::CopyExisting | K::HasDescendants | K::IsRetypeable | K::RevokeMarkRelations => {
            let other = arena::address(random.usize(..arena::SLOTS));
            let [a, b, c] = call(K::IdentifyCap, &[other, L2]).unwrap_or_default();
            match command {
                K::CopyExisting => call(command, &[ROOT, cnode, 1, index, a, b, c]),
                K::IsRetypeable => call(command, &[a, b, c, 0, 4096, 1]),
                _ => call(command, &[a, b, c]),
            }
            .is_some()
        }
        // A token, which takes nothing from anybody.
        K::CreateCap => {
            let token = aos::kpi::cap::Capability::new_id(
                aos::kpi::cap::Id {
                    coreid: 9,
                    core_local_id: random.u32(..),
                },
                aos::kpi::rights::CapRights::ALL,
            );
            let [a, b, c] = token.to_words();
            call(command, &[cnode, 1, index, 0, a, b, c]).is_some()
        }
        K::Retype => {
            let dest = random.usize(..arena::SLOTS);
            let args = [
                ROOT,
                address,
                random.u64(..16) << 12,
                RetypeWord::new(ObjType::Frame as u8, 1, 2).0,
                4096,
                1,
                ROOT,
                arena::cnode(dest),
                dest as u64 % 256,
            ];
            call(command, &args).is_some()
        }
        // Somebody else's dispatcher keeps its number.
        K::DomainId => call(command, &[address, 7]).is_some(),
        // There is one already.
        K::Register => call(command, &[address]).is_some(),
        K::SpawnCore => call(command, &[random.u64(..2), 7, 0x4800_0000, 0, 0]).is_some(),
        K::NextCap | K::CheckInvariants => call(command, &[0]).is_some(),
        K::Record => call(command, &[random.u64(..), 16]).is_some(),
        // With a word too many: refused.
        K::Shutdown | K::Reboot => {
            let words = [CallWord::invoke(command as u8, 2, 3).0, kernel_cap()];
            raw(&words, &[]).is_some()
        }
        K::GetCoreId
        | K::GetArchId
        | K::DeleteStep
        | K::ClearStep
        | K::GetPlatform
        | K::Statistics => call(command, &[]).is_some(),
    };
    tally.count(Class::Kernel, command as u8, succeeded);
    // Whatever was marked is done with at once.
    while call(K::DeleteStep, &[]).is_some() || call(K::ClearStep, &[]).is_some() {}
}

const fn kernel_cap() -> u64 {
    task_addr(task::KERNELCAP).0 as u64
}

fn call(command: KernelCommand, args: &[u64]) -> Option<[u64; 3]> {
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
