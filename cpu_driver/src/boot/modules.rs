//! Boot modules and device memory for init: Frames over the archive in place, the strings frame, PhysAddr capabilities.

use bootimage::Archive;
use kpi::addr::PhysAddr;
use kpi::bootinfo::{MemRegion, RegionType};
use kpi::cap::{self, Capability};
use kpi::coredata::CoreData;
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::CapRights;
use kpi::slots::root;

use super::BootError;
use super::init_domain::{Builder, read_only_frame};

impl Builder<'_> {
    /// One Frame for each file of the archive (never zeroed: it holds the file), one for their command lines, one PhysAddr for the device
    /// memory below RAM.
    #[optimize(size)]
    pub fn add_modules(
        &mut self,
        archive: &Archive<'_>,
        core_data: &CoreData,
    ) -> Result<(), BootError> {
        let string_bytes: usize = archive.entries().map(|entry| entry.cmdline.len()).sum();
        let string_bytes = (string_bytes as u64)
            .next_multiple_of(BASE_PAGE_SIZE)
            .max(BASE_PAGE_SIZE);
        let strings = self.memory.pages(string_bytes)?;
        self.put(root::MODULECN, 0, read_only_frame(strings, string_bytes))?;
        let mut offset = 0;
        for (slot, entry) in (1..).zip(archive.entries()) {
            let base = PhysAddr(core_data.archive.base + entry.data_offset as u64);
            let bytes = (entry.data.len() as u64)
                .next_multiple_of(BASE_PAGE_SIZE)
                .max(BASE_PAGE_SIZE);
            self.put(root::MODULECN, slot, read_only_frame(base, bytes))?;
            // SAFETY: fresh pages, large enough for all command lines together.
            unsafe {
                let target = hal::window::phys_to_virt(strings).add(offset);
                core::ptr::copy_nonoverlapping(entry.cmdline.as_ptr(), target, entry.cmdline.len());
            }
            self.add_region(MemRegion {
                base: base.0,
                bytes,
                module_bytes: entry.data.len() as u64,
                kind: RegionType::Module as u32,
                slot,
                string_offset: offset as u32,
                string_bytes: entry.cmdline.len() as u32,
            })?;
            offset += entry.cmdline.len();
        }
        self.add_devices(core_data)
    }

    /// Device memory: what lies below the first RAM. The kernel keeps using the GIC and the console in it.
    #[optimize(size)]
    fn add_devices(&mut self, core_data: &CoreData) -> Result<(), BootError> {
        let ram_start = core_data
            .ram
            .iter()
            .filter(|ram| ram.bytes > 0)
            .map(|ram| ram.base)
            .min()
            .unwrap_or(0);
        if ram_start == 0 {
            return Ok(());
        }
        let devices = cap::PhysAddr {
            base: 0,
            bytes: ram_start,
            pasid: 0,
        };
        self.put(
            root::PACN,
            0,
            Capability::new_phys_addr(devices, CapRights::ALL),
        )?;
        self.add_region(MemRegion {
            base: 0,
            bytes: ram_start,
            kind: RegionType::PhyAddr as u32,
            ..MemRegion::default()
        })
    }
}
