//! The heap's arena: memory between two symbols of the linker script.

use super::locks::RawMutex;
use talc::TalcLock;
use talc::source::Manual;

#[global_allocator]
static HEAP: TalcLock<RawMutex, Manual> = TalcLock::new(Manual);

unsafe extern "C" {
    static __heap_start: u8;
    static __heap_end: u8;
}

/// Gives the arena to the allocator. Called once, by `entry::start`; until then every allocation fails.
pub(super) fn claim() {
    let start = (&raw const __heap_start).cast_mut();
    let bytes = (&raw const __heap_end) as usize - start as usize;
    // SAFETY: the linker script reserves this range, writeable, for nothing else. A refused claim leaves the heap empty,
    // and the first allocation then says so.
    let _ = unsafe { HEAP.lock().claim(start, bytes) };
}
