//! The CPU driver: out of its file, into memory of its own, and off.

use bootplan::image::Image;
use bootplan::regions::{TooManyRegions, between};
use hal::descriptor::MemoryType;
use hal::{cache, cpu, mem, mmu};
use kpi::addr::PhysAddr;
use kpi::coredata::{CoreData, Region};
use kpi::layout::{BASE_PAGE_SIZE, KERNEL_OFFSET, LARGE_PAGE_SIZE};

use crate::console::fail;
use crate::identity::{self, Identity, TablePool};
use crate::plan::{Plan, filled};
use crate::{handover, window};

/// Where the CPU driver goes.
struct Places {
    /// The CPU driver and the handover page behind it.
    kernel: Region,
    /// Core data, empty table, tables: in this order.
    window: Region,
}

/// Loads the CPU driver and enters it.
pub fn boot(identity: &mut Identity<'_>, mut plan: Plan, start_ticks: u64) -> ! {
    let file = plan.record.driver_file;
    let start: *const u8 = core::ptr::with_exposed_provenance(file.base as usize);
    // SAFETY: identity-mapped by who made the plan, and never written: it stays out of the free memory.
    let file = unsafe { core::slice::from_raw_parts(start, file.bytes as usize) };
    let image = match Image::parse(file) {
        Ok(image) => image,
        Err(error) => fail!("CPU driver: {error}"),
    };
    let mut places = match place(&mut plan, &image) {
        Ok(Some(places)) => places,
        Ok(None) => fail!("not enough memory for the CPU driver"),
        Err(error) => fail!("free memory: {error}"),
    };
    for region in [places.kernel, places.window] {
        if let Err(error) = identity.map(region, MemoryType::Normal) {
            fail!("memory at {}: {error}", PhysAddr(region.base));
        }
    }
    load(&image, places.kernel);
    let page = PhysAddr(places.kernel.end() - BASE_PAGE_SIZE);
    // SAFETY: identity-mapped, and from `place`, which gave it to nobody else.
    unsafe { handover::copy_to(page, PhysAddr(plan.record.uart.base)) };

    let (core_data, empty_table, root) = build_window(&image, &mut plan, &mut places);
    let record = CoreData {
        start_ticks,
        arch_id: cpu::affinity(),
        page_table_root: root.0,
        cpu_driver: places.kernel,
        boot_memory: identity::own_memory(),
        window: places.window,
        empty_table: empty_table.0,
        memory_length: plan.free.as_slice().len() as u32,
        memory: filled(plan.free.as_slice()),
        ..plan.record
    };
    let target: *mut CoreData = core::ptr::with_exposed_provenance_mut(core_data.0 as usize);
    // SAFETY: a page of `places.window`, identity-mapped, aligned; CoreData fits into a page (asserted where it is defined).
    unsafe { target.write(record) };

    // SAFETY: a fresh window, in which nothing is in use yet; the entry is what was just built.
    unsafe {
        mmu::set_kernel_table(root);
        handover::enter(handover::Entry {
            page,
            entry: places.kernel.base + image.entry() + KERNEL_OFFSET,
            core_data: core_data.0 + KERNEL_OFFSET,
            empty_table,
        })
    }
}

/// Takes what we need out of the free memory. `None` when there is too little.
fn place(plan: &mut Plan, image: &Image<'_>) -> Result<Option<Places>, TooManyRegions> {
    let free = &mut plan.free;
    let mut take =
        |bytes: u64, alignment: u64, above: u64| -> Result<Option<Region>, TooManyRegions> {
            let found = free
                .find(bytes, alignment, above)
                .or_else(|| free.find(bytes, BASE_PAGE_SIZE, 0));
            if let Some(found) = found {
                free.remove(found)?;
            }
            Ok(found)
        };
    // At the start of a 2 MiB block: then one level 3 table holds all its different permissions.
    let kernel = take(image.bytes() + BASE_PAGE_SIZE, LARGE_PAGE_SIZE, plan.above)?;
    let pages = 2 + window::table_pages(&plan.ram, image);
    let above = kernel.map_or(0, |kernel| kernel.end());
    let window = take(pages * BASE_PAGE_SIZE, BASE_PAGE_SIZE, above)?;
    Ok(kernel
        .zip(window)
        .map(|(kernel, window)| Places { kernel, window }))
}

/// Copies and relocates the CPU driver to run at its window address.
fn load(image: &Image<'_>, kernel: Region) {
    let start: *mut u8 = core::ptr::with_exposed_provenance_mut(kernel.base as usize);
    let bytes = image.bytes() as usize;
    // SAFETY: `place` took it out of the free memory for this; it is identity-mapped as Normal memory, the MMU is on. It holds
    // bytes, initialised by clearing them.
    let memory = unsafe {
        mem::zero(start, kernel.bytes as usize);
        core::slice::from_raw_parts_mut(start, bytes)
    };
    if let Err(error) = image.load(memory, kernel.base + KERNEL_OFFSET) {
        fail!("CPU driver: {error}");
    }
    for segment in image
        .segments()
        .filter(|segment| segment.access.kernel_execute)
    {
        // SAFETY: inside the memory above.
        unsafe {
            let text = start.add(segment.pages.base as usize);
            cache::synchronise_code(text, segment.pages.bytes as usize);
        }
    }
}

/// Builds the window; addresses of core data, empty table and root. Unused table memory becomes free again.
fn build_window(
    image: &Image<'_>,
    plan: &mut Plan,
    places: &mut Places,
) -> (PhysAddr, PhysAddr, PhysAddr) {
    let core_data = places.window.base;
    let empty_table = core_data + BASE_PAGE_SIZE;
    let first: *mut u8 = core::ptr::with_exposed_provenance_mut(core_data as usize);
    // SAFETY: the first two pages of memory that `place` took for this, identity-mapped as Normal memory.
    unsafe { mem::zero(first, 2 * BASE_PAGE_SIZE as usize) };
    let tables = between(empty_table + BASE_PAGE_SIZE, places.window.end());
    // SAFETY: the rest of that memory.
    let mut pool = unsafe { TablePool::new(tables) };
    let root = window::build(&mut pool, &plan.record, &plan.ram, places.kernel, image);
    let rest = pool.take_rest();
    places.window.bytes -= rest.bytes;
    if let Err(error) = plan.free.insert(rest) {
        fail!("free memory: {error}");
    }
    (PhysAddr(core_data), PhysAddr(empty_table), root)
}
