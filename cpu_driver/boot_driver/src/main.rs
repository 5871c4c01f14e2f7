//! The boot driver: from the boot loader's hands to the CPU driver's first instruction.
//!
//! Entered as a Linux arm64 kernel is (`start.s`); then, in this order:
//! 1. identity mapping, MMU and caches on (`identity`);
//! 2. the device tree: console first, so that all that follows can complain (`machine`);
//! 3. the boot archive behind our image (`plan`), and the CPU driver in it, into fresh memory (`kernel`);
//! 4. the kernel window in TTBR1 (`window`);
//! 5. `CoreData`, and the jump (`handover`).
//!
//! Another core is started with a copy of this program, in memory of its own, and with a record of what it is to have in place of the device tree:
//! there 2 and the archive are left out, and all the rest is the same.
//!
//! Whatever is missing or wrong ends with one line on the console and a parked core. What is decided, is decided in
//! crate `bootplan`; here it is done. Barrelfish's counterpart is the UEFI loader together with its boot driver; unlike
//! there, nothing stays behind but the window's tables and the handover page.
#![no_std]
#![no_main]

mod console;
mod handover;
mod identity;
mod kernel;
mod machine;
mod plan;
mod window;

use core::arch::global_asm;
use core::panic::PanicInfo;

use bootplan::regions::outer_pages;
use hal::cpu;
use kpi::addr::PhysAddr;
use kpi::coredata::{BOOT_MAGIC_PSCI, Region};
use kpi::layout::BASE_PAGE_SIZE;

use crate::console::{fail, say};
use crate::identity::Identity;

global_asm!(include_str!("start.s"), sctlr = const hal::mmu::SCTLR_MMU_OFF);

kpi::abi_note!();

/// Most bytes of a device tree that the boot protocol permits.
const MAX_TREE_BYTES: u64 = 2 << 20;
/// Bytes of a device tree's header.
const TREE_HEADER_BYTES: u64 = 40;

/// The first Rust function. MMU off, stack and relocations done.
#[unsafe(no_mangle)]
extern "C" fn boot_main(
    argument: u64,
    start_ticks: u64,
    entry_level: u64,
    unknown_relocations: u64,
) -> ! {
    if cpu::current_el() != 1 {
        fail!("entered at EL{entry_level}: start the image at EL2 or EL1");
    }
    handover::install_vectors();
    cpu::trap_floating_point();
    if unknown_relocations != 0 {
        fail!("{unknown_relocations} relocations of unknown types: link with -pie, without PLT");
    }
    if argument == 0 || !argument.is_multiple_of(8) {
        fail!("no device tree: x0 is {argument:#x}");
    }
    let is_first = !is_record(argument);
    let loaded = match is_first {
        true => identity::image_size(),
        false => identity::own_memory().bytes,
    };
    if is_first && loaded < identity::own_memory().bytes + BASE_PAGE_SIZE {
        fail!("no boot archive behind the boot driver: pack the image with ./hake.sh image");
    }
    // SAFETY: called once.
    let mut pool = unsafe { identity::own_pool() };
    let mut identity = match Identity::new(&mut pool, loaded) {
        Ok(identity) => identity,
        Err(error) => fail!("identity mapping: {error}"),
    };
    // SAFETY: EL1, MMU off, and we use only our image so far.
    unsafe { identity.enable() };

    let plan = match is_first {
        true => {
            let tree = read_tree(&mut identity, argument);
            let machine = machine::digest(&mut identity, tree);
            say!(
                "{} MiB of RAM, {} core(s), entered at EL{entry_level}, PSCI by {:?}",
                machine.plan.memory.bytes() >> 20,
                machine.plan.cores().len(),
                machine.plan.psci
            );
            plan::of_first_core(&machine, loaded)
        }
        false => plan::of_other_core(&mut identity, argument),
    };
    kernel::boot(&mut identity, plan, start_ticks)
}

/// Whether another core started this one: then x0 names its record. The first core's device tree begins otherwise.
fn is_record(argument: u64) -> bool {
    let start: *const u64 = core::ptr::with_exposed_provenance(argument as usize);
    // SAFETY: memory, aligned, whoever started this core; volatile, for it was written by somebody else.
    unsafe { start.read_volatile() == BOOT_MAGIC_PSCI }
}

/// Maps the device tree at `base`; its bytes.
fn read_tree(identity: &mut Identity<'_>, base: u64) -> &'static [u8] {
    let header = Region {
        base,
        bytes: TREE_HEADER_BYTES,
    };
    map_memory(identity, header, "device tree");
    let start: *const u8 = core::ptr::with_exposed_provenance(base as usize);
    // SAFETY: mapped, aligned to 8, and memory according to the boot protocol.
    let [magic, total] = unsafe { start.cast::<[u32; 2]>().read() }.map(u32::from_be);
    let bytes = u64::from(total);
    if magic != 0xd00d_feed || !(TREE_HEADER_BYTES..=MAX_TREE_BYTES).contains(&bytes) {
        fail!("no device tree at {base:#x}: magic {magic:#x}, {bytes} bytes");
    }
    map_memory(identity, Region { base, bytes }, "device tree");
    // SAFETY: mapped now, and nobody writes it: it is never part of the free memory.
    unsafe { core::slice::from_raw_parts(start, bytes as usize) }
}

/// Maps those pages of `region` that are not mapped yet.
pub fn map_memory(identity: &mut Identity<'_>, region: Region, what: &str) {
    let pages = outer_pages(region);
    for base in (pages.base..pages.end()).step_by(BASE_PAGE_SIZE as usize) {
        let page = Region {
            base,
            bytes: BASE_PAGE_SIZE,
        };
        if identity.is_mapped(base) {
            continue;
        }
        if let Err(error) = identity.map(page, hal::descriptor::MemoryType::Normal) {
            fail!("the {what} at {}: {error}", PhysAddr(base));
        }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fail!("this is a bug in the boot driver: {info}")
}
