//! ELF files made here, sound and damaged.

use super::*;
use elf::abi::{EM_X86_64, ET_EXEC};
use proptest::prelude::*;

const RX: u32 = PF_R | PF_X;
const RW: u32 = PF_R | PF_W;

/// A segment to be written: type, flags, linked address, bytes in memory, data.
#[derive(Clone)]
struct Part(u32, u32, u64, u64, Vec<u8>);

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn note(version: u32) -> Vec<u8> {
    let mut note = [10u32, 4, 1].map(u32::to_le_bytes).concat();
    note.extend(b"Barreleye\0\0\0");
    note.extend(version.to_le_bytes());
    note
}

fn write(machine: u16, kind: u16, entry: u64, parts: &[Part]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(kind.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(words(&[entry, 64, 0]));
    file.extend(0u32.to_le_bytes());
    file.extend(
        [64u16, 56, parts.len() as u16, 64, 0, 0]
            .map(u16::to_le_bytes)
            .concat(),
    );
    let mut offset = 64 + 56 * parts.len();
    for Part(kind, flags, address, bytes, data) in parts {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        file.extend(words(&[
            offset as u64,
            *address,
            *address,
            data.len() as u64,
            *bytes,
            4096,
        ]));
        offset += data.len();
    }
    for part in parts {
        file.extend(&part.4);
    }
    file
}

/// Linked at 0x1_0000: text, a data page with two relocations to do, their table, and the dynamic section.
fn parts() -> Vec<Part> {
    let relative = u64::from(R_AARCH64_RELATIVE);
    let mut data = words(&[0, 0]);
    data.extend(words(&[
        0x1_3000, relative, 0x1_0008, 0x1_3008, relative, 0x1_3000,
    ]));
    let dynamic = [DT_RELA, 0x1_3010, DT_RELASZ, 48, DT_RELAENT, 24, 0, 0].map(|word| word as u64);
    vec![
        Part(PT_LOAD, RX, 0x1_0000, 0x1800, vec![0x11; 0x1800]),
        Part(PT_LOAD, RW, 0x1_3000, 0x5000, data),
        Part(PT_DYNAMIC, RW, 0, 64, words(&dynamic)),
        Part(PT_NOTE, PF_R, 0, 28, note(ABI_VERSION)),
    ]
}

fn sound() -> Vec<u8> {
    write(EM_AARCH64, ET_DYN, 0x1_0010, &parts())
}

/// A sound file, changed.
fn changed(change: impl FnOnce(&mut Vec<Part>)) -> Vec<u8> {
    let mut parts = parts();
    change(&mut parts);
    write(EM_AARCH64, ET_DYN, 0x1_0010, &parts)
}

fn error(file: &[u8]) -> ImageError {
    match Image::parse(file) {
        Err(error) => error,
        Ok(image) => image
            .load(&mut vec![0; image.bytes() as usize], 0)
            .unwrap_err(),
    }
}

#[test]
fn a_sound_file_is_loaded_and_relocated() {
    let file = sound();
    let image = Image::parse(&file).unwrap();
    assert_eq!((image.bytes(), image.entry()), (0x8000, 0x10));
    let segments: Vec<Segment> = image.segments().collect();
    assert_eq!(
        segments,
        [
            Segment {
                pages: between(0, 0x2000),
                access: Access::KERNEL_TEXT
            },
            Segment {
                pages: between(0x3000, 0x8000),
                access: Access::KERNEL_DATA
            },
        ]
    );
    let mut memory = vec![0; 0x8000];
    image.load(&mut memory, 0xffff_0000_4000_0000).unwrap();
    assert!(memory[..0x1800].iter().all(|&byte| byte == 0x11));
    assert!(memory[0x1800..0x3000].iter().all(|&byte| byte == 0));
    assert_eq!(
        memory[0x3000..0x3010],
        words(&[0xffff_0000_4000_0008, 0xffff_0000_4000_3000])
    );
    assert!(memory[0x3040..].iter().all(|&byte| byte == 0));
    assert!(matches!(
        image.load(&mut memory[1..], 0),
        Err(ImageError::WrongMemory)
    ));
}

#[test]
fn other_kinds_of_files_are_refused() {
    assert!(matches!(error(b"#!/bin/sh"), ImageError::Malformed(_)));
    assert!(matches!(error(&[]), ImageError::Malformed(_)));
    let kind = error(&write(EM_X86_64, ET_DYN, 0x1_0010, &parts()));
    assert!(matches!(
        kind,
        ImageError::WrongKind {
            machine: EM_X86_64,
            ..
        }
    ));
    let kind = error(&write(EM_AARCH64, ET_EXEC, 0x1_0010, &parts()));
    assert!(matches!(kind, ImageError::WrongKind { kind: ET_EXEC, .. }));
    let entry = error(&write(EM_AARCH64, ET_DYN, 0x1_3000, &parts()));
    assert!(matches!(entry, ImageError::BadEntry(0x1_3000)));
    assert!(matches!(
        error(&write(EM_AARCH64, ET_DYN, 0, &parts())),
        ImageError::BadEntry(0)
    ));
}

#[test]
fn another_abi_is_refused_with_both_versions() {
    let other = error(&changed(|parts| parts[3].4 = note(ABI_VERSION + 7)));
    let text = other.to_string();
    assert!(matches!(other, ImageError::AbiVersion(_)));
    assert!(
        text.contains(&(ABI_VERSION + 7).to_string()) && text.contains("./hake.sh"),
        "{text}"
    );
    assert!(matches!(
        error(&changed(|parts| drop(parts.pop()))),
        ImageError::NoAbiNote
    ));
}

#[test]
fn bad_segments_are_refused() {
    let both = error(&changed(|parts| parts[1].1 = RW | PF_X));
    assert!(matches!(both, ImageError::BadPermissions(0x1_3000)));
    let blind = error(&changed(|parts| parts[1].1 = PF_W));
    assert!(matches!(blind, ImageError::BadPermissions(0x1_3000)));
    // Shares a page, precedes, is too far away, wraps, is smaller than its data.
    for (address, bytes) in [
        (0x1_1800, 0x5000),
        (0x5000, 0x1000),
        (0x1_0000 + MAX_SPAN, 0x1000),
        (u64::MAX - 0xfff, 0x1000),
        (u64::MAX - 0xfff, 0x2000),
        (0x1_3000, 8),
    ] {
        let file = changed(|parts| (parts[1].2, parts[1].3) = (address, bytes));
        assert!(
            matches!(error(&file), ImageError::BadSegment(at) if at == address),
            "{address:#x}"
        );
    }
    let many = changed(|parts| {
        let extra =
            (0..MAX_SEGMENTS as u64).map(|n| Part(PT_LOAD, PF_R, 0x2_0000 + n * 4096, 1, vec![]));
        parts.extend(extra);
    });
    assert!(matches!(error(&many), ImageError::Unsupported(_)));
    let tls = changed(|parts| parts.push(Part(PT_TLS, PF_R, 0, 8, vec![])));
    assert!(matches!(error(&tls), ImageError::Unsupported(_)));
    // Cut off: the last segment's data is missing.
    let file = sound();
    let cut = error(&file[..file.len() - 200]);
    assert!(
        matches!(cut, ImageError::BadSegment(_) | ImageError::NoAbiNote),
        "{cut}"
    );
}

#[test]
fn only_relative_relocations_inside_the_image_are_applied() {
    let with = |kind: u64, place: u64| {
        error(&changed(|parts| {
            parts[1]
                .4
                .splice(16..32, words(&[place, kind]))
                .for_each(drop)
        }))
    };
    let relative = u64::from(R_AARCH64_RELATIVE);
    assert!(matches!(
        with(257, 0x1_3000),
        ImageError::BadRelocation {
            kind: 257,
            place: 0x1_3000
        }
    ));
    for place in [0, 0xfff8, 0x1_7ff9, 0x1_8000, u64::MAX] {
        assert!(
            matches!(
                with(relative, place),
                ImageError::BadRelocation { kind: 1027, .. }
            ),
            "{place:#x}"
        );
    }
    let outside = error(&changed(|parts| {
        parts[2].4.splice(8..16, words(&[0x1_7ff8])).for_each(drop)
    }));
    assert!(matches!(outside, ImageError::BadSegment(_)));
    let packed = error(&changed(|parts| {
        parts[2]
            .4
            .splice(..8, words(&[DT_RELR as u64]))
            .for_each(drop)
    }));
    assert!(matches!(packed, ImageError::Unsupported(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn damaged_files_do_no_harm(damage in prop::collection::vec((0..64 + 4 * 56 + 300usize, any::<u8>()), 1..5), keep in 0..8000usize) {
        // Small text, so that damage meets what matters.
        let mut file = changed(|parts| {
            (parts[0].3, parts[0].4) = (0x20, vec![0x11; 0x20]);
        });
        for (at, value) in damage {
            if let Some(place) = file.get_mut(at) {
                *place = value;
            }
        }
        file.truncate(keep);
        if let Ok(image) = Image::parse(&file) {
            prop_assert!(image.bytes() <= MAX_SPAN && image.entry() < image.bytes());
            let segments: Vec<Segment> = image.segments().collect();
            prop_assert!(segments.is_sorted_by(|left, right| left.pages.end() <= right.pages.base));
            prop_assert!(segments.iter().all(|segment| segment.pages.end() <= image.bytes()));
            if image.bytes() < 1 << 20 {
                let _ = image.load(&mut vec![0; image.bytes() as usize], 0xffff_0000_0000_0000);
            }
        }
    }

    /// Every place holds its addend plus the slide, everything else is untouched.
    #[test]
    fn relocation_is_exactly_what_the_table_says(
        entries in prop::collection::btree_map(0..20u64, any::<u64>(), 0..10), slide in any::<u64>(),
    ) {
        let mut memory = vec![0xaa; 160];
        let mut expected = memory.clone();
        for (&place, &addend) in &entries {
            let at = 8 * place as usize;
            expected[at..at + 8].copy_from_slice(&addend.wrapping_add(slide).to_le_bytes());
            memory.extend(words(&[0x1000 + 8 * place, u64::from(R_AARCH64_RELATIVE), addend]));
        }
        let table = between(160, memory.len() as u64);
        relocate(&mut memory, table, slide, 0x1000).unwrap();
        prop_assert_eq!(&memory[..160], &expected[..]);
    }
}
