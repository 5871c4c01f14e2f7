//! [`Cap`]: the value that owns a capability.

use crate::derived::Derived;
use crate::ledger::Key;
use crate::reap::{Which, reap};
use crate::refused::Refused;
use crate::space::{Cut, Space};
use core::fmt;
use core::marker::PhantomData;
use errors::{Error, ErrorCode, ResultExt};
use kpi::cap::{CapType, Inherits, Memory, Ram, RetypesTo};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::CapRights;

/// Owns the capability of type `T` in a slot of the space `S`.
///
/// It cannot be cloned: [`Cap::copy`] makes a copy, in sight. Dropping it leaves the slot to the reaper ([`crate::reap()`]):
/// it never waits and cannot fail. Who wants to know whether the deletion worked calls [`Cap::delete`].
///
/// Memory: a capability that was allocated, or made of such a one by [`Cap::retype`] or [`Cap::split`], is *accounted*: with
/// it, its memory goes back to the account. What is given away takes its memory along.
pub struct Cap<T: CapType, S: Space> {
    slot: S::Slot,
    key: Key,
    space: S,
    of: PhantomData<fn() -> T>,
}

impl<T: CapType, S: Space> Drop for Cap<T, S> {
    fn drop(&mut self) {
        let key = self.key;
        self.space.ledger(|ledger| ledger.bury(key));
    }
}

impl<T: CapType, S: Space> fmt::Debug for Cap<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cap<{}>({:?})", T::OBJTYPE, self.slot)
    }
}

impl<T: CapType, S: Space> Cap<T, S> {
    /// A new object, made of memory of the account. `bytes` counts for types of no fixed size.
    ///
    /// # Errors
    /// No memory, no slot, or the retype's.
    pub fn alloc_in(space: &S, bytes: u64) -> Result<Self, Error>
    where
        Ram: RetypesTo<T>,
    {
        let slot = space.object_alloc(T::OBJTYPE, bytes)?;
        Self::enter(space, slot, true).inspect_err(|_| {
            // Nobody else has it; what cannot be deleted is lost.
            let _ = space
                .delete(slot, true)
                .and_then(|()| space.slot_free(slot));
        })
    }

    /// Takes over the capability in a slot. Nobody may use the slot by other means from now on.
    ///
    /// # Errors
    /// `LIB_ERR_CAP_TYPE` when it is of another type, `LIB_ERR_CAP_OWNED` when a value owns it already, or what identifying
    /// it answered.
    pub fn adopt_in(space: &S, slot: S::Slot) -> Result<Self, Error> {
        if T::of(&space.identify(slot)?).is_none() {
            return Err(Error::new(ErrorCode::LibCapType));
        }
        Self::enter(space, slot, false)
    }

    fn enter(space: &S, slot: S::Slot, accounted: bool) -> Result<Self, Error> {
        let key = space.key(slot)?;
        space.ledger(|ledger| ledger.enter(key, accounted))?;
        Ok(Self {
            slot,
            key,
            space: space.clone(),
            of: PhantomData,
        })
    }

    /// The slot, for calls that take one. It must not be emptied by them.
    pub const fn slot(&self) -> S::Slot {
        self.slot
    }

    pub(crate) const fn key(&self) -> Key {
        self.key
    }

    pub(crate) const fn space(&self) -> &S {
        &self.space
    }

    /// Gives up ownership: whoever has the slot now sees to the capability.
    pub fn into_slot(self) -> S::Slot {
        self.release().1
    }

    /// Out of the books; the drop at the end finds nothing to bury.
    pub(crate) fn release(self) -> (S, S::Slot) {
        self.space.ledger(|ledger| ledger.leave(self.key));
        (self.space.clone(), self.slot)
    }

    fn is_accounted(&self) -> bool {
        self.space.ledger(|ledger| ledger.is_accounted(self.key))
    }

    /// What the capability holds.
    ///
    /// # Errors
    /// The kernel's: `SYS_ERR_CAP_NOT_FOUND` when it was revoked. `LIB_ERR_CAP_TYPE` when something else is in the slot now.
    pub fn identify(&self) -> Result<T, Error> {
        let capability = self.space.identify(self.slot)?;
        T::of(&capability).ok_or(Error::new(ErrorCode::LibCapType))
    }

    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        Ok(self.space.identify(self.slot)?.size())
    }

    /// A copy. It cannot outlive this one: [`Derived::detach`] ends that.
    ///
    /// # Errors
    /// No slot, or the kernel's.
    pub fn copy(&self) -> Result<Derived<'_, T, S>, Error> {
        self.derive(|dest| self.space.copy(dest, self.slot))
    }

    /// A copy with these rights at most.
    ///
    /// # Errors
    /// No slot, or the kernel's.
    pub fn mint(&self, rights: CapRights) -> Result<Derived<'_, T, S>, Error> {
        self.derive(|dest| self.space.mint(dest, self.slot, rights))
    }

    /// An object made out of a part of this one, `offset` bytes from its start. `bytes` counts for types of no fixed size. It
    /// cannot outlive this one, which stays as it is: so [`Cap::revoke`] can take it back.
    ///
    /// # Errors
    /// No slot, or the kernel's: `SYS_ERR_REVOKE_FIRST` when the range is in use, by a value or by another domain. (What was
    /// dropped is reaped first.)
    pub fn carve<U: CapType>(&self, offset: u64, bytes: u64) -> Result<Derived<'_, U, S>, Error>
    where
        T: RetypesTo<U>,
    {
        let cut = Cut {
            offset,
            objtype: U::OBJTYPE,
            bytes: U::OBJTYPE.fixed_size().unwrap_or(bytes),
        };
        self.derive(|dest| self.cut(dest, cut))
    }

    /// Retypes; when the range is in use, once more after reaping.
    fn cut(&self, dest: S::Slot, cut: Cut) -> Result<(), Error> {
        match self.space.retype(dest, self.slot, cut) {
            Err(error) if error.contains(ErrorCode::SysRevokeFirst) => {
                let waiting = self.space.ledger(|ledger| ledger.dead());
                match reap(&self.space, waiting, Which::All).freed {
                    0 => Err(error),
                    _ => self.space.retype(dest, self.slot, cut),
                }
            }
            result => result,
        }
    }

    fn derive<U: CapType>(
        &self,
        make: impl FnOnce(S::Slot) -> Result<(), Error>,
    ) -> Result<Derived<'_, U, S>, Error> {
        self.make(false, make).map(Derived::new)
    }

    /// A capability in a new slot.
    fn make<U: CapType>(
        &self,
        accounted: bool,
        make: impl FnOnce(S::Slot) -> Result<(), Error>,
    ) -> Result<Cap<U, S>, Error> {
        let slot = self.space.slot_alloc()?;
        let made = Cap::enter(&self.space, slot, accounted).and_then(|empty| match make(slot) {
            Ok(()) => Ok(empty),
            Err(error) => {
                empty.release();
                Err(error)
            }
        });
        if made.is_err() {
            // It came from the allocator and is empty.
            let _ = self.space.slot_free(slot);
        }
        made
    }

    /// Turns all of it into one object of another type.
    ///
    /// # Errors
    /// No slot; `SYS_ERR_INVALID_SIZE` when memory would be left over; the kernel's, `SYS_ERR_REVOKE_FIRST` above all.
    pub fn retype<U: CapType>(self) -> Result<Cap<U, S>, Refused<Self>>
    where
        T: Inherits<Memory> + RetypesTo<U>,
    {
        let made = self.bytes().and_then(|bytes| {
            let object = U::OBJTYPE.fixed_size().unwrap_or(bytes);
            if object.checked_next_multiple_of(BASE_PAGE_SIZE) != Some(bytes) {
                let error = Error::new(ErrorCode::SysInvalidSize);
                return Err(error.push(ErrorCode::LibCapRetype));
            }
            let cut = Cut {
                offset: 0,
                objtype: U::OBJTYPE,
                bytes: object,
            };
            self.make(self.is_accounted(), |dest| self.cut(dest, cut))
        });
        match made {
            Ok(made) => self.replace_by(made, |made| made.withdraw()),
            Err(error) => Err(Refused::new(self, error)),
        }
    }

    /// Splits it in two of the same type, the first of `at` bytes.
    ///
    /// # Errors
    /// No slot, or the kernel's: `SYS_ERR_RETYPE_INVALID_OFFSET` and `SYS_ERR_INVALID_SIZE` for a place that is not inside or not
    /// at a page, `SYS_ERR_REVOKE_FIRST` when something made from it lies there.
    pub fn split(self, at: u64) -> Result<(Self, Self), Refused<Self>>
    where
        T: Inherits<Memory> + RetypesTo<T>,
    {
        let halves = self.bytes().and_then(|bytes| {
            let accounted = self.is_accounted();
            let half = |offset, bytes| {
                let cut = Cut {
                    offset,
                    objtype: T::OBJTYPE,
                    bytes,
                };
                self.make(accounted, |dest| self.cut(dest, cut))
            };
            let first: Self = half(0, at)?;
            match half(at, bytes.saturating_sub(at)) {
                Ok(second) => Ok((first, second)),
                Err(error) => {
                    first.withdraw();
                    Err(error)
                }
            }
        });
        match halves {
            Ok(halves) => self.replace_by(halves, |(first, second)| {
                first.withdraw();
                second.withdraw();
            }),
            Err(error) => Err(Refused::new(self, error)),
        }
    }

    /// Deletes itself, but not its memory, which `made` holds now. If that fails, `made` goes instead.
    fn replace_by<M>(self, made: M, withdraw: impl FnOnce(M)) -> Result<M, Refused<Self>> {
        match self.space.delete(self.slot, false) {
            Ok(()) => {
                let (space, slot) = self.release();
                // A slot that the allocator does not know needs no freeing.
                let _ = space.slot_free(slot);
                Ok(made)
            }
            Err(error) => {
                withdraw(made);
                Err(Refused::new(self, error))
            }
        }
    }

    /// Deletes what was just made of memory that stays with its source.
    fn withdraw(self) {
        self.space.ledger(|ledger| ledger.disown(self.key));
        // Refused, it is dropped: the reaper goes on.
        let _ = self.delete();
    }

    /// Deletes it now. The memory goes back if it is accounted, and the slot is free.
    ///
    /// # Errors
    /// The kernel's.
    pub fn delete(self) -> Result<(), Refused<Self>> {
        match self.space.delete(self.slot, self.is_accounted()) {
            Ok(()) => {
                let (space, slot) = self.release();
                // A slot that the allocator does not know needs no freeing.
                let _ = space.slot_free(slot);
                Ok(())
            }
            Err(error) => Err(Refused::new(self, error)),
        }
    }

    /// Deletes every copy of it and everything made from it, wherever they are; it stays.
    ///
    /// That it takes `&mut self` is the proof that no [`Derived`] of it is left in this program. Detached values and
    /// other domains' find their slots empty.
    ///
    /// # Errors
    /// The kernel's: until it returns without error, others may still have access.
    pub fn revoke(&mut self) -> Result<(), Error> {
        self.space
            .revoke(self.slot)
            .push_err(ErrorCode::LibCapDelete)
    }
}

impl<T: CapType, S: Space + Default> Cap<T, S> {
    /// As [`Cap::alloc_in`], in the program's own space.
    ///
    /// # Errors
    /// As [`Cap::alloc_in`].
    pub fn alloc(bytes: u64) -> Result<Self, Error>
    where
        Ram: RetypesTo<T>,
    {
        Self::alloc_in(&S::default(), bytes)
    }

    /// As [`Cap::adopt_in`], in the program's own space.
    ///
    /// # Errors
    /// As [`Cap::adopt_in`].
    pub fn adopt(slot: S::Slot) -> Result<Self, Error> {
        Self::adopt_in(&S::default(), slot)
    }
}
