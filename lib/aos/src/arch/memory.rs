//! Views of memory that this domain has mapped.

use super::cache::publish_code;
use super::copy::copy_shared;
use crate::error::ErrorCode;
use alloc::vec::Vec;
use core::arch::asm;
use kpi::addr::VirtAddr;
use kpi::args::{ARGS_HEADER_BYTES, ArgsHeader};
use kpi::bootinfo::BootInfo;
use kpi::coredata::CoreData;
use kpi::dispatcher::DispatcherShared;
use kpi::layout::{ARGS_BYTES, BASE_PAGE_SIZE};

/// A mapping of a frame in the own address space, made by `paging`. It stays mapped until it is handed to `paging_unmap`.
///
/// The frame may be mapped elsewhere too, here or in other domains. So it is read and written by copying; a slice of it is a promise of the
/// caller's.
#[derive(Debug)]
pub struct Mapped {
    address: VirtAddr,
    bytes: usize,
}

impl Mapped {
    /// A view of `[address, address + bytes)`.
    ///
    /// # Safety
    /// The range is mapped, begins at a page, and stays so while the view lives. No other Rust reference covers it while the view is used.
    pub(crate) const unsafe fn new(address: VirtAddr, bytes: usize) -> Self {
        Self { address, bytes }
    }

    /// Where it is.
    pub const fn address(&self) -> VirtAddr {
        self.address
    }

    fn pointer(&self) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(self.address.0 as usize)
    }

    /// The memory as Rust sees it.
    ///
    /// # Safety
    /// Nobody writes it while the slice lives: by no other mapping of the frame, here or elsewhere, and by no device.
    pub unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: mapped (contract of `new`), and nobody writes it.
        unsafe { core::slice::from_raw_parts(self.pointer(), self.bytes) }
    }

    /// The memory to write.
    ///
    /// # Safety
    /// As [`Mapped::bytes`], and nobody else reads it; it is mapped to be written.
    pub unsafe fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped (contract of `new`), and nobody else uses it.
        unsafe { core::slice::from_raw_parts_mut(self.pointer(), self.bytes) }
    }

    /// `count` bytes from byte `offset` on, to write. `None` if they are not all in the view.
    ///
    /// # Safety
    /// As [`Mapped::bytes_mut`], for these bytes.
    pub unsafe fn part_mut(&mut self, offset: usize, count: usize) -> Option<&mut [u8]> {
        let start = self.range(offset, count)?;
        // SAFETY: inside the view, which is mapped (contract of `new`), and nobody else uses it.
        Some(unsafe { core::slice::from_raw_parts_mut(start, count) })
    }

    /// Makes instructions in it visible to whoever runs them, see [`publish_code`].
    pub(crate) fn publish_code(&self) {
        publish_code(core::ptr::slice_from_raw_parts(self.pointer(), self.bytes));
    }

    /// Reads a word that other domains may write. `None` outside of the view or when it is not aligned.
    pub fn load(&self, offset: usize) -> Option<u64> {
        let word = self.word(offset)?;
        // SAFETY: inside the view, aligned; volatile, since others may write it.
        Some(unsafe { word.read_volatile() })
    }

    /// Writes a word that other domains may read. Answers whether the word is in the view.
    pub fn store(&self, offset: usize, value: u64) -> bool {
        match self.word(offset) {
            Some(word) => {
                // SAFETY: inside the view, aligned; volatile, since others may read it.
                unsafe { word.write_volatile(value) };
                true
            }
            None => false,
        }
    }

    /// Reads a device's register of 32 bits.
    pub fn load_register(&self, offset: usize) -> Option<u32> {
        let start = self.range(offset, 4).filter(|_| offset.is_multiple_of(4))?;
        // SAFETY: inside the view, aligned as that is; volatile, since it is a device.
        Some(unsafe { start.cast::<u32>().read_volatile() })
    }

    /// Writes a device's register of 32 bits. Answers whether it is in the view.
    pub fn store_register(&self, offset: usize, value: u32) -> bool {
        match self.range(offset, 4) {
            Some(start) if offset.is_multiple_of(4) => {
                // SAFETY: inside the view, aligned as that is; volatile, since it is a device.
                unsafe { start.cast::<u32>().write_volatile(value) };
                true
            }
            _ => false,
        }
    }

    /// Copies bytes to memory that others may use. Answers whether all of them fit; if not, nothing happens.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        let Some(start) = self.range(offset, bytes.len()) else {
            return false;
        };
        // SAFETY: a word is any eight bytes.
        let (before, words, rest) = unsafe { bytes.align_to::<u64>() };
        let (words, rest) = match before.is_empty() && start.addr().is_multiple_of(8) {
            true => (words, rest),
            false => (&[][..], bytes),
        };
        for (index, word) in words.iter().enumerate() {
            let place = start.wrapping_add(8 * index).cast::<u64>();
            // SAFETY: inside the view, aligned; volatile, since others may use it.
            unsafe { place.write_volatile(*word) };
        }
        for (index, byte) in rest.iter().enumerate() {
            let place = start.wrapping_add(8 * words.len() + index);
            // SAFETY: as above.
            unsafe { place.write_volatile(*byte) };
        }
        true
    }

    /// Sets every byte.
    pub fn fill(&mut self, value: u8) {
        let word = u64::from_ne_bytes([value; 8]);
        let words = self.bytes / 8;
        for index in 0..words {
            // SAFETY: inside the view, which begins at a page; volatile, since others may use it.
            unsafe {
                self.pointer()
                    .cast::<u64>()
                    .wrapping_add(index)
                    .write_volatile(word)
            };
        }
        for index in 8 * words..self.bytes {
            // SAFETY: as above.
            unsafe { self.pointer().wrapping_add(index).write_volatile(value) };
        }
    }

    /// Copies bytes from memory that other domains may write. Answers whether all of them are there. Each load is an instruction that does nothing
    /// else, so that an exception handler may pass over it: then the bytes are any.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> bool {
        let Some(start) = self.range(offset, bytes.len()) else {
            return false;
        };
        let (words, rest) = match start.addr().is_multiple_of(8) {
            true => bytes.as_chunks_mut::<8>(),
            false => (&mut [][..], bytes),
        };
        let done = 8 * words.len();
        for (index, word) in words.iter_mut().enumerate() {
            let place = start.wrapping_add(8 * index).cast::<u64>();
            let value: u64;
            // SAFETY: inside the view, aligned; opaque to the compiler, since others may write it.
            unsafe {
                asm!("ldr {}, [{}]", out(reg) value, in(reg) place, options(nostack, readonly, preserves_flags));
            }
            *word = value.to_ne_bytes();
        }
        for (index, byte) in rest.iter_mut().enumerate() {
            let place = start.wrapping_add(done + index);
            let value: u32;
            // SAFETY: as above.
            unsafe {
                asm!("ldrb {:w}, [{}]", out(reg) value, in(reg) place, options(nostack, readonly, preserves_flags));
            }
            *byte = value as u8;
        }
        true
    }

    /// As [`read`](Self::read), of memory that others can take away: `false` also if it is not there any more.
    pub(crate) fn read_shared(&self, offset: usize, bytes: &mut [u8]) -> bool {
        let count = bytes.len();
        let from = self.range(offset, count);
        // SAFETY: mapped as far as this domain knows (contract of `new`); the destination is a slice.
        from.is_some_and(|from| unsafe { copy_shared(bytes.as_mut_ptr(), from, count) })
    }

    /// As [`write`](Self::write), to memory that others can take away: `false` also if it is not there any more.
    pub(crate) fn write_shared(&mut self, offset: usize, bytes: &[u8]) -> bool {
        let to = self.range(offset, bytes.len());
        // SAFETY: as above, the other way.
        to.is_some_and(|to| unsafe { copy_shared(to, bytes.as_ptr(), bytes.len()) })
    }

    /// Appends `count` bytes to a vector, whose capacity they fit in. `false`: they do not, are not in the view, or not there any more.
    pub(crate) fn append_shared(&self, offset: usize, count: usize, into: &mut Vec<u8>) -> bool {
        let length = into.len();
        let Some(from) = self.range(offset, count) else {
            return false;
        };
        if into.spare_capacity_mut().len() < count {
            return false;
        }
        let to = into.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: the source is as above; the destination is the vector's, behind what is in use.
        let is_copied = unsafe { copy_shared(to, from, count) };
        if is_copied {
            // SAFETY: these bytes are written now.
            unsafe { into.set_len(length + count) };
        }
        is_copied
    }

    /// Start of a range inside the view.
    fn range(&self, offset: usize, bytes: usize) -> Option<*mut u8> {
        let end = offset.checked_add(bytes)?;
        (end <= self.bytes).then(|| self.pointer().wrapping_add(offset))
    }

    /// Writes a dispatcher structure at the start. Answers whether it fits.
    pub(crate) fn write_dispatcher(&mut self, shared: &DispatcherShared) -> bool {
        let fits = self.bytes >= size_of::<DispatcherShared>();
        if fits {
            // SAFETY: inside the view, page-aligned.
            unsafe { self.pointer().cast::<DispatcherShared>().write(*shared) };
        }
        fits
    }

    /// Writes what a new core is told. Answers whether it fits, at a multiple of 8.
    pub(crate) fn write_core_data(&mut self, offset: usize, record: &CoreData) -> bool {
        let place = self.range(offset, size_of::<CoreData>());
        let place = place.filter(|_| offset.is_multiple_of(align_of::<CoreData>()));
        if let Some(start) = place {
            // SAFETY: inside the view, which is page-aligned.
            unsafe { start.cast::<CoreData>().write(*record) };
        }
        place.is_some()
    }

    fn word(&self, offset: usize) -> Option<*mut u64> {
        let end = offset.checked_add(8)?;
        (end <= self.bytes && offset.is_multiple_of(8))
            .then(|| self.pointer().wrapping_add(offset).cast())
    }
}

/// The arguments page: as many bytes as its header says are used.
pub(crate) fn args_page(address: usize) -> &'static [u8] {
    let pointer: *const u8 = core::ptr::with_exposed_provenance(address);
    // SAFETY: who started the domain mapped the page at the address it passed; it stays mapped.
    let header = unsafe { pointer.cast::<ArgsHeader>().read() };
    let bytes = (header.bytes as usize).clamp(ARGS_HEADER_BYTES, ARGS_BYTES as usize);
    // SAFETY: as above; whoever wrote the header mapped the bytes it counts, and nobody writes them afterwards.
    unsafe { core::slice::from_raw_parts(pointer, bytes) }
}

/// A mapping as lines of a channel to another core.
///
/// # Safety
/// It is not used in any other way, and unmapped only when nobody has the lines any more.
pub(crate) unsafe fn lines_of(view: &Mapped) -> Result<&'static [ump::Slot], ErrorCode> {
    // SAFETY: mapped, and the caller's promise.
    unsafe { ump::slots(view.pointer(), view.bytes) }
}

/// The boot information at `address`.
///
/// # Safety
/// A frame of boot information is mapped there, for good and read-only in effect.
pub(crate) unsafe fn boot_info(address: VirtAddr) -> &'static BootInfo {
    let pointer: *const BootInfo = core::ptr::with_exposed_provenance(address.0 as usize);
    // SAFETY: the caller's promise; every bit pattern is a valid BootInfo.
    unsafe { &*pointer }
}

/// Puts a context at the end of a new exception stack, which it becomes the description of.
pub(crate) fn place_context(
    context: super::context::Context,
    exception_stack: core::ops::Range<u64>,
) -> *mut super::context::Context {
    use super::context::Context;
    let at = (exception_stack.end as usize - size_of::<Context>()) & !15;
    let place: *mut Context = core::ptr::with_exposed_provenance_mut(at);
    let context = Context {
        exception_stack: exception_stack.start..at as u64,
        ..context
    };
    // SAFETY: the caller has just mapped the range for this; aligned, and inside of it (asserted in `context`).
    unsafe { place.write(context) };
    place
}

/// What the memory of a context that no thread uses is made of.
pub(crate) fn take_mapping(
    context: *mut super::context::Context,
) -> Option<crate::thread::stack::Mapping> {
    // SAFETY: taken out of the list of unused stacks by the caller, who alone has it.
    unsafe { (*context).mapping.take() }
}

/// Touches so many bytes of stack below the caller, or what is left of it, so that they are there from now on. Exception stacks always are.
pub(crate) fn touch_stack(bytes: usize) {
    let here = 0_u8;
    let top = (&raw const here).expose_provenance();
    // SAFETY: the context of who runs; these do not change.
    let stack = unsafe { &(*super::context::current()).stack };
    if !stack.contains(&(top as u64)) {
        return;
    }
    let lowest = top.saturating_sub(bytes).max(stack.start as usize);
    let mut at = top;
    while at - lowest >= 4096 {
        at -= 4096;
        touch(at);
    }
    touch(lowest);
}

fn touch(address: usize) {
    let place: *const u8 = core::ptr::with_exposed_provenance(address);
    // SAFETY: below the stack pointer, where the stack goes next. Volatile, so that it is done; what is read does not matter.
    unsafe { place.read_volatile() };
}

/// Copies a page that is mapped to another that is mapped to be written, for the caller alone. Others may write the first meanwhile, by another
/// mapping. It may be code: the copy can be executed from now on.
pub(crate) fn copy_page(from: VirtAddr, to: VirtAddr) {
    let from: *const u64 = core::ptr::with_exposed_provenance(from.0 as usize);
    let to: *mut u64 = core::ptr::with_exposed_provenance_mut(to.0 as usize);
    for word in 0..BASE_PAGE_SIZE as usize / 8 {
        // SAFETY: both pages are mapped as said; volatile, since others may write the first.
        unsafe {
            to.wrapping_add(word)
                .write_volatile(from.wrapping_add(word).read_volatile());
        }
    }
    publish_code(core::ptr::slice_from_raw_parts(
        to.cast(),
        BASE_PAGE_SIZE as usize,
    ));
}

/// A store of nodes that has grown: its area, from `area` on, has `after` bytes now. Before it had `before`, in which `places` are; or none, then
/// `places` are moved there.
pub(crate) fn grown<T: Copy + Default>(
    places: &'static mut [T],
    area: VirtAddr,
    before: Option<usize>,
    after: usize,
) -> &'static mut [T] {
    let start: *mut T = core::ptr::with_exposed_provenance_mut(area.0 as usize);
    let count = after / size_of::<T>();
    let old = match before {
        Some(bytes) => bytes / size_of::<T>(),
        None => places.len().min(count),
    };
    for (index, place) in (0..count).map(|index| (index, start.wrapping_add(index))) {
        let node = match before {
            Some(_) if index < old => continue,
            None if index < old => places.get(index).copied().unwrap_or_default(),
            _ => T::default(),
        };
        // SAFETY: the caller mapped the area that far, for this alone and for good; aligned, since pages are.
        unsafe { place.write(node) };
    }
    // SAFETY: as above; all of it is initialised, and `places`, which may be the first part of it, is not used any more.
    unsafe { core::slice::from_raw_parts_mut(start, count) }
}
