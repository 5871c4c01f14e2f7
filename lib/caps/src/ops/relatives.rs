//! What monitors ask and note about relatives of a capability (Barrelfish `caps_lock_cap`, `handle_remote_relations` and others).

use errors::ErrorCode;
use kpi::addr::PhysAddr;
use kpi::cap::Capability;

use super::copy::usable;
use crate::code;
use crate::cte::{CteRef, Flags};
use crate::env::Store;
use crate::facts::size;
use crate::mdb::{Database, MEMORY_ROOT, Range, first_word, is_copy, range_end};

impl Database {
    /// Which relatives the capability has on this core, as the flags for other cores.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`, `SYS_ERR_CAP_LOCKED`: the entry is empty, half made or half deleted.
    pub fn local_relations<S: Store>(&self, store: &S, at: CteRef) -> Result<Flags, ErrorCode> {
        let cap = usable(store, at)?.cap;
        let mut found = Flags::NONE;
        for (relation, there) in [
            (Flags::REMOTE_COPIES, self.has_copies(store, at)),
            (Flags::REMOTE_ANCS, self.has_ancestors(store, &cap)),
            (Flags::REMOTE_DESCS, self.has_descendants(store, &cap)),
        ] {
            if there {
                found = found.with(relation);
            }
        }
        Ok(found)
    }

    /// Locks all copies.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`; `SYS_ERR_CAP_LOCKED`: locked already, half made or half deleted.
    pub fn lock<S: Store>(&self, store: &mut S, at: CteRef) -> Result<(), ErrorCode> {
        let _usable = usable(store, at)?;
        if self.state_of(store, at).flags.has(Flags::LOCKED) {
            return Err(code::CAP_LOCKED);
        }
        self.set_locked(store, at, true);
        Ok(())
    }

    /// Whether, as far as this core knows, `count` objects of `bytes` bytes can be made from `source` from byte `offset` on.
    ///
    /// # Errors
    /// `SYS_ERR_RETYPE_INVALID_OFFSET`: that is not inside the source. `SYS_ERR_REVOKE_FIRST`: something was made from it.
    pub fn is_retypeable<S: Store>(
        &self,
        store: &S,
        source: &Capability,
        offset: u64,
        bytes: u64,
        count: u64,
    ) -> Result<(), ErrorCode> {
        if source.objtype().type_root() != MEMORY_ROOT {
            return Ok(());
        }
        let all = bytes.checked_mul(count).filter(|all| {
            let end = all.checked_add(offset);
            *all > 0 && end.is_some_and(|end| end <= size(source))
        });
        let all = all.ok_or(code::RETYPE_INVALID_OFFSET)?;
        let start = PhysAddr(first_word(source).saturating_add(offset));
        match self.find_range(store, start, all, Range::Surrounding) {
            (Range::NotFound, _) => Ok(()),
            (Range::Surrounding, Some(at)) if encloses_source(&store.cte(at).cap, source) => Ok(()),
            _ => Err(code::REVOKE_FIRST),
        }
    }
}

/// Whether the innermost capability around a part of the source is the source, or around that.
fn encloses_source(around: &Capability, source: &Capability) -> bool {
    is_copy(around, source)
        || (first_word(around) <= first_word(source)
            && range_end(around) >= range_end(source)
            && size(around) > size(source))
}
