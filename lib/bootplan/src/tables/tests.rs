//! The builder against a walker: what was asked for is mapped, with its attributes, and nothing else is.

use super::*;
use hal::descriptor::{Access, MemoryType, attributes};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Tables in a map; made-up addresses.
#[derive(Default)]
struct Memory {
    tables: BTreeMap<u64, Vec<u64>>,
    limit: usize,
}

impl Memory {
    fn of(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }
}

impl TableMemory for Memory {
    fn allocate(&mut self) -> Option<PhysAddr> {
        if self.tables.len() == self.limit {
            return None;
        }
        let address = 0x7_0000_0000 + self.tables.len() as u64 * BASE_PAGE_SIZE;
        self.tables.insert(address, vec![0; 512]);
        Some(PhysAddr(address))
    }

    fn read(&self, table: PhysAddr, index: usize) -> u64 {
        self.tables[&table.0][index]
    }

    fn write(&mut self, table: PhysAddr, index: usize, entry: u64) {
        self.tables.get_mut(&table.0).unwrap()[index] = entry;
    }
}

const DATA: u64 = attributes(MemoryType::Normal, Access::KERNEL_DATA);
const TEXT: u64 = attributes(MemoryType::Normal, Access::KERNEL_TEXT);
const DEVICE: u64 = attributes(MemoryType::Device, Access::KERNEL_DATA);
const WINDOW: u64 = kpi::layout::KERNEL_OFFSET;

/// Address bits and the TABLE_OR_PAGE bit aside, the entry is the attributes.
fn attributes_of(entry: u64) -> u64 {
    entry & !ADDRESS_MASK & !TABLE_OR_PAGE
}

/// Every valid leaf, as (first virtual address, bytes, physical address, attributes).
fn leaves(builder: &TableBuilder<Memory>) -> Vec<(u64, u64, u64, u64)> {
    fn visit(
        memory: &Memory,
        at: PhysAddr,
        level: u32,
        base: u64,
        out: &mut Vec<(u64, u64, u64, u64)>,
    ) {
        for index in 0..512 {
            let entry = memory.read(at, index);
            let address = base + index as u64 * entry_bytes(level);
            if entry & VALID == 0 {
                assert_eq!(entry, 0);
            } else if level == 3 || entry & TABLE_OR_PAGE == 0 {
                assert!(level > 0);
                let target = entry & ADDRESS_MASK;
                assert_eq!(target % entry_bytes(level), 0);
                out.push((address, entry_bytes(level), target, attributes_of(entry)));
            } else {
                visit(
                    memory,
                    PhysAddr(entry & ADDRESS_MASK),
                    level + 1,
                    address,
                    out,
                );
            }
        }
    }
    let mut out = Vec::new();
    visit(&builder.memory, builder.root(), 0, 0, &mut out);
    out
}

#[test]
fn a_machine_with_eight_gigabytes_is_mapped_with_few_tables() {
    let mut builder = TableBuilder::new(Memory::of(16)).unwrap();
    let window = |physical: u64| (VirtAddr(WINDOW + physical), PhysAddr(physical));
    let mut map = |physical: u64, bytes: u64, attributes: u64| {
        let (to, from) = window(physical);
        builder.map(to, from, bytes, attributes).unwrap();
    };
    map(0x900_0000, 0x1000, DEVICE);
    map(0x800_0000, 0x1_0000, DEVICE);
    map(0x4000_0000, 0x30_3000, DATA);
    map(0x4030_3000, 0x2000, TEXT);
    map(0x4030_5000, 0x2_4000_0000 - 0x4030_5000, DATA);
    // L0, L1; an L2 and two L3 for the devices; an L2 and one L3 for the kernel in RAM.
    assert_eq!(builder.memory.tables.len(), 7);
    let at = |physical: u64| builder.walk(VirtAddr(WINDOW + physical));
    assert_eq!(at(0x4030_4fff).unwrap().0, PhysAddr(0x4030_4fff));
    assert_eq!(attributes_of(at(0x4030_4fff).unwrap().1), TEXT);
    assert_eq!(attributes_of(at(0x4030_5000).unwrap().1), DATA);
    assert_eq!(at(0x2_3fff_ffff).unwrap().0, PhysAddr(0x2_3fff_ffff));
    assert_eq!(at(0x2_4000_0000), None);
    assert_eq!(at(0x900_1000), None);
    assert_eq!(
        leaves(&builder).iter().map(|leaf| leaf.1).sum::<u64>(),
        0x2_0000_0000 + 0x1_1000
    );
}

#[test]
fn nothing_is_mapped_twice() {
    let mut builder = TableBuilder::new(Memory::of(16)).unwrap();
    let mut map = |base: u64, bytes| builder.map(VirtAddr(base), PhysAddr(base), bytes, DATA);
    map(0x4000_0000, 0x4000_0000).unwrap();
    assert_eq!(
        map(0x4000_1000, 0x1000),
        Err(MapError::AlreadyMapped(VirtAddr(0x4000_1000)))
    );
    map(0x8000_0000, 0x1000).unwrap();
    assert_eq!(
        map(0x8000_0000, 0x1000),
        Err(MapError::AlreadyMapped(VirtAddr(0x8000_0000)))
    );
    // A block over a table looks into the table and stops at the first page there.
    assert_eq!(
        map(0x8000_0000, 0x20_0000),
        Err(MapError::AlreadyMapped(VirtAddr(0x8000_0000)))
    );
}

#[test]
fn bad_ranges_and_missing_memory_are_told() {
    let mut builder = TableBuilder::new(Memory::of(2)).unwrap();
    let mut map = |to, from, bytes| builder.map(VirtAddr(to), PhysAddr(from), bytes, DATA);
    for (to, from, bytes) in [
        (1, 0, 0x1000),
        (0, 8, 0x1000),
        (0, 0, 1),
        (0, 1 << 48, 0x1000),
        (0, 0x1000, 1 << 48),
        ((1 << 48) - 0x1000, 0, 0x2000),
        (0, u64::MAX - 0xfff, 0x1000),
    ] {
        assert_eq!(
            map(to, from, bytes),
            Err(MapError::BadRange),
            "{to:#x} {from:#x} {bytes:#x}"
        );
    }
    assert_eq!(map(0, 0, 0x1000), Err(MapError::OutOfTables));
    assert_eq!(
        TableBuilder::new(Memory::of(0)).err(),
        Some(MapError::OutOfTables)
    );
}

proptest! {
    // A case may have thousands of tables.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Several separate ranges, at offsets that are or are not multiples of blocks.
    #[test]
    fn leaves_are_exactly_the_ranges(
        ranges in prop::collection::vec((1..0x900_u64, 1..0x500_u64, 0..3_usize), 1..6),
        offset in prop_oneof![Just(WINDOW), Just(0), Just(0x1000), Just(0x20_0000)],
        unit in prop_oneof![Just(0x1000_u64), Just(0x4000), Just(0x20_0000)],
    ) {
        let mut builder = TableBuilder::new(Memory::of(10_000)).unwrap();
        let mut wanted = Vec::new();
        let mut at = 0x4000_0000;
        for (gap, length, kind) in ranges {
            let attributes = [DATA, TEXT, DEVICE][kind];
            at += gap * unit;
            let bytes = length * unit;
            let before = builder.memory.tables.len();
            builder.map(VirtAddr(offset.wrapping_add(at)), PhysAddr(at), bytes, attributes).unwrap();
            if offset % (1 << 30) == 0 {
                prop_assert!(builder.memory.tables.len() - before <= most_tables(bytes) as usize);
            }
            wanted.push((offset.wrapping_add(at) % (1 << 48), bytes, at, attributes));
            at += bytes;
        }
        // Leaves come in ascending order; joined, they must be the ranges again.
        let mut joined: Vec<(u64, u64, u64, u64)> = Vec::new();
        for leaf in leaves(&builder) {
            match joined.last_mut() {
                Some(last) if last.0 + last.1 == leaf.0 && last.3 == leaf.3 && last.2 + last.1 == leaf.2 => last.1 += leaf.1,
                _ => joined.push(leaf),
            }
        }
        let mut expected: Vec<(u64, u64, u64, u64)> = Vec::new();
        for range in wanted {
            match expected.last_mut() {
                Some(last) if last.0 + last.1 == range.0 && last.3 == range.3 => last.1 += range.1,
                _ => expected.push(range),
            }
        }
        prop_assert_eq!(joined, expected);
    }
}
