//! Free slots of L2CNodes: one bit a slot.

use crate::MmError;
use alloc::vec::Vec;

/// Slots of an L2CNode.
pub const SLOTS: u32 = 256;

#[derive(Debug)]
struct Node {
    /// Slot of the root CNode that holds the L2CNode.
    l1: u32,
    /// Bit set = slot in use.
    used: [u64; 4],
    free: u32,
}

/// The slot allocator's books.
#[derive(Debug, Default)]
pub struct Slots {
    nodes: Vec<Node>,
}

impl Slots {
    /// No CNodes yet.
    pub const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    /// Adds the (empty) L2CNode at root slot `l1`.
    ///
    /// # Errors
    /// [`MmError::Overlap`] when it is known already, [`MmError::NoMemory`].
    pub fn add(&mut self, l1: u32) -> Result<(), MmError> {
        if self.nodes.iter().any(|node| node.l1 == l1) {
            return Err(MmError::Overlap);
        }
        self.nodes.try_reserve(1).map_err(|_| MmError::NoMemory)?;
        self.nodes.push(Node {
            l1,
            used: [0; 4],
            free: SLOTS,
        });
        Ok(())
    }

    /// Takes a free slot: (root slot of its CNode, slot).
    ///
    /// # Errors
    /// [`MmError::Exhausted`]: add a CNode first.
    pub fn take(&mut self) -> Result<(u32, u8), MmError> {
        let node = self
            .nodes
            .iter_mut()
            .find(|node| node.free > 0)
            .ok_or(MmError::Exhausted)?;
        let (index, word) = node
            .used
            .iter_mut()
            .enumerate()
            .find(|(_, word)| **word != u64::MAX)
            .ok_or(MmError::Exhausted)?;
        let bit = word.trailing_ones();
        *word |= 1 << bit;
        node.free -= 1;
        Ok((node.l1, (index as u32 * 64 + bit) as u8))
    }

    /// Gives a slot back.
    ///
    /// # Errors
    /// [`MmError::NotFound`] for a CNode that is not managed here, [`MmError::Overlap`] when the slot was free.
    pub fn free(&mut self, l1: u32, slot: u8) -> Result<(), MmError> {
        let node = self
            .nodes
            .iter_mut()
            .find(|node| node.l1 == l1)
            .ok_or(MmError::NotFound)?;
        let word = node
            .used
            .get_mut(slot as usize / 64)
            .ok_or(MmError::NotFound)?;
        let bit = 1u64 << (slot % 64);
        if *word & bit == 0 {
            return Err(MmError::Overlap);
        }
        *word &= !bit;
        node.free += 1;
        Ok(())
    }

    /// Slots in all, free or not.
    pub fn slots(&self) -> u32 {
        self.nodes.len() as u32 * SLOTS
    }

    /// Free slots in all.
    pub fn free_slots(&self) -> u32 {
        self.nodes.iter().map(|node| node.free).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_handed_out_once() {
        let mut slots = Slots::new();
        slots.add(7).unwrap();
        slots.add(8).unwrap();
        assert_eq!(slots.add(7), Err(MmError::Overlap));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..512 {
            assert!(seen.insert(slots.take().unwrap()));
        }
        assert_eq!(slots.take(), Err(MmError::Exhausted));
        slots.free(8, 200).unwrap();
        assert_eq!(slots.free(8, 200), Err(MmError::Overlap));
        assert_eq!(slots.free(9, 0), Err(MmError::NotFound));
        assert_eq!(slots.take(), Ok((8, 200)));
        assert_eq!((slots.slots(), slots.free_slots()), (512, 0));
    }
}
