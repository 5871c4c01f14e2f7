//! What a space needs from outside.

use kpi::rights::PageFlags;

/// Entries of a table that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entries {
    /// The first.
    pub first: u16,
    /// How many, at least one.
    pub count: u16,
}

/// Page tables, as those can change them who hold their capabilities.
///
/// Each call either does what it says, or answers an error and has changed nothing.
pub trait Tables {
    /// Names a table, a Mapping or a frame.
    type Cap: Copy + Default;
    /// Why something could not be done.
    type Error;

    /// Makes a table of level 1 to 3 and hangs it below `parent`. Answers the table, and the Mapping that it hangs by.
    ///
    /// # Errors
    /// No memory, no slot, or the kernel's.
    fn grow(
        &mut self,
        parent: Self::Cap,
        level: u8,
        entry: u16,
    ) -> Result<(Self::Cap, Self::Cap), Self::Error>;

    /// Takes a table of level 1 to 3 that has no entries any more from its parent, and gives its memory and slots back.
    ///
    /// # Errors
    /// The kernel's, if it still hangs there. What fails later is for the environment to deal with.
    fn prune(
        &mut self,
        parent: Self::Cap,
        level: u8,
        table: Self::Cap,
        mapping: Self::Cap,
    ) -> Result<(), Self::Error>;

    /// Fills entries of a table (their level says how many bytes each maps) with a frame from byte `offset` on.
    ///
    /// # Errors
    /// No slot, or the kernel's.
    fn map(
        &mut self,
        table: Self::Cap,
        entries: Entries,
        frame: Self::Cap,
        offset: u64,
        flags: PageFlags,
    ) -> Result<Self::Cap, Self::Error>;

    /// Empties the entries of a Mapping, and gives its slot back.
    ///
    /// # Errors
    /// The kernel's.
    fn unmap(&mut self, table: Self::Cap, mapping: Self::Cap) -> Result<(), Self::Error>;

    /// Gives entries of a table, all filled by frames, other flags.
    ///
    /// # Errors
    /// The kernel's.
    fn protect(
        &mut self,
        table: Self::Cap,
        entries: Entries,
        flags: PageFlags,
    ) -> Result<(), Self::Error>;

    /// A run of this frame is about to be unmapped and mapped again in pieces: the next calls until then must not fail for want of memory
    /// or slots, for at most so many Mappings (also those that tables hang by) and so many tables of level 1, 2 and 3.
    ///
    /// # Errors
    /// They are not to be had, or the frame is not, so that it could not be mapped again.
    fn prepare(
        &mut self,
        frame: Self::Cap,
        mappings: usize,
        tables: [usize; 3],
    ) -> Result<(), Self::Error>;

    /// So many bytes of a frame have just been taken from the space for good. Not called when an operation that failed is undone.
    fn released(&mut self, frame: Self::Cap, offset: u64, bytes: u64) {
        let _ = (frame, offset, bytes);
    }
}
