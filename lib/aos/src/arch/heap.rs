//! The allocator of [`crate::heap`]: talc, over the program's own arena and then over the lazy range.
//!
//! Talc keeps its notes of a free block at the block's first and last bytes. So the whole pages between, and those behind the end of its
//! heap, can be taken away under its lock, and come back zeroed when they are used again.

use super::locks::RawMutex;
use crate::heap::{LARGE, Range, discard, discard_inside};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use kpi::addr::VirtAddr;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

/// Bytes that talc may use at each end of a free block: its least chunk and an end word.
const NOTES: u64 = 64;

struct Heap(talc::TalcLock<RawMutex, Lazy>);

#[global_allocator]
static HEAP: Heap = Heap(talc::TalcLock::new(Lazy(Range::unused())));

/// Where talc gets more from.
#[derive(Debug)]
struct Lazy(Range);

fn pointer(address: VirtAddr) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address.0 as usize)
}

// SAFETY: `acquire` uses no heap, only the books of the address space.
unsafe impl Source for Lazy {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let wanted = layout.size().saturating_add(layout.align());
        let before = talc.source.0.end();
        let end = pointer(talc.source.0.extend(wanted as u64).ok_or(())?);
        let end = match before {
            // SAFETY: the range is reserved for this, and nobody but talc uses it.
            None => unsafe {
                let start = pointer(talc.source.0.start());
                talc.claim(start, end.addr() - start.addr()).ok_or(())?
            },
            // SAFETY: as above; `before` is the end that talc answered last.
            Some(before) => unsafe {
                let before = NonNull::new(pointer(before)).ok_or(())?;
                talc.extend(before, end)
            },
        };
        talc.source
            .0
            .set_end(VirtAddr(end.as_ptr().expose_provenance() as u64));
        Ok(())
    }
}

// SAFETY: talc's, but for large blocks, whose inner pages are zero when they are new and nobody's when they are freed.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { self.0.alloc(layout) };
        if block.is_null() {
            return block;
        }
        let (start, bytes) = (block.expose_provenance() as u64, layout.size() as u64);
        // Where nothing could be taken away, all is written.
        let inside = match layout.size() >= LARGE {
            true => discard_inside(start, bytes, 0),
            false => start..start,
        };
        // SAFETY: inside of the block, which is nobody else's.
        unsafe {
            block.write_bytes(0, (inside.start - start) as usize);
            let rest = block.add((inside.end - start) as usize);
            rest.write_bytes(0, (start + bytes - inside.end) as usize);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(heap) = (layout.size() >= LARGE).then(|| self.0.lock()) else {
            // SAFETY: the caller's promise.
            return unsafe { self.0.dealloc(block, layout) };
        };
        let mut heap = heap;
        // SAFETY: the caller's promise. Under the lock nobody else gets the block.
        unsafe { heap.deallocate(block, layout) };
        discard_inside(
            block.expose_provenance() as u64,
            layout.size() as u64,
            NOTES,
        );
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if layout.size() < LARGE {
            // SAFETY: the caller's promise.
            return unsafe { self.0.realloc(block, layout, bytes) };
        }
        // SAFETY: the caller's promise.
        if unsafe { self.0.lock().try_realloc_in_place(block, layout, bytes) } {
            return block;
        }
        // SAFETY: the caller's promise: `bytes` suits the alignment.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(block, layout.size().min(bytes));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

unsafe extern "C" {
    static __heap_start: u8;
    static __heap_end: u8;
}

/// Gives the program's own arena to the allocator. Called once, by `entry::start`; until then every allocation fails.
pub(super) fn claim() {
    let start = (&raw const __heap_start).cast_mut();
    let bytes = (&raw const __heap_end) as usize - start as usize;
    // SAFETY: the linker script reserves this range, writeable, for nothing else. A refused claim leaves the heap empty,
    // and the first allocation then says so.
    let _ = unsafe { HEAP.0.lock().claim(start, bytes) };
}

/// Gives the allocator so many bytes of memory, which is mapped readable and writeable, for nothing else, and never unmapped.
pub(crate) fn add(start: VirtAddr, bytes: u64) {
    // SAFETY: the caller says so. What is refused is not used.
    let _ = unsafe { HEAP.0.lock().claim(pointer(start), bytes as usize) };
}

/// Whether the heap may grow beyond the program's own arena.
pub(crate) fn set_grows(grows: bool) {
    HEAP.0.lock().source.0.set_grows(grows);
}

/// Makes the range end behind the last block, unless the allocator is in use; answers how many bytes came back.
pub(crate) fn trim() -> u64 {
    let Some(mut heap) = HEAP.0.try_lock() else {
        return 0;
    };
    let Some(old) = heap.source.0.end() else {
        return 0;
    };
    let Some(old_end) = NonNull::new(pointer(old)) else {
        return 0;
    };
    // SAFETY: the end that talc answered last.
    let end = unsafe {
        let last = heap.reserved(old_end).up_to;
        heap.truncate(old_end, last.as_ptr())
    };
    let end = end.map(|end| VirtAddr(end.as_ptr().expose_provenance() as u64));
    let start = heap.source.0.start();
    match end {
        Some(end) => heap.source.0.set_end(end),
        None => heap.source.0.clear_end(),
    }
    discard(end.unwrap_or(start).0, old.0)
}
