//! From the boot driver's record to init's first instruction.

mod cmdline;
mod init_domain;
mod memory;
mod modules;
#[cfg(feature = "check")]
mod provoke;

use core::fmt::Write;
use core::ptr::NonNull;

use bootimage::Archive;
use caps::Database;
use kpi::ABI_VERSION;
use kpi::addr::{CoreId, PhysAddr};
use kpi::bootinfo::BootStage;
use kpi::coredata::{BOOT_MAGIC_BSP, BOOT_MAGIC_PSCI, CoreData, PsciConduit};
use kpi::dispatcher::SaveArea;

use crate::asid::Asids;
use crate::console::Console;
use crate::env::{Devices, Env};
use crate::interrupts::Receivers;
use crate::kernel::{Kernel, install};
use crate::notes::Notes;
use crate::scheduler::Scheduler;
use crate::{panic, say};

use cmdline::Options;
use memory::BootMemory;

/// What goes wrong before there is anybody to tell: said on the console, then the core stops.
pub struct BootError(pub &'static str);

/// The CPU driver's first line. Returns the save area of the first dispatcher.
#[unsafe(no_mangle)]
#[optimize(size)]
extern "C" fn kernel_main(core_data: NonNull<CoreData>) -> *const SaveArea {
    let started = hal::timer::now();
    // SAFETY: the boot driver passes the window address of its filled record, and nobody writes it any more.
    let core_data = unsafe { core_data.as_ref() };
    let options = Options::parse(core_data);
    panic::set_report(core_data, options.nonce);
    // SAFETY: the console's registers, mapped in the window as Device; the boot driver does not run any more.
    let uart = unsafe {
        hal::console::Console::new(hal::window::phys_to_virt(PhysAddr(core_data.uart.base)))
    };
    let mut console = uart.map_or(Console::none(), Console::new);
    console.set_nonce(options.nonce);
    match start(core_data, &options, console, started) {
        Ok(area) => area,
        Err(BootError(what)) => panic::cannot_start(what),
    }
}

#[optimize(size)]
fn start(
    core_data: &'static CoreData,
    options: &Options<'_>,
    mut console: Console,
    started: u64,
) -> Result<*const SaveArea, BootError> {
    let is_first = core_data.boot_magic == BOOT_MAGIC_BSP;
    let is_known = is_first || core_data.boot_magic == BOOT_MAGIC_PSCI;
    let core = CoreId(core_data.core_id as u8);
    if !is_known || core_data.abi_version != ABI_VERSION {
        return Err(BootError(
            "the boot driver was built for another ABI version: rebuild the image",
        ));
    }
    hal::cpu::trap_floating_point();
    hal::cpu::enable_user_cycle_counter();
    hal::timer::init();
    hal::mmu::flush_all();

    // SAFETY: the window maps the GIC's regions as Device, and this core's kernel alone uses them.
    let gic =
        unsafe { hal::gic::Gic::in_window(core_data.gic_distributor, core_data.gic_redistributor) };
    let mut gic =
        gic.map_err(|_| BootError("no usable GICv3: run QEMU with -M virt,gic-version=3"))?;
    // The cores share the distributor.
    let shared = if is_first {
        gic.init_distributor()
    } else {
        Ok(())
    };
    shared
        .and_then(|()| gic.init_core())
        .and_then(|()| gic.enable(hal::gic::InterruptId(core_data.timer_interrupt)))
        .map_err(|_| BootError("the GIC does not answer as a GICv3 should"))?;

    if options.loglevel > 2 {
        say!(
            console,
            "core {}, {} MiB RAM",
            core.0,
            core_data.ram.iter().map(|ram| ram.bytes).sum::<u64>() >> 20
        );
    }
    if console.records_enabled() {
        // Debuggers find the relocated image by this.
        console.begin_record();
        let base = panic::image_base();
        let _ = write!(
            console,
            "{{\"t\":\"boot\",\"stage\":\"image\",\"ticks\":{started},\"base\":{base}}}"
        );
        console.end_record();
    }
    let env = Env {
        core,
        ram: core_data.ram,
        scheduler: Scheduler::new(hal::timer::frequency() / 1000 * options.timeslice_ms),
        current: None,
        asids: Asids::new(hal::mmu::asid_bits()),
        empty_table: PhysAddr(core_data.empty_table),
        notes: Notes::new(),
        receivers: Receivers::default(),
        console,
        devices: Devices {
            gic,
            psci: PsciConduit::from_u32(core_data.psci),
            timer_interrupt: core_data.timer_interrupt,
            arch_id: core_data.arch_id,
        },
        slice_end: 0,
        domain_ids: 0,
    };
    let kernel = install(Kernel::new(Database::new(core), env));

    let mut memory = BootMemory::new(core_data)?;
    let interrupts = kernel.env.devices.gic.interrupts();
    let table = memory.pages(Receivers::bytes(interrupts))?;
    kernel.env.receivers = Receivers::new(table, interrupts);
    let mut init = init_domain::Builder::new(kernel, &mut memory)?;
    init.load(core_data)?;
    if is_first {
        let archive = Archive::parse(init_domain::in_memory(core_data.archive))
            .map_err(|_| BootError("the boot archive is damaged: build the image again"))?;
        init.add_modules(&archive, core_data)?;
    }
    init.stamp(BootStage::BootDriver, core_data.start_ticks);
    init.stamp(BootStage::CpuDriver, started);
    init.finish(core_data)?;
    #[cfg(feature = "check")]
    provoke::provoke(options.provoke);
    Ok(kernel.schedule())
}
