//! Exceptions that are no system calls: faults of programs, interrupts, system errors.

use core::ptr::NonNull;

use kpi::dispatcher::SaveArea;
use kpi::lmp::FaultKind;

use super::{Kernel, kernel};
use crate::arch::context;
use crate::dcb::{DcbPtr, MAX_DISABLED_FAULTS};

#[unsafe(no_mangle)]
extern "C" fn fault_entry(area: NonNull<SaveArea>, disabled: u32) -> *const SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| kernel.fault(area, disabled != 0))
}

#[unsafe(no_mangle)]
extern "C" fn interrupt_entry(area: NonNull<SaveArea>, disabled: u32) -> *const SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| kernel.interrupt(area, disabled != 0))
}

#[unsafe(no_mangle)]
extern "C" fn system_error_entry(area: NonNull<SaveArea>, _disabled: u32) -> *const SaveArea {
    // SAFETY: called by the vectors only.
    unsafe { kernel() }.timed(|kernel| {
        let (esr, far) = context::exception_syndrome();
        let pc = pc_of(area);
        if let Some(current) = kernel.env.current {
            kernel
                .env
                .stop(current, FaultKind::SystemError, [esr, far, pc]);
        }
        kernel.deliver_notes();
        kernel.schedule()
    })
}

/// PC of the area that the vectors just filled.
fn pc_of(area: NonNull<SaveArea>) -> u64 {
    // SAFETY: a word of the running dispatcher's live frame.
    unsafe { (&raw const (*area.as_ptr()).pc).read_volatile() }
}

/// A page fault goes to the `pagefault` upcalls, every other synchronous exception to `trap`. (ESR.EC: Arm ARM D17.2.37.)
fn is_page_fault(esr: u64) -> bool {
    matches!(esr >> 26, 0x20 | 0x22 | 0x24 | 0x26)
}

impl Kernel {
    fn interrupt(&mut self, area: NonNull<SaveArea>, disabled: bool) -> *const SaveArea {
        if let Some(receiver) = self.take_interrupt()
            && self.env.scheduler.lends_time()
        {
            // A driver does not wait: it runs for the rest of this slice, for which the timer stays as it is. (If that was to wake the
            // driver, it fires for nothing.)
            self.left(disabled);
            return self.run(receiver);
        }
        if self.env.slice_goes_on() {
            return area.as_ptr();
        }
        self.left(disabled);
        self.schedule()
    }

    fn fault(&mut self, area: NonNull<SaveArea>, disabled: bool) -> *const SaveArea {
        let (esr, far) = context::exception_syndrome();
        let pc = pc_of(area);
        let Some((current, shared)) = self.env.current.and_then(|dcb| Some((dcb, dcb.shared()?)))
        else {
            return self.schedule();
        };
        let shared_at = shared.as_ptr();
        if disabled {
            current.faults_taken.set(current.faults_taken.get() + 1);
            if current.faults_taken.get() > MAX_DISABLED_FAULTS {
                self.env
                    .stop(current, FaultKind::DisabledFaults, [esr, far, pc]);
                self.deliver_notes();
                return self.schedule();
            }
        }
        // SAFETY: the frame of the running dispatcher, in the window; a single word.
        let entry = unsafe {
            match (is_page_fault(esr), disabled) {
                (true, false) => (&raw const (*shared_at).pagefault).read_volatile(),
                (true, true) => (&raw const (*shared_at).pagefault_disabled).read_volatile(),
                (false, _) => (&raw const (*shared_at).trap).read_volatile(),
            }
        };
        self.upcall(shared, entry, [far, esr, pc])
    }

    /// Acknowledges and handles one interrupt, if any is pending. Returns who received it, if it was a device's.
    pub(super) fn take_interrupt(&mut self) -> Option<DcbPtr> {
        let interrupt = self.env.devices.gic.acknowledge()?;
        let mut receiver = None;
        if interrupt.0 == self.env.devices.timer_interrupt {
            self.env.wake_due();
        } else {
            receiver = self.deliver_interrupt(interrupt);
        }
        self.env.devices.gic.end(interrupt);
        receiver
    }
}
