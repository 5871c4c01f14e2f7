use super::*;
use kpi::addr::VirtAddr;
use kpi::layout::{PROGRAM_BASE, PROGRAM_LIMIT};
use kpi::rights::PageFlags;

/// A program header: type, flags, offset, address, file bytes, memory bytes.
type Header = (u32, u32, u64, u64, u64, u64);

const TEXT: u64 = PROGRAM_BASE.0;

fn note(version: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [10u32, 4, 1] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"Barreleye\0\0\0");
    bytes.extend(version.to_le_bytes());
    bytes
}

fn file(entry: u64, headers: &[Header], version: u32) -> Vec<u8> {
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    elf.extend(2u16.to_le_bytes());
    elf.extend(183u16.to_le_bytes());
    elf.extend(1u32.to_le_bytes());
    elf.extend(entry.to_le_bytes());
    elf.extend(64u64.to_le_bytes());
    elf.extend([0; 8]);
    elf.extend([0; 4]);
    elf.extend(64u16.to_le_bytes());
    elf.extend(56u16.to_le_bytes());
    elf.extend((headers.len() as u16 + 1).to_le_bytes());
    elf.extend([0; 6]);
    assert_eq!(elf.len(), 64);
    let note = note(version);
    let note_at = 64 + 56 * (headers.len() as u64 + 1);
    let note_header = (4, 4, note_at, 0, note.len() as u64, note.len() as u64);
    for (kind, flags, offset, address, file, memory) in headers.iter().chain([&note_header]) {
        elf.extend(kind.to_le_bytes());
        elf.extend(flags.to_le_bytes());
        for word in [offset, address, address, file, memory, &4096] {
            elf.extend(word.to_le_bytes());
        }
    }
    elf.extend(note);
    elf.resize(8192, 0xaa);
    elf
}

fn good() -> Vec<u8> {
    file(
        TEXT + 0x40,
        &[
            (1, 5, 0, TEXT, 0x1800, 0x1800),
            (1, 6, 0x1800, TEXT + 0x2800, 0x100, 0x5000),
            (1, 6, 0, TEXT + 0x9000, 0, 0x20000),
        ],
        kpi::ABI_VERSION,
    )
}

#[test]
fn a_good_file_is_planned() {
    let plan = plan(&good()).unwrap();
    assert_eq!(plan.entry, VirtAddr(TEXT + 0x40));
    assert_eq!(plan.segments.len(), 3);
    assert_eq!(plan.segments[0].flags, PageFlags::READ_EXECUTE);
    assert_eq!(plan.segments[0].bytes, 0x2000);
    assert_eq!(plan.segments[1].base, VirtAddr(TEXT + 0x2000));
    assert_eq!(plan.segments[1].data_offset, 0x800);
    assert_eq!(plan.segments[1].bytes, 0x6000);
    assert_eq!(plan.segments[1].file, 0x1800..0x1900);
    assert_eq!(plan.segments[2].file.len(), 0);
    assert_eq!(plan.bytes(), 0x28000);
}

#[test]
fn every_fault_has_its_message() {
    let text = (1, 5, 0, TEXT, 0x1000, 0x1000);
    let one = |header: Header| plan(&file(TEXT, &[text, header], kpi::ABI_VERSION));
    let data = TEXT + 0x10000;
    let cases: Vec<(Result<Plan, ElfError>, ElfError)> = vec![
        (plan(b""), ElfError::NotElf),
        (plan(&good()[..40]), ElfError::NotElf),
        (
            plan(&{
                let mut elf = good();
                elf[18] = 62;
                elf
            }),
            ElfError::WrongMachine(62),
        ),
        (
            plan(&{
                let mut elf = good();
                elf[16] = 3;
                elf
            }),
            ElfError::NotExecutable(3),
        ),
        (plan(&good()[..100]), ElfError::ProgramHeaders),
        (
            one((1, 6, 0x1ff0, data, 0x100, 0x100)),
            ElfError::SegmentFile { segment: 1 },
        ),
        (
            one((1, 6, u64::MAX, data, 2, 2)),
            ElfError::SegmentFile { segment: 1 },
        ),
        (
            one((1, 6, 0, data, 0x100, 0xff)),
            ElfError::SegmentSize { segment: 1 },
        ),
        (
            one((1, 6, 0, TEXT - 1, 0, 1)),
            ElfError::SegmentAddress {
                segment: 1,
                address: VirtAddr(TEXT - 1),
            },
        ),
        (
            one((1, 6, 0, PROGRAM_LIMIT.0 - 1, 0, 2)),
            ElfError::SegmentAddress {
                segment: 1,
                address: VirtAddr(PROGRAM_LIMIT.0 - 1),
            },
        ),
        (
            one((1, 6, 0, data, 0, u64::MAX)),
            ElfError::SegmentAddress {
                segment: 1,
                address: VirtAddr(data),
            },
        ),
        (
            one((1, 6, 0, TEXT + 0xfff, 0, 1)),
            ElfError::SegmentOverlap { segment: 1 },
        ),
        (
            one((1, 7, 0, data, 0, 1)),
            ElfError::WriteAndExecute { segment: 1 },
        ),
        (
            plan(&file(data, &[text], kpi::ABI_VERSION)),
            ElfError::Entry(VirtAddr(data)),
        ),
        (
            plan(&file(TEXT + 2, &[text], kpi::ABI_VERSION)),
            ElfError::Entry(VirtAddr(TEXT + 2)),
        ),
        (
            plan(&file(TEXT, &[text], kpi::ABI_VERSION + 1)),
            ElfError::AbiVersion {
                found: kpi::ABI_VERSION + 1,
                expected: kpi::ABI_VERSION,
            },
        ),
        (
            plan(&file(TEXT, &[(2, 5, 0, TEXT, 0, 1)], kpi::ABI_VERSION)),
            ElfError::SegmentCount(0),
        ),
        (
            plan(&file(TEXT, &[text; 17], kpi::ABI_VERSION)),
            ElfError::SegmentCount(17),
        ),
    ];
    for (result, expected) in cases {
        assert_eq!(result, Err(expected));
        assert!(!expected.to_string().is_empty());
    }
}

#[test]
fn a_file_without_the_note_is_named() {
    let mut elf = good();
    let at = elf.windows(9).position(|w| w == b"Barreleye").unwrap();
    elf[at] = b'X';
    assert_eq!(plan(&elf), Err(ElfError::NoAbiNote));
}

#[test]
fn mutated_and_cut_files_are_refused_or_sound() {
    let original = good();
    let mut random = random::Random::new(1);
    for _ in 0..20_000 {
        let mut elf = original.clone();
        for _ in 0..random.next() % 8 + 1 {
            let at = random.next() as usize % 400;
            elf[at] = random.next() as u8;
        }
        elf.truncate(random.next() as usize % 9000);
        if let Ok(plan) = plan(&elf) {
            for (index, segment) in plan.segments.iter().enumerate() {
                assert!(segment.file.end <= elf.len());
                assert!(segment.base >= PROGRAM_BASE && segment.end() <= PROGRAM_LIMIT);
                assert!(segment.data_offset + segment.file.len() as u64 <= segment.bytes);
                assert!(
                    plan.segments[..index]
                        .iter()
                        .all(|s| s.end() <= segment.base)
                );
            }
        }
    }
}
