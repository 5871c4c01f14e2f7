//! Everything the kernel owns besides the capability database: memory through the window, queues, hardware.
//!
//! The database calls back into this while it works ([`caps::Store`], [`caps::Machine`]): to reach a slot, to zero memory, to
//! change a table entry, and to say that an object in use is about to go.

use caps::{Cte, CteRef, Machine, Reach, Store, Unmapped};
use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::Capability;
use kpi::coredata::Region;
use kpi::layout::{BASE_PAGE_SIZE, KERNEL_OFFSET};
use kpi::lmp::FaultKind;

use crate::asid::Asids;
use crate::console::Console;
use crate::dcb::{DCB_BYTES, DcbPtr, DcbState};
use crate::interrupts::Receivers;
use crate::notes::Notes;
use crate::scheduler::Scheduler;

/// Registers of the interrupt controller and the power interface.
pub struct Devices {
    /// GIC of this core.
    pub gic: hal::gic::Gic,
    /// How to power off, reset and start cores.
    pub psci: kpi::coredata::PsciConduit,
    /// Interrupt number of the timer.
    pub timer_interrupt: u32,
    /// Hardware identity of this core.
    pub arch_id: u64,
}

/// The kernel's state without the database.
pub struct Env {
    /// Number of this core.
    pub core: CoreId,
    /// All RAM in the window, ascending.
    pub ram: [Region; 16],
    /// Run queue and wake-ups.
    pub scheduler: Scheduler,
    /// Who runs. `None`: nobody (idle, or the one that ran is gone).
    pub current: Option<DcbPtr>,
    /// Address-space identifiers.
    pub asids: Asids,
    /// Root of a table that maps nothing.
    pub empty_table: PhysAddr,
    /// Notes to the monitor that wait for room in its endpoint.
    pub notes: Notes,
    /// Receivers of device interrupts.
    pub receivers: Receivers,
    /// The console.
    pub console: Console,
    /// Hardware.
    pub devices: Devices,
    /// Counter value at which the running slice ends.
    pub slice_end: u64,
    /// Domain ids given out so far.
    pub domain_ids: u64,
}

#[inline]
fn window(address: PhysAddr) -> u64 {
    address.0.wrapping_add(KERNEL_OFFSET)
}

/// The same for an entry: physical addresses have 48 bits, and this takes no constant in a register.
#[inline(always)]
fn entry_in_window(at: CteRef) -> u64 {
    crate::arch::context::in_window(at.address().0)
}

// SAFETY: a `CteRef` names a CTE in memory that a CNode, a DCB or the kernel image holds, all of it in the window, and zeroed
// or initialised as CTEs before the first handle to it is made. `&self`/`&mut self` of the one `Env` of this core bound the
// references, and the kernel is single-threaded.
unsafe impl Store for Env {
    #[inline]
    fn cte(&self, at: CteRef) -> &Cte {
        // SAFETY: see above.
        unsafe { &*(entry_in_window(at) as *const Cte) }
    }

    #[inline]
    fn cte_mut(&mut self, at: CteRef) -> &mut Cte {
        // SAFETY: see above.
        unsafe { &mut *(entry_in_window(at) as *mut Cte) }
    }

    #[inline]
    fn slot(&self, cnode_base: PhysAddr, index: u32) -> CteRef {
        // SAFETY: the caller (the database) has checked `index` against the CNode's size.
        unsafe {
            CteRef::new(PhysAddr(
                cnode_base.0 + u64::from(index) * kpi::layout::SLOT_BYTES,
            ))
        }
    }

    fn retire(&mut self, _base: PhysAddr, _bytes: u64) {
        // No Rust reference into user-supplied memory outlives the call it was made in, so nothing has to be forgotten.
    }
}

impl Machine for Env {
    fn zero(&mut self, base: PhysAddr, bytes: u64) {
        // SAFETY: the database zeroes only memory whose RAM capability it found free of other objects, so nothing in the kernel
        // refers to it; all RAM with a capability is in the window.
        unsafe { hal::mem::zero(window(base) as *mut u8, bytes as usize) }
    }

    #[inline(always)]
    fn is_ram(&self, base: PhysAddr, bytes: u64) -> bool {
        // Mostly it is the first region, often the only one.
        let [first, ..] = self.ram;
        let offset = base.0.wrapping_sub(first.base);
        let is_inside = offset < first.bytes && bytes <= first.bytes - offset;
        is_inside || self.is_other_ram(base, bytes)
    }

    fn read_entry(&self, entry: PhysAddr) -> u64 {
        // SAFETY: the database passes only entries of live VNodes: aligned words of window memory.
        unsafe { (window(entry) as *const u64).read_volatile() }
    }

    fn write_entry(&mut self, entry: PhysAddr, value: u64) {
        // SAFETY: as above; a VNode's memory is written by nobody else.
        unsafe { (window(entry) as *mut u64).write_volatile(value) }
    }

    fn unmapped(&mut self, what: Unmapped) {
        match what.reach {
            // No walk came by since the table was taken down, and everything went then.
            Reach::Nowhere => {}
            Reach::Once { address, .. } => {
                hal::mmu::flush_leaves(address, what.entry_bytes(), what.count)
            }
            Reach::Many => hal::mmu::flush_all(),
        }
    }

    fn object_lost(&mut self, holder: CteRef, _cap: &Capability) {
        // The monitor endpoint's slot lies in the kernel image, those of interrupts in their table, DCB slots in a DCB.
        if self.notes.is_endpoint_slot(holder) {
            self.notes.endpoint_lost();
            return;
        }
        if let Some(interrupt) = self.receivers.vector_of(holder) {
            let _ = self.devices.gic.disable(interrupt);
            return;
        }
        let base = holder.address().align_down(DCB_BYTES);
        // SAFETY: every other slot that is held by an object lies in a live DCB.
        let Some(dcb) = (unsafe { DcbPtr::from_phys(base) }) else {
            return;
        };
        // It does not run on this one any more.
        if holder == dcb.spare_vspace() {
            return;
        }
        // A dispatcher that is not set up yet loses what a failed set-up put there: nobody runs on it.
        if !matches!(dcb.state.get(), DcbState::Empty | DcbState::Deleted) {
            self.stop(dcb, FaultKind::LostObject, [0; 3]);
        }
        match holder {
            at if at == dcb.vspace() => dcb.table.set(0),
            at if at == dcb.frame() => dcb.frame_base.set(0),
            _ => {}
        }
    }

    /// To clean one from the cache takes some 150 instructions.
    fn most_uncached_pages(&self) -> u64 {
        64
    }

    fn memory_free(&mut self, base: PhysAddr, bytes: u64) {
        self.notes.push_free(base.0, bytes);
    }

    fn dispatcher_deleted(&mut self, dcb: PhysAddr) {
        // SAFETY: the address comes from the last capability of the dispatcher, which is still in the database.
        let Some(dcb) = (unsafe { DcbPtr::from_phys(dcb) }) else {
            return;
        };
        // One that was never set up is on no queue, and nobody knows it.
        if !matches!(dcb.state.get(), DcbState::Empty | DcbState::Deleted) {
            self.take_off(dcb);
            dcb.state.set(DcbState::Deleted);
            self.receivers.listener_deleted();
            self.notes.push_deleted(dcb);
        }
    }
}

impl Env {
    /// Whether all of the range is in a region of RAM.
    #[cold]
    #[optimize(size)]
    #[inline(never)]
    fn is_other_ram(&self, base: PhysAddr, bytes: u64) -> bool {
        let Some(end) = base.0.checked_add(bytes) else {
            return false;
        };
        self.ram
            .iter()
            .any(|region| region.base <= base.0 && end <= region.end() && region.bytes > 0)
    }

    /// A domain id that no dispatcher of this core was given before.
    pub fn new_domain_id(&mut self) -> u64 {
        self.domain_ids += 1;
        self.domain_ids
    }

    /// Takes a dispatcher off the scheduler for good, tells the monitor why, and leaves its address space if it is running.
    pub fn stop(&mut self, dcb: DcbPtr, kind: FaultKind, detail: [u64; 3]) {
        self.take_off(dcb);
        if dcb.state.replace(DcbState::Dead) != DcbState::Dead {
            let [esr, far, pc] = detail;
            dcb.why_stopped.set([kind as u64, esr, far, pc]);
            self.notes.push_stopped(dcb);
        }
    }

    /// Takes a dispatcher off both queues and off the core, and leaves its address space.
    fn take_off(&mut self, dcb: DcbPtr) {
        self.scheduler.forget(dcb);
        if let Some(number) = self.asids.live_number(dcb.asid.get()) {
            if self.current == Some(dcb) {
                // SAFETY: an all-zero page; the kernel runs in the other half.
                unsafe { hal::mmu::set_user_table(self.empty_table, 0) };
            }
            hal::mmu::flush_asid(number);
        }
        if self.current == Some(dcb) {
            self.current = None;
            self.notes.ask_attention();
        }
    }

    /// Reads user memory of the running dispatcher: `length` bytes at `address`, page by page, as EL0 may read it.
    /// `None` if any of it is not readable or not RAM. The slice given to `f` never crosses a page.
    pub fn with_user_bytes(
        &mut self,
        address: u64,
        length: u64,
        mut f: impl FnMut(&mut Console, &[u8]),
    ) -> Option<()> {
        let end = address.checked_add(length)?;
        // First all of it is checked, then used: a partly bad buffer has no effect.
        for check in [true, false] {
            let mut at = address;
            while at < end {
                let chunk = (BASE_PAGE_SIZE - at % BASE_PAGE_SIZE).min(end - at);
                let physical = PhysAddr(crate::arch::context::translate_user_read(at)?);
                if !self.is_ram(physical, chunk) {
                    return None;
                }
                if !check {
                    // SAFETY: RAM in the window; bytes that the user may change meanwhile from another core are copied out
                    // before use.
                    let bytes = unsafe {
                        core::slice::from_raw_parts(window(physical) as *const u8, chunk as usize)
                    };
                    f(&mut self.console, bytes);
                }
                at += chunk;
            }
        }
        Some(())
    }
}
