//! Memory for nodes of books.
//!
//! A vector of the heap, which grows before an operation that may need a node, never in it.

use crate::error::{Error, ErrorCode};
use alloc::vec::Vec;
use arena::Slot;

/// Nodes of a type.
pub(crate) type Nodes<T> = Vec<Slot<T>>;

/// Least nodes that are added; of many, an eighth. (Doubling would need room for three times as many while it copies.)
const MORE: usize = 4;

/// Grows nodes of which `free` are free, so that `wanted` are.
///
/// # Errors
/// `LIB_ERR_MALLOC_FAIL`.
pub(crate) fn keep<T: Clone + Default>(
    nodes: &mut Nodes<T>,
    free: usize,
    wanted: usize,
) -> Result<(), Error> {
    if free >= wanted {
        return Ok(());
    }
    let more = MORE.max(wanted).max(nodes.len() / 8);
    nodes
        .try_reserve_exact(more)
        .map_err(|_| Error::new(ErrorCode::LibMallocFail))?;
    nodes.resize(nodes.capacity(), Slot::default());
    Ok(())
}
