//! [`Owner`]: values that own a capability, to be mapped or given away.

use crate::cap::Cap;
use crate::derived::Derived;
use crate::refused::Refused;
use crate::space::Space;
use kpi::cap::CapType;

mod sealed {
    pub trait Sealed {}
    impl<T: super::CapType, S: super::Space> Sealed for super::Cap<T, S> {}
    impl<T: super::CapType, S: super::Space> Sealed for super::Derived<'_, T, S> {}
}

/// A value that owns a capability: [`Cap`] or [`Derived`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a capability that can be handed over",
    label = "neither a `Cap` nor a `Derived`",
    note = "a `CapRef` names a slot and owns nothing: `Cap::adopt` takes the capability over",
    note = "what is mapped is unmapped first: `unmap()` gives the capability back"
)]
pub trait Owner: sealed::Sealed + Sized {
    /// Its type.
    type Type: CapType;
    /// Its space.
    type Space: Space;

    /// The capability.
    fn cap(&self) -> &Cap<Self::Type, Self::Space>;

    /// The capability, without the bond to what it comes from.
    fn into_cap(self) -> Cap<Self::Type, Self::Space>;
}

impl<T: CapType, S: Space> Owner for Cap<T, S> {
    type Type = T;
    type Space = S;

    fn cap(&self) -> &Self {
        self
    }

    fn into_cap(self) -> Self {
        self
    }
}

impl<T: CapType, S: Space> Owner for Derived<'_, T, S> {
    type Type = T;
    type Space = S;

    fn cap(&self) -> &Cap<T, S> {
        self
    }

    fn into_cap(self) -> Cap<T, S> {
        self.detach()
    }
}

/// Sends a message with a capability, which goes over to the receiver with its memory. A [`Derived`] one ends its borrow by
/// that: what it comes from can revoke it there.
///
/// # Errors
/// The kernel's. The capability comes back: send it again when the error is transient.
pub fn give<S: Space, C: Owner<Space = S>>(
    endpoint: S::Slot,
    words: &[u64],
    cap: C,
) -> Result<(), Refused<C>> {
    let given = cap.cap().space().give(endpoint, words, cap.cap().slot());
    match given {
        Ok(()) => {
            let (space, slot) = cap.into_cap().release();
            // A slot that the allocator does not know needs no freeing.
            let _ = space.slot_free(slot);
            Ok(())
        }
        Err(error) => Err(Refused::new(cap, error)),
    }
}
