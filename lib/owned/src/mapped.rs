//! [`Mapped`]: access to memory, as long as it is mapped.

use crate::cap::Cap;
use crate::derived::Derived;
use crate::owner::Owner;
use crate::refused::Refused;
use crate::space::Space;
use core::fmt;
use errors::Error;
use kpi::addr::VirtAddr;
use kpi::cap::{CapType, Inherits, MappedBy, Memory};
use kpi::rights::PageFlags;

/// A frame (or another type that can be mapped) in the own address space. It holds the capability, and gives access to the
/// memory: whoever unmaps it has neither view any more. While it is mapped, the capability cannot be given away, deleted or
/// retyped. Dropped, it is unmapped and deleted by the reaper.
///
/// Other holders of the frame can still write it, or take it away: then an access faults. No type can know.
pub struct Mapped<C: Owner> {
    owner: C,
    address: VirtAddr,
    view: <C::Space as Space>::View,
}

impl<C: Owner> Mapped<C> {
    /// Maps the first `bytes` bytes.
    ///
    /// # Errors
    /// No address, no page table, no slot, or the kernel's.
    pub fn part(owner: C, bytes: u64, flags: PageFlags) -> Result<Self, Refused<C>>
    where
        C::Type: MappedBy + Inherits<Memory>,
    {
        let (space, slot) = (owner.cap().space(), owner.cap().slot());
        match space.map(slot, bytes, flags) {
            Ok((address, view)) => {
                let key = owner.cap().key();
                if let Err(error) = space.ledger(|ledger| ledger.set_mapped(key, address)) {
                    drop(view);
                    // What cannot be unmapped stays so, without a view.
                    let _ = space.unmap(address);
                    return Err(Refused::new(owner, error));
                }
                Ok(Self {
                    owner,
                    address,
                    view,
                })
            }
            Err(error) => Err(Refused::new(owner, error)),
        }
    }

    /// Maps all of it.
    ///
    /// # Errors
    /// As [`Mapped::part`], and what identifying it answered.
    pub fn new(owner: C, flags: PageFlags) -> Result<Self, Refused<C>>
    where
        C::Type: MappedBy + Inherits<Memory>,
    {
        match owner.cap().bytes() {
            Ok(bytes) => Self::part(owner, bytes, flags),
            Err(error) => Err(Refused::new(owner, error)),
        }
    }

    /// Where it is.
    pub const fn address(&self) -> VirtAddr {
        self.address
    }

    /// The memory.
    pub const fn view(&self) -> &<C::Space as Space>::View {
        &self.view
    }

    /// The memory, to write.
    pub const fn view_mut(&mut self) -> &mut <C::Space as Space>::View {
        &mut self.view
    }

    /// The capability, to copy or identify it.
    pub fn cap(&self) -> &Cap<C::Type, C::Space> {
        self.owner.cap()
    }

    /// Unmaps it and gives the capability back.
    ///
    /// # Errors
    /// The kernel's; then it is still mapped.
    pub fn unmap(self) -> Result<C, Refused<Self>> {
        let cap = self.owner.cap();
        match cap.space().unmap(self.address) {
            Ok(()) => {
                let key = cap.key();
                cap.space().ledger(|ledger| ledger.set_unmapped(key));
                Ok(self.owner)
            }
            Err(error) => Err(Refused::new(self, error)),
        }
    }
}

impl<C: Owner> fmt::Debug for Mapped<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.owner.cap(), self.address)
    }
}

impl<T: CapType, S: Space> Cap<T, S> {
    /// Maps all of it in the own address space.
    ///
    /// # Errors
    /// As [`Mapped::new`].
    pub fn map(self, flags: PageFlags) -> Result<Mapped<Self>, Refused<Self>>
    where
        T: MappedBy + Inherits<Memory>,
    {
        Mapped::new(self, flags)
    }

    /// As [`Mapped::new`], without the capability back when that fails.
    ///
    /// # Errors
    /// As [`Mapped::new`].
    pub fn mapped(bytes: u64, flags: PageFlags) -> Result<Mapped<Self>, Error>
    where
        T: MappedBy + Inherits<Memory>,
        S: Default,
        kpi::cap::Ram: kpi::cap::RetypesTo<T>,
    {
        Ok(Self::alloc(bytes)?.map(flags)?)
    }
}

impl<T: CapType, S: Space> Derived<'_, T, S> {
    /// Maps all of it in the own address space.
    ///
    /// # Errors
    /// As [`Mapped::new`].
    pub fn map(self, flags: PageFlags) -> Result<Mapped<Self>, Refused<Self>>
    where
        T: MappedBy + Inherits<Memory>,
    {
        Mapped::new(self, flags)
    }
}
