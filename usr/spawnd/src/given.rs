//! The capabilities that services get.
//!
//! RAM and the registers of a device are made once for each service, and the service gets copies. When it has ended they are taken back, whoever has
//! them by then: the next life finds them as the first did. The capability for interrupts is shared with others and goes with whoever has it.

use alloc::vec::Vec;
use aos::cap::{CNodeRef, CapRef, cap_direct_identify, cap_retype, cap_revoke};
use aos::kpi::cap::ObjType;
use aos::kpi::slots::{root, task};
use aos::ram::mm_alloc;
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, ErrorCode};
use supervise::lines::Grant;

/// Regions of devices that are looked at.
const REGIONS: u32 = 256;

/// What one service gets, in the menu's order.
#[derive(Default)]
pub struct Given(Vec<(CapRef, bool)>);

impl Given {
    /// Makes it.
    ///
    /// # Errors
    /// `LIB_ERR_RAM_ALLOC`; `SYS_ERR_CAP_NOT_FOUND`: there is no such device; why a slot could not be had.
    pub fn make(grants: &[Grant]) -> Result<Self, Error> {
        let mut given = Vec::new();
        for grant in grants {
            given.push(match *grant {
                Grant::Ram(bytes) => (mm_alloc(bytes)?, true),
                Grant::Device { base, bytes } => (device(base, bytes)?, true),
                Grant::Irq => (CapRef::task(task::IRQ), false),
            });
        }
        Ok(Self(given))
    }

    /// The capabilities.
    pub fn caps(&self) -> impl Iterator<Item = CapRef> {
        self.0.iter().map(|(cap, _)| *cap)
    }

    /// Takes them back, whoever has them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn take_back(&self) -> Result<(), Error> {
        let mut own = self.0.iter().filter(|(_, is_own)| *is_own);
        own.try_for_each(|(cap, _)| cap_revoke(*cap))
    }
}

/// The registers of a device.
///
/// # Errors
/// `SYS_ERR_CAP_NOT_FOUND`: there is no such device; why a slot could not be had.
pub fn device(base: u64, bytes: u64) -> Result<CapRef, Error> {
    let regions = (0..REGIONS).map(|slot| CNodeRef::own(root::PACN).slot(slot));
    let holds = |region: &CapRef| {
        cap_direct_identify(*region)
            .is_ok_and(|cap| cap.address() <= base && base.saturating_add(bytes) <= cap.end())
    };
    let mut regions = regions.filter(holds);
    let region = regions
        .next()
        .ok_or(Error::new(ErrorCode::SysCapNotFound))?;
    let offset = base - cap_direct_identify(region)?.address();
    let slot = slot_alloc()?;
    let made = cap_retype(slot, region, offset, ObjType::DevFrame, bytes, 1);
    if made.is_err() {
        let _ = slot_free(slot);
    }
    made.map(|()| slot)
}
