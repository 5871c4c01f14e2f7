//! System calls: decode the first word, find the handler. One file for each type of capability.

mod cnode;
mod console;
mod cores;
mod dispatcher;
mod endpoint;
mod irq;
mod kernel;
mod monitor;
mod objects;
mod reply_wait;
mod vnode;
mod yielding;

use caps::{CteRef, DestSlot, OpenRoot, Step, Store, lookup, lookup_any, lookup_quickly};
use errors::{Error, ErrorCode};
use kpi::addr::CapAddr;
use kpi::cap::{Capability, ObjType};
use kpi::rights::CapRights;
use kpi::syscall::{CallWord, SendFlags, Syscall};

use crate::dcb::DcbPtr;
use crate::kernel::{Handled, Kernel, Reply};

/// An invocation of an object.
pub struct Invocation<'a> {
    /// The first word.
    pub word: CallWord,
    /// The invoked capability.
    pub cap: Capability,
    /// Its slot.
    pub slot: CteRef,
    /// The caller.
    pub caller: DcbPtr,
    /// The words from x2 on.
    pub args: &'a [u64; 10],
}

impl Invocation<'_> {
    /// # Errors
    /// `SYS_ERR_DEST_CAP_RIGHTS`: the invoked capability lacks the right to write.
    fn must_be_writable(&self) -> Result<(), Error> {
        if self.cap.rights().contains(CapRights::WRITE) {
            Ok(())
        } else {
            Err(ErrorCode::SysDestCapRights.into())
        }
    }
}

/// The call that does nothing.
const NOP: CallWord = CallWord::simple(Syscall::Nop, 1);

/// Delete and revoke empty slots: the CNodes on the way must be writable.
const EMPTYING: CapRights = CapRights::READ.union(CapRights::WRITE);

/// The low 32 bits, as a capability address. The upper half must be clear.
fn address(word: u64) -> Result<CapAddr, Error> {
    u32::try_from(word)
        .map(CapAddr)
        .map_err(|_| ErrorCode::SysL1CnodeIndex.into())
}

/// A stepped operation: done, or once more.
fn stepped(step: Step) -> Reply {
    match step {
        Step::Done => Reply::OK,
        Step::Again => Reply::Again,
    }
}

impl Kernel {
    /// Finds and runs the handler of a system call of the current dispatcher.
    ///
    /// Here is what is common: a capability at level 2, found by [`OpenRoot::find`]. All else is left to functions that this one calls
    /// and that begin anew, so that it keeps nothing but `words` while a handler runs.
    #[inline(always)]
    pub fn dispatch_call(&mut self, words: &mut [u64; 12]) -> Handled {
        let [first, target, args @ ..] = &*words;
        let word = CallWord(*first);
        if word.0 & 0xf != Syscall::Invoke as u64 {
            return match word {
                NOP => Ok(Reply::OK),
                _ => self.dispatch_other(words),
            };
        }
        let Some((caller, slot)) = self.invoked(word, *target) else {
            return self.invoke_carefully(words);
        };
        match self.env.cte(slot).cap().objtype() {
            ObjType::L1CNode => self.invoke_root(word, slot, caller, words),
            ObjType::EndPointLmp if !word.flags().contains(SendFlags::IDENTIFY) => {
                self.send(word, slot, caller, args)
            }
            ObjType::Null => self.invoke_carefully(words),
            _ => self.invoke_object(word, slot, caller, words),
        }
    }

    #[inline(never)]
    #[optimize(size)]
    fn dispatch_other(&mut self, words: &[u64; 12]) -> Handled {
        let [first, second, rest @ ..] = words;
        let word = CallWord(*first);
        match Syscall::from_word(*first) {
            Some(Syscall::Yield) => self.yield_core(word, *second),
            Some(Syscall::Print) => self.print(word, *second, rest),
            Some(Syscall::Getchar) => self.getchar(word),
            Some(Syscall::Nop) => Self::check_argc(word.argc(), 1).map(|()| Reply::OK),
            _ => Err(ErrorCode::SysIllegalSyscall.into()),
        }
    }

    /// Caller and slot of the invoked capability, in the common cases. The slot may be empty.
    #[inline(always)]
    fn invoked(&self, word: CallWord, target: u64) -> Option<(DcbPtr, CteRef)> {
        let caller = self.env.current?;
        if word.level() != 2 {
            return None;
        }
        let root = OpenRoot::of(&self.env, caller.cspace(), CapRights::READ)?;
        Some((
            caller,
            root.find_or_empty(&self.env, target, CapRights::READ)?,
        ))
    }

    #[inline(never)]
    fn invoke_carefully(&mut self, words: &[u64; 12]) -> Handled {
        let [first, target, args @ ..] = words;
        let word = CallWord(*first);
        let Some(caller) = self.env.current else {
            return Err(ErrorCode::SysIllegalSyscall.into());
        };
        let slot = self.find_carefully(caller.cspace(), *target, word.level(), CapRights::READ)?;
        match self.env.cte(slot).cap().objtype() {
            ObjType::EndPointLmp if !word.flags().contains(SendFlags::IDENTIFY) => {
                self.send(word, slot, caller, args)
            }
            _ => self.invoke_object(word, slot, caller, words),
        }
    }

    #[inline(never)]
    fn invoke_object(
        &mut self,
        word: CallWord,
        slot: CteRef,
        caller: DcbPtr,
        words: &[u64; 12],
    ) -> Handled {
        let [_, target, args @ ..] = words;
        let cap = *self.env.cte(slot).cap();
        let invocation = Invocation {
            word,
            cap,
            slot,
            caller,
            args,
        };
        match cap.objtype() {
            ObjType::L1CNode | ObjType::L2CNode => self.invoke_cnode(&invocation),
            ObjType::VNodeAarch64L0
            | ObjType::VNodeAarch64L1
            | ObjType::VNodeAarch64L2
            | ObjType::VNodeAarch64L3 => self.invoke_vnode(&invocation),
            objtype if objtype.is_mapping() => self.invoke_mapping(&invocation, *target),
            ObjType::Dispatcher => self.invoke_dispatcher(&invocation),
            ObjType::Kernel => self.invoke_kernel(&invocation),
            _ => self.invoke_other(&invocation),
        }
    }

    /// The types that are invoked seldom.
    #[optimize(size)]
    fn invoke_other(&mut self, invocation: &Invocation<'_>) -> Handled {
        use kpi::cap::View;
        match invocation.cap.view() {
            View::Ram(_) => Self::invoke_ram(invocation),
            View::Id(id) => self.invoke_id(invocation, &id),
            View::KernelControlBlock(kcb) => self.invoke_kcb(invocation, &kcb),
            View::IrqTable => self.invoke_irq_table(invocation),
            View::IrqDest(dest) => self.invoke_irq_dest(invocation, &dest),
            View::Ipi => self.invoke_ipi(invocation),
            View::PerfMon => self.invoke_perf_mon(invocation),
            _ => Err(ErrorCode::SysIllegalInvocation.into()),
        }
    }

    /// A capability of the caller's own CSpace, at level L2.
    #[inline(always)]
    pub fn find_own(&self, caller: DcbPtr, word: u64, rights: CapRights) -> Result<CteRef, Error> {
        self.find(caller.cspace(), word, 2, rights)
    }

    /// A capability below `root`.
    #[inline(always)]
    pub fn find(
        &self,
        root: CteRef,
        word: u64,
        level: u64,
        rights: CapRights,
    ) -> Result<CteRef, Error> {
        match rights {
            CapRights::READ => self.find_readable(root, word, level),
            _ => self.find_with(root, word, level, rights),
        }
    }

    /// [`Self::find`] with the one right that most callers want.
    #[inline(never)]
    fn find_readable(&self, root: CteRef, word: u64, level: u64) -> Result<CteRef, Error> {
        match lookup_quickly(&self.env, root, word, level, CapRights::READ) {
            Some(found) => Ok(found),
            None => self.find_carefully(root, word, level, CapRights::READ),
        }
    }

    #[inline(never)]
    fn find_with(
        &self,
        root: CteRef,
        word: u64,
        level: u64,
        rights: CapRights,
    ) -> Result<CteRef, Error> {
        match lookup_quickly(&self.env, root, word, level, rights) {
            Some(found) => Ok(found),
            None => self.find_carefully(root, word, level, rights),
        }
    }

    /// [`Self::find`] where the quick way did not lead to a capability: the seldom level, or the error.
    #[cold]
    #[inline(never)]
    fn find_carefully(
        &self,
        root: CteRef,
        word: u64,
        level: u64,
        rights: CapRights,
    ) -> Result<CteRef, Error> {
        Ok(lookup(&self.env, root, address(word)?, level, rights)?)
    }

    /// A capability below `root` in whatever state, half made or half deleted too.
    #[inline(never)]
    #[optimize(size)]
    pub fn find_any(
        &self,
        root: CteRef,
        word: u64,
        level: u64,
        rights: CapRights,
    ) -> Result<CteRef, Error> {
        Ok(lookup_any(&self.env, root, address(word)?, level, rights)?)
    }

    /// A slot in the CNode at `word`/`level` below `root`, to be filled. The errors name the destination.
    #[inline(always)]
    pub fn find_destination(
        &self,
        root: CteRef,
        word: u64,
        level: u64,
        index: u64,
    ) -> Result<DestSlot, Error> {
        let cnode = self
            .find(root, word, level, CapRights::READ.union(CapRights::WRITE))
            .map_err(|error| error.push(ErrorCode::SysDestCnodeLookup))?;
        let index = u32::try_from(index).map_err(|_| ErrorCode::SysSlotsInvalid)?;
        Ok(DestSlot { cnode, index })
    }

    /// [`Self::find_destination`] where size counts more than speed.
    #[cold]
    #[inline(never)]
    fn locate_destination(
        &self,
        root: CteRef,
        word: u64,
        level: u64,
        index: u64,
    ) -> Result<DestSlot, Error> {
        self.find_destination(root, word, level, index)
    }

    /// [`Self::find_any`] for slots whose CNodes are readable and writable, where size counts more than speed.
    #[cold]
    #[inline(never)]
    fn locate(&self, root: CteRef, word: u64, level: u64) -> Result<CteRef, Error> {
        self.find_any(root, word, level, EMPTYING)
    }
}
