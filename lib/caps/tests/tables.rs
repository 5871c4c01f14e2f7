//! Blocks, views of kernel objects, what is invalidated when, and the lists.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod support;

use caps::{MapArgs, Reach, RetypeArgs, Step, Store, next_in_cspace, next_run};
use errors::ErrorCode as E;
use kpi::addr::{CapAddr, PhysAddr, VirtAddr};
use kpi::cap::ObjType;
use kpi::invocation::{CapPosition, PageRunWord};
use kpi::rights::PageFlags;
use support::audit::audit;
use support::{L1, LARGE, RAM, ROOT, World, at, entry, from_ram, slot};

const GIB: u64 = 1 << 30;
const BLOCK: u64 = 2 << 20;

/// In the second L2CNode: 0 to 3 the tables of level 0 to 3, 4 a frame of 4 pages, 5 a DevFrame of 4 GiB, 6 a CNode.
fn world() -> World {
    let mut world = World::new();
    let objects = [
        (ObjType::VNodeAarch64L0, 4096),
        (ObjType::VNodeAarch64L1, 4096),
        (ObjType::VNodeAarch64L2, 4096),
        (ObjType::VNodeAarch64L3, 4096),
        (ObjType::Frame, 16384),
    ];
    for (n, (objtype, bytes)) in (0..).zip(objects) {
        let made = from_ram(objtype, bytes, 1, 16384 * u64::from(n), slot(1, n));
        world.retype(made).unwrap();
    }
    let device = from_ram(ObjType::DevFrame, 4 * GIB, 1, 0, slot(1, 5));
    let device = RetypeArgs {
        source: at(0, 11),
        ..device
    };
    world.retype(device).unwrap();
    world
        .retype(from_ram(ObjType::L2CNode, 16384, 1, 1 << 20, slot(1, 6)))
        .unwrap();
    world
}

fn map(
    world: &mut World,
    table: u32,
    source: u32,
    first: u64,
    count: u64,
    offset: u64,
    dest: u32,
) -> Result<(), E> {
    let args = MapArgs {
        source: at(1, source),
        flags: 1,
        offset,
        count,
        entry: first,
        dest: slot(2, dest),
    };
    let result = world.db.map(&mut world.env, at(1, table), args);
    audit(world);
    result.map(|_| ())
}

/// The tables one in the other, at entries 1, 2 and 3.
fn hung() -> World {
    let mut world = world();
    for level in 0..3 {
        map(
            &mut world,
            level,
            level + 1,
            u64::from(level) + 1,
            1,
            0,
            level,
        )
        .unwrap();
    }
    world.env.unmapped.clear();
    world
}

#[test]
fn blocks_fill_tables_of_level_1_and_2() {
    let mut world = hung();
    map(&mut world, 1, 5, 8, 3, GIB, 10).unwrap();
    map(&mut world, 2, 5, 8, 504, BLOCK, 11).unwrap();
    let word = |level: u64, index: u64| world.env.word(RAM + 16384 * level + 8 * index);
    let base = |entry: u64| entry & 0xffff_ffff_f000;
    assert_eq!(base(word(1, 9)), LARGE + 2 * GIB);
    assert_eq!(base(word(2, 511)), LARGE + 504 * BLOCK);
    assert!([word(1, 9), word(2, 511)].iter().all(|e| e & 3 == 1));
    for (table, first, count, offset, error) in [
        (1, 100, 1, BLOCK, E::SysFrameOffsetInvalid),
        (1, 100, 1, 4 * GIB, E::SysFrameOffsetInvalid),
        (1, 100, 5, 0, E::SysVmMapSize),
        (1, 511, 2, 0, E::SysVmMapSize),
        (1, 10, 2, 0, E::SysVnodeSlotInuse),
        (1, 2, 1, 0, E::SysVnodeSlotInuse),
        (2, 4, 1, 4096, E::SysFrameOffsetInvalid),
        (2, 4, 0, 0, E::SysVmMapSize),
        (0, 4, 1, 0, E::SysWrongMapping),
    ] {
        assert_eq!(
            map(&mut world, table, 5, first, count, offset, 20),
            Err(error)
        );
    }
    // The DevFrame goes, and with it all its blocks.
    world.delete(at(1, 5)).unwrap();
    assert!(world.env.is_zero(RAM + 16384 + 8 * 8, 24));
    assert!(world.env.is_zero(RAM + 32768 + 8 * 8, 504 * 8));
    audit(&world);
}

#[test]
fn what_went_is_invalidated_where_it_was() {
    let mut world = hung();
    let root = PhysAddr(RAM);
    let below = |index: u64| VirtAddr(1 << 39 | 2 << 30 | 3 << 21 | index << 12);
    map(&mut world, 3, 4, 7, 2, 0, 10).unwrap();
    map(&mut world, 1, 5, 9, 2, GIB, 11).unwrap();
    map(&mut world, 2, 5, 100, 40, 0, 12).unwrap();
    for (mapping, table, reach) in [
        (
            10,
            3,
            Reach::Once {
                root,
                address: below(7),
            },
        ),
        (
            11,
            1,
            Reach::Once {
                root,
                address: VirtAddr(1 << 39 | 9 << 30),
            },
        ),
        // Too many to be told one by one.
        (12, 2, Reach::Many),
    ] {
        world
            .repeat(|db, env| db.unmap(env, at(1, table), at(2, mapping)))
            .unwrap();
        let seen = world.env.unmapped.pop().unwrap();
        assert_eq!(seen.reach, reach);
        assert_eq!(u32::from(seen.level), table);
    }
    // A second parent: at several places. A view of the table is none.
    map(&mut world, 3, 3, 0, 1, 0, 13).unwrap();
    map(&mut world, 3, 4, 7, 1, 0, 10).unwrap();
    let once = Reach::Once {
        root,
        address: below(7),
    };
    world.delete(at(2, 10)).unwrap();
    assert_eq!(world.env.unmapped.pop().unwrap().reach, once);
    map(&mut world, 2, 3, 50, 1, 0, 14).unwrap();
    map(&mut world, 3, 4, 7, 1, 0, 10).unwrap();
    world.delete(at(2, 10)).unwrap();
    assert_eq!(world.env.unmapped.pop().unwrap().reach, Reach::Many);
    // Out of both again: nowhere; and taking down a table is known to need everything.
    for mapping in [14, 2] {
        world.delete(at(2, mapping)).unwrap();
        assert_eq!(world.env.unmapped.pop().unwrap().reach, Reach::Many);
    }
    map(&mut world, 3, 4, 7, 1, 0, 10).unwrap();
    world.delete(at(2, 10)).unwrap();
    assert_eq!(world.env.unmapped.pop().unwrap().reach, Reach::Nowhere);
}

#[test]
fn views_of_kernel_objects_are_read_only_and_go_with_them() {
    let mut world = hung();
    map(&mut world, 3, 6, 0, 4, 0, 10).unwrap();
    map(&mut world, 3, 0, 4, 1, 0, 11).unwrap();
    let World { db, env } = &mut world;
    for mapping in [10, 11] {
        let modified = db.modify(env, at(2, mapping), 0, 1, 3);
        assert_eq!(modified, Err(E::SysWrongMapping));
    }
    let modified = db.modify_entries(env, at(1, 3), 0, 1, 1);
    assert_eq!(modified, Err(E::SysWrongMapping));
    for flags in [0, 3, 5, 9] {
        let args = MapArgs {
            source: at(1, 6),
            flags,
            offset: 0,
            count: 1,
            entry: 20,
            dest: slot(2, 20),
        };
        assert_eq!(db.map(env, at(1, 3), args), Err(E::SysVmMapRights));
    }
    // Nothing is made of the memory as long as it is shown.
    let frame = from_ram(ObjType::Frame, 4096, 1, 1 << 20, slot(2, 20));
    assert_eq!(world.retype(frame), Err(E::SysRevokeFirst));
    // A copy of the view, and a copy of the CNode, which keeps it.
    world.copy(slot(2, 12), at(2, 10)).unwrap();
    world.copy(slot(2, 13), at(1, 6)).unwrap();
    world.delete(at(2, 13)).unwrap();
    assert!(!world.env.is_zero(RAM + 3 * 16384, 8));
    world.delete_whole(at(1, 6)).unwrap();
    assert!(world.env.is_zero(RAM + 3 * 16384, 32));
    audit(&world);
    world.retype(frame).unwrap();
    // The root table is revoked by its RAM.
    world.delete(at(1, 0)).unwrap();
    assert!(world.env.is_zero(RAM + 3 * 16384 + 32, 8));
    audit(&world);
}

#[test]
fn many_views_of_a_cnode_go_in_steps() {
    let mut world = hung();
    for n in 0..60 {
        map(&mut world, 3, 6, 8 * n, 4, 0, 10 + n as u32).unwrap();
    }
    world
        .repeat(|db, env| db.delete_last(env, at(1, 6)))
        .unwrap();
    let mut calls = 1;
    while world.db.delete_step(&mut world.env).unwrap() == Step::Again {
        audit(&world);
        calls += 1;
    }
    assert!(calls > 3);
    assert!(world.env.is_zero(RAM + 3 * 16384, 4096));
    world.drain(audit).unwrap();
}

#[test]
fn flags_by_table_are_bounded_by_what_is_mapped() {
    let mut world = world();
    let World { db, env } = &mut world;
    db.mint(env, slot(1, 7), at(1, 4), 1, 0).unwrap();
    map(&mut world, 3, 4, 0, 1, 0, 10).unwrap();
    map(&mut world, 3, 7, 1, 1, 0, 11).unwrap();
    let World { db, env } = &mut world;
    let mut modify = |first, count, flags| db.modify_entries(env, at(1, 3), first, count, flags);
    assert_eq!(modify(0, 2, 3), Err(E::SysVmMapRights));
    assert_eq!(modify(0, 1, 7), Err(E::SysVmMapRights));
    assert_eq!(modify(0, 3, 1), Err(E::SysWrongMapping));
    assert_eq!(modify(512, 1, 1), Err(E::SysVnodeSlotInvalid));
    assert_eq!(modify(511, 2, 1), Err(E::SysVmMapSize));
    assert_eq!(modify(0, u64::MAX, 1), Err(E::SysVmMapSize));
    assert_eq!(modify(0, 0, 1), Err(E::SysVmMapSize));
    assert_eq!(modify(0, 1, 3), Ok(()));
    assert_eq!(modify(0, 2, 9), Ok(()));
    let modified = db.modify_entries(env, at(1, 4), 0, 1, 1);
    assert_eq!(modified, Err(E::SysVnodeType));
}

#[test]
fn an_address_space_is_listed_in_runs() {
    let mut world = hung();
    map(&mut world, 3, 4, 510, 2, 8192, 10).unwrap();
    map(&mut world, 1, 5, 4, 2, 0, 11).unwrap();
    map(&mut world, 2, 5, 4, 3, 2 * GIB, 12).unwrap();
    map(&mut world, 3, 6, 0, 1, 4096, 13).unwrap();
    let mut runs = Vec::new();
    let mut next = VirtAddr(0);
    let mut calls = 0;
    while next.0 < 1 << 48 {
        world.env.table_entries.set(0);
        let dump = next_run(&world.env, PhysAddr(RAM), next);
        assert!(world.env.table_entries.get() < 1000);
        assert!(dump.next.0 > next.0);
        runs.extend(
            dump.run
                .map(|run| (run.base.0, run.bytes, run.output.0, run.word)),
        );
        next = dump.next;
        calls += 1;
    }
    assert!(calls < 20);
    let base = 1 << 39 | 2 << 30 | 3 << 21;
    let page = |device, object, level| PageRunWord::new(PageFlags::READ, device, object, level);
    let uncached = |level| {
        let flags = PageFlags::READ.union(PageFlags::NOCACHE);
        PageRunWord::new(flags, true, false, level)
    };
    let cnode = RAM + (1 << 20) + 4096;
    let expected = vec![
        (base, 4096, cnode, page(false, true, 3)),
        (
            base + 510 * 4096,
            8192,
            RAM + 4 * 16384 + 8192,
            page(false, false, 3),
        ),
        (base + BLOCK, 3 * BLOCK, LARGE + 2 * GIB, uncached(2)),
        (1 << 39 | 4 << 30, 2 * GIB, LARGE, uncached(1)),
    ];
    assert_eq!(runs, expected);
    // From inside a block, its rest.
    let inside = VirtAddr((1 << 39 | 4 << 30) + 5 * 4096 + 7);
    let run = next_run(&world.env, PhysAddr(RAM), inside).run.unwrap();
    assert_eq!(run.base.0, (1 << 39 | 4 << 30) + 5 * 4096);
    assert_eq!(run.output.0, LARGE + 5 * 4096);
    assert_eq!(run.bytes, 2 * GIB - 5 * 4096);
}

#[test]
fn a_capability_space_is_listed_in_order() {
    let world = hung();
    let mut seen = Vec::new();
    let mut next = CapPosition::START;
    let mut calls = 0;
    loop {
        let listed = next_in_cspace(&world.env, entry(ROOT), next).unwrap();
        if let Some((position, slot)) = listed.found {
            seen.push((position, slot));
        }
        calls += 1;
        next = listed.next;
        if next == CapPosition::START {
            break;
        }
    }
    let mut expected = Vec::new();
    for cnode in 0..3u32 {
        let here = entry(L1 + 64 * u64::from(cnode));
        expected.push((CapPosition::new(CapAddr::new(cnode, 0), 1), here));
        for index in 0..=255u8 {
            let here = at(cnode as usize, index.into());
            if world.cap(here).objtype() != ObjType::Null {
                expected.push((CapPosition::new(CapAddr::new(cnode, index), 2), here));
            }
        }
    }
    assert_eq!(seen, expected);
    assert!(calls < expected.len() + 10);
    let wrong = next_in_cspace(&world.env, at(0, 0), CapPosition::START);
    assert_eq!(wrong, Err(E::SysCnodeType));
    for level in [0, 3] {
        let position = CapPosition::new(CapAddr::new(1, 1), level);
        let wrong = next_in_cspace(&world.env, entry(ROOT), position);
        assert_eq!(wrong, Err(E::SysCapLookupDepth));
    }
    let far = CapPosition::new(CapAddr::new(0xff_ffff, 255), 2);
    let listed = next_in_cspace(&world.env, entry(ROOT), far).unwrap();
    assert_eq!((listed.found, listed.next), (None, CapPosition::START));
}

/// A frame of 64 KiB at (1, 0) of which a page, its second, was split off to (1, 1), and a table at (1, 2).
fn split_off() -> World {
    let mut world = World::new();
    world
        .retype(from_ram(ObjType::Frame, 65536, 1, 0, slot(1, 0)))
        .unwrap();
    let part = RetypeArgs {
        source: at(1, 0),
        ..from_ram(ObjType::Frame, 8192, 1, 4096, slot(1, 1))
    };
    world.retype(part).unwrap();
    let table = from_ram(ObjType::VNodeAarch64L3, 4096, 1, 1 << 20, slot(1, 2));
    world.retype(table).unwrap();
    world
}

/// Maps a page of what is at (1, `source`).
fn map_page(world: &mut World, source: u32, offset: u64, entry: u32) {
    let args = MapArgs {
        source: at(1, source),
        flags: 1,
        offset,
        count: 1,
        entry: u64::from(entry),
        dest: slot(2, entry),
    };
    let World { db, env } = world;
    db.map(env, at(1, 2), args).unwrap();
}

fn is_mapped(world: &World, entry: u32) -> bool {
    let word = world.env.word(RAM + (1 << 20) + 8 * u64::from(entry));
    assert_eq!(word != 0, !world.env.cte(at(2, entry)).is_empty());
    word != 0
}

#[test]
fn revoking_a_part_leaves_what_maps_the_whole() {
    // In one call, and in many.
    for per_call in [16_000, 4_500] {
        let mut world = split_off();
        world.env.per_call = per_call;
        world.copy(slot(1, 3), at(1, 1)).unwrap();
        let inner = RetypeArgs {
            source: at(1, 1),
            ..from_ram(ObjType::Frame, 4096, 1, 4096, slot(1, 4))
        };
        world.retype(inner).unwrap();
        for entry in 0..120 {
            // Of the whole: before the part, at its start, at its second page, where the innermost frame is too; of the two parts.
            let (source, offset) =
                [(0, 0), (0, 4096), (1, 0), (0, 8192), (4, 0)][entry as usize % 5];
            map_page(&mut world, source, offset, entry);
        }
        world.revoke(at(1, 1)).unwrap();
        audit(&world);
        for entry in 0..120 {
            assert_eq!(is_mapped(&world, entry), !matches!(entry % 5, 2 | 4));
        }
        for index in [3, 4] {
            assert!(world.env.cte(at(1, index)).is_empty());
        }
        // As with the commands that monitors use.
        map_page(&mut world, 1, 0, 2);
        world.revoke_whole(at(1, 1)).unwrap();
        assert!(!is_mapped(&world, 2) && is_mapped(&world, 1));
        map_page(&mut world, 1, 0, 2);
        let part = world.cap(at(1, 1));
        let again = world.repeat(|db, env| db.revoke_mark_relations(env, &part));
        assert!(again.is_ok());
        assert!(world.env.cte(at(1, 1)).is_empty());
        assert!(!is_mapped(&world, 2) && is_mapped(&world, 1));
        // What was mapped through the whole goes with the whole.
        world.revoke(at(1, 0)).unwrap();
        assert!((0..120).all(|entry| !is_mapped(&world, entry)));
        audit(&world);
    }
}
