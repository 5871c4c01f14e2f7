//! Starting another core, for domains that hold the IPI and the Kernel capability.
//!
//! The new core gets memory of its own, in which its boot driver puts a copy of the CPU driver and a window, and out of which that makes the core's
//! first program. Until then it runs in a frame of ours, [`Starting`], which holds a copy of the boot driver and the new core's
//! [`CoreData`]: all else that it reads (the CPU driver's file, the first program's) lies in the boot archive, which is in memory since power-on.
//!
//! **Caches.** A core starts with its MMU and caches off, so it reads memory and not what lies in our cache: what it reads that way (the boot driver,
//! the first word of the record) is cleaned to the point of coherency before. All else it reads after it has turned its caches on, coherently;
//! the memory that it gets may have dirty lines of ours, which are coherent too, for nobody writes it past the caches but the page
//! table walker and instruction fetches, for which the boot driver cleans.
//!
//! **Capabilities.** The memory is the new core's from the moment on that it may run: our capability of it stays, but it is that core's. It is never
//! used again here, and so the memory cannot be granted twice. (The new kernel makes capabilities of its own for the same memory, which no
//! database here knows of.)
//!
//! Barrelfish counterpart: `coreboot`, `usr/drivers/cpuboot`.

use crate::arch::cache::clean_to_memory;
use crate::boot::{Boot, Module};
use crate::cap::cores::{CoreState, core_state, ipi_send_start};
use crate::cap::monitor::relation;
use crate::cap::{CapRef, cap_direct_identify, monitor};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::paging::MappedFrame;
use crate::ram::{frame_alloc, mm_alloc_aligned, mm_free};
use kpi::addr::{CoreId, PhysAddr};
use kpi::coredata::{BOOT_MAGIC_PSCI, CoreData, Region};
use kpi::layout::{BASE_PAGE_SIZE, LARGE_PAGE_SIZE};
use kpi::rights::PageFlags;

/// Where the header of an arm64 image says how much memory it takes.
const IMAGE_SIZE_AT: usize = 16;
/// No boot driver takes so much.
const BOOT_DRIVER_MAX: u64 = 16 << 20;

/// What a core is started with.
#[derive(Clone, Copy, Debug)]
pub struct NewCore<'a> {
    /// Its number.
    pub core: CoreId,
    /// Its hardware identity (MPIDR affinity), of [`CoreData::cores`].
    pub hardware_id: u64,
    /// The boot module that is its boot driver.
    pub boot_driver: &'a str,
    /// The boot module that is its CPU driver, and that one's command line.
    pub cpu_driver: (&'a str, &'a str),
    /// The boot module that is its first program, and that one's arguments.
    pub init: (&'a str, &'a str),
    /// A zeroed frame that its first program finds in its slot MON_URPC.
    pub urpc: CapRef,
    /// How much memory it gets.
    pub memory_bytes: u64,
}

/// A core that was started, and may not run yet.
#[derive(Debug)]
#[must_use = "what it began with is given back by `is_up` or `take_back`"]
pub struct Starting {
    /// Its number.
    pub core: CoreId,
    hardware_id: u64,
    /// What it begins in.
    frame: CapRef,
    /// Where in that its record is.
    record_at: u64,
    /// What becomes its own.
    memory: CapRef,
}

/// Starts a core. Whether it runs, its first program says through the frame that the two share.
///
/// # Errors
/// `MON_ERR_SPAWN_CORE` on top of why: no such module, not enough memory, what the firmware says (`PSCI_ERR_`). Nothing is kept then.
pub fn coreboot(boot: &Boot, new: &NewCore<'_>) -> Result<Starting, Error> {
    start(boot, new).push_err(ErrorCode::MonSpawnCore)
}

fn start(boot: &Boot, new: &NewCore<'_>) -> Result<Starting, Error> {
    let memory = mm_alloc_aligned(new.memory_bytes, LARGE_PAGE_SIZE)?;
    let (frame, record_at) = prepare(boot, new, memory).inspect_err(|_| {
        // The first error counts.
        let _ = mm_free(memory);
    })?;
    let starting = Starting {
        core: new.core,
        hardware_id: new.hardware_id,
        frame,
        record_at,
        memory,
    };
    match launch(new, &starting) {
        Ok(()) => Ok(starting),
        Err(error) => {
            let _ = starting.release();
            Err(error)
        }
    }
}

impl Starting {
    /// It runs: gives back what it began with.
    ///
    /// # Errors
    /// As [`mm_free`].
    pub fn is_up(self) -> Result<(), Error> {
        mm_free(self.frame)
    }

    /// It does not run, as far as anybody knows: if the firmware says the same, all is given back.
    ///
    /// # Errors
    /// `MON_ERR_SPAWN_CORE` on top of `PSCI_ERR_ALREADY_ON`: it is on, so that its memory is lost; the firmware's; as [`mm_free`].
    pub fn take_back(self) -> Result<(), Error> {
        let state = core_state(self.hardware_id).push_err(ErrorCode::MonSpawnCore)?;
        if state != CoreState::Off {
            return Err(Error::new(ErrorCode::PsciAlreadyOn).push(ErrorCode::MonSpawnCore));
        }
        self.release()
    }

    fn release(self) -> Result<(), Error> {
        monitor::set_owner(self.memory, crate::core_id())?;
        mm_free(self.memory).and(mm_free(self.frame))
    }
}

/// The frame that the new core begins in: boot driver, record, command line of its first program; and where in it the record is.
fn prepare(boot: &Boot, new: &NewCore<'_>, memory: CapRef) -> Result<(CapRef, u64), Error> {
    let driver = boot.open(new.boot_driver)?;
    let made = fill_frame(boot, new, memory, &driver);
    let closed = driver.close();
    made.and_then(|made| closed.map(|()| made))
}

fn fill_frame(
    boot: &Boot,
    new: &NewCore<'_>,
    memory: CapRef,
    driver: &[u8],
) -> Result<(CapRef, u64), Error> {
    let header = driver.get(IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8);
    let takes = header
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_le_bytes);
    let is_whole = takes.is_multiple_of(BASE_PAGE_SIZE) && takes >= driver.len() as u64;
    if !is_whole || takes > BOOT_DRIVER_MAX {
        return Err(Error::new(ErrorCode::ElfHeader));
    }
    let init = boot.module(new.init.0)?;
    let line = alloc::format!("{} {}", init.name(), new.init.1);
    let line_at = takes + BASE_PAGE_SIZE;
    let bytes = (line_at + line.len() as u64).next_multiple_of(BASE_PAGE_SIZE);
    let frame = frame_alloc(bytes)?;
    let write = |mapped: &mut MappedFrame| -> Result<bool, Error> {
        let line_place = Region {
            base: region_of(frame)?.base + line_at,
            bytes: line.len() as u64,
        };
        let record = record(boot, new, memory, init, line_place)?;
        let view = mapped.view_mut();
        let is_written = view.write(0, driver)
            && view.write_core_data(takes as usize, &record)
            && view.write(line_at as usize, line.as_bytes());
        clean_to_memory(view.address(), bytes as usize);
        Ok(is_written)
    };
    let written = MappedFrame::new(frame, PageFlags::READ_WRITE).and_then(|mut mapped| {
        let written = write(&mut mapped);
        mapped.unmap().and(written)
    });
    match written {
        Ok(true) => Ok((frame, takes)),
        other => {
            mm_free(frame)?;
            other.and(Err(Error::new(ErrorCode::ElfHeader)))
        }
    }
}

fn region_of(cap: CapRef) -> Result<Region, Error> {
    let cap = cap_direct_identify(cap)?;
    Ok(Region {
        base: cap.address(),
        bytes: cap.size(),
    })
}

/// What the new core is told.
fn record(
    boot: &Boot,
    new: &NewCore<'_>,
    memory: CapRef,
    init: Module<'_>,
    init_line: Region,
) -> Result<CoreData, Error> {
    let ours = &boot.info().core_data;
    let (driver, args) = new.cpu_driver;
    let mut record = CoreData {
        boot_magic: BOOT_MAGIC_PSCI,
        core_id: new.core.0.into(),
        source_core_id: ours.core_id,
        archive: Region::default(),
        driver_file: boot.module(driver)?.place(),
        init_file: init.place(),
        init_line,
        urpc: region_of(new.urpc)?,
        memory_length: 1,
        cmdline_length: args.len() as u32,
        ..*ours
    };
    let too_long = Error::new(ErrorCode::SpawnGetCmdlineArgs);
    let place = record.cmdline.get_mut(..args.len()).ok_or(too_long)?;
    place.copy_from_slice(args.as_bytes());
    if let Some(first) = record.memory.first_mut() {
        *first = region_of(memory)?;
    }
    Ok(record)
}

/// From here on the memory may be the new core's.
fn launch(new: &NewCore<'_>, starting: &Starting) -> Result<(), Error> {
    let frame = region_of(starting.frame)?;
    monitor::set_owner(starting.memory, new.core)?;
    monitor::remote_relations(new.urpc, relation::COPIES, relation::COPIES)?;
    let record = frame.base + starting.record_at;
    ipi_send_start(new.hardware_id, PhysAddr(frame.base), record)
}
