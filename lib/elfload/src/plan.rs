//! From bytes to a plan.

use crate::ElfError;
use alloc::vec::Vec;
use core::ops::Range;
use goblin::container::{Container, Ctx};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PF_W, PF_X, PT_LOAD, PT_NOTE, ProgramHeader};
use kpi::abinote;
use kpi::addr::VirtAddr;
use kpi::layout::{BASE_PAGE_SIZE, PROGRAM_BASE, PROGRAM_LIMIT};
use kpi::rights::PageFlags;

/// Most segments of a program.
pub const MAX_SEGMENTS: usize = 16;
/// Most program headers that are looked at.
const MAX_HEADERS: u16 = 64;

/// One segment to load: whole pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First page's address.
    pub base: VirtAddr,
    /// Bytes, a multiple of the page size.
    pub bytes: u64,
    /// Where in these pages the file's bytes go; the rest is zero.
    pub data_offset: u64,
    /// The file's bytes.
    pub file: Range<usize>,
    /// How it is mapped.
    pub flags: PageFlags,
}

impl Segment {
    /// First address behind it. Cannot wrap: a plan's segments end at or below `PROGRAM_LIMIT`.
    pub const fn end(&self) -> VirtAddr {
        VirtAddr(self.base.0 + self.bytes)
    }
}

/// How a program is loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// First instruction.
    pub entry: VirtAddr,
    /// The segments, ascending, sharing no page.
    pub segments: Vec<Segment>,
}

impl Plan {
    /// Bytes of memory that the segments need.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }
}

/// Checks an ELF file and plans its loading.
///
/// # Errors
/// Every [`ElfError`]; the file is checked in the order in which they are listed there, except that a missing ABI note
/// comes before the segments.
pub fn plan(elf: &[u8]) -> Result<Plan, ElfError> {
    let header = check_header(elf)?;
    let headers = program_headers(elf, &header)?;
    check_note(elf, &headers)?;
    let mut segments = Vec::new();
    segments
        .try_reserve(MAX_SEGMENTS)
        .map_err(|_| ElfError::NoMemory)?;
    let loads =
        |header: &&(usize, ProgramHeader)| header.1.p_type == PT_LOAD && header.1.p_memsz > 0;
    let count = headers.iter().filter(loads).count();
    if count == 0 || count > MAX_SEGMENTS {
        return Err(ElfError::SegmentCount(count));
    }
    for (index, header) in headers.iter().filter(loads) {
        let segment = check_segment(elf, *index, header)?;
        let overlaps = |other: &Segment| other.base < segment.end() && segment.base < other.end();
        if segments.iter().any(overlaps) {
            return Err(ElfError::SegmentOverlap { segment: *index });
        }
        segments.push(segment);
    }
    segments.sort_unstable_by_key(|segment| segment.base);
    let entry = VirtAddr(header.e_entry);
    let holds_entry = |segment: &Segment| {
        segment.flags.contains(PageFlags::EXECUTE) && segment.base <= entry && entry < segment.end()
    };
    if !entry.is_aligned(4) || !segments.iter().any(holds_entry) {
        return Err(ElfError::Entry(entry));
    }
    Ok(Plan { entry, segments })
}

fn check_header(elf: &[u8]) -> Result<Header, ElfError> {
    if elf.get(..4) != Some(&header::ELFMAG[..]) {
        return Err(ElfError::NotElf);
    }
    let class = elf.get(header::EI_CLASS).copied();
    let data = elf.get(header::EI_DATA).copied();
    if class != Some(header::ELFCLASS64) || data != Some(header::ELFDATA2LSB) {
        return Err(ElfError::WrongMachine(0));
    }
    let parsed = goblin::elf::Elf::parse_header(elf).map_err(|_| ElfError::NotElf)?;
    if parsed.e_machine != header::EM_AARCH64 {
        return Err(ElfError::WrongMachine(parsed.e_machine));
    }
    if parsed.e_type != header::ET_EXEC {
        return Err(ElfError::NotExecutable(parsed.e_type));
    }
    Ok(parsed)
}

/// The program headers with their numbers.
fn program_headers(elf: &[u8], header: &Header) -> Result<Vec<(usize, ProgramHeader)>, ElfError> {
    let context = Ctx::new(Container::Big, scroll_endian());
    let entry_bytes = ProgramHeader::size(context);
    if usize::from(header.e_phentsize) != entry_bytes || header.e_phnum > MAX_HEADERS {
        return Err(ElfError::ProgramHeaders);
    }
    let count = usize::from(header.e_phnum);
    let offset = usize::try_from(header.e_phoff).map_err(|_| ElfError::ProgramHeaders)?;
    // goblin's own reader is only given a table that is wholly there.
    offset
        .checked_add(count * entry_bytes)
        .filter(|end| *end <= elf.len())
        .ok_or(ElfError::ProgramHeaders)?;
    let parsed =
        ProgramHeader::parse(elf, offset, count, context).map_err(|_| ElfError::ProgramHeaders)?;
    Ok(parsed.into_iter().enumerate().collect())
}

const fn scroll_endian() -> goblin::container::Endian {
    goblin::container::Endian::Little
}

/// The file's bytes of a segment.
fn file_range(elf: &[u8], header: &ProgramHeader) -> Option<Range<usize>> {
    let start = usize::try_from(header.p_offset).ok()?;
    let bytes = usize::try_from(header.p_filesz).ok()?;
    let end = start.checked_add(bytes)?;
    (end <= elf.len()).then_some(start..end)
}

fn check_note(elf: &[u8], headers: &[(usize, ProgramHeader)]) -> Result<(), ElfError> {
    let found = headers
        .iter()
        .filter(|(_, header)| header.p_type == PT_NOTE)
        .filter_map(|(_, header)| elf.get(file_range(elf, header)?))
        .find_map(abinote::find);
    match found {
        Some(kpi::ABI_VERSION) => Ok(()),
        Some(found) => Err(ElfError::AbiVersion {
            found,
            expected: kpi::ABI_VERSION,
        }),
        None => Err(ElfError::NoAbiNote),
    }
}

fn check_segment(elf: &[u8], segment: usize, header: &ProgramHeader) -> Result<Segment, ElfError> {
    let file = file_range(elf, header).ok_or(ElfError::SegmentFile { segment })?;
    if header.p_filesz > header.p_memsz {
        return Err(ElfError::SegmentSize { segment });
    }
    let address = VirtAddr(header.p_vaddr);
    let outside = ElfError::SegmentAddress { segment, address };
    let end = address
        .checked_add(header.p_memsz)
        .filter(|end| *end <= PROGRAM_LIMIT && address >= PROGRAM_BASE)
        .ok_or(outside)?;
    let base = address.align_down(BASE_PAGE_SIZE);
    let writeable = header.p_flags & PF_W != 0;
    let executable = header.p_flags & PF_X != 0;
    let flags = match (writeable, executable) {
        (true, true) => return Err(ElfError::WriteAndExecute { segment }),
        (true, false) => PageFlags::READ_WRITE,
        (false, true) => PageFlags::READ_EXECUTE,
        (false, false) => PageFlags::READ,
    };
    Ok(Segment {
        base,
        bytes: end.0.next_multiple_of(BASE_PAGE_SIZE) - base.0,
        data_offset: address.0 - base.0,
        file,
        flags,
    })
}
