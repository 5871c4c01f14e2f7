//! What hake needs to know and do about ELF files: check them, cut them down, flatten them.

pub mod flatten;
pub mod note;
pub mod strip;
pub mod x18;

use anyhow::{Context as _, Result};
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{Endianness, elf};

/// An ELF file as the `object` crate reads it.
pub type Elf<'a> = ElfFile64<'a, Endianness>;

/// The magic bytes of any ELF file.
pub const MAGIC: &[u8] = b"\x7fELF";

/// Reads an ELF file for AArch64.
///
/// # Errors
///
/// What `object` finds wrong, or another architecture.
pub fn parse(bytes: &[u8]) -> Result<Elf<'_>> {
    let file = Elf::parse(bytes).context("not a sound 64-bit ELF file")?;
    let machine = file.elf_header().e_machine.get(Endianness::Little);
    anyhow::ensure!(
        machine == elf::EM_AARCH64,
        "an ELF file for machine {machine}, not for AArch64"
    );
    Ok(file)
}

/// One program header with its bytes in the file.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// `PT_LOAD`, `PT_NOTE` ...
    pub kind: u32,
    /// `PF_R`, `PF_W`, `PF_X`.
    pub flags: u32,
    /// Where it is linked to.
    pub vaddr: u64,
    /// Bytes in memory.
    pub mem_bytes: u64,
    /// Alignment.
    pub align: u64,
    /// Bytes in the file.
    pub data: &'a [u8],
    /// Where those stand in the file.
    pub offset: u64,
}

/// All program headers of a file.
///
/// # Errors
///
/// A segment that leaves the file.
pub fn segments<'a>(file: &Elf<'a>) -> Result<Vec<Segment<'a>>> {
    let endian = Endianness::Little;
    file.elf_program_headers()
        .iter()
        .map(|header| {
            let data = header
                .data(endian, file.data())
                .ok()
                .context("a segment leaves the file")?;
            Ok(Segment {
                kind: header.p_type(endian),
                flags: header.p_flags(endian),
                vaddr: header.p_vaddr(endian),
                mem_bytes: header.p_memsz(endian),
                align: header.p_align(endian),
                data,
                offset: header.p_offset(endian),
            })
        })
        .collect()
}
