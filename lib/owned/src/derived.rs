//! [`Derived`]: copies and parts.

use crate::cap::Cap;
use crate::space::Space;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use kpi::cap::CapType;

/// A capability that comes from another, which is borrowed as long as this one lives: so the other can neither be given
/// away, nor consumed, nor revoked meanwhile.
///
/// All that [`Cap`] can do without consuming works on it too. There is no mutable access to the [`Cap`] inside: it could
/// be exchanged for one that lives longer.
pub struct Derived<'p, T: CapType, S: Space> {
    cap: Cap<T, S>,
    parent: PhantomData<&'p ()>,
}

impl<T: CapType, S: Space> Derived<'_, T, S> {
    pub(crate) const fn new(cap: Cap<T, S>) -> Self {
        Self {
            cap,
            parent: PhantomData,
        }
    }

    /// Ends the borrow: from now on it is up to the kernel. If what it comes from is revoked, this one finds its slot empty.
    pub fn detach(self) -> Cap<T, S> {
        self.cap
    }
}

impl<T: CapType, S: Space> Deref for Derived<'_, T, S> {
    type Target = Cap<T, S>;

    fn deref(&self) -> &Cap<T, S> {
        &self.cap
    }
}

impl<T: CapType, S: Space> fmt::Debug for Derived<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cap, f)
    }
}
