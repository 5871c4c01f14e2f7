//! What a boot driver relies on: what was packed comes back, and no damaged archive makes the reader panic.

use super::*;
use proptest::prelude::*;

fn sample() -> Vec<u8> {
    write(&[
        NewEntry {
            kind: Kind::CpuDriver,
            cmdline: "/sbin/cpu_driver loglevel=3",
            data: b"kernel",
        },
        NewEntry {
            kind: Kind::Module,
            cmdline: "/sbin/init",
            data: &[7; PAGE],
        },
        NewEntry {
            kind: Kind::Module,
            cmdline: "/sbin/hello one \"two three\"",
            data: b"",
        },
    ])
    .unwrap()
}

#[test]
fn what_was_packed_comes_back() {
    let bytes = sample();
    let archive = Archive::parse(&bytes).unwrap();
    assert_eq!(archive.total_bytes(), bytes.len());
    assert_eq!(
        Archive::total_bytes_in(&bytes[..HEADER_BYTES]),
        Ok(bytes.len() as u64)
    );
    let names: Vec<_> = archive.entries().map(|e| e.name()).collect();
    assert_eq!(names, ["cpu_driver", "init", "hello"]);
    assert_eq!(archive.cpu_driver().unwrap().data, b"kernel");
    assert_eq!(archive.cpu_driver().unwrap().args(), "loglevel=3");
    let init = archive.module("init").unwrap();
    assert_eq!(
        (init.data, init.args(), init.data_offset % PAGE),
        (&[7; PAGE][..], "", 0)
    );
    assert_eq!(archive.module("hello").unwrap().args(), "one \"two three\"");
    assert!(
        archive.module("cpu_driver").is_none(),
        "the kernel is no module"
    );
}

#[test]
fn each_damage_has_its_error() {
    let damaged = |at: usize, with: &[u8]| {
        let mut bytes = sample();
        bytes[at..at + with.len()].copy_from_slice(with);
        Archive::parse(&bytes).map(|_| ()).unwrap_err()
    };
    let row = HEADER_BYTES + ENTRY_BYTES;
    assert_eq!(damaged(0, b"X"), ArchiveError::Magic);
    assert_eq!(damaged(8, &[9]), ArchiveError::Version(9));
    assert_eq!(damaged(12, &[1, 1]), ArchiveError::TooManyEntries(257));
    assert_eq!(
        damaged(16, &[1]),
        ArchiveError::Size(sample().len() as u64 + 1)
    );
    assert!(matches!(damaged(22, &[1]), ArchiveError::Truncated { .. }));
    assert_eq!(damaged(row, &[3]), ArchiveError::Kind { entry: 1, kind: 3 });
    assert_eq!(
        damaged(row + 4, &[1]),
        ArchiveError::Kind { entry: 1, kind: 2 }
    );
    assert_eq!(damaged(row + 8, &[1]), ArchiveError::Data { entry: 1 });
    assert_eq!(damaged(row + 8, &[0; 8]), ArchiveError::Data { entry: 1 });
    assert_eq!(
        damaged(row + 16, &[0xff; 8]),
        ArchiveError::Data { entry: 1 }
    );
    assert_eq!(
        damaged(row + 24, &[0; 4]),
        ArchiveError::Cmdline { entry: 1 }
    );
    assert_eq!(
        damaged(row + 28, &[0xff; 4]),
        ArchiveError::Cmdline { entry: 1 }
    );
    assert_eq!(
        damaged(row + 28, &[0; 4]),
        ArchiveError::Cmdline { entry: 1 }
    );
    assert_eq!(
        damaged(HEADER_BYTES + 3 * ENTRY_BYTES, &[0xff]),
        ArchiveError::Cmdline { entry: 0 }
    );
    assert_eq!(damaged(HEADER_BYTES, &[2]), ArchiveError::CpuDrivers(0));
    assert_eq!(damaged(row, &[1]), ArchiveError::CpuDrivers(2));
    assert!(matches!(
        Archive::parse(&sample()[..20]),
        Err(ArchiveError::Truncated {
            needed: 24,
            present: 20
        })
    ));
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let kernel = NewEntry {
        kind: Kind::CpuDriver,
        cmdline: "/k",
        data: b"",
    };
    let module = NewEntry {
        kind: Kind::Module,
        cmdline: "/m",
        data: b"",
    };
    assert_eq!(write(&[]), Err(WriteError::CpuDrivers(0)));
    assert_eq!(write(&[kernel, kernel]), Err(WriteError::CpuDrivers(2)));
    assert_eq!(
        write(&[module; MAX_ENTRIES + 1]),
        Err(WriteError::TooManyEntries(MAX_ENTRIES + 1))
    );
    for cmdline in ["", "  ", "/sbin/ x", &"y".repeat(MAX_CMDLINE + 1)] {
        assert_eq!(
            write(&[kernel, NewEntry { cmdline, ..module }]),
            Err(WriteError::Cmdline(cmdline.into()))
        );
    }
}

proptest! {
    #[test]
    fn any_entries_round_trip(
        modules in prop::collection::vec(
            ("/[a-z/]{0,12}[a-z]( [ -~]{0,30})?", prop::collection::vec(any::<u8>(), 0..9000)), 0..8),
        kernel_at in 0_usize..8,
    ) {
        let mut entries: Vec<_> = modules
            .iter()
            .map(|(cmdline, data)| NewEntry { kind: Kind::Module, cmdline, data })
            .collect();
        let kernel = NewEntry { kind: Kind::CpuDriver, cmdline: "/sbin/cpu_driver", data: b"\x7fELF" };
        entries.insert(kernel_at.min(entries.len()), kernel);
        let bytes = write(&entries).unwrap();
        let archive = Archive::parse(&bytes).unwrap();
        prop_assert_eq!(archive.entries().count(), entries.len());
        for (got, put) in archive.entries().zip(&entries) {
            prop_assert_eq!((got.kind, got.cmdline, got.data), (put.kind, put.cmdline, put.data));
            prop_assert_eq!(got.data, &bytes[got.data_offset..got.data_offset + got.data.len()]);
        }
    }

    #[test]
    fn damage_never_panics(
        damage in prop::collection::vec((0_usize..HEADER_BYTES + 3 * ENTRY_BYTES + 40, any::<u8>()), 1..8),
        keep in 0_usize..20_000,
    ) {
        let mut bytes = sample();
        for (at, value) in damage {
            bytes[at] = value;
        }
        bytes.truncate(keep);
        if let Ok(archive) = Archive::parse(&bytes) {
            for entry in archive.entries() {
                prop_assert!(!entry.name().is_empty() && entry.args().len() < entry.cmdline.len());
            }
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = bytes;
        let _ = Archive::parse(&bytes);
        if bytes.len() >= 16 {
            bytes[..8].copy_from_slice(&MAGIC);
            bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
            let _ = Archive::parse(&bytes);
        }
    }
}
