//! A GICv3 (Arm IHI 0069) with affinity routing, one security state's view: group 1 interrupts, all at one priority.
//!
//! Order: the boot core calls [`Gic::init_distributor`] once, then every core [`Gic::init_core`]. Interrupt ids: 0 to 15 are
//! software-generated, 16 to 31 private to the core, from 32 on shared. Shared ones go to the core that enables them.
//!
//! Typed registers and not crate `arm-gic`: this needs a dozen registers, bounded waits and no panics.

use core::fmt;
use core::ptr::NonNull;

use aarch64_cpu::asm::barrier;
use kpi::coredata::Region;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

use super::cpu;

register_bitfields! {u32,
    DistributorControl [
        /// Group 1 (non-secure view: the affinity-routed group 1).
        ENABLE_GROUP1 OFFSET(1) NUMBITS(1) [],
        AFFINITY_ROUTING OFFSET(4) NUMBITS(1) [],
        WRITE_PENDING OFFSET(31) NUMBITS(1) []
    ],
    DistributorType [
        LINES OFFSET(0) NUMBITS(5) []
    ],
    RedistributorControl [
        WRITE_PENDING OFFSET(3) NUMBITS(1) []
    ],
    Waker [
        PROCESSOR_SLEEP OFFSET(1) NUMBITS(1) [],
        CHILDREN_ASLEEP OFFSET(2) NUMBITS(1) []
    ],
    PeripheralId2 [
        ARCHITECTURE OFFSET(4) NUMBITS(4) []
    ]
}

register_structs! {
    Distributor {
        (0x0000 => control: ReadWrite<u32, DistributorControl::Register>),
        (0x0004 => kind: ReadOnly<u32, DistributorType::Register>),
        (0x0008 => _reserved0),
        (0x0080 => group: [ReadWrite<u32>; 32]),
        (0x0100 => set_enable: [ReadWrite<u32>; 32]),
        (0x0180 => clear_enable: [ReadWrite<u32>; 32]),
        (0x0200 => _set_pending: [ReadWrite<u32>; 32]),
        (0x0280 => clear_pending: [ReadWrite<u32>; 32]),
        (0x0300 => _set_active: [ReadWrite<u32>; 32]),
        (0x0380 => clear_active: [ReadWrite<u32>; 32]),
        (0x0400 => priority: [ReadWrite<u32>; 256]),
        (0x0800 => _reserved1),
        (0x0c00 => configuration: [ReadWrite<u32>; 64]),
        (0x0d00 => _reserved2),
        (0x6000 => route: [ReadWrite<u64>; 1024]),
        (0x8000 => _reserved3),
        (0xffe8 => id2: ReadOnly<u32, PeripheralId2::Register>),
        (0xffec => @END),
    }
}

register_structs! {
    /// The two first frames of a redistributor: control, then software-generated and private interrupts.
    Redistributor {
        (0x00000 => control: ReadWrite<u32, RedistributorControl::Register>),
        (0x00004 => _reserved0),
        (0x00008 => kind: ReadOnly<u64>),
        (0x00010 => _reserved1),
        (0x00014 => waker: ReadWrite<u32, Waker::Register>),
        (0x00018 => _reserved2),
        (0x10080 => group: ReadWrite<u32>),
        (0x10084 => _reserved3),
        (0x10100 => set_enable: ReadWrite<u32>),
        (0x10104 => _reserved4),
        (0x10180 => clear_enable: ReadWrite<u32>),
        (0x10184 => _reserved5),
        (0x10280 => clear_pending: ReadWrite<u32>),
        (0x10284 => _reserved6),
        (0x10380 => clear_active: ReadWrite<u32>),
        (0x10384 => _reserved7),
        (0x10400 => priority: [ReadWrite<u32>; 8]),
        (0x10420 => _reserved8),
        (0x10c00 => configuration: [ReadWrite<u32>; 2]),
        (0x10c08 => @END),
    }
}

/// GICR_TYPER: the last redistributor of its region.
const TYPER_LAST: u64 = 1 << 4;
/// GICR_TYPER: virtual interrupts (GICv4), so four frames and not two.
const TYPER_VIRTUAL: u64 = 1 << 1;
/// Bytes of a frame.
const FRAME: u64 = 0x1_0000;
/// The one priority in use, four times: the middle, so that the priority mask lets it pass in either security view.
const PRIORITIES: u32 = 0xa0a0_a0a0;
/// First number that IAR gives without an interrupt behind it.
const FIRST_SPECIAL: u32 = 1020;
/// How often a register is read before waiting for it is given up.
const PATIENCE: u32 = 1 << 20;

/// An interrupt's number in the GIC (INTID).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct InterruptId(pub u32);

impl fmt::Display for InterruptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// When an interrupt is pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// As long as the device asserts it.
    Level,
    /// Once for each rising edge.
    Edge,
}

/// What can be wrong with an interrupt controller or a request to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GicError {
    /// A register address is null.
    NoAddress,
    /// The distributor does not say that it is version 3 or 4, but this number.
    Version(u32),
    /// No redistributor in the region belongs to the core with this affinity.
    NoRedistributor(u64),
    /// This part did not finish what it was told in time.
    Timeout(&'static str),
    /// The CPU interface cannot be used by system registers (a hypervisor or firmware forbids it).
    NoSystemRegisters,
    /// There is no interrupt of this number.
    NoSuchInterrupt(InterruptId),
}

impl fmt::Display for GicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => write!(f, "interrupt controller without an address"),
            Self::Version(version) => write!(
                f,
                "GIC version is {version}, not 3 (QEMU: -M virt,gic-version=3)"
            ),
            Self::NoRedistributor(affinity) => write!(
                f,
                "no GIC redistributor for the core with affinity {affinity:#x}"
            ),
            Self::Timeout(part) => write!(f, "GIC {part} does not answer"),
            Self::NoSystemRegisters => write!(f, "GIC system registers are disabled from above"),
            Self::NoSuchInterrupt(id) => write!(f, "the GIC has no interrupt {id}"),
        }
    }
}

/// The interrupt controller as this core sees it.
#[derive(Debug)]
pub struct Gic {
    distributor: NonNull<u8>,
    redistributor: NonNull<u8>,
    affinity: u64,
    /// Interrupts the distributor has, private ones included.
    interrupts: u32,
}

impl Gic {
    /// Finds this core's redistributor; changes nothing. `distributor` and `redistributors` are the mapped registers,
    /// the latter `redistributor_bytes` long.
    ///
    /// # Safety
    /// As long as the value is used, those are the registers of a GICv3, mapped as Device memory, and no other value on
    /// this core uses them. (Cores share the distributor: its enable registers are made for that.)
    ///
    /// # Errors
    /// [`GicError::NoAddress`], [`GicError::Version`], [`GicError::NoRedistributor`].
    pub unsafe fn new(
        distributor: *mut u8,
        redistributors: *mut u8,
        redistributor_bytes: u64,
    ) -> Result<Self, GicError> {
        let distributor = NonNull::new(distributor).ok_or(GicError::NoAddress)?;
        let first = NonNull::new(redistributors).ok_or(GicError::NoAddress)?;
        let affinity = cpu::affinity();
        let mut gic = Self {
            distributor,
            redistributor: first,
            affinity,
            interrupts: 0,
        };
        let version = gic.distributor().id2.read(PeripheralId2::ARCHITECTURE);
        if version != 3 && version != 4 {
            return Err(GicError::Version(version));
        }
        let lines = gic.distributor().kind.read(DistributorType::LINES);
        gic.interrupts = (32 * (lines + 1)).min(FIRST_SPECIAL);
        // GICR_TYPER has the affinity packed: Aff3.Aff2.Aff1.Aff0 in bits 63:32.
        let wanted = affinity >> 32 << 24 | affinity & 0xff_ffff;
        let mut offset = 0;
        while offset + 2 * FRAME <= redistributor_bytes {
            // SAFETY: the frame is inside the region the caller vouched for.
            gic.redistributor = unsafe { first.add(offset as usize) };
            let kind = gic.redistributor().kind.get();
            if kind >> 32 == wanted {
                return Ok(gic);
            }
            if kind & TYPER_LAST != 0 {
                break;
            }
            offset += if kind & TYPER_VIRTUAL != 0 { 4 } else { 2 } * FRAME;
        }
        Err(GicError::NoRedistributor(affinity))
    }

    /// As [`Gic::new`], with both regions in the kernel window.
    ///
    /// # Safety
    /// The window maps both regions as Device memory, they are what they are named, and no other value on this core uses
    /// them.
    ///
    /// # Errors
    /// As [`Gic::new`].
    pub unsafe fn in_window(distributor: Region, redistributors: Region) -> Result<Self, GicError> {
        let map = |region: Region| super::window::phys_to_virt(kpi::addr::PhysAddr(region.base));
        // SAFETY: the caller's promise.
        unsafe { Self::new(map(distributor), map(redistributors), redistributors.bytes) }
    }

    fn distributor(&self) -> &Distributor {
        // SAFETY: `new`'s caller promised live registers there; all fields are cells with volatile access.
        unsafe { self.distributor.cast::<Distributor>().as_ref() }
    }

    fn redistributor(&self) -> &Redistributor {
        // SAFETY: as above; `new` stayed inside the region.
        unsafe { self.redistributor.cast::<Redistributor>().as_ref() }
    }

    /// Interrupts the controller has.
    pub fn interrupts(&self) -> u32 {
        self.interrupts
    }

    /// Puts the distributor into a known state: every shared interrupt disabled, group 1, level-triggered, not pending;
    /// affinity routing and group 1 on. Once, by the boot core.
    ///
    /// # Errors
    /// [`GicError::Timeout`].
    pub fn init_distributor(&mut self) -> Result<(), GicError> {
        let registers = self.distributor();
        registers.control.set(0);
        self.wait_distributor()?;
        let words = self.interrupts.div_ceil(32) as usize;
        // The first word of each array is the redistributors' business.
        let shared = |registers: &[ReadWrite<u32>], per_word: usize, value: u32| {
            for register in registers.iter().take(words * per_word).skip(per_word) {
                register.set(value);
            }
        };
        shared(&registers.clear_enable, 1, u32::MAX);
        shared(&registers.clear_pending, 1, u32::MAX);
        shared(&registers.clear_active, 1, u32::MAX);
        shared(&registers.group, 1, u32::MAX);
        shared(&registers.priority, 8, PRIORITIES);
        shared(&registers.configuration, 2, 0);
        self.wait_distributor()?;
        registers
            .control
            .write(DistributorControl::AFFINITY_ROUTING::SET);
        self.wait_distributor()?;
        registers.control.write(
            DistributorControl::AFFINITY_ROUTING::SET + DistributorControl::ENABLE_GROUP1::SET,
        );
        self.wait_distributor()
    }

    /// Wakes this core's redistributor, disables its private interrupts, and opens the CPU interface for group 1.
    ///
    /// # Errors
    /// [`GicError::Timeout`], [`GicError::NoSystemRegisters`].
    pub fn init_core(&mut self) -> Result<(), GicError> {
        let registers = self.redistributor();
        registers.waker.modify(Waker::PROCESSOR_SLEEP::CLEAR);
        wait("redistributor (wake-up)", || {
            !registers.waker.is_set(Waker::CHILDREN_ASLEEP)
        })?;
        registers.clear_enable.set(u32::MAX);
        registers.clear_pending.set(u32::MAX);
        registers.clear_active.set(u32::MAX);
        registers.group.set(u32::MAX);
        for priority in &registers.priority {
            priority.set(PRIORITIES);
        }
        self.wait_redistributor()?;

        // System register access, bypass of the legacy signals off.
        write_register!("ICC_SRE_EL1", 0b111);
        barrier::isb(barrier::SY);
        if read_register!("ICC_SRE_EL1") & 1 == 0 {
            return Err(GicError::NoSystemRegisters);
        }
        // Every priority passes; no preemption groups; the end of an interrupt also deactivates it.
        write_register!("ICC_PMR_EL1", 0xff);
        write_register!("ICC_BPR1_EL1", 0);
        write_register!("ICC_CTLR_EL1", 0);
        write_register!("ICC_IGRPEN1_EL1", 1);
        barrier::isb(barrier::SY);
        Ok(())
    }

    /// Lets interrupt `id` happen; a shared one is routed to this core first.
    ///
    /// # Errors
    /// [`GicError::NoSuchInterrupt`].
    pub fn enable(&mut self, id: InterruptId) -> Result<(), GicError> {
        let bit = 1 << (id.0 % 32);
        if id.0 < 32 {
            self.redistributor().set_enable.set(bit);
            return Ok(());
        }
        let registers = self.distributor();
        self.register(&registers.route, id, id.0)?
            .set(self.affinity);
        self.register(&registers.set_enable, id, id.0 / 32)?
            .set(bit);
        Ok(())
    }

    /// Keeps interrupt `id` from happening, from the return of this function on.
    ///
    /// # Errors
    /// [`GicError::NoSuchInterrupt`], [`GicError::Timeout`].
    pub fn disable(&mut self, id: InterruptId) -> Result<(), GicError> {
        let bit = 1 << (id.0 % 32);
        if id.0 < 32 {
            self.redistributor().clear_enable.set(bit);
            return self.wait_redistributor();
        }
        let registers = self.distributor();
        self.register(&registers.clear_enable, id, id.0 / 32)?
            .set(bit);
        self.wait_distributor()
    }

    /// Sets how interrupt `id` is triggered; it must be disabled. Software-generated ones are always edges.
    ///
    /// # Errors
    /// [`GicError::NoSuchInterrupt`].
    pub fn set_trigger(&mut self, id: InterruptId, trigger: Trigger) -> Result<(), GicError> {
        let register = if id.0 < 32 {
            self.register(&self.redistributor().configuration, id, id.0 / 16)?
        } else {
            self.register(&self.distributor().configuration, id, id.0 / 16)?
        };
        let bit = 2 << (2 * (id.0 % 16));
        let others = register.get() & !bit;
        register.set(match trigger {
            Trigger::Level => others,
            Trigger::Edge => others | bit,
        });
        Ok(())
    }

    /// The interrupt that is pending for this core, which becomes active: call [`Gic::end`] with it. `None` when there is
    /// none (any more).
    #[inline]
    pub fn acknowledge(&mut self) -> Option<InterruptId> {
        let id: u64;
        // SAFETY: reading IAR1 acknowledges an interrupt and changes no memory. Not `nomem`: accesses to the device stay
        // behind it.
        unsafe {
            core::arch::asm!("mrs {}, ICC_IAR1_EL1", out(reg) id, options(nostack, preserves_flags));
        }
        // The acknowledgement has had its effect before the device is looked at (IHI 0069, 4.1).
        barrier::dsb(barrier::SY);
        let id = id as u32 & 0xff_ffff;
        (!(FIRST_SPECIAL..FIRST_SPECIAL + 4).contains(&id)).then_some(InterruptId(id))
    }

    /// The interrupt was handled: drops its priority and deactivates it.
    #[inline]
    pub fn end(&mut self, id: InterruptId) {
        // What the handler told the device has arrived before the interrupt can happen again.
        barrier::dsb(barrier::SY);
        write_register!("ICC_EOIR1_EL1", u64::from(id.0));
        barrier::isb(barrier::SY);
    }

    /// Register `index` of an array, for an interrupt that exists.
    fn register<'a, T>(
        &self,
        registers: &'a [T],
        id: InterruptId,
        index: u32,
    ) -> Result<&'a T, GicError> {
        registers
            .get(index as usize)
            .filter(|_| id.0 < self.interrupts)
            .ok_or(GicError::NoSuchInterrupt(id))
    }

    fn wait_distributor(&self) -> Result<(), GicError> {
        let control = &self.distributor().control;
        wait("distributor", || {
            !control.is_set(DistributorControl::WRITE_PENDING)
        })
    }

    fn wait_redistributor(&self) -> Result<(), GicError> {
        let control = &self.redistributor().control;
        wait("redistributor", || {
            !control.is_set(RedistributorControl::WRITE_PENDING)
        })
    }
}

/// Makes a software-generated interrupt (0 to 15) happen on the core with that affinity. What was written before is seen there then.
pub fn notify(affinity: u64, id: InterruptId) {
    let [aff0, aff1, aff2, _, aff3, ..] = affinity.to_le_bytes();
    // ICC_SGI1R_EL1: affinities 1 to 3 name sixteen cores, of which the target list picks some; the range selector says which sixteen of affinity 0.
    let register = 1 << (aff0 % 16)
        | u64::from(aff1) << 16
        | u64::from(id.0 % 16) << 24
        | u64::from(aff2) << 32
        | u64::from(aff0 / 16) << 44
        | u64::from(aff3) << 48;
    barrier::dsb(barrier::ISHST);
    write_register!("ICC_SGI1R_EL1", register);
    barrier::isb(barrier::SY);
}

/// Waits until `done`, within bounds.
fn wait(part: &'static str, done: impl Fn() -> bool) -> Result<(), GicError> {
    for _ in 0..PATIENCE {
        if done() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(GicError::Timeout(part))
}
