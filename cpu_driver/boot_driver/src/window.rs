//! The kernel window: what the CPU driver sees in TTBR1, for good.
//!
//! Physical address p is at `KERNEL_OFFSET + p`. RAM of the device tree, except `no-map` regions, is Normal write-back, readable and
//! writeable, never executable; the CPU driver's own pages are there only once and never writeable and executable; the GIC's and
//! the console's registers are Device. Nothing else is mapped: a stray access faults.

use bootplan::devicetree::MAX_RAM;
use bootplan::image::Image;
use bootplan::regions::{RegionSet, TooManyRegions, outer_pages};
use bootplan::tables::{MapError, TableBuilder, most_tables};
use hal::descriptor::{Access, MemoryType, attributes};
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::coredata::{CoreData, Region};
use kpi::layout::{BASE_PAGE_SIZE, KERNEL_OFFSET};

use crate::console::fail;
use crate::identity::TablePool;
use crate::machine::Digest;

/// RAM in the window: a hole for the CPU driver may split one region more than the device tree has.
pub type Ram = RegionSet<{ MAX_RAM + 1 }>;

/// The RAM that the window maps, the CPU driver's included.
///
/// # Errors
/// [`TooManyRegions`].
pub fn ram(machine: &Digest<'_>) -> Result<RegionSet<MAX_RAM>, TooManyRegions> {
    let mut ram = machine.plan.memory;
    for &hole in machine.plan.no_map.as_slice() {
        ram.remove(hole)?;
    }
    Ok(ram)
}

/// Most pages that the window's tables take.
pub fn table_pages(ram: &RegionSet<MAX_RAM>, image: &Image<'_>) -> u64 {
    // RAM, one more for the hole, the image's segments, the handover page, three devices; and the root.
    let small = 1 + image.segments().count() as u64 + 1 + 3;
    let ram = ram.as_slice().iter().map(|part| most_tables(part.bytes));
    1 + ram.sum::<u64>() + small * most_tables(0)
}

/// Builds the window; its root. `kernel` is where the CPU driver is: `image`, and the handover page behind it.
pub fn build(
    pool: &mut TablePool,
    record: &CoreData,
    ram: &RegionSet<MAX_RAM>,
    kernel: Region,
    image: &Image<'_>,
) -> PhysAddr {
    let mut builder = match TableBuilder::new(pool) {
        Ok(builder) => builder,
        Err(error) => fail!("kernel window: {error}"),
    };
    let mut map = |what: &str, region: Region, memory: MemoryType, access: Access| {
        let address = VirtAddr(region.base.wrapping_add(KERNEL_OFFSET));
        let attributes = attributes(memory, access);
        let result: Result<(), MapError> =
            builder.map(address, PhysAddr(region.base), region.bytes, attributes);
        if let Err(error) = result {
            fail!(
                "kernel window, {what} at {} ({:#x} bytes): {error}",
                PhysAddr(region.base),
                region.bytes
            );
        }
    };

    let mut others = Ram::new();
    let all = ram
        .as_slice()
        .iter()
        .try_for_each(|&part| others.insert(part));
    if let Err(error) = all.and_then(|()| others.remove(kernel)) {
        fail!("kernel window: {error}");
    }
    for &part in others.as_slice() {
        map("RAM", part, MemoryType::Normal, Access::KERNEL_DATA);
    }
    for segment in image.segments() {
        let pages = Region {
            base: kernel.base + segment.pages.base,
            ..segment.pages
        };
        map("CPU driver", pages, MemoryType::Normal, segment.access);
    }
    let handover = Region {
        base: kernel.end() - BASE_PAGE_SIZE,
        bytes: BASE_PAGE_SIZE,
    };
    map(
        "handover page",
        handover,
        MemoryType::Normal,
        Access::KERNEL_TEXT,
    );
    for (what, registers) in [
        ("console", record.uart),
        ("GIC distributor", record.gic_distributor),
        ("GIC redistributors", record.gic_redistributor),
    ] {
        let pages = outer_pages(registers);
        map(what, pages, MemoryType::Device, Access::KERNEL_DATA);
    }
    builder.root()
}
