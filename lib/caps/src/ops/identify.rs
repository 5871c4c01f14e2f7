//! Identify: what a capability says about itself.

use errors::ErrorCode;
use kpi::cap::{Capability, KernelControlBlock};

use crate::code;
use crate::cte::CteRef;
use crate::env::Store;
use crate::mdb::Database;

impl Database {
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
