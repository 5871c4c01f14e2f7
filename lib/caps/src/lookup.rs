//! From a capability address to an entry (Barrelfish `caps_lookup_slot`), and from a CNode slot to an entry to fill.

use errors::ErrorCode;
use kpi::addr::{CapAddr, CapLevel, L2_BITS, L2_SLOTS, PhysAddr};
use kpi::cap::{Capability, ObjType};
use kpi::layout::SLOT_BYTES;
use kpi::rights::CapRights;

use crate::code;
use crate::cte::{Cte, CteRef};
use crate::env::Store;
use crate::facts::size;
use crate::mdb::first_word;

/// A slot to fill: CNode and index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DestSlot {
    /// Entry that holds the CNode capability.
    pub cnode: CteRef,
    /// Slot in that CNode.
    pub index: u32,
}

/// Number of slots of the CNode that `cap` names; 0 if it is no CNode.
#[inline]
pub fn cnode_slots(cap: &Capability) -> u64 {
    match cap.objtype() {
        ObjType::L1CNode | ObjType::L2CNode => size(cap) / SLOT_BYTES,
        _ => 0,
    }
}

/// Finds a capability for use: as [`lookup_any`], and it is neither half made nor half deleted.
///
/// # Errors
/// As [`lookup_any`], and `SYS_ERR_CAP_LOCKED`.
pub fn lookup<S: Store>(
    store: &S,
    root: CteRef,
    addr: CapAddr,
    level: u64,
    rights: CapRights,
) -> Result<CteRef, ErrorCode> {
    let found = lookup_any(store, root, addr, level, rights)?;
    if store.cte(found).is_usable() {
        Ok(found)
    } else {
        Err(code::CAP_LOCKED)
    }
}

/// The common cases of [`lookup`]: a slot of a CNode, and nothing wrong on the way. `None`: any other, for
/// which `lookup` has the answer. The address is a whole word; one that has more than 32 bits is among those.
#[inline(always)]
pub fn lookup_quickly<S: Store>(
    store: &S,
    root: CteRef,
    addr: u64,
    level: u64,
    rights: CapRights,
) -> Option<CteRef> {
    let root = OpenRoot::of(store, root, rights)?;
    if level == CapLevel::L2 as u64 {
        root.find(store, addr, rights)
    } else if level == CapLevel::L1 as u64 {
        root.find_in_root(store, addr)
    } else {
        None
    }
}

/// [`lookup_quickly`] of a slot that may be empty, or hold what is half made or half deleted; `root` is known to be usable, a root
/// CNode, and to have the rights.
#[inline(always)]
pub fn slot_below<S: Store>(
    store: &S,
    root: CteRef,
    addr: u64,
    level: u64,
    rights: CapRights,
) -> Option<CteRef> {
    let [base, bytes, _] = store.cte(root).cap.to_words();
    let root = OpenRoot { base, bytes };
    if level == CapLevel::L2 as u64 {
        root.slot_in_cnode(store, addr, rights)
    } else if level == CapLevel::L1 as u64 {
        root.slot(store, addr)
    } else {
        None
    }
}

/// A root CNode that may be looked through, for several lookups by one call. It is good until something changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenRoot {
    base: u64,
    bytes: u64,
}

impl OpenRoot {
    /// The root CNode in an entry, if it may be looked through with these rights.
    #[inline(always)]
    pub fn of<S: Store>(store: &S, root: CteRef, rights: CapRights) -> Option<Self> {
        let entry = store.cte(root);
        let [base, bytes, _] = entry.cap.to_words();
        leads_on(entry, ObjType::L1CNode, rights).then_some(Self { base, bytes })
    }

    /// Whether the capability in that entry, which is one of a root CNode, is one of this.
    #[inline(always)]
    pub fn is_root_in<S: Store>(self, store: &S, root: CteRef) -> bool {
        first_word(&store.cte(root).cap) == self.base
    }

    /// [`lookup_quickly`] at level L2. `rights`: not more than it was opened with.
    #[inline(always)]
    pub fn find<S: Store>(self, store: &S, addr: u64, rights: CapRights) -> Option<CteRef> {
        let found = self.find_or_empty(store, addr, rights)?;
        (!store.cte(found).is_empty()).then_some(found)
    }

    /// [`Self::find`] for who looks at the type anyway: what it finds may be empty.
    #[inline(always)]
    pub fn find_or_empty<S: Store>(
        self,
        store: &S,
        addr: u64,
        rights: CapRights,
    ) -> Option<CteRef> {
        let found = self.slot_in_cnode(store, addr, rights)?;
        store.cte(found).is_usable().then_some(found)
    }

    /// The slot at level L2, whatever is in it.
    #[inline(always)]
    fn slot_in_cnode<S: Store>(self, store: &S, addr: u64, rights: CapRights) -> Option<CteRef> {
        let cnode = store.cte(self.slot(store, addr)?);
        let l2 = addr as u32 & (L2_SLOTS - 1);
        leads_on(cnode, ObjType::L2CNode, rights)
            .then(|| store.slot(PhysAddr(first_word(&cnode.cap)), l2))
    }

    /// [`lookup_quickly`] at level L1.
    #[inline(always)]
    pub fn find_in_root<S: Store>(self, store: &S, addr: u64) -> Option<CteRef> {
        let found = self.slot(store, addr)?;
        let entry = store.cte(found);
        (!entry.is_empty() && entry.is_usable()).then_some(found)
    }

    #[inline(always)]
    fn slot<S: Store>(self, store: &S, addr: u64) -> Option<CteRef> {
        let l1 = addr >> L2_BITS;
        let inside = l1 < self.bytes / SLOT_BYTES;
        inside.then(|| store.slot(PhysAddr(self.base), l1 as u32))
    }
}

/// Whether an entry may be used and has a capability of that type with these rights.
#[inline(always)]
pub(crate) fn leads_on(entry: &Cte, objtype: ObjType, rights: CapRights) -> bool {
    // Type and rights lie side by side: one load and one comparison test both.
    let [_, _, word] = entry.cap.to_words();
    let rights = u16::from(rights.0) << 8;
    (word >> 48) as u16 & (rights | 0xff) == rights | objtype as u16 && entry.is_usable()
}

/// Finds a capability in whatever state it is: for delete and revoke, which must reach what is half made or half deleted.
///
/// `root` holds the capability of the root CNode. The CNodes on the path must have `rights`; those of the capability found are
/// for the caller to test.
///
/// # Errors
/// All `SYS_ERR_`, in the order of the tests: `CAP_LOOKUP_DEPTH` (level above 2), `CNODE_TYPE` (root is no L1CNode),
/// `CAP_LOCKED` (root half made or half deleted),
/// `L1_CNODE_INDEX`, `CNODE_RIGHTS`, `CAP_NOT_FOUND` (level 1, empty slot), and at level 2 `CNODE_NOT_FOUND` (empty L1 slot),
/// `CNODE_TYPE` (it holds no L2CNode), `CAP_LOCKED` (that CNode is half made), `CNODE_RIGHTS`, `CAP_NOT_FOUND`.
pub fn lookup_any<S: Store>(
    store: &S,
    root: CteRef,
    addr: CapAddr,
    level: u64,
    rights: CapRights,
) -> Result<CteRef, ErrorCode> {
    let level = CapLevel::from_u64(level).ok_or(code::CAP_LOOKUP_DEPTH)?;
    if level == CapLevel::Root {
        return Ok(root);
    }
    let root_cap = &store.cte(root).cap;
    if root_cap.objtype() != ObjType::L1CNode {
        return Err(code::CNODE_TYPE);
    }
    if !store.cte(root).is_usable() {
        return Err(code::CAP_LOCKED);
    }
    if u64::from(addr.l1()) >= cnode_slots(root_cap) {
        return Err(code::L1_CNODE_INDEX);
    }
    if !root_cap.rights().contains(rights) {
        return Err(code::CNODE_RIGHTS);
    }
    let l1_slot = store.slot(PhysAddr(first_word(root_cap)), addr.l1());
    let l1_entry = store.cte(l1_slot);
    if level == CapLevel::L1 {
        return if l1_entry.is_empty() {
            Err(code::CAP_NOT_FOUND)
        } else {
            Ok(l1_slot)
        };
    }
    match l1_entry.cap.objtype() {
        ObjType::L2CNode => {}
        ObjType::Null => return Err(code::CNODE_NOT_FOUND),
        _ => return Err(code::CNODE_TYPE),
    }
    if !l1_entry.is_usable() {
        return Err(code::CAP_LOCKED);
    }
    if !l1_entry.cap.rights().contains(rights) {
        return Err(code::CNODE_RIGHTS);
    }
    let l2_slot = store.slot(PhysAddr(first_word(&l1_entry.cap)), addr.l2());
    if store.cte(l2_slot).is_empty() {
        return Err(code::CAP_NOT_FOUND);
    }
    Ok(l2_slot)
}

/// The base of a CNode that `count` capabilities of type `objtype` may be put into, from slot `first` on. Slots are not looked at.
///
/// # Errors
/// `SYS_ERR_CNODE_TYPE`: not a CNode. `SYS_ERR_CAP_LOCKED`: half made. `SYS_ERR_CNODE_RIGHTS`: not writable.
/// `SYS_ERR_DEST_TYPE_INVALID`: an L1CNode takes only L2CNodes and KernelControlBlocks. `SYS_ERR_SLOTS_INVALID`: beyond its end.
#[inline]
pub(crate) fn destination<S: Store>(
    store: &S,
    cnode: CteRef,
    first: u64,
    count: u64,
    objtype: ObjType,
) -> Result<PhysAddr, ErrorCode> {
    let entry = store.cte(cnode);
    let cap = &entry.cap;
    let slots = match cap.objtype() {
        ObjType::L2CNode => u64::from(L2_SLOTS),
        ObjType::L1CNode => {
            if !matches!(objtype, ObjType::L2CNode | ObjType::KernelControlBlock) {
                return Err(code::DEST_TYPE_INVALID);
            }
            size(cap) / SLOT_BYTES
        }
        _ => return Err(code::CNODE_TYPE),
    };
    if !entry.is_usable() {
        return Err(code::CAP_LOCKED);
    }
    if !cap.rights().contains(CapRights::WRITE) {
        return Err(code::CNODE_RIGHTS);
    }
    match first.checked_add(count) {
        Some(end) if end <= slots => Ok(PhysAddr(first_word(cap))),
        _ => Err(code::SLOTS_INVALID),
    }
}

/// The one slot that `dest` names, which must be empty.
///
/// # Errors
/// As [`destination`], and `SYS_ERR_SLOT_IN_USE`.
#[inline(always)]
pub(crate) fn empty_slot<S: Store>(
    store: &S,
    dest: DestSlot,
    objtype: ObjType,
) -> Result<CteRef, ErrorCode> {
    let base = destination(store, dest.cnode, u64::from(dest.index), 1, objtype)?;
    let slot = store.slot(base, dest.index);
    if store.cte(slot).is_empty() {
        Ok(slot)
    } else {
        Err(code::SLOT_IN_USE)
    }
}
