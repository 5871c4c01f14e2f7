//! Flattening the boot driver: its segments as they lie in memory, a Linux arm64 `Image` header at the start.
//!
//! The boot driver's own assembly emits the header, with `image_size` left to be patched (Linux,
//! Documentation/arch/arm64/booting.rst: code0 code1, text_offset u64, image_size u64, flags u64, 3 x reserved, magic at 56).

use super::{Elf, segments};
use anyhow::{Context as _, Result, ensure};
use object::elf;
use object::{Object as _, ObjectSymbol as _};

/// Where the archive is appended, and the granule of the image.
pub const PAGE: usize = 4096;
const IMAGE_SIZE_AT: usize = 16;
const MAGIC_AT: usize = 56;
/// No boot driver is this big; a linker script that went wrong can make one seem so.
const MAX_BYTES: u64 = 64 << 20;

/// The boot driver's memory image: whole pages, zeroed bss included, the archive goes right behind it.
///
/// # Errors
///
/// No segment at address 0, no `Image` header, or `__image_end` not where the archive will be.
pub fn flatten(file: &Elf<'_>) -> Result<Vec<u8>> {
    let mut loads = segments(file)?;
    loads.retain(|segment| segment.kind == elf::PT_LOAD && segment.mem_bytes > 0);
    let end = loads
        .iter()
        .map(|load| load.vaddr.saturating_add(load.mem_bytes))
        .max()
        .context("it has no segments")?;
    ensure!(
        end <= MAX_BYTES,
        "it spans {end} bytes; its linker script has to link it at address 0"
    );
    let mut out = vec![0; (end as usize).next_multiple_of(PAGE)];
    for load in &loads {
        let at = load.vaddr as usize;
        let slot = at
            .checked_add(load.data.len())
            .and_then(|end| out.get_mut(at..end));
        slot.context("a segment is bigger in the file than in memory")?
            .copy_from_slice(load.data);
    }
    ensure!(
        out.get(MAGIC_AT..MAGIC_AT + 4) == Some(b"ARM\x64"),
        "it does not start with a Linux arm64 Image header (magic `ARM\\x64` at byte 56): link the header first, at address 0"
    );
    let image_end = file
        .symbols()
        .find(|symbol| symbol.name() == Ok("__image_end"))
        .map(|symbol| symbol.address());
    let seen = image_end.map_or("missing".into(), |address| format!("{address:#x}"));
    ensure!(
        image_end == Some(out.len() as u64),
        "its symbol __image_end is {seen}, but the boot archive follows at {:#x}: define it at the end of the last segment, \
         aligned to 4096",
        out.len()
    );
    Ok(out)
}

/// The boot driver's memory image as the boot archive has it, for the other cores: without the zeroes at its end, its header says how much memory it
/// takes.
pub fn for_other_cores(image: &[u8]) -> Vec<u8> {
    let mut copy = image.to_vec();
    set_image_size(&mut copy);
    let used = copy
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    copy.truncate(used);
    copy
}

/// Writes the size of the whole image into its header; pads it to whole pages first.
pub fn set_image_size(image: &mut Vec<u8>) {
    image.resize(image.len().next_multiple_of(PAGE), 0);
    let size = (image.len() as u64).to_le_bytes();
    if let Some(slot) = image.get_mut(IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8) {
        slot.copy_from_slice(&size);
    }
}
