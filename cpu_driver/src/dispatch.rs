//! Switching to a dispatcher, and the timer.

use core::ptr::NonNull;

use kpi::addr::PhysAddr;
use kpi::dispatcher::DispatcherShared;

use crate::arch::context;
use crate::dcb::DcbPtr;
use crate::env::Env;

impl Env {
    /// Loads a dispatcher's address space and thread registers.
    pub fn switch_to(&mut self, dcb: DcbPtr, shared: NonNull<DispatcherShared>) {
        let assigned = self.asids.assign(dcb.asid.get());
        if assigned.flush_all {
            // The core may fill its TLB with the old table's translations as long as that is loaded: not after the flush.
            // SAFETY: an all-zero page; the kernel runs in the other half.
            unsafe { hal::mmu::set_user_table(self.empty_table, 0) };
            hal::mmu::flush_all();
        }
        dcb.asid.set(assigned.tag);
        self.enter(dcb, shared, assigned.number);
    }

    /// The same for one whose address-space identifier is live, and is this number.
    #[inline(always)]
    pub fn enter(&mut self, dcb: DcbPtr, shared: NonNull<DispatcherShared>, number: u16) {
        // SAFETY: the base of the L0 table that the DCB holds a capability of; `stop` loads the empty table before it goes.
        unsafe { hal::mmu::set_user_table(PhysAddr(dcb.table.get()), number) };
        let pointer = shared.as_ptr();
        // SAFETY: a live frame in the window; a single word.
        let udisp = unsafe { (&raw const (*pointer).udisp).read_volatile() };
        // SAFETY: the frame is live, and `stop` ends this before it goes.
        unsafe { context::set_dispatcher(pointer as u64, udisp) };
        self.current = Some(dcb);
    }

    /// The root table of a dispatcher changed: nothing of the old one stays in use.
    pub fn table_changed(&mut self, dcb: DcbPtr) {
        // A new root table was zeroed, perhaps a moment ago, and TTBR0 needs no barrier of its own to be used.
        hal::mmu::publish_new_entries();
        let Some(number) = self.asids.live_number(dcb.asid.get()) else {
            // Nothing is cached under a number of an older generation.
            return;
        };
        let runs = self.current == Some(dcb);
        if runs {
            // As in `switch_to`: nothing of the old table comes in behind the flush.
            // SAFETY: an all-zero page; the kernel runs in the other half.
            unsafe { hal::mmu::set_user_table(self.empty_table, 0) };
        }
        hal::mmu::flush_asid(number);
        if runs {
            // SAFETY: the base of the L0 table that the DCB holds a capability of.
            unsafe { hal::mmu::set_user_table(PhysAddr(dcb.table.get()), number) };
        }
    }

    /// Starts the time that the scheduler gave to a dispatcher.
    pub fn start_slice(&mut self, dcb: DcbPtr) {
        self.slice_end = self.scheduler.slice_end(dcb);
        self.arm_timer_for_slice();
    }

    /// The timer fires at the slice's end, or for the next wake-up if that comes first.
    pub fn arm_timer_for_slice(&mut self) {
        let wakeup = self.scheduler.next_wakeup().unwrap_or(u64::MAX);
        hal::timer::set_deadline(wakeup.min(self.slice_end));
    }

    /// The timer fired: who sleeps until now is runnable.
    #[inline(never)]
    pub fn wake_due(&mut self) {
        hal::timer::stop();
        self.scheduler.wake_due(hal::timer::now());
    }

    /// Whether the running dispatcher has time left; then the timer is set.
    pub fn slice_goes_on(&mut self) -> bool {
        let end = self
            .current
            .and_then(|current| self.scheduler.goes_on(current, self.slice_end));
        if let Some(end) = end {
            self.slice_end = end;
            self.arm_timer_for_slice();
        }
        end.is_some()
    }

    /// Nobody runs: the timer fires when somebody may.
    pub fn arm_timer_for_idle(&mut self) {
        match self.scheduler.next_event() {
            Some(event) => hal::timer::set_deadline(event),
            None => hal::timer::stop(),
        }
    }
}
