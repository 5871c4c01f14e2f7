//! Invocations of dispatchers: setting one up, stopping and resuming it, giving it another address space, listing what it has.

use caps::{CteRef, Step, Store};
use errors::{Error, ErrorCode};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::cap::ObjType;
use kpi::invocation::{CapPosition, DispatcherCommand};
use kpi::layout::DISPATCHER_FRAME_BYTES;
use kpi::rights::CapRights;

use super::Invocation;
use crate::dcb::{DcbPtr, DcbState};
use crate::kernel::{Handled, Kernel, Reply};

impl Kernel {
    #[inline(never)]
    #[optimize(size)]
    pub(super) fn invoke_dispatcher(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = DispatcherCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        let needed = match command {
            DispatcherCommand::PerfMon => return Err(ErrorCode::SysPerfmonNotAvailable.into()),
            DispatcherCommand::DumpPTables | DispatcherCommand::DumpCapabilities => {
                CapRights::IDENTIFY
            }
            _ => CapRights::WRITE,
        };
        if !invocation.cap.rights().contains(needed) {
            return Err(ErrorCode::SysDispCapRights.into());
        }
        let target = self.dcb_of(invocation.slot)?;
        let [first, ..] = *invocation.args;
        match command {
            DispatcherCommand::Setup => self.setup(invocation, target),
            DispatcherCommand::Properties => {
                let [kind, deadline, time, period, release, ..] = *invocation.args;
                let words = [kind, deadline, time, period, release];
                self.env.scheduler.set_properties(target, &words)?;
                Ok(Reply::OK)
            }
            DispatcherCommand::PerfMon => Err(ErrorCode::SysPerfmonNotAvailable.into()),
            DispatcherCommand::DumpPTables => self.dump_page_tables(target, first),
            DispatcherCommand::DumpCapabilities => self.dump_capabilities(target, first),
            DispatcherCommand::SetVSpace => self.set_vspace(invocation, target),
            DispatcherCommand::Stop => match target.state.get() {
                DcbState::Ready => {
                    self.env.scheduler.remove(target);
                    target.state.set(DcbState::Stopped);
                    // A dispatcher may stop itself: it leaves the core like one that yields, but keeps its registers.
                    if self.env.current == Some(target) {
                        return Ok(self.switch(Ok(()), None));
                    }
                    Ok(Reply::OK)
                }
                DcbState::Stopped => Ok(Reply::OK),
                DcbState::Empty | DcbState::Dead | DcbState::Deleted => {
                    Err(ErrorCode::SysDispNotRunnable.into())
                }
            },
            DispatcherCommand::Resume => match target.state.get() {
                DcbState::Ready | DcbState::Stopped => {
                    target.state.set(DcbState::Ready);
                    self.env.scheduler.make_runnable(target);
                    Ok(Reply::OK)
                }
                DcbState::Empty | DcbState::Dead | DcbState::Deleted => {
                    Err(ErrorCode::SysDispNotRunnable.into())
                }
            },
        }
    }

    /// The DCB that a Dispatcher capability names.
    pub(super) fn dcb_of(&self, slot: CteRef) -> Result<DcbPtr, Error> {
        let dispatcher = self
            .env
            .cte(slot)
            .cap()
            .as_dispatcher()
            .ok_or(ErrorCode::SysDispCapInvalid)?;
        // SAFETY: the address comes from a capability of the database.
        unsafe { DcbPtr::from_phys(PhysAddr(dispatcher.dcb)) }
            .ok_or_else(|| ErrorCode::SysDispCapInvalid.into())
    }

    #[optimize(size)]
    fn setup(&mut self, invocation: &Invocation<'_>, target: DcbPtr) -> Handled {
        let [cspace, cspace_level, vroot, frame, run, other, ..] = *invocation.args;
        let caller = invocation.caller;
        if cspace == 0 || vroot == 0 || frame == 0 {
            return Err(ErrorCode::SysDispNotRunnable.into());
        }
        let cspace = self
            .find(caller.cspace(), cspace, cspace_level, CapRights::READ)
            .map_err(|error| error.push(ErrorCode::SysDispCspaceRoot))?;
        if self.env.cte(cspace).cap().objtype() != ObjType::L1CNode {
            return Err(ErrorCode::SysDispCspaceInvalid.into());
        }
        if target.state.get() != DcbState::Empty {
            return Err(Error::from(ErrorCode::SysSlotInUse).push(ErrorCode::SysDispCspaceRoot));
        }
        let vroot = self
            .find(cspace, vroot, 2, CapRights::WRITE)
            .map_err(|error| error.push(ErrorCode::SysDispVspaceRoot))?;
        self.check_root_table(vroot)?;
        let frame = self
            .find(cspace, frame, 2, CapRights::READ.union(CapRights::WRITE))
            .map_err(|error| error.push(ErrorCode::SysDispFrame))?;
        let frame_cap = *self.env.cte(frame).cap();
        // The kernel will write what the dispatcher's registers hold: that takes the right to write.
        let both = CapRights::READ.union(CapRights::WRITE);
        if frame_cap.objtype() != ObjType::Frame
            || !frame_cap.rights().contains(both)
            || !self.env_is_ram(&frame_cap)
        {
            return Err(ErrorCode::SysDispFrameInvalid.into());
        }
        if frame_cap.size() < DISPATCHER_FRAME_BYTES {
            return Err(ErrorCode::SysDispFrameSize.into());
        }
        let inherited = if other == 0 {
            None
        } else {
            let slot = self
                .find_own(caller, other, CapRights::READ)
                .map_err(|error| error.push(ErrorCode::SysDispOcapLookup))?;
            Some(
                self.dcb_of(slot)
                    .map_err(|_| ErrorCode::SysDispOcapType)?
                    .domain_id
                    .get(),
            )
        };
        target
            .domain_id
            .set(inherited.unwrap_or_else(|| self.env.new_domain_id()));
        self.set_up(
            target,
            cspace,
            vroot,
            frame,
            if run == 0 {
                DcbState::Stopped
            } else {
                DcbState::Ready
            },
        )?;
        Ok(Reply::OK)
    }

    /// Gives an empty dispatcher its three objects, checked by the caller. It starts disabled, as every dispatcher does.
    #[optimize(size)]
    pub fn set_up(
        &mut self,
        target: DcbPtr,
        cspace: CteRef,
        vroot: CteRef,
        frame: CteRef,
        state: DcbState,
    ) -> Result<(), Error> {
        target.init_links();
        self.adopt(target, cspace, vroot, frame)?;
        target.table.set(self.env.cte(vroot).cap().address());
        target.frame_base.set(self.env.cte(frame).cap().address());
        target.frame_bytes.set(self.env.cte(frame).cap().size());
        target.disabled.set(true);
        if let Some(shared) = target.shared() {
            let shared = shared.as_ptr();
            // SAFETY: the frame that was just adopted, in the window; single words.
            unsafe {
                (&raw mut (*shared).curr_core_id).write_volatile(self.env.core.0);
                (&raw mut (*shared).systime_frequency).write_volatile(hal::timer::frequency());
                (&raw mut (*shared).disabled).write_volatile(1);
            }
        }
        target.state.set(state);
        self.env.table_changed(target);
        self.env.scheduler.make_runnable(target);
        Ok(())
    }

    /// Puts copies of the three capabilities into the DCB; all or none.
    fn adopt(
        &mut self,
        target: DcbPtr,
        cspace: CteRef,
        vroot: CteRef,
        frame: CteRef,
    ) -> Result<(), Error> {
        let pairs = [
            (target.cspace(), cspace),
            (target.vspace(), vroot),
            (target.frame(), frame),
        ];
        for (done, (dest, source)) in pairs.into_iter().enumerate() {
            if let Err(error) = self.db.copy_into_object(&mut self.env, dest, source) {
                for (dest, _) in pairs.into_iter().take(done) {
                    // A copy of a capability that stands elsewhere too: deleting it always succeeds at once.
                    let _ = self.db.delete(&mut self.env, dest);
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// A root table of this core: an address space belongs to one core, whose translations only it invalidates. Who runs in a space can do
    /// there what those it belongs to can do, so that takes the right to change it.
    fn check_root_table(&self, slot: CteRef) -> Result<(), Error> {
        let table = self.env.cte(slot).cap();
        if table.objtype() == ObjType::VNodeAarch64L0
            && table.rights().contains(CapRights::WRITE)
            && !self.db.is_foreign(&self.env, slot)
        {
            Ok(())
        } else {
            Err(ErrorCode::SysDispVspaceInvalid.into())
        }
    }

    /// Another root table, from now on. First the dispatcher gets it, then it gives up the old one, which goes if it was the last
    /// copy, in as many calls as that takes: a repeated call finds the new one in place. One that fails because the named slot was emptied
    /// meanwhile leaves the rest of the old table to the next.
    #[optimize(size)]
    fn set_vspace(&mut self, invocation: &Invocation<'_>, target: DcbPtr) -> Handled {
        if !matches!(target.state.get(), DcbState::Ready | DcbState::Stopped) {
            return Err(ErrorCode::SysDispNotRunnable.into());
        }
        let [vroot, level, ..] = *invocation.args;
        let caller = invocation.caller.cspace();
        let vroot = self
            .find(caller, vroot, level, CapRights::WRITE)
            .map_err(|error| error.push(ErrorCode::SysDispVspaceRoot))?;
        self.check_root_table(vroot)?;
        let base = self.env.cte(vroot).cap().address();
        if target.table.get() != base {
            if self.give_up_spare(target)? == Step::Again {
                return Ok(Reply::Again);
            }
            self.db
                .copy_into_object(&mut self.env, target.spare_vspace(), vroot)
                .map_err(|error| Error::from(error).push(ErrorCode::SysDispVspaceRoot))?;
            target.swapped.set(!target.swapped.get());
            target.table.set(base);
            self.env.table_changed(target);
        }
        Ok(super::stepped(self.give_up_spare(target)?))
    }

    /// Deletes the capability of a root table that is no longer used.
    fn give_up_spare(&mut self, target: DcbPtr) -> Result<Step, Error> {
        let spare = target.spare_vspace();
        if self.env.cte(spare).cap().objtype() == ObjType::Null {
            return Ok(Step::Done);
        }
        Ok(self.db.release_from_object(&mut self.env, spare)?)
    }

    #[optimize(size)]
    fn dump_page_tables(&mut self, target: DcbPtr, from: u64) -> Handled {
        let root = PhysAddr(target.table.get());
        if root.0 == 0 {
            return Err(ErrorCode::SysDispVspaceInvalid.into());
        }
        let dump = caps::next_run(&self.env, root, VirtAddr(from));
        let run = dump
            .run
            .map(|run| [run.base.0, run.bytes, run.output.0, run.word.0]);
        let [base, bytes, output, word] = run.unwrap_or_default();
        Ok(self.answer_long([base, bytes, output, word, dump.next.0]))
    }

    #[optimize(size)]
    fn dump_capabilities(&mut self, target: DcbPtr, behind: u64) -> Handled {
        let behind = CapPosition(behind);
        let listed = caps::next_in_cspace(&self.env, target.cspace(), behind)
            .map_err(|error| Error::from(error).push(ErrorCode::SysDispCspaceInvalid))?;
        let (position, words) = match listed.found {
            None => (CapPosition::START, [0; 3]),
            Some((position, slot)) => {
                let cap = self.db.identify(&self.env, slot)?;
                let foreign = self.db.is_foreign(&self.env, slot);
                (position.with_foreign(foreign), cap.to_words())
            }
        };
        let [first, second, third] = words;
        Ok(self.answer_long([position.0, first, second, third, listed.next.0]))
    }

    fn env_is_ram(&self, cap: &kpi::cap::Capability) -> bool {
        caps::Machine::is_ram(&self.env, PhysAddr(cap.address()), cap.size())
    }
}
