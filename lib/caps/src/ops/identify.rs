//! Identify: what a capability says about itself.

use errors::ErrorCode;
use kpi::cap::{Capability, KernelControlBlock, ObjType};

use crate::code;
use crate::cte::CteRef;
use crate::env::Store;
use crate::facts::is_blanked;
use crate::mdb::Database;

/// The types up to this one are shown as they are.
const LAST_ORDINARY: ObjType = ObjType::Frame;

impl Database {
    /// Whether [`Self::identify`] shows a capability just as it is. Quicker, as that is so of nearly all.
    #[inline(always)]
    pub fn shows_all(cap: &Capability) -> bool {
        // A comparison is quicker, and says it of the types that are most.
        let objtype = cap.objtype();
        objtype as u8 <= LAST_ORDINARY as u8 || !is_blanked(objtype)
    }

    /// The capability in an entry, for user space. Where the kernel keeps its own things is blanked: the address of a
    /// KernelControlBlock and the page-table entry of a Mapping read as 0.
    ///
    /// # Errors
    /// `SYS_ERR_CAP_NOT_FOUND`: the entry is empty.
    #[inline]
    pub fn identify<S: Store>(&self, store: &S, at: CteRef) -> Result<Capability, ErrorCode> {
        let entry = store.cte(at);
        if entry.is_empty() {
            return Err(code::CAP_NOT_FOUND);
        }
        let cap = entry.cap;
        if let Some(mut mapping) = cap.as_mapping() {
            mapping.pte = 0;
            return Ok(
                Capability::new_mapping(cap.objtype(), mapping, cap.rights()).unwrap_or(cap),
            );
        }
        if cap.as_kernel_control_block().is_some() {
            let blank = KernelControlBlock { kcb: 0 };
            return Ok(Capability::new_kernel_control_block(blank, cap.rights()));
        }
        Ok(cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::rights::CapRights;

    #[test]
    fn what_is_shown_whole_is_what_identify_does_not_change() {
        for objtype in ObjType::ALL {
            let blanked = objtype.is_mapping() || matches!(objtype, ObjType::KernelControlBlock);
            let word = (objtype as u64) << 48 | u64::from(CapRights::READ.0) << 56;
            let cap = Capability::from_words([0, 0, word]).unwrap();
            assert_eq!(Database::shows_all(&cap), !blanked, "{objtype}");
        }
    }
}
