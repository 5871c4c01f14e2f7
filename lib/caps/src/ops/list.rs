//! What a capability space holds, a slot at a time (Barrelfish's command DumpCapabilities printed it on the console).

use errors::ErrorCode;
use kpi::addr::{CapAddr, L2_BITS, PhysAddr};
use kpi::cap::ObjType;
use kpi::invocation::CapPosition;

use crate::code;
use crate::cte::CteRef;
use crate::env::Store;
use crate::lookup::cnode_slots;
use crate::mdb::first_word;

/// Slots looked at in one call.
const LOOKS: u32 = 400;

/// The answer of [`next_in_cspace`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The first filled slot.
    pub found: Option<(CapPosition, CteRef)>,
    /// Where to go on: everything up to there was looked at. `START`: the end.
    pub next: CapPosition,
}

/// The first filled slot behind a position of the CSpace whose root CNode is in `root`: a slot of the root comes before the slots of
/// the CNode in it. Looks at a bounded number of slots: without one there may be more behind `next`.
///
/// # Errors
/// `SYS_ERR_CNODE_TYPE`: the root is no L1CNode. `SYS_ERR_CAP_LOCKED`: it is half made or half deleted.
/// `SYS_ERR_CAP_LOOKUP_DEPTH`: a position that never was one.
pub fn next_in_cspace<S: Store>(
    store: &S,
    root: CteRef,
    behind: CapPosition,
) -> Result<Listed, ErrorCode> {
    let entry = store.cte(root);
    if entry.cap.objtype() != ObjType::L1CNode {
        return Err(code::CNODE_TYPE);
    }
    if !entry.is_usable() {
        return Err(code::CAP_LOCKED);
    }
    let base = PhysAddr(first_word(&entry.cap));
    // What has no address is in no CSpace.
    let slots = cnode_slots(&entry.cap).min(1 << (32 - L2_BITS)) as u32;
    // Next to look at: slot `outer` of the root, unless `inner` is a slot of the CNode in it.
    let (mut outer, mut inner) = match (behind, behind.level()) {
        (CapPosition::START, _) => (0, None),
        (_, 1) => (behind.address().l1(), Some(0)),
        (_, 2) => (behind.address().l1(), Some(behind.address().l2() + 1)),
        _ => return Err(code::CAP_LOOKUP_DEPTH),
    };
    let mut reached = behind;
    for _ in 0..LOOKS {
        if outer >= slots {
            return Ok(Listed {
                found: None,
                next: CapPosition::START,
            });
        }
        let outer_slot = store.slot(base, outer);
        let slot = match inner {
            None => {
                reached = CapPosition::new(CapAddr::new(outer, 0), 1);
                outer_slot
            }
            Some(index) => {
                let cnode = store.cte(outer_slot);
                let listed = cnode.cap.objtype() == ObjType::L2CNode && cnode.is_usable();
                if !listed || u64::from(index) >= cnode_slots(&cnode.cap) {
                    (outer, inner) = (outer + 1, None);
                    continue;
                }
                reached = CapPosition::new(CapAddr::new(outer, index as u8), 2);
                store.slot(PhysAddr(first_word(&cnode.cap)), index)
            }
        };
        if !store.cte(slot).is_empty() {
            return Ok(Listed {
                found: Some((reached, slot)),
                next: reached,
            });
        }
        (outer, inner) = match inner {
            // An empty slot of the root has nothing below it.
            None => (outer + 1, None),
            Some(index) => (outer, Some(index + 1)),
        };
    }
    Ok(Listed {
        found: None,
        next: reached,
    })
}
