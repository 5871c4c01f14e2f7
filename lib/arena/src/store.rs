//! Arenas.

/// Names a node of an arena, as long as the node is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id(u32);

impl Id {
    /// Names no node.
    pub const NONE: Self = Self(u32::MAX);

    /// What stands in the list of free places for a place that is in use.
    const USED: Self = Self(u32::MAX - 1);

    /// Whether it is [`Id::NONE`].
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == u32::MAX
    }

    /// None for [`Id::NONE`].
    #[must_use]
    pub const fn some(self) -> Option<Self> {
        if self.is_none() { None } else { Some(self) }
    }
}

impl Default for Id {
    fn default() -> Self {
        Self::NONE
    }
}

/// The place of one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot<T> {
    node: T,
    /// The next free place, if this one is free; [`Id::USED`] if it is not.
    next: Id,
}

/// Memory of an arena: a slice that only ever grows. Arrays, slices and vectors of slots are stores; what comes from
/// [`Slot::default`] is free.
pub trait Store<T> {
    /// All places.
    fn slots(&self) -> &[Slot<T>];
    /// All places.
    fn slots_mut(&mut self) -> &mut [Slot<T>];
}

impl<T, S: AsRef<[Slot<T>]> + AsMut<[Slot<T>]>> Store<T> for S {
    fn slots(&self) -> &[Slot<T>] {
        self.as_ref()
    }

    fn slots_mut(&mut self) -> &mut [Slot<T>] {
        self.as_mut()
    }
}

/// Nodes of type `T` in a [`Store`].
#[derive(Debug)]
pub struct Arena<T, S> {
    store: S,
    /// First of the places that were used and are free again.
    free: Id,
    /// Places from here on were never used.
    fresh: u32,
    used: u32,
    node: core::marker::PhantomData<T>,
}

impl<T: Copy + Default, S: Store<T>> Arena<T, S> {
    /// An arena without nodes.
    pub const fn new(store: S) -> Self {
        Self {
            store,
            free: Id::NONE,
            fresh: 0,
            used: 0,
            node: core::marker::PhantomData,
        }
    }

    /// The memory, to let it grow. What is in the places that are there must stay.
    pub const fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// How many more nodes there is room for.
    pub fn free(&self) -> usize {
        self.store.slots().len().saturating_sub(self.used as usize)
    }

    /// Nodes there are.
    pub const fn used(&self) -> usize {
        self.used as usize
    }

    /// Room for a node; `None` when there is none.
    pub fn insert(&mut self, node: T) -> Option<Id> {
        let (id, next) = match self.free.some() {
            Some(id) => (id, self.store.slots().get(id.0 as usize)?.next),
            None => (Id(self.fresh), Id::NONE),
        };
        let slot = self.store.slots_mut().get_mut(id.0 as usize)?;
        *slot = Slot {
            node,
            next: Id::USED,
        };
        match self.free.some() {
            Some(_) => self.free = next,
            None => self.fresh += 1,
        }
        self.used += 1;
        Some(id)
    }

    /// Takes a node out. Nothing may name it afterwards. `None` when there is none.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let free = self.free;
        let slot = self.store.slots_mut().get_mut(id.0 as usize)?;
        if slot.next != Id::USED {
            return None;
        }
        slot.next = free;
        self.free = id;
        self.used = self.used.saturating_sub(1);
        Some(slot.node)
    }

    /// A node.
    #[inline]
    pub fn get(&self, id: Id) -> Option<&T> {
        self.store.slots().get(id.0 as usize).map(|slot| &slot.node)
    }

    /// A node, to change it. What a tree orders it by must stay.
    #[inline]
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.store.slots_mut().get_mut(id.0 as usize);
        slot.map(|slot| &mut slot.node)
    }

    /// A node, to change it, and two others, to look at.
    pub(crate) fn with_two(
        &mut self,
        id: Id,
        one: Id,
        other: Id,
    ) -> Option<(&mut T, Option<&T>, Option<&T>)> {
        let [at, first, second] = [id, one, other].map(|id| id.0 as usize);
        let slots = self.store.slots_mut();
        Some(match (one.is_none(), other.is_none()) {
            (true, true) => (&mut slots.get_mut(at)?.node, None, None),
            (false, true) => {
                let [slot, one] = slots.get_disjoint_mut([at, first]).ok()?;
                (&mut slot.node, Some(&one.node), None)
            }
            (true, false) => {
                let [slot, other] = slots.get_disjoint_mut([at, second]).ok()?;
                (&mut slot.node, None, Some(&other.node))
            }
            (false, false) => {
                let [slot, one, other] = slots.get_disjoint_mut([at, first, second]).ok()?;
                (&mut slot.node, Some(&one.node), Some(&other.node))
            }
        })
    }
}
