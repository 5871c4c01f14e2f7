//! The kernel window: physical address p is at `KERNEL_OFFSET + p`.
//!
//! Only what the boot driver put into the window may be accessed: RAM of the device tree that is not `no-map`, and the
//! console's and interrupt controller's registers.

use kpi::addr::PhysAddr;
use kpi::layout::KERNEL_OFFSET;

/// Where physical address `address` is in the window. Making the pointer is always sound, using it only if it is mapped.
#[inline]
pub fn phys_to_virt(address: PhysAddr) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address.0.wrapping_add(KERNEL_OFFSET) as usize)
}

/// Which physical address a pointer into the window means.
#[inline]
pub fn virt_to_phys<T: ?Sized>(pointer: *const T) -> PhysAddr {
    PhysAddr((pointer.cast::<u8>().expose_provenance() as u64).wrapping_sub(KERNEL_OFFSET))
}
