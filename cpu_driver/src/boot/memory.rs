//! Memory at boot: pages for what the kernel makes itself (init and its capability space), taken from the largest free region;
//! what is left becomes RAM capabilities.

use kpi::addr::PhysAddr;
use kpi::coredata::{CoreData, MAX_MEMORY, Region};
use kpi::layout::BASE_PAGE_SIZE;

use super::BootError;

/// The free regions.
pub struct BootMemory {
    regions: [Region; MAX_MEMORY],
    length: usize,
    source: usize,
    taken: Region,
}

impl BootMemory {
    /// All free memory of the record.
    #[optimize(size)]
    pub fn new(core_data: &CoreData) -> Result<Self, BootError> {
        let length = (core_data.memory_length as usize).min(MAX_MEMORY);
        let regions = core_data.memory;
        let used = regions.iter().take(length).enumerate();
        let (source, largest) = used
            .max_by_key(|(_, region)| region.bytes)
            .ok_or(BootError("the device tree names no free memory"))?;
        let taken = Region {
            base: largest.base,
            bytes: 0,
        };
        Ok(Self {
            regions,
            length,
            source,
            taken,
        })
    }

    /// Zeroed memory: `bytes` (rounded up to `alignment`), aligned. `alignment` is a power of two, at least a page.
    #[optimize(size)]
    pub fn take(&mut self, bytes: u64, alignment: u64) -> Result<PhysAddr, BootError> {
        let full = BootError("not enough memory for the first program");
        let Some(region) = self.regions.get_mut(self.source) else {
            return Err(full);
        };
        let base = region.base.next_multiple_of(alignment);
        let bytes = bytes.next_multiple_of(alignment);
        let end = base.checked_add(bytes).filter(|end| *end <= region.end());
        let Some(end) = end else { return Err(full) };
        *region = Region {
            base: end,
            bytes: region.end() - end,
        };
        self.taken.bytes = end - self.taken.base;
        // SAFETY: free memory of the boot record, in the window, that nothing uses yet.
        unsafe { hal::mem::zero(hal::window::phys_to_virt(PhysAddr(base)), bytes as usize) };
        Ok(PhysAddr(base))
    }

    /// Zeroed pages.
    #[optimize(size)]
    pub fn pages(&mut self, bytes: u64) -> Result<PhysAddr, BootError> {
        self.take(bytes, BASE_PAGE_SIZE)
    }

    /// Memory that was taken, as one region (gaps of alignment included).
    #[optimize(size)]
    pub fn taken(&self) -> Region {
        self.taken
    }

    /// What is left.
    #[optimize(size)]
    pub fn free(&self) -> impl Iterator<Item = Region> + '_ {
        self.regions
            .iter()
            .take(self.length)
            .copied()
            .filter(|region| region.bytes >= BASE_PAGE_SIZE)
    }
}
