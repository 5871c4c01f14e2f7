//! The CPU driver: out of the boot archive, into memory of its own, and off.

use bootimage::{Archive, Entry};
use bootplan::devicetree::MAX_RAM;
use bootplan::image::Image;
use bootplan::regions::{RegionSet, TooManyRegions, between, outer_pages};
use hal::descriptor::MemoryType;
use hal::{cache, cpu, mem, mmu};
use kpi::ABI_VERSION;
use kpi::addr::PhysAddr;
use kpi::coredata::{BOOT_MAGIC_BSP, CMDLINE_BYTES, CoreData, MAX_MEMORY, Region};
use kpi::layout::{BASE_PAGE_SIZE, KERNEL_OFFSET, LARGE_PAGE_SIZE};

use crate::console::{fail, say};
use crate::identity::{self, Identity, TablePool};
use crate::machine::Digest;
use crate::{handover, window};

/// Free memory.
type Free = RegionSet<MAX_MEMORY>;

/// Where everything is.
struct Places {
    archive: Region,
    /// The CPU driver and the handover page behind it.
    kernel: Region,
    /// Core data, empty table, tables: in this order.
    window: Region,
    ram: RegionSet<MAX_RAM>,
    free: Free,
}

/// Loads the CPU driver and enters it. `loaded` is how many bytes the boot loader loaded, our image included.
pub fn boot(identity: &mut Identity<'_>, machine: &Digest<'_>, start_ticks: u64, loaded: u64) -> ! {
    let archive_memory = between(
        identity::own_memory().end(),
        identity::own_memory().base.saturating_add(loaded),
    );
    let (archive, entry) = open_archive(archive_memory);
    let image = match Image::parse(entry.data) {
        Ok(image) => image,
        Err(error) => fail!("CPU driver {}: {error}", entry.name()),
    };
    let archive_pages = outer_pages(Region {
        base: archive_memory.base,
        bytes: archive.total_bytes() as u64,
    });
    let mut places = match place(machine, archive_pages, &image) {
        Ok(Some(places)) => places,
        Ok(None) => fail!("not enough memory for the CPU driver"),
        Err(error) => fail!("free memory: {error}"),
    };
    for region in [places.kernel, places.window] {
        if let Err(error) = identity.map(region, MemoryType::Normal) {
            fail!("memory at {}: {error}", PhysAddr(region.base));
        }
    }
    load(&image, entry, places.kernel);
    // SAFETY: identity-mapped, and from `place`, which gave it to nobody else.
    unsafe {
        let page = PhysAddr(places.kernel.end() - BASE_PAGE_SIZE);
        handover::copy_to(page, PhysAddr(machine.uart.registers.base));
    }

    let (core_data, empty_table, root) = build_window(machine, &image, &mut places);
    let record = record(machine, &places, entry, start_ticks, empty_table, root);
    let target: *mut CoreData = core::ptr::with_exposed_provenance_mut(core_data.0 as usize);
    // SAFETY: a page of `places.window`, identity-mapped, aligned; CoreData fits into a page (asserted where it is defined).
    unsafe { target.write(record) };

    // SAFETY: a fresh window, in which nothing is in use yet; the entry is what was just built.
    unsafe {
        mmu::set_kernel_table(root);
        handover::enter(handover::Entry {
            page: PhysAddr(places.kernel.end() - BASE_PAGE_SIZE),
            entry: places.kernel.base + image.entry() + KERNEL_OFFSET,
            core_data: core_data.0 + KERNEL_OFFSET,
            empty_table,
        })
    }
}

fn open_archive(memory: Region) -> (Archive<'static>, Entry<'static>) {
    let start: *const u8 = core::ptr::with_exposed_provenance(memory.base as usize);
    // SAFETY: identity-mapped with our image, loaded by the boot loader, and never written: it stays out of the free memory.
    let bytes = unsafe { core::slice::from_raw_parts(start, memory.bytes as usize) };
    let archive = match Archive::parse(bytes) {
        Ok(archive) => archive,
        Err(error) => fail!("{error}"),
    };
    match archive.cpu_driver() {
        Some(entry) => (archive, entry),
        None => fail!("the boot archive has no CPU driver"),
    }
}

/// Finds out which memory is free, and takes what we need out of it. `None` when there is too little.
fn place(
    machine: &Digest<'_>,
    archive: Region,
    image: &Image<'_>,
) -> Result<Option<Places>, TooManyRegions> {
    let ram = window::ram(machine)?;
    let own = identity::own_memory();
    let mut free = Free::new();
    for &part in ram.as_slice() {
        free.insert(part)?;
    }
    if !free.contains(own) || !free.contains(archive) {
        fail!(
            "the boot image at {} is not in RAM, as the device tree has it",
            PhysAddr(own.base)
        );
    }
    for &part in machine.plan.reserved.as_slice() {
        free.remove(part)?;
    }
    for taken in [own, archive, outer_pages(machine.tree)] {
        free.remove(taken)?;
    }
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
    let kernel = take(
        image.bytes() + BASE_PAGE_SIZE,
        LARGE_PAGE_SIZE,
        archive.end(),
    )?;
    let pages = 2 + window::table_pages(&ram, image);
    let above = kernel.map_or(0, |kernel| kernel.end());
    let window = take(pages * BASE_PAGE_SIZE, BASE_PAGE_SIZE, above)?;
    let (Some(kernel), Some(window)) = (kernel, window) else {
        return Ok(None);
    };
    Ok(Some(Places {
        archive,
        kernel,
        window,
        ram,
        free,
    }))
}

/// Copies and relocates the CPU driver to run at its window address.
fn load(image: &Image<'_>, entry: Entry<'_>, kernel: Region) {
    let start: *mut u8 = core::ptr::with_exposed_provenance_mut(kernel.base as usize);
    let bytes = image.bytes() as usize;
    // SAFETY: `place` took it out of the free memory for this; it is identity-mapped as Normal memory, the MMU is on. It holds
    // bytes, initialised by clearing them.
    let memory = unsafe {
        mem::zero(start, kernel.bytes as usize);
        core::slice::from_raw_parts_mut(start, bytes)
    };
    if let Err(error) = image.load(memory, kernel.base + KERNEL_OFFSET) {
        fail!("CPU driver {}: {error}", entry.name());
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
    machine: &Digest<'_>,
    image: &Image<'_>,
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
    let root = window::build(&mut pool, machine, &places.ram, places.kernel, image);
    let rest = pool.take_rest();
    places.window.bytes -= rest.bytes;
    if let Err(error) = places.free.insert(rest) {
        fail!("free memory: {error}");
    }
    (PhysAddr(core_data), PhysAddr(empty_table), root)
}

/// What the CPU driver is told.
fn record(
    machine: &Digest<'_>,
    places: &Places,
    entry: Entry<'_>,
    start_ticks: u64,
    empty_table: PhysAddr,
    root: PhysAddr,
) -> CoreData {
    let plan = &machine.plan;
    let (cmdline, cmdline_length) = command_line(entry.args(), plan.bootargs);
    CoreData {
        boot_magic: BOOT_MAGIC_BSP,
        abi_version: ABI_VERSION,
        psci: plan.psci as u32,
        start_ticks,
        arch_id: cpu::affinity(),
        page_table_root: root.0,
        cpu_driver: places.kernel,
        archive: places.archive,
        device_tree: machine.tree,
        boot_memory: identity::own_memory(),
        window: places.window,
        empty_table: empty_table.0,
        gic_distributor: plan.gic_distributor,
        gic_redistributor: plan.gic_redistributor,
        uart: machine.uart.registers,
        uart_interrupt: machine.uart.interrupt,
        timer_interrupt: plan.timer_interrupt,
        cores_length: plan.cores().len() as u32,
        memory_length: places.free.as_slice().len() as u32,
        ram_length: places.ram.as_slice().len() as u32,
        cmdline_length: cmdline_length as u32,
        cores: filled(plan.cores()),
        memory: filled(places.free.as_slice()),
        ram: filled(places.ram.as_slice()),
        cmdline,
    }
}

/// An array that starts with `values`.
fn filled<T: Copy + Default, const N: usize>(values: &[T]) -> [T; N] {
    let mut array = [T::default(); N];
    for (place, value) in array.iter_mut().zip(values) {
        *place = *value;
    }
    array
}

/// The image's arguments, a blank, the device tree's. What is too long is cut off, and said.
fn command_line(ours: &str, tree: &str) -> ([u8; CMDLINE_BYTES], usize) {
    let separator = if ours.is_empty() || tree.is_empty() {
        ""
    } else {
        " "
    };
    let bytes = ours.bytes().chain(separator.bytes()).chain(tree.bytes());
    let wanted = bytes.clone().count();
    if wanted > CMDLINE_BYTES {
        say!("the command line has {wanted} bytes; {CMDLINE_BYTES} are kept");
    }
    let mut line = [0; CMDLINE_BYTES];
    for (place, byte) in line.iter_mut().zip(bytes) {
        *place = byte;
    }
    (line, wanted.min(CMDLINE_BYTES))
}
