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
        // SAFETY: the base of the L0 table that the DCB holds a capability of; `stop` loads the empty table before it goes.
        unsafe { hal::mmu::set_user_table(PhysAddr(dcb.table.get()), assigned.number) };
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

    /// Starts the time slices that a dispatcher gets at a time.
    pub fn start_slice(&mut self, dcb: DcbPtr) {
        let slices = 1 + u64::from(dcb.more_slices.get());
        self.slice_end = hal::timer::now().saturating_add(slices * self.slice_ticks);
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

    /// Whether the running dispatcher has time left.
    pub fn slice_goes_on(&self) -> bool {
        self.current.is_some() && hal::timer::now() < self.slice_end
    }

    /// Nobody runs: only a wake-up needs the timer.
    pub fn arm_timer_for_idle(&mut self) {
        match self.scheduler.next_wakeup() {
            Some(wakeup) => hal::timer::set_deadline(wakeup),
            None => hal::timer::stop(),
        }
    }
}
