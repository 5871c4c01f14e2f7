//! Stripping: a new ELF file of the program headers and their bytes, without sections and symbols.
//!
//! `PT_LOAD`, `PT_NOTE`, `PT_DYNAMIC` and `PT_TLS` stay, so relocations remain reachable through `PT_DYNAMIC`. Each `PT_LOAD`'s
//! offset in the new file is congruent to its address modulo its alignment, up to a page; a segment that lies inside of a
//! `PT_LOAD` points into that one's bytes.

use super::{Elf, Segment, segments};
use anyhow::{Result, ensure};
use object::elf;
use object::read::elf::FileHeader as _;

const HEADER_BYTES: usize = 64;
const ROW_BYTES: usize = 56;
/// Bytes in front of the first segment are aligned no further than to this.
const PAGE: u64 = 4096;

/// The stripped form of a file.
///
/// # Errors
///
/// A damaged segment table.
pub fn strip(file: &Elf<'_>) -> Result<Vec<u8>> {
    let kept = [elf::PT_LOAD, elf::PT_NOTE, elf::PT_DYNAMIC, elf::PT_TLS];
    let mut rows: Vec<Segment<'_>> = segments(file)?;
    rows.retain(|segment| kept.contains(&segment.kind));
    let mut out = vec![0; HEADER_BYTES + rows.len() * ROW_BYTES];
    let mut offsets = vec![0_u64; rows.len()];

    let mut loads: Vec<(&Segment<'_>, u64)> = Vec::new();
    for (row, offset) in rows
        .iter()
        .zip(&mut offsets)
        .filter(|(row, _)| row.kind == elf::PT_LOAD)
    {
        let align = row.align.clamp(1, PAGE);
        ensure!(
            align.is_power_of_two(),
            "a segment's alignment, {align}, is no power of two"
        );
        let misplaced = row.vaddr.wrapping_sub(out.len() as u64) % align;
        out.resize(out.len() + misplaced as usize, 0);
        *offset = out.len() as u64;
        out.extend(row.data);
        loads.push((row, *offset));
    }
    for (row, offset) in rows
        .iter()
        .zip(&mut offsets)
        .filter(|(row, _)| row.kind != elf::PT_LOAD)
    {
        let inside = loads.iter().find(|(load, _)| {
            row.offset >= load.offset
                && row.offset + row.data.len() as u64 <= load.offset + load.data.len() as u64
        });
        *offset = match inside {
            Some((load, base)) => base + (row.offset - load.offset),
            None => {
                out.resize(out.len().next_multiple_of(8), 0);
                let at = out.len() as u64;
                out.extend(row.data);
                at
            }
        };
    }

    let mut table = Vec::with_capacity(HEADER_BYTES + rows.len() * ROW_BYTES);
    let header = file.elf_header();
    let endian = object::Endianness::Little;
    table.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    table.extend(header.e_type(endian).to_le_bytes());
    table.extend(elf::EM_AARCH64.to_le_bytes());
    table.extend(1_u32.to_le_bytes());
    table.extend(header.e_entry(endian).to_le_bytes());
    table.extend((HEADER_BYTES as u64).to_le_bytes());
    table.extend(0_u64.to_le_bytes());
    table.extend(header.e_flags(endian).to_le_bytes());
    for half in [HEADER_BYTES, ROW_BYTES, rows.len(), 0, 0, 0] {
        table.extend((half as u16).to_le_bytes());
    }
    for (row, offset) in rows.iter().zip(&offsets) {
        table.extend(row.kind.to_le_bytes());
        table.extend(row.flags.to_le_bytes());
        for word in [
            *offset,
            row.vaddr,
            row.vaddr,
            row.data.len() as u64,
            row.mem_bytes,
            row.align,
        ] {
            table.extend(word.to_le_bytes());
        }
    }
    out.splice(..table.len(), table);
    Ok(out)
}
