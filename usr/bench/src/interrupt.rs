//! From a device interrupt to its driver.
//!
//! The driver is this program once more, as a child: a domain of its own, which waits for the interrupt while the parent runs. The parent
//! reads the cycle counter and makes an interrupt pending that no device raises, in a register of the interrupt controller; the
//! core takes it before the parent's next instruction. The child reads the counter as soon as its wait has returned, and says it in
//! memory that both have mapped. Takes init's authority: `module /sbin/bench kernel`.

use aos::account::Account;
use aos::boot::Boot;
use aos::cap::irq::{Trigger, irq_ack, irq_connect, irq_dest_alloc};
use aos::cap::{CNodeRef, CapRef, cap_direct_identify, cap_retype};
use aos::kpi::cap::ObjType;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::lmp::LMP_DEFAULT_BUFFER_WORDS;
use aos::kpi::rights::PageFlags;
use aos::kpi::slots::{root, task};
use aos::lmp::endpoint_create;
use aos::paging::MappedFrame;
use aos::slot::slot_alloc;
use aos::spawn::{Domain, Grant, Place, Program, SpawnError, spawn_load_with_caps};
use aos::{Error, event, ram, time};

/// The child's argument.
pub const DRIVER: &str = "--driver";

/// Registers of the distributor on QEMU's `virt` board.
const DISTRIBUTOR: u64 = 0x800_0000;
/// GICD_ISPENDR: a bit for each interrupt (Arm IHI 0069, 12.9.27).
const SET_PENDING: usize = 0x200;
/// A shared interrupt that no device of the board raises.
const VECTOR: usize = 100;
/// Memory of the child for its page tables.
const CHILD_BYTES: u64 = 256 << 10;

/// In the shared frame: how many interrupts the driver is ready for, those it has had included.
const READY: usize = 0;
/// In the shared frame: the cycle counter when it last ran.
const RAN_AT: usize = 8;

const SHARED: CapRef = CNodeRef::own(root::ARGCN).slot(0);
const IRQ: CapRef = CNodeRef::own(root::ARGCN).slot(1);

/// The child.
///
/// # Errors
/// Those of the preparation.
pub fn drive() -> Result<(), Error> {
    ram::add_system_memory()?;
    let shared = MappedFrame::new(SHARED, PageFlags::READ_WRITE)?;
    let endpoint = endpoint_create(LMP_DEFAULT_BUFFER_WORDS as u32)?;
    irq_connect(IRQ, endpoint.cap(), Trigger::Edge)?;
    let mut ready = 1;
    loop {
        let snapshot = event::snapshot();
        shared.view().store(READY, ready);
        event::wait_until(snapshot, None);
        let ran_at = time::cycles();
        if endpoint.receive().is_some() {
            shared.view().store(RAN_AT, ran_at);
            irq_ack(IRQ)?;
            ready += 1;
        }
    }
}

/// A driver that waits.
pub struct Driver {
    distributor: MappedFrame,
    shared: MappedFrame,
    domain: Domain,
    raised: u64,
}

impl Driver {
    /// Starts one; `None` without the authority for it.
    ///
    /// # Errors
    /// Those of making a domain.
    pub fn start() -> Result<Option<Self>, Error> {
        if cap_direct_identify(CapRef::task(task::IRQ)).is_err() {
            return Ok(None);
        }
        let registers = slot_alloc()?;
        let devices = CNodeRef::own(root::PACN).slot(0);
        let page = BASE_PAGE_SIZE;
        cap_retype(registers, devices, DISTRIBUTOR, ObjType::DevFrame, page, 1)?;
        let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE);
        let distributor = MappedFrame::new(registers, uncached)?;
        let frame = ram::frame_alloc(page)?;
        let shared = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
        let irq = slot_alloc()?;
        irq_dest_alloc(irq, VECTOR as u64)?;
        let domain = make(DRIVER, frame, irq)?;
        domain.start()?;
        Ok(Some(Self {
            distributor,
            shared,
            domain,
            raised: 0,
        }))
    }

    /// Raises the interrupt; cycles until the driver ran.
    ///
    /// # Errors
    /// None.
    pub fn sample(&mut self) -> Result<u64, Error> {
        self.raised += 1;
        let shared = self.shared.view();
        while shared.load(READY) != Some(self.raised) {
            event::yield_now();
        }
        let (register, bit) = (SET_PENDING + VECTOR / 32 * 4, 1 << (VECTOR % 32));
        let before = time::cycles();
        self.distributor.view().store_register(register, bit);
        while shared.load(READY) == Some(self.raised) {
            event::yield_now();
        }
        let ran_at = shared.load(RAN_AT).unwrap_or(before);
        Ok(ran_at.wrapping_sub(before))
    }

    /// Ends it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stop(self) -> Result<(), Error> {
        self.domain.destroy()
    }
}

/// This program as a child, with an argument and two capabilities.
///
/// # Errors
/// Those of making a domain.
pub fn make(argument: &str, shared: CapRef, other: CapRef) -> Result<Domain, SpawnError> {
    let module = Boot::of_trusted()?.module("bench")?;
    let file = module.open()?;
    let account = Account::new();
    let memory = account.object(ObjType::Ram, CHILD_BYTES)?;
    let places = [
        (shared, Place::Argument(0)),
        (other, Place::Argument(1)),
        (memory, Place::Task(task::SYSMEM)),
    ];
    let made = spawn_load_with_caps(&Program {
        name: "bench",
        elf: &file,
        args: &["bench", argument],
        env: &[],
        pid: 100,
        report_to: None,
        served: false,
        grants: &places.map(|(cap, place)| Grant { cap, place }),
        account: &account,
    });
    file.close()?;
    made
}
