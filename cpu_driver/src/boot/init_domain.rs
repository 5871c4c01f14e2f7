//! Makes init: the one domain that the kernel itself builds. (Barrelfish: `spawn_init_common` in `startup_arch.c`.)
//!
//! Its CSpace has the well-known slots of [`kpi::slots`]; its VSpace the addresses of [`kpi::layout`], with page tables for all
//! of the first 32 MiB, so that init can map its first pages without making tables. Everything is entered into the
//! capability database by the same operations that users invoke.

use caps::{CteRef, DestSlot, MapArgs, Store};
use elf::ElfBytes;
use elf::abi::{EM_AARCH64, ET_EXEC, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE};
use elf::endian::LittleEndian;
use errors::ErrorCode;
use kpi::addr::{CoreId, PhysAddr, VirtAddr};
use kpi::bootinfo::{BootInfo, BootStage, MAX_REGIONS, MemRegion, RegionType};
use kpi::cap::{self, Capability};
use kpi::coredata::CoreData;
use kpi::layout::{
    ARGS_BASE, ARGS_BYTES, BASE_PAGE_SIZE, BOOTINFO_BYTES, DISPATCHER_BASE, DISPATCHER_FRAME_BYTES,
    INIT_BOOTINFO, L2CNODE_BYTES, LARGE_PAGE_SIZE, PROGRAM_BASE, PROGRAM_LIMIT,
};
use kpi::rights::{CapRights, PageFlags};
use kpi::slots::{page, root, task};

use super::BootError;
use super::memory::BootMemory;
use crate::dcb::{DCB_BYTES, DcbPtr, DcbState};
use crate::kernel::Kernel;

/// Pages in BASE_PAGE_CN and their size.
const BASE_PAGES: u32 = 256;
/// Blocks in EARLY_CN_CN; each becomes a CNode.
const EARLY_BLOCKS: u32 = 64;

/// init in the making.
pub struct Builder<'a> {
    pub(super) kernel: &'a mut Kernel,
    pub(super) memory: &'a mut BootMemory,
    l1: PhysAddr,
    mappings: u32,
    segments: u32,
    info: &'static mut BootInfo,
    dispatcher: DcbPtr,
    frame: PhysAddr,
    args: PhysAddr,
}

fn database(code: ErrorCode) -> BootError {
    // The names of all codes would make the image a tenth larger for the sake of bugs that the first boot shows.
    BootError(match code {
        ErrorCode::SysSlotsInvalid => "init needs more slots than a CNode has",
        ErrorCode::SysSlotInUse => "two of init's objects were meant for one slot",
        ErrorCode::SysRevokeFirst => "two of init's objects overlap",
        _ => "the capability database refused one of init's objects",
    })
}

impl<'a> Builder<'a> {
    /// The CSpace, the tables and the frames at fixed addresses.
    #[optimize(size)]
    pub fn new(kernel: &'a mut Kernel, memory: &'a mut BootMemory) -> Result<Self, BootError> {
        let l1 = memory.take(L2CNODE_BYTES, L2CNODE_BYTES)?;
        let info_at = memory.pages(BOOTINFO_BYTES)?;
        let args = memory.pages(ARGS_BYTES)?;
        let frame = memory.pages(DISPATCHER_FRAME_BYTES)?;
        let dcb = memory.pages(DCB_BYTES)?;
        // SAFETY: zeroed pages of the right size, all of whose bit patterns are a BootInfo; init maps them read-only, so the
        // kernel's reference (used only during boot) stays the only writer.
        let info = unsafe { &mut *hal::window::phys_to_virt(info_at).cast::<BootInfo>() };
        // SAFETY: zeroed memory of a DCB, which the capability inserted below names.
        let dispatcher =
            unsafe { DcbPtr::from_phys(dcb) }.ok_or(BootError("no memory for a dispatcher"))?;
        let mut builder = Self {
            kernel,
            memory,
            l1,
            mappings: 0,
            segments: 0,
            info,
            dispatcher,
            frame,
            args,
        };
        for slot in [
            root::TASKCN,
            root::PAGECN,
            root::BASE_PAGE_CN,
            root::SUPERCN,
            root::SEGCN,
            root::PACN,
            root::MODULECN,
            root::SLOT_ALLOC0,
            root::SLOT_ALLOC1,
            root::SLOT_ALLOC2,
            root::ROOT_MAPPING,
            root::EARLY_CN_CN,
        ] {
            let cnode = builder.memory.take(L2CNODE_BYTES, L2CNODE_BYTES)?;
            let cap = Capability::new_l2_cnode(
                cap::L2CNode {
                    cnode: cnode.0,
                    rightsmask: CapRights::ALL,
                },
                CapRights::ALL,
            );
            let at = builder.kernel.env.slot(l1, slot);
            builder.insert(at, cap)?;
        }
        let root_cap = cap::L1CNode {
            cnode: l1.0,
            rightsmask: CapRights::ALL,
            allocated_bytes: L2CNODE_BYTES,
        };
        builder.put(
            root::TASKCN,
            task::ROOTCN.into(),
            Capability::new_l1_cnode(root_cap, CapRights::ALL),
        )?;
        let dispatcher_cap =
            Capability::new_dispatcher(cap::Dispatcher { dcb: dcb.0 }, CapRights::ALL);
        builder.put(root::TASKCN, task::DISPATCHER.into(), dispatcher_cap)?;
        for (slot, cap) in [
            (task::KERNELCAP, Capability::new_kernel(CapRights::ALL)),
            (task::PERF_MON, Capability::new_perf_mon(CapRights::ALL)),
            (task::IRQ, Capability::new_irq_table(CapRights::ALL)),
            (task::IPI, Capability::new_ipi(CapRights::ALL)),
            (
                task::PROC_MNG,
                Capability::new_process_manager(CapRights::ALL),
            ),
        ] {
            builder.put(root::TASKCN, slot.into(), cap)?;
        }
        builder.tables()?;
        let info = read_only_frame(info_at, BOOTINFO_BYTES);
        let slot = builder.put(root::TASKCN, task::BOOTINFO.into(), info)?;
        builder.map_pages(slot, INIT_BOOTINFO, BOOTINFO_BYTES, PageFlags::READ)?;
        for (slot, base, bytes, at) in [
            (task::ARGSPAGE, args, ARGS_BYTES, ARGS_BASE),
            (
                task::DISPFRAME,
                frame,
                DISPATCHER_FRAME_BYTES,
                DISPATCHER_BASE,
            ),
        ] {
            let slot = builder.put(root::TASKCN, slot.into(), frame_cap(base, bytes))?;
            builder.map_pages(slot, at, bytes, PageFlags::READ_WRITE)?;
        }
        Ok(builder)
    }

    #[optimize(size)]
    fn insert(&mut self, at: CteRef, cap: Capability) -> Result<(), BootError> {
        self.kernel
            .db
            .insert_original(&mut self.kernel.env, at, cap)
            .map_err(database)
    }

    /// Memory of the CNode at a root slot.
    #[optimize(size)]
    fn cnode(&self, root_slot: u32) -> PhysAddr {
        let slot = self.kernel.env.slot(self.l1, root_slot);
        PhysAddr(self.kernel.env.cte(slot).cap().address())
    }

    /// Puts a new capability into `slot` of the CNode at `root_slot`.
    #[optimize(size)]
    pub(super) fn put(
        &mut self,
        root_slot: u32,
        slot: u32,
        cap: Capability,
    ) -> Result<CteRef, BootError> {
        if slot >= kpi::addr::L2_SLOTS {
            return Err(BootError(
                "too many boot modules, regions or segments for a CNode",
            ));
        }
        let at = self.kernel.env.slot(self.cnode(root_slot), slot);
        self.insert(at, cap)?;
        Ok(at)
    }

    /// L0, L1, L2 and the L3 tables of the first 32 MiB.
    #[optimize(size)]
    fn tables(&mut self) -> Result<(), BootError> {
        let table = |builder: &mut Self, slot: u32, make: fn(u64) -> Capability| {
            let base = builder.memory.pages(BASE_PAGE_SIZE)?;
            builder.put(root::PAGECN, slot, make(base.0))
        };
        let l0 = table(self, page::L0, |base| {
            Capability::new_vnode_aarch64_l0(cap::VNodeAarch64L0 { base }, CapRights::ALL)
        })?;
        let l1 = table(self, page::L1, |base| {
            Capability::new_vnode_aarch64_l1(cap::VNodeAarch64L1 { base }, CapRights::ALL)
        })?;
        let l2 = table(self, page::L2, |base| {
            Capability::new_vnode_aarch64_l2(cap::VNodeAarch64L2 { base }, CapRights::ALL)
        })?;
        self.map(l0, 0, l1, 0, 1, PageFlags::default())?;
        self.map(l1, 0, l2, 0, 1, PageFlags::default())?;
        for index in 0..page::L3_TABLES {
            let l3 = table(self, page::L3 + index, |base| {
                Capability::new_vnode_aarch64_l3(cap::VNodeAarch64L3 { base }, CapRights::ALL)
            })?;
            self.map(l2, index.into(), l3, 0, 1, PageFlags::default())?;
        }
        Ok(())
    }

    #[optimize(size)]
    fn map(
        &mut self,
        table: CteRef,
        entry: u64,
        source: CteRef,
        offset: u64,
        count: u64,
        flags: PageFlags,
    ) -> Result<(), BootError> {
        let cnode = self.kernel.env.slot(self.l1, root::ROOT_MAPPING);
        let dest = DestSlot {
            cnode,
            index: self.mappings,
        };
        self.mappings += 1;
        let request = MapArgs {
            source,
            flags: flags.0,
            offset,
            count,
            entry,
            dest,
        };
        self.kernel
            .db
            .map_carefully(&mut self.kernel.env, table, request)
            .map_err(database)?;
        Ok(())
    }

    /// Maps a whole frame at `address` with the tables made by [`Self::tables`].
    #[optimize(size)]
    fn map_pages(
        &mut self,
        frame: CteRef,
        address: VirtAddr,
        bytes: u64,
        flags: PageFlags,
    ) -> Result<(), BootError> {
        let end = address
            .0
            .checked_add(bytes)
            .filter(|end| *end <= PROGRAM_LIMIT.0);
        let end = end.ok_or(BootError("init is linked outside the first 32 MiB"))?;
        let mut at = address.0;
        while at < end {
            let chunk = (LARGE_PAGE_SIZE - at % LARGE_PAGE_SIZE).min(end - at);
            let table_slot = page::L3 + (at / LARGE_PAGE_SIZE) as u32;
            let table = self.kernel.env.slot(self.cnode(root::PAGECN), table_slot);
            let entry = at % LARGE_PAGE_SIZE / BASE_PAGE_SIZE;
            self.map(
                table,
                entry,
                frame,
                at - address.0,
                chunk.div_ceil(BASE_PAGE_SIZE),
                flags,
            )?;
            at += chunk;
        }
        Ok(())
    }

    /// Loads this core's first program and sets its first registers.
    #[optimize(size)]
    pub fn load(&mut self, core_data: &CoreData) -> Result<(), BootError> {
        let bad = BootError("init is not a valid AArch64 executable");
        let data = in_memory(core_data.init_file);
        let file = ElfBytes::<LittleEndian>::minimal_parse(data).map_err(|_| BootError(bad.0))?;
        let segments = file.segments().ok_or(BootError(bad.0))?;
        if file.ehdr.e_machine != EM_AARCH64 || file.ehdr.e_type != ET_EXEC {
            return Err(bad);
        }
        let notes = segments.iter().filter(|segment| segment.p_type == PT_NOTE);
        let version = notes
            .filter_map(|note| kpi::abinote::find(file.segment_data(&note).ok()?))
            .next();
        if version != Some(kpi::ABI_VERSION) {
            return Err(BootError(
                "init was built for another ABI version: rebuild the image",
            ));
        }
        for segment in segments
            .iter()
            .filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0)
        {
            let data = file.segment_data(&segment).map_err(|_| BootError(bad.0))?;
            let offset = segment.p_vaddr % BASE_PAGE_SIZE;
            let start = segment.p_vaddr - offset;
            let bytes = offset
                .checked_add(segment.p_memsz)
                .and_then(|bytes| bytes.checked_next_multiple_of(BASE_PAGE_SIZE));
            let bytes =
                bytes.filter(|_| start >= PROGRAM_BASE.0 && data.len() as u64 <= segment.p_memsz);
            let bytes = bytes
                .filter(|bytes| *bytes <= PROGRAM_LIMIT.0)
                .ok_or(BootError(bad.0))?;
            let base = self.memory.pages(bytes)?;
            // SAFETY: fresh pages of at least `offset + p_memsz` bytes, and the file's bytes are no more than p_memsz.
            unsafe {
                let target = hal::window::phys_to_virt(base).add(offset as usize);
                core::ptr::copy_nonoverlapping(data.as_ptr(), target, data.len());
                hal::cache::synchronise_code(hal::window::phys_to_virt(base), bytes as usize);
            }
            let flags = match segment.p_flags & (PF_R | PF_W | PF_X) {
                flags if flags == PF_R | PF_X => PageFlags::READ_EXECUTE,
                flags if flags == PF_R | PF_W => PageFlags::READ_WRITE,
                PF_R => PageFlags::READ,
                _ => {
                    return Err(BootError(
                        "a segment of init is writeable and executable, or unreadable",
                    ));
                }
            };
            let slot = self.put(root::SEGCN, self.segments, frame_cap(base, bytes))?;
            self.segments += 1;
            self.map_pages(slot, VirtAddr(start), bytes, flags)?;
        }
        let line = core::str::from_utf8(in_memory(core_data.init_line));
        self.first_registers(file.ehdr.e_entry, line.unwrap_or_default())
    }

    #[optimize(size)]
    fn first_registers(&mut self, entry: u64, line: &str) -> Result<(), BootError> {
        // SAFETY: fresh, zeroed pages that only this code refers to until init runs.
        let page = unsafe {
            core::slice::from_raw_parts_mut(
                hal::window::phys_to_virt(self.args),
                ARGS_BYTES as usize,
            )
        };
        let words = || line.split_ascii_whitespace();
        let name = words().next().unwrap_or_default();
        kpi::args::write(page, 0, words(), core::iter::empty())
            .map_err(|_| BootError("the arguments of init are too long"))?;
        // SAFETY: the fresh, zeroed dispatcher frame.
        let shared = unsafe {
            &mut *hal::window::phys_to_virt(self.frame).cast::<kpi::dispatcher::DispatcherShared>()
        };
        shared.disabled = 1;
        shared.udisp = DISPATCHER_BASE.0;
        shared.curr_core_id = self.kernel.env.core.0;
        shared.systime_frequency = hal::timer::frequency();
        if let Some(place) = shared.name.get_mut(..name.len().min(16)) {
            place.copy_from_slice(name.as_bytes().get(..place.len()).unwrap_or_default());
        }
        shared.disabled_area.pc = entry;
        let [x0, ..] = &mut shared.disabled_area.x;
        *x0 = ARGS_BASE.0;
        Ok(())
    }

    /// Adds a region to the boot information.
    #[optimize(size)]
    pub(super) fn add_region(&mut self, region: MemRegion) -> Result<(), BootError> {
        let index = self.info.regions_length as usize;
        let full = BootError("more memory regions and modules than the boot information holds");
        *self
            .info
            .regions
            .get_mut(index)
            .filter(|_| index < MAX_REGIONS)
            .ok_or(full)? = region;
        self.info.regions_length += 1;
        Ok(())
    }

    /// Notes when a stage began.
    #[optimize(size)]
    pub fn stamp(&mut self, stage: BootStage, ticks: u64) {
        if let Some(place) = self.info.timeline.get_mut(stage as usize) {
            *place = ticks;
        }
    }

    /// The rest of memory, the boot information, and init made runnable.
    #[optimize(size)]
    pub fn finish(mut self, core_data: &CoreData) -> Result<(), BootError> {
        let pages = self.memory.pages(u64::from(BASE_PAGES) * BASE_PAGE_SIZE)?;
        for index in 0..BASE_PAGES {
            let base = pages.0 + u64::from(index) * BASE_PAGE_SIZE;
            self.put(root::BASE_PAGE_CN, index, ram_cap(base, BASE_PAGE_SIZE))?;
        }
        let blocks = self
            .memory
            .take(u64::from(EARLY_BLOCKS) * L2CNODE_BYTES, L2CNODE_BYTES)?;
        for index in 0..EARLY_BLOCKS {
            let base = blocks.0 + u64::from(index) * L2CNODE_BYTES;
            self.put(root::EARLY_CN_CN, index, ram_cap(base, L2CNODE_BYTES))?;
        }
        if core_data.urpc.bytes > 0 {
            // It is the other core's, and stays that.
            let urpc = frame_cap(PhysAddr(core_data.urpc.base), core_data.urpc.bytes);
            let dest = DestSlot {
                cnode: self.kernel.env.slot(self.l1, root::TASKCN),
                index: task::MON_URPC.into(),
            };
            let owner = CoreId(core_data.source_core_id as u8);
            let kernel = &mut *self.kernel;
            let made = kernel.db.create_raw(&mut kernel.env, dest, urpc, owner);
            made.map_err(database)?;
        }
        let taken = self.memory.taken();
        self.add_region(MemRegion {
            base: taken.base,
            bytes: taken.bytes,
            kind: RegionType::RootTask as u32,
            ..MemRegion::default()
        })?;
        let mut free = [kpi::coredata::Region::default(); kpi::coredata::MAX_MEMORY];
        let mut count = 0;
        for (place, region) in free.iter_mut().zip(self.memory.free()) {
            *place = region;
            count += 1;
        }
        for (slot, region) in (0..).zip(free.iter().take(count)) {
            self.put(root::SUPERCN, slot, ram_cap(region.base, region.bytes))?;
            self.add_region(MemRegion {
                base: region.base,
                bytes: region.bytes,
                kind: RegionType::Empty as u32,
                slot,
                ..MemRegion::default()
            })?;
        }
        self.info.abi_version = kpi::ABI_VERSION;
        self.info.cores = core_data.cores_length;
        self.info.core_id = self.kernel.env.core.0.into();
        self.info.counter_hz = hal::timer::frequency();
        self.info.core_data = *core_data;
        self.info.ram_bytes = core_data.ram.iter().map(|ram| ram.bytes).sum();
        let task = self.cnode(root::TASKCN);
        let slot = |index: u8| self.kernel.env.slot(task, index.into());
        let (cspace, frame) = (slot(task::ROOTCN), slot(task::DISPFRAME));
        let vroot = self.kernel.env.slot(self.cnode(root::PAGECN), page::L0);
        self.kernel
            .set_up(self.dispatcher, cspace, vroot, frame, DcbState::Ready)
            .map_err(|error| database(error.code()))?;
        let now = hal::timer::now();
        self.stamp(BootStage::Capabilities, now);
        self.stamp(BootStage::Init, now);
        Ok(())
    }
}

/// A file in memory that the boot record names.
pub(super) fn in_memory(region: kpi::coredata::Region) -> &'static [u8] {
    // SAFETY: who wrote the record vouches for it; the memory is in the window and never written again. Without bytes it is a dangling pointer to none.
    unsafe {
        let base = hal::window::phys_to_virt(PhysAddr(region.base));
        core::slice::from_raw_parts(base, region.bytes as usize)
    }
}

/// A Frame with all rights.
fn frame_cap(base: PhysAddr, bytes: u64) -> Capability {
    frame_with(base, bytes, CapRights::ALL)
}

/// A frame that several domains look at, so that none changes it, or takes it from the others.
pub(super) fn read_only_frame(base: PhysAddr, bytes: u64) -> Capability {
    let look = CapRights::READ.union(CapRights::GRANT);
    frame_with(base, bytes, look.union(CapRights::IDENTIFY))
}

fn frame_with(base: PhysAddr, bytes: u64, rights: CapRights) -> Capability {
    Capability::new_frame(
        cap::Frame {
            base: base.0,
            bytes,
            pasid: 0,
        },
        rights,
    )
}

fn ram_cap(base: u64, bytes: u64) -> Capability {
    Capability::new_ram(
        cap::Ram {
            base,
            bytes,
            pasid: 0,
        },
        CapRights::ALL,
    )
}
