//! The reaper: deletes what was dropped.

use crate::space::Space;
use errors::Error;

/// Which of the dead to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Those never tried.
    New,
    /// Those that were refused before, too.
    All,
}

/// What the reaper did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reaped {
    /// Slots that are empty and free now.
    pub freed: usize,
    /// Slots that could not be emptied; they stay dead, and unreachable for the program.
    pub refused: usize,
    /// Why, the last of them.
    pub error: Option<Error>,
}

/// Deletes at most `limit` dead capabilities, the oldest first: unmaps what is mapped, deletes, frees the slot, and gives the
/// memory back to the account that it came from. Each is tried once.
pub fn reap<S: Space>(space: &S, limit: usize, which: Which) -> Reaped {
    let mut reaped = Reaped::default();
    let waiting = space.ledger(|ledger| {
        if which == Which::All {
            ledger.retry();
        }
        ledger.dead()
    });
    for _ in 0..waiting.min(limit) {
        let Some(dead) = space.ledger(|ledger| ledger.exhume()) else {
            break;
        };
        let slot = space.slot(dead.slot);
        let unmapped = dead.mapped_at.map_or(Ok(()), |at| space.try_unmap(at));
        let deleted = unmapped.and_then(|()| {
            space.ledger(|ledger| ledger.set_unmapped(dead.slot));
            space.delete(slot, dead.accounted)
        });
        match deleted {
            Ok(()) => {
                // Out of the books before anybody else can get the slot.
                space.ledger(|ledger| ledger.settle(dead.slot));
                // A slot that the allocator does not know needs no freeing.
                let _ = space.slot_free(slot);
                reaped.freed += 1;
            }
            Err(error) => {
                space.ledger(|ledger| ledger.refuse(dead.slot));
                reaped.refused += 1;
                reaped.error = Some(error);
            }
        }
    }
    reaped
}
