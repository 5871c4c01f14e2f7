//! The reaper: deletes what was dropped.

use crate::ledger::Ledger;
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

/// The books, each time that the reaper needs them.
trait Books {
    fn with<R>(&mut self, work: impl FnOnce(&mut Ledger) -> R) -> R;
}

impl<S: Space> Books for &S {
    fn with<R>(&mut self, work: impl FnOnce(&mut Ledger) -> R) -> R {
        self.ledger(work)
    }
}

impl Books for &mut Ledger {
    fn with<R>(&mut self, work: impl FnOnce(&mut Ledger) -> R) -> R {
        work(self)
    }
}

/// Deletes at most `limit` dead capabilities, the oldest first: unmaps what is mapped, deletes, frees the slot, and gives the
/// memory back to the account that it came from. Each is tried once.
pub fn reap<S: Space>(space: &S, limit: usize, which: Which) -> Reaped {
    reap_of(space, space, limit, which)
}

/// The same, for who has the books locked.
pub fn reap_locked<S: Space>(space: &S, books: &mut Ledger, limit: usize, which: Which) -> Reaped {
    reap_of(space, books, limit, which)
}

fn reap_of<S: Space>(space: &S, mut books: impl Books, limit: usize, which: Which) -> Reaped {
    let mut reaped = Reaped::default();
    let waiting = books.with(|ledger| {
        if which == Which::All {
            ledger.retry();
        }
        ledger.dead()
    });
    for _ in 0..waiting.min(limit) {
        let Some(dead) = books.with(Ledger::exhume) else {
            break;
        };
        let slot = space.slot(dead.slot);
        let unmapped = dead.mapped_at.map_or(Ok(()), |at| space.try_unmap(at));
        let deleted = unmapped.and_then(|()| {
            books.with(|ledger| ledger.set_unmapped(dead.slot));
            space.delete(slot, dead.accounted)
        });
        match deleted {
            Ok(()) => {
                // Out of the books before anybody else can get the slot.
                books.with(|ledger| ledger.settle(dead.slot));
                // A slot that the allocator does not know needs no freeing.
                let _ = space.slot_free(slot);
                reaped.freed += 1;
            }
            Err(error) => {
                books.with(|ledger| ledger.refuse(dead.slot));
                reaped.refused += 1;
                reaped.error = Some(error);
            }
        }
    }
    reaped
}
