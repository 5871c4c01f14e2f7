//! The ELF note that carries the ABI version: a PT_NOTE entry with owner `"Barreleye"`, type [`NOTE_TYPE`] and a
//! descriptor of one little-endian u32.
//!
//! A binary gets it with [`abi_note!`](crate::abi_note); its linker script keeps `.note.barreleye` in a PT_NOTE segment.

use crate::ABI_VERSION;

/// Owner of the note.
pub const NOTE_OWNER: &[u8; 10] = b"Barreleye\0";
/// Type of the note.
pub const NOTE_TYPE: u32 = 1;

/// A whole note entry.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub struct AbiNote {
    owner_bytes: u32,
    descriptor_bytes: u32,
    kind: u32,
    owner: [u8; 12],
    version: u32,
}

impl AbiNote {
    /// The note of this build.
    pub const CURRENT: Self = Self {
        owner_bytes: NOTE_OWNER.len() as u32,
        descriptor_bytes: 4,
        kind: NOTE_TYPE,
        owner: *b"Barreleye\0\0\0",
        version: ABI_VERSION,
    };
}

/// The version that a PT_NOTE segment's bytes carry; `None` when there is no such note.
pub fn find(mut notes: &[u8]) -> Option<u32> {
    loop {
        let word = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?))
        };
        let (owner_bytes, descriptor_bytes, kind) =
            (word(0)? as usize, word(4)? as usize, word(8)?);
        let descriptor_at = 12usize
            .checked_add(owner_bytes)?
            .checked_next_multiple_of(4)?;
        let end = descriptor_at
            .checked_add(descriptor_bytes)?
            .checked_next_multiple_of(4)?;
        let owner = notes.get(12..12usize.checked_add(owner_bytes)?)?;
        if owner == NOTE_OWNER && kind == NOTE_TYPE && descriptor_bytes == 4 {
            return word(descriptor_at);
        }
        notes = notes.get(end..)?;
    }
}

/// Puts the ABI note into a binary.
#[macro_export]
macro_rules! abi_note {
    () => {
        #[used]
        #[unsafe(link_section = ".note.barreleye")]
        static ABI_NOTE: $crate::abinote::AbiNote = $crate::abinote::AbiNote::CURRENT;
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u32, descriptor: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [owner.len() as u32, descriptor.len() as u32, kind] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(owner);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(descriptor);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn the_note_is_found_behind_others() {
        let mut notes = note(b"GNU\0", 3, &[1; 20]);
        notes.extend(note(NOTE_OWNER, NOTE_TYPE, &7u32.to_le_bytes()));
        assert_eq!(find(&notes), Some(7));
    }

    #[test]
    fn no_note_or_a_damaged_one_is_none() {
        assert_eq!(find(&[]), None);
        assert_eq!(find(&note(b"GNU\0", 1, &[0; 4])), None);
        let whole = note(NOTE_OWNER, NOTE_TYPE, &7u32.to_le_bytes());
        for cut in 0..whole.len() {
            assert_eq!(find(&whole[..cut]), None);
        }
        assert_eq!(find(&[0xff; 64]), None);
    }
}
