//! The ABI note: every ELF file of the system says for which version of the kernel interface it was built.
//!
//! It is a note of owner `Barreleye`, type 1, whose content is the version as a little-endian `u32`, in a `PT_NOTE` segment.

use super::{Elf, segments};
use anyhow::{Context as _, Result};
use object::elf;

const OWNER: &[u8] = b"Barreleye";
const TYPE_ABI_VERSION: u32 = 1;

/// The ABI version of a file, or none if it has no such note.
///
/// # Errors
///
/// A damaged segment table.
pub fn abi_version(file: &Elf<'_>) -> Result<Option<u32>> {
    for segment in segments(file)?
        .iter()
        .filter(|segment| segment.kind == elf::PT_NOTE)
    {
        if let Some(version) = find(segment.data) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Looks through the notes of one segment: name length, content length, type, then name and content, each padded to 4 bytes.
fn find(mut notes: &[u8]) -> Option<u32> {
    loop {
        let (name_bytes, rest) = take_u32(notes)?;
        let (content_bytes, rest) = take_u32(rest)?;
        let (kind, rest) = take_u32(rest)?;
        let (name, rest) = take_padded(rest, name_bytes)?;
        let (content, rest) = take_padded(rest, content_bytes)?;
        if name.strip_suffix(b"\0").unwrap_or(name) == OWNER && kind == TYPE_ABI_VERSION {
            return take_u32(content).map(|(version, _)| version);
        }
        notes = rest;
    }
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*head), rest))
}

fn take_padded(bytes: &[u8], len: u32) -> Option<(&[u8], &[u8])> {
    let len = len as usize;
    let head = bytes.get(..len)?;
    Some((
        head,
        bytes.get(len.checked_next_multiple_of(4)?..).unwrap_or(&[]),
    ))
}

/// The version of a file that must have one.
///
/// # Errors
///
/// No note, or a damaged file.
pub fn required_abi_version(file: &Elf<'_>) -> Result<u32> {
    abi_version(file)?.context(
        "it has no ABI note, so it is no program of this system: link it with lib/aos (or give its linker script a PT_NOTE \
         segment)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend((name.len() as u32).to_le_bytes());
        out.extend((content.len() as u32).to_le_bytes());
        out.extend(kind.to_le_bytes());
        for part in [name, content] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn the_version_is_found_among_other_notes() {
        let mut notes = note(b"GNU\0", 1, &[1, 2, 3]);
        notes.extend(note(b"Barreleye\0", 2, &9_u32.to_le_bytes()));
        assert_eq!(find(&notes), None);
        notes.extend(note(b"Barreleye\0", 1, &7_u32.to_le_bytes()));
        assert_eq!(find(&notes), Some(7));
        assert_eq!(
            find(&note(b"Barreleye", 1, &8_u32.to_le_bytes())),
            Some(8),
            "the zero is optional"
        );
    }

    #[test]
    fn damaged_notes_are_no_notes() {
        let whole = note(b"Barreleye\0", 1, &7_u32.to_le_bytes());
        for len in 0..whole.len() {
            assert_eq!(find(&whole[..len]), None, "{len}");
        }
        assert_eq!(find(&[0xff; 64]), None);
        assert_eq!(find(&note(b"Barreleye\0", 1, &[7])), None);
    }
}
