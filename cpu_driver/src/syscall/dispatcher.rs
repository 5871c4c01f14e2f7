//! Invocations of dispatchers: setting one up, stopping and resuming it.

use caps::{CteRef, Store};
use errors::{Error, ErrorCode};
use kpi::addr::PhysAddr;
use kpi::cap::ObjType;
use kpi::invocation::DispatcherCommand;
use kpi::layout::DISPATCHER_FRAME_BYTES;
use kpi::rights::CapRights;

use super::Invocation;
use crate::dcb::{DcbPtr, DcbState};
use crate::kernel::{Handled, Kernel, Reply};

impl Kernel {
    #[inline(never)]
    pub(super) fn invoke_dispatcher(&mut self, invocation: &Invocation<'_>) -> Handled {
        let command = DispatcherCommand::from_u8(invocation.word.command())
            .ok_or(ErrorCode::SysIllegalInvocation)?;
        Self::check_argc(invocation.word.argc(), command.argc())?;
        let target = self.dcb_of(invocation.slot)?;
        match command {
            DispatcherCommand::Setup => self.setup(invocation, target),
            DispatcherCommand::Stop => match target.state.get() {
                DcbState::Ready => {
                    self.env.scheduler.remove(target);
                    target.state.set(DcbState::Stopped);
                    // A dispatcher may stop itself: it leaves the core like one that yields, but keeps its registers.
                    if self.env.current == Some(target) {
                        return Ok(Reply::Switch(Ok(()), None));
                    }
                    Ok(Reply::OK)
                }
                DcbState::Stopped => Ok(Reply::OK),
                DcbState::Empty | DcbState::Dead => Err(ErrorCode::SysDispNotRunnable.into()),
            },
            DispatcherCommand::Resume => match target.state.get() {
                DcbState::Ready | DcbState::Stopped => {
                    target.state.set(DcbState::Ready);
                    self.env.scheduler.make_runnable(target);
                    Ok(Reply::OK)
                }
                DcbState::Empty | DcbState::Dead => Err(ErrorCode::SysDispNotRunnable.into()),
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

    fn setup(&mut self, invocation: &Invocation<'_>, target: DcbPtr) -> Handled {
        let [cspace, cspace_level, vroot, frame, run, other, ..] = *invocation.args;
        let caller = invocation.caller;
        if cspace == 0 || vroot == 0 || frame == 0 {
            return Err(ErrorCode::SysDispNotRunnable.into());
        }
        if target.state.get() != DcbState::Empty {
            return Err(Error::from(ErrorCode::SysSlotInUse).push(ErrorCode::SysDispCspaceRoot));
        }
        let cspace = self
            .find(caller.cspace(), cspace, cspace_level, CapRights::READ)
            .map_err(|error| error.push(ErrorCode::SysDispCspaceRoot))?;
        if self.env.cte(cspace).cap().objtype() != ObjType::L1CNode {
            return Err(ErrorCode::SysDispCspaceInvalid.into());
        }
        let vroot = self
            .find(cspace, vroot, 2, CapRights::WRITE)
            .map_err(|error| error.push(ErrorCode::SysDispVspaceRoot))?;
        if self.env.cte(vroot).cap().objtype() != ObjType::VNodeAarch64L0 || self.is_foreign(vroot)
        {
            return Err(ErrorCode::SysDispVspaceInvalid.into());
        }
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
        // A new root table was zeroed, perhaps a moment ago, and TTBR0 needs no barrier of its own to be used.
        hal::mmu::publish_new_entries();
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

    fn is_foreign(&self, slot: CteRef) -> bool {
        self.db.is_foreign(&self.env, slot)
    }

    fn env_is_ram(&self, cap: &kpi::cap::Capability) -> bool {
        caps::Machine::is_ram(&self.env, PhysAddr(cap.address()), cap.size())
    }
}
