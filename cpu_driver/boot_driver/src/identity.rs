//! The identity mapping the boot driver runs in (TTBR0), and the memory that page tables are made of.
//!
//! The MMU goes on as the first thing: with it off all memory is uncached Device memory, which is slow on hardware, and data that the
//! boot loader left in a cache could not be seen. Mapped is only what is known to be memory: the image and its archive, the
//! device tree, later what was allocated; and the console.
//!
//! Caches at entry: the boot protocol has the image cleaned to the point of coherency, so no dirty line of it exists, but
//! clean lines may. What was written while the MMU was off went past them: those lines are dropped before the MMU goes on.

use bootplan::regions::{between, outer_pages};
use bootplan::tables::{MapError, TableBuilder, TableMemory};
use hal::descriptor::{Access, MemoryType, attributes};
use hal::{cache, mmu};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::coredata::Region;
use kpi::layout::BASE_PAGE_SIZE;

use crate::console::FALLBACK_UART;

unsafe extern "C" {
    static __image_start: u8;
    static __tables_start: u8;
    static __tables_end: u8;
    static __image_end: u8;
}

/// Address of a linker symbol.
fn at(symbol: *const u8) -> u64 {
    symbol.expose_provenance() as u64
}

/// The boot driver itself.
pub fn own_memory() -> Region {
    between(at(&raw const __image_start), at(&raw const __image_end))
}

/// `image_size` of our image header: everything the boot loader loaded. 0 if hake did not write it.
pub fn image_size() -> u64 {
    let header = (&raw const __image_start).cast::<u64>();
    // SAFETY: word 2 of the image header, which is always there; volatile, because the compiler may know the header as it was
    // linked.
    unsafe { header.add(2).read_volatile() }
}

/// Memory that tables are taken from, page by page; identity-mapped.
#[derive(Debug)]
pub struct TablePool {
    next: u64,
    end: u64,
}

impl TablePool {
    /// A pool over `memory`.
    ///
    /// # Safety
    /// The whole pages `memory` may be written at their physical addresses, and nothing else uses them.
    pub const unsafe fn new(memory: Region) -> Self {
        Self {
            next: memory.base,
            end: memory.end(),
        }
    }

    fn entry(table: PhysAddr, index: usize) -> *mut u64 {
        let table: *mut u64 = core::ptr::with_exposed_provenance_mut(table.0 as usize);
        table.wrapping_add(index % 512)
    }

    /// The unused rest of the pool's memory, which it gives up.
    pub fn take_rest(&mut self) -> Region {
        let rest = between(self.next, self.end);
        self.end = self.next;
        rest
    }
}

impl TableMemory for &mut TablePool {
    fn allocate(&mut self) -> Option<PhysAddr> {
        let page = self.next;
        if self.end.saturating_sub(page) < BASE_PAGE_SIZE {
            return None;
        }
        self.next += BASE_PAGE_SIZE;
        let start: *mut u8 = core::ptr::with_exposed_provenance_mut(page as usize);
        // SAFETY: a page of the pool, given out once. Not DC ZVA: the MMU may be off.
        unsafe { start.write_bytes(0, BASE_PAGE_SIZE as usize) };
        Some(PhysAddr(page))
    }

    fn read(&self, table: PhysAddr, index: usize) -> u64 {
        // SAFETY: the builder passes tables of this pool; the index stays inside. Volatile: the walker reads the same.
        unsafe { TablePool::entry(table, index).read_volatile() }
    }

    fn write(&mut self, table: PhysAddr, index: usize, entry: u64) {
        // SAFETY: as above.
        unsafe { TablePool::entry(table, index).write_volatile(entry) };
    }
}

/// The pool inside our own image.
///
/// # Safety
/// At most one such pool exists.
pub unsafe fn own_pool() -> TablePool {
    let memory = between(at(&raw const __tables_start), at(&raw const __tables_end));
    // SAFETY: the linker script reserves these pages for this.
    unsafe { TablePool::new(memory) }
}

/// The identity mapping.
#[derive(Debug)]
pub struct Identity<'a> {
    builder: TableBuilder<&'a mut TablePool>,
    live: bool,
}

impl<'a> Identity<'a> {
    /// An identity mapping of our image (`loaded` bytes of it) and the fallback console; not in use yet.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn new(pool: &'a mut TablePool, loaded: u64) -> Result<Self, MapError> {
        let mut identity = Self {
            builder: TableBuilder::new(pool)?,
            live: false,
        };
        identity.map(
            Region {
                base: own_memory().base,
                bytes: loaded,
            },
            MemoryType::Normal,
        )?;
        let fallback = Region {
            base: FALLBACK_UART.0,
            bytes: BASE_PAGE_SIZE,
        };
        identity.map(fallback, MemoryType::Device)?;
        Ok(identity)
    }

    /// Maps the pages of `region` at their own addresses, readable and writeable. Memory is executable too: this mapping ends
    /// with the boot driver.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn map(&mut self, region: Region, memory: MemoryType) -> Result<(), MapError> {
        let access = Access {
            kernel_execute: memory == MemoryType::Normal,
            ..Access::KERNEL_DATA
        };
        let pages = outer_pages(region);
        self.builder.map(
            VirtAddr(pages.base),
            PhysAddr(pages.base),
            pages.bytes,
            attributes(memory, access),
        )?;
        if self.live {
            mmu::publish_new_entries();
        }
        Ok(())
    }

    /// Whether the page at `address` is mapped.
    pub fn is_mapped(&self, address: u64) -> bool {
        self.builder.walk(VirtAddr(address)).is_some()
    }

    /// Turns the MMU on.
    ///
    /// # Safety
    /// EL1, MMU off, and every address in use is in our image.
    pub unsafe fn enable(&mut self) {
        let image = (&raw const __image_start).cast_mut();
        self.live = true;
        // SAFETY: with the MMU off every write to our image went to memory, so the lines dropped hold nothing that is needed.
        // The rest is the caller's promise, and our image is mapped.
        unsafe {
            cache::invalidate_to_poc(image, own_memory().bytes as usize);
            mmu::enable(self.builder.root());
        }
    }
}
