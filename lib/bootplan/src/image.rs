//! Loading the CPU driver: an ELF file checked, copied into memory and relocated.
//!
//! Demands: AArch64, little-endian, type DYN (position-independent), the ABI note of this build, loadable segments that are
//! ascending, share no page, and are never both writeable and executable; only `R_AARCH64_RELATIVE` relocations. The
//! file may come from anywhere: nothing in it makes this panic.

use core::fmt;

use elf::ElfBytes;
use elf::abi::{
    DT_JMPREL, DT_PLTRELSZ, DT_REL, DT_RELA, DT_RELAENT, DT_RELASZ, DT_RELSZ, EM_AARCH64, ET_DYN,
    PF_R, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_NOTE, PT_TLS, R_AARCH64_NONE,
    R_AARCH64_RELATIVE,
};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::parse::ParseError;
use elf::segment::ProgramHeader;
use hal::descriptor::Access;
use kpi::ABI_VERSION;
use kpi::coredata::Region;

use crate::regions::{between, outer_pages};

/// Most loadable segments.
pub const MAX_SEGMENTS: usize = 8;
/// Most bytes from the first to the last segment: far more than any CPU driver needs.
pub const MAX_SPAN: u64 = 64 << 20;
/// Dynamic tag of packed relative relocations, which are not supported.
const DT_RELR: i64 = 36;
/// Bytes of a relocation entry.
const RELA_BYTES: u64 = 24;

/// Why an ELF file cannot be the CPU driver.
#[derive(Debug)]
pub enum ImageError {
    /// Not a well-formed ELF file.
    Malformed(ParseError),
    /// Not for this machine, or not position-independent.
    WrongKind {
        /// `e_machine`.
        machine: u16,
        /// `e_type`.
        kind: u16,
    },
    /// No ABI note.
    NoAbiNote,
    /// Built against another version of the ABI.
    AbiVersion(u32),
    /// It wants an interpreter, thread-local storage or more than [`MAX_SEGMENTS`]: what the text says.
    Unsupported(&'static str),
    /// A segment at this address leaves the file, is larger in the file than in memory, overlaps or precedes its
    /// predecessor, or does not fit into [`MAX_SPAN`].
    BadSegment(u64),
    /// The segment at this address is both writeable and executable, or not readable.
    BadPermissions(u64),
    /// The entry point is not in an executable segment.
    BadEntry(u64),
    /// A relocation of this type, or at a place outside of the image.
    BadRelocation {
        /// Relocation type.
        kind: u32,
        /// Place, as linked.
        place: u64,
    },
    /// The memory to load into has another size than [`Image::bytes`].
    WrongMemory,
}

impl From<ParseError> for ImageError {
    fn from(error: ParseError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "not a sound ELF file: {error}"),
            Self::WrongKind { machine, kind } => write!(
                f,
                "ELF machine {machine} type {kind}: needed are AArch64 ({EM_AARCH64}) and position-independent ({ET_DYN})"
            ),
            Self::NoAbiNote => write!(
                f,
                "no Barreleye ABI note: build it with kpi::abi_note!() and a linker script that keeps .note.barreleye"
            ),
            Self::AbiVersion(version) => write!(
                f,
                "built for ABI version {version}, this boot driver has {ABI_VERSION}: build both from the same tree (./hake.sh clean, ./hake.sh build)"
            ),
            Self::Unsupported(what) => write!(f, "{what}"),
            Self::BadSegment(address) => {
                write!(
                    f,
                    "the segment at {address:#x} is damaged or overlaps another"
                )
            }
            Self::BadPermissions(address) => write!(
                f,
                "the segment at {address:#x} is writeable and executable, or not readable"
            ),
            Self::BadEntry(address) => {
                write!(
                    f,
                    "the entry point {address:#x} is not in an executable segment"
                )
            }
            Self::BadRelocation { kind, place } => write!(
                f,
                "relocation of type {kind} at {place:#x}: only R_AARCH64_RELATIVE inside the image is supported"
            ),
            Self::WrongMemory => write!(f, "loaded into memory of the wrong size"),
        }
    }
}

/// A loadable segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Its pages, as offsets from the start of the image.
    pub pages: Region,
    /// What the kernel may do there.
    pub access: Access,
}

/// A checked ELF file.
#[derive(Debug)]
pub struct Image<'a> {
    elf: ElfBytes<'a, LittleEndian>,
    segments: [Option<Segment>; MAX_SEGMENTS],
    /// First page as linked.
    base: u64,
    bytes: u64,
}

impl<'a> Image<'a> {
    /// Checks everything but the relocations.
    ///
    /// # Errors
    /// Every [`ImageError`] except [`ImageError::BadRelocation`] and [`ImageError::WrongMemory`].
    pub fn parse(file: &'a [u8]) -> Result<Self, ImageError> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
        let header = &elf.ehdr;
        if header.class != Class::ELF64 {
            return Err(ImageError::Unsupported("a 32-bit ELF file"));
        }
        if header.e_machine != EM_AARCH64 || header.e_type != ET_DYN {
            return Err(ImageError::WrongKind {
                machine: header.e_machine,
                kind: header.e_type,
            });
        }
        check_abi(&elf)?;
        let mut image = Self {
            elf,
            segments: [None; MAX_SEGMENTS],
            base: 0,
            bytes: 0,
        };
        image.find_segments()?;
        let entry = image.offset(image.elf.ehdr.e_entry);
        let executable = image.segments().any(|segment| {
            let pages = segment.pages;
            segment.access.kernel_execute && pages.base <= entry && entry < pages.end()
        });
        if !executable {
            return Err(ImageError::BadEntry(image.elf.ehdr.e_entry));
        }
        Ok(image)
    }

    fn find_segments(&mut self) -> Result<(), ImageError> {
        let mut places = self.segments.iter_mut();
        let mut end = None;
        for header in headers(&self.elf) {
            match header.p_type {
                PT_INTERP => return Err(ImageError::Unsupported("it wants an interpreter")),
                PT_TLS => return Err(ImageError::Unsupported("it has thread-local storage")),
                PT_LOAD if header.p_memsz != 0 => {}
                _ => continue,
            }
            let bad = ImageError::BadSegment(header.p_vaddr);
            let (Some(_), Some(_)) = (
                header.p_vaddr.checked_add(header.p_memsz),
                header.p_offset.checked_add(header.p_filesz),
            ) else {
                return Err(bad);
            };
            let pages = outer_pages(Region {
                base: header.p_vaddr,
                bytes: header.p_memsz,
            });
            let base = if end.is_some() { self.base } else { pages.base };
            let inside = end.unwrap_or(pages.base) <= pages.base
                && header.p_filesz <= header.p_memsz
                && pages.end() - base <= MAX_SPAN
                && header.p_vaddr + header.p_memsz <= pages.end();
            if !inside || self.elf.segment_data(&header).is_err() {
                return Err(bad);
            }
            let access = match header.p_flags & (PF_R | PF_W | PF_X) {
                flags if flags == PF_R => Access::KERNEL_READ_ONLY,
                flags if flags == PF_R | PF_W => Access::KERNEL_DATA,
                flags if flags == PF_R | PF_X => Access::KERNEL_TEXT,
                _ => return Err(ImageError::BadPermissions(header.p_vaddr)),
            };
            *places
                .next()
                .ok_or(ImageError::Unsupported("it has too many segments"))? = Some(Segment {
                pages: between(pages.base - base, pages.end() - base),
                access,
            });
            self.base = base;
            self.bytes = pages.end() - base;
            end = Some(pages.end());
        }
        Ok(())
    }

    /// Bytes of memory that the loaded image takes: whole pages.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The segments, ascending. Their pages do not overlap.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.segments.iter().flatten().copied()
    }

    /// The entry point, as offset from the start of the image.
    pub fn entry(&self) -> u64 {
        self.offset(self.elf.ehdr.e_entry)
    }

    /// A linked address as offset from the start of the image; far outside when it is below.
    fn offset(&self, linked: u64) -> u64 {
        linked.wrapping_sub(self.base)
    }

    /// Copies the segments into `memory`, which is all zero and [`Image::bytes`] long, and relocates them to run at
    /// `run_base`.
    ///
    /// # Errors
    /// [`ImageError::BadRelocation`], [`ImageError::WrongMemory`], [`ImageError::Malformed`]; `memory` holds rubbish then.
    pub fn load(&self, memory: &mut [u8], run_base: u64) -> Result<(), ImageError> {
        if memory.len() as u64 != self.bytes {
            return Err(ImageError::WrongMemory);
        }
        for header in headers(&self.elf).filter(|header| header.p_type == PT_LOAD) {
            let data = self.elf.segment_data(&header)?;
            let start = self.offset(header.p_vaddr) as usize;
            let place = start
                .checked_add(data.len())
                .and_then(|end| memory.get_mut(start..end));
            match place {
                Some(place) => place.copy_from_slice(data),
                None if data.is_empty() => {}
                None => return Err(ImageError::BadSegment(header.p_vaddr)),
            }
        }
        let table = self.relocations(memory)?;
        relocate(memory, table, run_base.wrapping_sub(self.base), self.base)
    }

    /// Where in the loaded image the relocation table is.
    fn relocations(&self, memory: &[u8]) -> Result<Region, ImageError> {
        let Some(header) = headers(&self.elf).find(|header| header.p_type == PT_DYNAMIC) else {
            return Ok(between(0, 0));
        };
        let bad = ImageError::BadSegment(header.p_vaddr);
        let (mut address, mut bytes) = (0, 0);
        let dynamic = self.elf.segment_data(&header)?;
        for entry in dynamic.chunks_exact(16) {
            let (tag, value) = entry.split_at(8);
            let (tag, value) = (word(tag) as i64, word(value));
            match tag {
                0 => break,
                DT_RELA => address = value,
                DT_RELASZ => bytes = value,
                DT_RELAENT if value != RELA_BYTES => return Err(bad),
                DT_REL | DT_RELR | DT_JMPREL => {
                    return Err(ImageError::Unsupported(
                        "it has REL, RELR or PLT relocations: link it with plain RELA",
                    ));
                }
                DT_RELSZ | DT_PLTRELSZ if value != 0 => return Err(bad),
                _ => {}
            }
        }
        let base = self.offset(address);
        let inside = bytes % RELA_BYTES == 0
            && base
                .checked_add(bytes)
                .is_some_and(|end| end <= memory.len() as u64);
        if bytes == 0 {
            Ok(between(0, 0))
        } else if inside {
            Ok(Region { base, bytes })
        } else {
            Err(bad)
        }
    }
}

/// Applies the `Rela` table at `table` (an offset into `memory`) to `memory`: every place gets its addend plus `slide`.
/// `linked_base` is the linked address of `memory`'s first byte.
///
/// # Errors
/// [`ImageError::BadRelocation`].
pub fn relocate(
    memory: &mut [u8],
    table: Region,
    slide: u64,
    linked_base: u64,
) -> Result<(), ImageError> {
    let mut at = table.base as usize;
    while (at as u64) < table.end() {
        let entry: [u8; RELA_BYTES as usize] = memory
            .get(at..at + RELA_BYTES as usize)
            .and_then(|entry| entry.try_into().ok())
            .ok_or(ImageError::WrongMemory)?;
        at += RELA_BYTES as usize;
        let [place, info, addend] = [&entry[..8], &entry[8..16], &entry[16..]].map(word);
        let kind = info as u32;
        let bad = ImageError::BadRelocation { kind, place };
        match kind {
            R_AARCH64_NONE => continue,
            R_AARCH64_RELATIVE => {}
            _ => return Err(bad),
        }
        let start = place.wrapping_sub(linked_base);
        let target = usize::try_from(start)
            .ok()
            .and_then(|start| memory.get_mut(start..start.checked_add(8)?));
        match target {
            Some(target) => target.copy_from_slice(&addend.wrapping_add(slide).to_le_bytes()),
            None => return Err(bad),
        }
    }
    Ok(())
}

/// A little-endian word; 0 when there are not eight bytes.
fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

fn headers<'a>(elf: &ElfBytes<'a, LittleEndian>) -> impl Iterator<Item = ProgramHeader> + use<'a> {
    elf.segments().into_iter().flat_map(|table| table.iter())
}

fn check_abi(elf: &ElfBytes<'_, LittleEndian>) -> Result<(), ImageError> {
    let version = headers(elf)
        .filter(|header| header.p_type == PT_NOTE)
        .filter_map(|header| elf.segment_data(&header).ok())
        .find_map(kpi::abinote::find);
    match version {
        Some(ABI_VERSION) => Ok(()),
        Some(version) => Err(ImageError::AbiVersion(version)),
        None => Err(ImageError::NoAbiNote),
    }
}

#[cfg(test)]
mod tests;
