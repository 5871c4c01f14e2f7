//! The RAM: objects in an account over one capability, each kept here in a slot, copies of it with the clients.

use aos::account::Account;
use aos::cap::{AnyCap, CapRef, cap_delete, cap_direct_identify, cap_revoke};
use aos::kpi::addr::PhysAddr;
use aos::kpi::cap::ObjType;
use aos::slot::{slot_alloc, slot_free};
use aos::{Error, proc};
use services::memory::{Backend, Wanted};

/// All of it.
pub struct Pool(Account);

impl Pool {
    /// This RAM.
    ///
    /// # Errors
    /// It is none, or too little.
    pub fn new(ram: CapRef) -> Result<Self, Error> {
        Account::of(ram).map(Self)
    }

    /// How much there is.
    pub fn bytes(&self) -> u64 {
        self.0.usage().total
    }
}

impl Backend for Pool {
    type Cap = AnyCap;
    type Held = CapRef;

    fn take(&mut self, wanted: Wanted) -> Result<(u64, CapRef), Error> {
        let Wanted {
            bytes, alignment, ..
        } = wanted;
        let slot = slot_alloc()?;
        let made = match wanted.between {
            None => self
                .0
                .object_at_aligned(slot, ObjType::Ram, bytes, alignment),
            Some((base, limit)) => {
                let between = (PhysAddr(base), PhysAddr(limit));
                self.0
                    .object_between(slot, ObjType::Ram, bytes, alignment, between)
            }
        };
        let found = made.and_then(|()| cap_direct_identify(slot));
        if found.is_err() {
            let _ = slot_free(slot);
        }
        found.map(|cap| (cap.address(), slot))
    }

    fn capability(&mut self, held: &CapRef) -> Result<AnyCap, Error> {
        AnyCap::copy_of(*held)
    }

    fn take_back(&mut self, base: u64, bytes: u64, held: &CapRef) -> Result<(), Error> {
        cap_revoke(*held)?;
        // If this was tried before, and failed behind it, the slot is empty.
        let _ = cap_delete(*held);
        self.0.reclaim(base, bytes, *held)?;
        slot_free(*held)
    }

    fn usage(&self) -> (u64, u64) {
        let usage = self.0.usage();
        (usage.total, usage.free)
    }

    fn is_there(&mut self, pid: u32) -> Result<bool, Error> {
        proc::about(pid).map(|found| found.is_some())
    }
}
