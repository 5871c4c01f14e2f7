//! Reading memory that somebody else may take away while it is read.
//!
//! Who owns a frame may revoke it at any moment, with init's copy and Mapping, and init then faults. An exception handler passes over the load, so
//! that the read fails instead of init.

use aos::paging::MappedFrame;
use aos::thread::exception::{Access, Exception, Kind, Outcome, set_handler};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes that are read before it is looked whether they were there: each load that is passed over costs a lot.
const PIECE: usize = 64;

/// Addresses that are being read.
static START: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);
/// Some of it was not there.
static GONE: AtomicBool = AtomicBool::new(false);

fn pass_over(exception: &mut Exception<'_>) -> Outcome {
    let theirs = START.load(Ordering::Relaxed)..END.load(Ordering::Relaxed);
    match exception.kind() {
        Kind::PageFault {
            address,
            access: Access::Read,
        } if theirs.contains(&address) => {
            GONE.store(true, Ordering::Relaxed);
            // SAFETY: these addresses are used by the `read` below alone, each of whose loads is an instruction that may be passed over.
            unsafe { exception.skip() };
            Outcome::Resume
        }
        _ => Outcome::Unhandled,
    }
}

/// Copies the first bytes of a frame that is mapped. Answers whether all were there.
pub fn read(theirs: &MappedFrame, place: &mut [u8]) -> bool {
    let start = theirs.view().address().0;
    START.store(start, Ordering::Relaxed);
    END.store(start.saturating_add(place.len() as u64), Ordering::Relaxed);
    GONE.store(false, Ordering::Relaxed);
    let before = set_handler(Some(pass_over));
    let mut pieces = place.chunks_mut(PIECE).enumerate();
    let read = pieces.all(|(index, piece)| {
        theirs.view().read(index * PIECE, piece) && !GONE.load(Ordering::Relaxed)
    });
    set_handler(before);
    read
}
