//! What a core is booted with: out of the device tree and the boot archive for the first one, out of a record for the others.

use bootimage::{Archive, Entry};
use bootplan::devicetree::MAX_RAM;
use bootplan::regions::{RegionSet, TooManyRegions, between, outer_pages};
use hal::cpu;
use hal::descriptor::MemoryType;
use kpi::ABI_VERSION;
use kpi::addr::PhysAddr;
use kpi::coredata::{BOOT_MAGIC_BSP, CMDLINE_BYTES, CoreData, MAX_CORES, MAX_MEMORY, Region};

use crate::console::{fail, say, share_uart, turn_off_by};
use crate::identity::{self, Identity};
use crate::machine::Digest;
use crate::{map_memory, window};

/// Free memory.
pub type Free = RegionSet<MAX_MEMORY>;

/// What there is.
pub struct Plan {
    /// What the CPU driver is told, apart from what only loading it shows.
    pub record: CoreData,
    /// All RAM of the machine.
    pub ram: RegionSet<MAX_RAM>,
    /// What this core may use, the CPU driver's own memory included.
    pub free: Free,
    /// Memory from here on is taken first.
    pub above: u64,
}

/// The first core's. `loaded` is how many bytes the boot loader loaded, our image included.
pub fn of_first_core(machine: &Digest<'_>, loaded: u64) -> Plan {
    let own = identity::own_memory();
    let archive_memory = between(own.end(), own.base.saturating_add(loaded));
    let archive = open_archive(archive_memory);
    let archive_pages = outer_pages(Region {
        base: archive_memory.base,
        bytes: archive.total_bytes() as u64,
    });
    let Some(driver) = archive.cpu_driver() else {
        fail!("the boot archive has no CPU driver");
    };
    let Some(init) = archive.module("init") else {
        fail!("the boot menu has no module named init");
    };
    let (ram, free) = match memory(machine, archive_pages) {
        Ok(found) => found,
        Err(error) => fail!("free memory: {error}"),
    };
    let plan = &machine.plan;
    let (cmdline, cmdline_length) = command_line(driver.args(), plan.bootargs);
    let record = CoreData {
        boot_magic: BOOT_MAGIC_BSP,
        abi_version: ABI_VERSION,
        psci: plan.psci as u32,
        start_ticks: 0,
        arch_id: 0,
        page_table_root: 0,
        cpu_driver: Region::default(),
        archive: archive_pages,
        device_tree: machine.tree,
        boot_memory: Region::default(),
        window: Region::default(),
        driver_file: place_of(driver.data),
        init_file: place_of(init.data),
        init_line: place_of(line_of(init).as_bytes()),
        urpc: Region::default(),
        empty_table: 0,
        gic_distributor: plan.gic_distributor,
        gic_redistributor: plan.gic_redistributor,
        uart: machine.uart.registers,
        uart_interrupt: machine.uart.interrupt,
        timer_interrupt: plan.timer_interrupt,
        cores_length: plan.cores().len() as u32,
        memory_length: 0,
        ram_length: ram.as_slice().len() as u32,
        cmdline_length: cmdline_length as u32,
        core_id: 0,
        source_core_id: 0,
        cores: numbered(plan.cores()),
        memory: filled(&[]),
        ram: filled(ram.as_slice()),
        cmdline,
    };
    Plan {
        record,
        ram,
        free,
        above: archive_pages.end(),
    }
}

/// The plan of a core that another one starts with the record at `address`.
pub fn of_other_core(identity: &mut Identity<'_>, address: u64) -> Plan {
    let page = Region {
        base: address,
        bytes: size_of::<CoreData>() as u64,
    };
    map_memory(identity, page, "record of this core");
    let start: *const CoreData = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: mapped now, aligned to 8, and who started this core vouches for it; any bits are a record.
    let record = unsafe { start.read() };
    let registers = outer_pages(record.uart);
    if !identity.is_mapped(registers.base)
        && let Err(error) = identity.map(registers, MemoryType::Device)
    {
        fail!("the console at {}: {error}", PhysAddr(registers.base));
    }
    share_uart(PhysAddr(record.uart.base));
    turn_off_by(record.psci);
    if record.abi_version != ABI_VERSION {
        fail!(
            "core {} was started with a record of ABI version {}, not {ABI_VERSION}",
            record.core_id,
            record.abi_version
        );
    }
    map_memory(identity, record.driver_file, "CPU driver's file");
    let valid = |regions: &[Region], length: u32| regions.len().min(length as usize);
    let ram = collect(record.ram.get(..valid(&record.ram, record.ram_length)));
    let free = collect(
        record
            .memory
            .get(..valid(&record.memory, record.memory_length)),
    );
    match (ram, free) {
        (Ok(ram), Ok(free)) => Plan {
            record,
            ram,
            free,
            above: 0,
        },
        (Err(error), _) | (_, Err(error)) => fail!("core {}: {error}", record.core_id),
    }
}

fn collect<const N: usize>(regions: Option<&[Region]>) -> Result<RegionSet<N>, TooManyRegions> {
    let mut set = RegionSet::new();
    for &region in regions.unwrap_or_default() {
        set.insert(region)?;
    }
    Ok(set)
}

fn open_archive(memory: Region) -> Archive<'static> {
    let start: *const u8 = core::ptr::with_exposed_provenance(memory.base as usize);
    // SAFETY: identity-mapped with our image, loaded by the boot loader, and never written: it stays out of the free memory.
    let bytes = unsafe { core::slice::from_raw_parts(start, memory.bytes as usize) };
    match Archive::parse(bytes) {
        Ok(archive) => archive,
        Err(error) => fail!("{error}"),
    }
}

/// All RAM, and what of it is free: not reserved, not our image, the archive or the device tree.
fn memory(
    machine: &Digest<'_>,
    archive: Region,
) -> Result<(RegionSet<MAX_RAM>, Free), TooManyRegions> {
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
    Ok((ram, free))
}

/// Where bytes are; addresses are physical ones here.
fn place_of(bytes: &[u8]) -> Region {
    Region {
        base: bytes.as_ptr().expose_provenance() as u64,
        bytes: bytes.len() as u64,
    }
}

/// A command line from its name on, without the path before that.
fn line_of<'a>(entry: Entry<'a>) -> &'a str {
    let line = entry.cmdline.trim_ascii_start();
    let path = line.split_ascii_whitespace().next().unwrap_or_default();
    line.get(path.len() - entry.name().len()..)
        .unwrap_or_default()
}

/// The cores by their numbers: this one is the first.
fn numbered(cores: &[u64]) -> [u64; MAX_CORES] {
    let mut numbered = filled(cores);
    if let Some(own) = cores.iter().position(|core| *core == cpu::affinity()) {
        numbered.swap(0, own);
    }
    numbered
}

/// An array that starts with `values`.
pub fn filled<T: Copy + Default, const N: usize>(values: &[T]) -> [T; N] {
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
