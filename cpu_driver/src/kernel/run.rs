//! The way out: which dispatcher runs next, and whether where it left off or by an upcall.

use core::ptr::NonNull;

use kpi::dispatcher::{DispatcherShared, SaveArea};

use super::Kernel;
use crate::dcb::DcbPtr;

impl Kernel {
    /// The current dispatcher left the core in that mode.
    #[cfg_attr(feature = "rbed", inline(never))]
    #[cfg_attr(not(feature = "rbed"), inline(always))]
    pub(super) fn left(&mut self, disabled: bool) {
        if let Some(current) = self.env.current {
            current.disabled.set(disabled);
            self.env.scheduler.keep(current);
            if !disabled {
                current.faults_taken.set(0);
            }
        }
    }

    /// Runs the next dispatcher of the queue, for a time slice; waits for one if there is none.
    pub fn schedule(&mut self) -> *const SaveArea {
        loop {
            if let Some(next) = self.env.scheduler.next() {
                self.env.start_slice(next);
                return self.run(next);
            }
            self.idle();
        }
    }

    pub(super) fn run_or_schedule(&mut self, to: Option<DcbPtr>) -> *const SaveArea {
        match to {
            Some(to) => self.run(to),
            None => self.schedule(),
        }
    }

    /// Runs a ready dispatcher where it left off, or by its run upcall.
    pub fn run(&mut self, dcb: DcbPtr) -> *const SaveArea {
        let Some(shared) = dcb.shared() else {
            return self.schedule();
        };
        if self.env.current != Some(dcb) {
            self.env.switch_to(dcb, shared);
        }
        dcb.accepts.set(0);
        let pointer = shared.as_ptr();
        // SAFETY: a live frame in the window; single words.
        unsafe { (&raw mut (*pointer).systime).write_volatile(hal::timer::now()) };
        if dcb.disabled.get() {
            // SAFETY: as above; only the address is taken.
            return unsafe { &raw const (*pointer).disabled_area };
        }
        dcb.faults_taken.set(0);
        // SAFETY: as above.
        let entry = unsafe { (&raw const (*pointer).run).read_volatile() };
        self.upcall(shared, entry, [0; 3])
    }

    /// Nothing is runnable: sleeps until an interrupt.
    #[inline(never)]
    #[optimize(size)]
    fn idle(&mut self) {
        self.env.arm_timer_for_idle();
        #[cfg(feature = "check")]
        let _ = self.clock.stop();
        hal::cpu::wait_for_interrupt();
        #[cfg(feature = "check")]
        self.clock.start();
        self.take_interrupt();
    }

    /// Enters the dispatcher at `entry`, disabled, with nothing in its registers but the arguments.
    pub(super) fn upcall(
        &mut self,
        shared: NonNull<DispatcherShared>,
        entry: u64,
        arguments: [u64; 3],
    ) -> *const SaveArea {
        let pointer = shared.as_ptr();
        // SAFETY: a live frame in the window; single words.
        let (udisp, got) = unsafe {
            (&raw mut (*pointer).disabled).write_volatile(1);
            (
                (&raw const (*pointer).udisp).read_volatile(),
                (&raw const (*pointer).got_base).read_volatile(),
            )
        };
        let [first, second, third] = arguments;
        let area = &mut self.upcall_area;
        let [x0, x1, x2, x3, ..] = &mut area.x;
        (*x0, *x1, *x2, *x3) = (udisp, first, second, third);
        if let Some(x10) = area.x.get_mut(10) {
            *x10 = got;
        }
        area.pc = entry;
        &raw const self.upcall_area
    }
}
