//! What init is told about the machine: memory regions, boot modules, the boot's timeline.
//!
//! init has the boot information mapped from its first instruction; a domain that init trusts (a test program started at
//! boot) gets the frame in its BOOTINFO slot and the module CNode, and maps it.

mod file;

pub use file::{File, PrivateFile};

use crate::arch::memory;
use crate::cap::{CNodeRef, CapRef, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::paging::{MappedFrame, paging_map_frame_attr};
use crate::sync::Once;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use kpi::bootinfo::{BootInfo, MemRegion, RegionType};
use kpi::layout::{BOOTINFO_BYTES, INIT_BOOTINFO};
use kpi::rights::PageFlags;
use kpi::slots::{root, task};

static MAPPED: Once<Boot> = Once::new();

/// The boot information, and the command lines of the modules.
#[derive(Debug)]
pub struct Boot {
    info: &'static BootInfo,
    /// A copy, so that nobody who shares the frame can take it away.
    strings: Box<[u8]>,
}

/// A boot module.
#[derive(Clone, Copy, Debug)]
pub struct Module<'a> {
    region: &'a MemRegion,
    command_line: &'a str,
}

impl<'a> Module<'a> {
    /// Its command line, path first.
    pub const fn command_line(&self) -> &'a str {
        self.command_line
    }

    fn path(&self) -> &'a str {
        self.command_line
            .split_ascii_whitespace()
            .next()
            .unwrap_or("")
    }

    /// The last part of its path.
    pub fn name(&self) -> &'a str {
        self.path().rsplit('/').next().unwrap_or("")
    }

    /// What stands behind the path.
    pub fn args(&self) -> &'a str {
        let trimmed = self.command_line.trim_start();
        trimmed.get(self.path().len()..).unwrap_or("").trim()
    }

    /// The arguments as words.
    ///
    /// # Errors
    /// `SPAWN_ERR_GET_CMDLINE_ARGS` for a quote that is not closed.
    pub fn words(&self) -> Result<alloc::vec::Vec<String>, Error> {
        menu::split(self.args()).map_err(|_| Error::new(ErrorCode::SpawnGetCmdlineArgs))
    }

    /// Bytes of the file; its frame is rounded up to pages.
    pub const fn file_bytes(&self) -> u64 {
        self.region.module_bytes
    }

    /// Where its file lies in memory.
    pub const fn place(&self) -> kpi::coredata::Region {
        kpi::coredata::Region {
            base: self.region.base,
            bytes: self.region.module_bytes,
        }
    }

    /// Its frame.
    pub const fn frame(&self) -> CapRef {
        CNodeRef::own(root::MODULECN).slot(self.region.slot)
    }
}

/// What the kernel maps for init before its first instruction. Only init may call this.
pub fn info_of_init() -> &'static BootInfo {
    // SAFETY: init's mapping, which nobody writes; another domain that calls this ends by a page fault.
    unsafe { memory::boot_info(INIT_BOOTINFO) }
}

/// The memory regions of the boot information.
pub fn regions(info: &'static BootInfo) -> impl Iterator<Item = &'static MemRegion> {
    info.regions.iter().take(info.regions_length as usize)
}

impl Boot {
    /// init's. Its memory must have been added: the command lines are mapped with tables of its own.
    ///
    /// # Errors
    /// `SPAWN_ERR_MAP_BOOTINFO` on top of why the command lines could not be mapped.
    pub fn of_init() -> Result<&'static Self, Error> {
        Self::with(info_of_init())
    }

    /// A trusted domain's: maps the frame in its BOOTINFO slot.
    ///
    /// # Errors
    /// `SPAWN_ERR_MAP_BOOTINFO` on top of why.
    pub fn of_trusted() -> Result<&'static Self, Error> {
        if let Some(boot) = MAPPED.get() {
            return Ok(boot);
        }
        let frame = CapRef::task(task::BOOTINFO);
        let address = paging_map_frame_attr(frame, BOOTINFO_BYTES, PageFlags::READ)
            .push_err(ErrorCode::SpawnMapBootinfo)?;
        // SAFETY: just mapped, and stays so.
        let info = unsafe { memory::boot_info(address) };
        Self::with(info)
    }

    fn with(info: &'static BootInfo) -> Result<&'static Self, Error> {
        MAPPED.try_call_once(|| {
            let frame = CNodeRef::own(root::MODULECN).slot(0);
            let code = ErrorCode::SpawnMapBootinfo;
            let bytes = cap_direct_identify(frame).push_err(code)?.size();
            let mapped = MappedFrame::part(frame, bytes, PageFlags::READ).push_err(code)?;
            let mut strings = alloc::vec![0; bytes as usize];
            mapped.view().read(0, &mut strings);
            mapped.unmap().push_err(code)?;
            let strings = strings.into();
            Ok(Self { info, strings })
        })
    }

    /// The plain structure.
    pub const fn info(&self) -> &'static BootInfo {
        self.info
    }

    /// The memory regions.
    pub fn regions(&self) -> impl Iterator<Item = &'static MemRegion> + use<> {
        regions(self.info)
    }

    /// The boot modules, in the menu's order.
    pub fn modules(&self) -> impl Iterator<Item = Module<'_>> {
        let strings = &self.strings;
        self.regions()
            .filter(|region| RegionType::from_u32(region.kind) == Some(RegionType::Module))
            .map(|region| {
                let start = region.string_offset as usize;
                let end = start.saturating_add(region.string_bytes as usize);
                let line = strings.get(start..end).unwrap_or_default();
                let line = core::str::from_utf8(line).unwrap_or("");
                Module {
                    region,
                    command_line: line.trim_end_matches('\0'),
                }
            })
    }

    /// The module of that name; a path is taken by its last part.
    ///
    /// # Errors
    /// `SPAWN_ERR_FIND_MODULE`.
    pub fn module(&self, name: &str) -> Result<Module<'_>, Error> {
        self.modules()
            .find(|module| module.name() == name)
            .ok_or(Error::new(ErrorCode::SpawnFindModule))
    }

    /// Name of the module as a string of its own.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.modules().map(|module| module.name().to_string())
    }
}
