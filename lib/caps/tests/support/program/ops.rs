//! Operations, and how random ones are chosen: mostly such as can succeed.

use super::super::USED_SLOTS;
use kpi::cap::ObjType;
use proptest::prelude::*;

/// Which entry an operation means: mostly the n-th that is in use, else any slot.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    Used(u32),
    Kind(ObjType, u32),
    Slot(u32),
}

#[derive(Clone, Debug)]
pub enum Op {
    Copy(Pick, Pick, u32),
    CopyIntoObject(u32, Pick),
    Release(u32),
    Mint(Pick, Pick, u32, u64, u64),
    Create(u8, Pick, u32),
    Retype {
        source: Pick,
        objtype: u8,
        bytes: u64,
        count: u64,
        offset: u64,
        cnode: Pick,
        index: u32,
        from_monitor: bool,
    },
    Delete(Pick),
    Revoke(Pick),
    CopyIntoDispatcher(Pick, u32, Pick),
    DeleteWhole(Pick),
    RevokeWhole(Pick),
    /// The model does not know these.
    DeleteLast(Pick),
    RevokeMarkTarget(Pick),
    DeleteStep,
    ClearStep,
    /// One more call of an operation that said `Again`.
    Continue(u32),
    Map {
        table: Pick,
        source: Pick,
        flags: u64,
        offset: u64,
        count: u64,
        entry: u64,
        cnode: Pick,
        index: u32,
    },
    Unmap(Pick, Pick),
    Modify(Pick, u64, u64, u64),
    ModifyEntries(Pick, u64, u64, u64),
    Destroy(Pick),
    Lock(Pick, bool),
    Owner(Pick, bool),
    Relations(Pick, u8, u8),
    Retain(Pick),
    /// L1 slot, L2 slot, level, rights.
    Lookup(u32, u32, u64, u8),
    /// What lies in a range of bytes: start in units of 512 bytes from the RAM's, length.
    Find(u32, u64),
}

/// Added to a slot number: the next free slot from there on.
pub(super) const ANY_FREE: u32 = 1000;

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        9 => any::<u32>().prop_map(Pick::Used),
        1 => any::<u32>().prop_map(Pick::Slot),
    ]
}

fn kind(kinds: &'static [ObjType]) -> impl Strategy<Value = Pick> {
    prop_oneof![
        6 => (prop::sample::select(kinds), any::<u32>()).prop_map(|(k, n)| Pick::Kind(k, n)),
        1 => pick(),
    ]
}

fn cnode() -> impl Strategy<Value = Pick> {
    prop_oneof![
        12 => (prop::sample::select(&[ObjType::L2CNode, ObjType::L2CNode, ObjType::L2CNode, ObjType::L2CNode, ObjType::L1CNode][..]), any::<u32>())
            .prop_map(|(k, n)| Pick::Kind(k, n)),
        1 => pick(),
    ]
}

fn index() -> impl Strategy<Value = u32> {
    prop_oneof![40 => (0..USED_SLOTS).prop_map(|n| n + ANY_FREE), 10 => 0..USED_SLOTS, 1 => 250..260u32, 1 => any::<u32>()]
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => prop::sample::select(&[4096u64, 4096, 8192, 16384, 16384, 32768, 65536][..]),
        2 => prop::sample::select(&[0u64, 100, 1024, 12288, 1 << 20, 40, 50, u64::MAX][..]),
    ]
}

/// Source, type and size of a retype: mostly such as fit.
fn retype_kinds() -> impl Strategy<Value = (Pick, u8, u64)> {
    use ObjType::{
        DevFrame, Dispatcher, Domain, EndPointLmp, EndPointUmp, Frame, IrqSrc, KernelControlBlock,
        L1CNode, L2CNode, PhysAddr, ProcessManager, Ram, VNodeAarch64L0, VNodeAarch64L1,
        VNodeAarch64L2, VNodeAarch64L3,
    };
    const PAIRS: &[(ObjType, ObjType, u64)] = &[
        (Ram, Ram, 65536),
        (Ram, Ram, 16384),
        (Ram, Frame, 4096),
        (Ram, Frame, 16384),
        (Ram, Frame, 65536),
        (Ram, Frame, 131_072),
        (Ram, L1CNode, 16384),
        (Ram, L2CNode, 16384),
        (Ram, Dispatcher, 0),
        (Ram, VNodeAarch64L0, 4096),
        (Ram, VNodeAarch64L1, 4096),
        (Ram, VNodeAarch64L2, 4096),
        (Ram, VNodeAarch64L3, 4096),
        (Ram, EndPointUmp, 8192),
        (Ram, KernelControlBlock, 0),
        (Frame, Frame, 4096),
        (Frame, Frame, 16384),
        (DevFrame, DevFrame, 4096),
        (PhysAddr, DevFrame, 8192),
        (PhysAddr, DevFrame, 4 << 20),
        (PhysAddr, DevFrame, 2 << 30),
        (PhysAddr, PhysAddr, 65536),
        (PhysAddr, Ram, 65536),
        (Dispatcher, EndPointLmp, 0),
        (IrqSrc, IrqSrc, 40),
        (ProcessManager, Domain, 0),
    ];
    let fitting = (prop::sample::select(PAIRS), any::<u32>())
        .prop_map(|((source, made, bytes), n)| (Pick::Kind(source, n), made as u8, bytes));
    let odd_size = (prop::sample::select(PAIRS), any::<u32>(), bytes())
        .prop_map(|((source, made, _), n, bytes)| (Pick::Kind(source, n), made as u8, bytes));
    prop_oneof![
        8 => fitting,
        2 => odd_size,
        1 => (pick(), 0..40u8, bytes()),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    use ObjType::{
        DevFrame, DevFrameMapping, Dispatcher, EndPointLmp, EndPointUmp, EndPointUmpMapping, Frame,
        FrameMapping, KernelControlBlock, L1CNode, L1CNodeMapping, L2CNode, L2CNodeMapping,
        VNodeAarch64L0, VNodeAarch64L1, VNodeAarch64L1Mapping, VNodeAarch64L2,
        VNodeAarch64L2Mapping, VNodeAarch64L3, VNodeAarch64L3Mapping,
    };
    const TABLES: &[ObjType] = &[
        VNodeAarch64L3,
        VNodeAarch64L3,
        VNodeAarch64L0,
        VNodeAarch64L1,
        VNodeAarch64L2,
    ];
    const PAIRS: &[(ObjType, ObjType)] = &[
        (VNodeAarch64L3, Frame),
        (VNodeAarch64L3, Frame),
        (VNodeAarch64L3, Frame),
        (VNodeAarch64L3, DevFrame),
        (VNodeAarch64L3, EndPointUmp),
        (VNodeAarch64L2, DevFrame),
        (VNodeAarch64L1, DevFrame),
        (VNodeAarch64L3, L2CNode),
        (VNodeAarch64L3, VNodeAarch64L3),
        (VNodeAarch64L2, VNodeAarch64L3),
        (VNodeAarch64L1, VNodeAarch64L2),
        (VNodeAarch64L0, VNodeAarch64L1),
    ];
    const MAPPINGS: &[ObjType] = &[
        FrameMapping,
        FrameMapping,
        DevFrameMapping,
        EndPointUmpMapping,
        VNodeAarch64L1Mapping,
        VNodeAarch64L2Mapping,
        VNodeAarch64L3Mapping,
        L1CNodeMapping,
        L2CNodeMapping,
    ];
    let offset = prop_oneof![
        10 => (0..32u64).prop_map(|n| n * 16384), 4 => Just(0u64), 2 => (0..8u64).prop_map(|n| n * 4096),
        1 => prop::sample::select(&[1024u64, 100, 40, 1 << 40, u64::MAX - 4095][..]),
    ];
    let count =
        prop_oneof![10 => 1..5u64, 1 => prop::sample::select(&[0u64, 40, 256, 257, u64::MAX][..])];
    let retype = (retype_kinds(), count, offset, cnode(), index(), any::<u8>());
    let retype = retype.prop_map(
        |((source, objtype, bytes), count, offset, cnode, index, monitor)| {
            let first_vector = objtype == ObjType::IrqSrc as u8 && offset.is_multiple_of(16384);
            Op::Retype {
                source,
                objtype,
                bytes,
                count,
                offset: if first_vector {
                    32 + offset / 16384 % 16
                } else {
                    offset
                },
                cnode,
                index,
                from_monitor: monitor < 20,
            }
        },
    );
    let flags = || prop_oneof![10 => prop::sample::select(&[1u64, 3, 5, 9, 11][..]), 1 => 0..20u64];
    let map_offset =
        prop_oneof![6 => Just(0u64), 2 => (0..8u64).prop_map(|p| p * 4096), 1 => Just(8u64)];
    let map_count = prop_oneof![6 => Just(1u64), 3 => 1..5u64, 1 => prop::sample::select(&[0u64, 513, u64::MAX][..])];
    let table_entry = prop_oneof![8 => 0..8u64, 1 => 508..514u64];
    let fitting = (prop::sample::select(PAIRS), any::<u32>(), any::<u32>())
        .prop_map(|((table, source), n, m)| (Pick::Kind(table, n), Pick::Kind(source, m)));
    let map_kinds =
        prop_oneof![6 => fitting, 1 => (kind(TABLES), pick()), 1 => (pick(), kind(TABLES))];
    let map = (
        map_kinds,
        flags(),
        map_offset,
        map_count,
        table_entry,
        cnode(),
        index(),
    );
    let map = map.prop_map(
        |((table, source), flags, offset, count, entry, cnode, index)| Op::Map {
            table,
            source,
            flags,
            offset,
            count,
            entry,
            cnode,
            index,
        },
    );
    let endpoint_offset =
        prop::sample::select(&[0u64, 8, 0x1000, 0x1001, 0x2000, 0x7fff0, u64::MAX][..]);
    let parameter = prop::sample::select(&[0u64, 1, 2, 21, 0x7_0015, 1 << 32][..]);
    prop_oneof![
        6 => (pick(), cnode(), index()).prop_map(|(s, c, i)| Op::Copy(s, c, i)),
        2 => (any::<u32>(), pick()).prop_map(|(h, s)| Op::CopyIntoObject(h, s)),
        1 => any::<u32>().prop_map(Op::Release),
        1 => (pick(), cnode(), index(), 0..40u64, 0..2u64).prop_map(|(s, c, i, p, q)| Op::Mint(s, c, i, p, q)),
        1 => (kind(&[EndPointLmp]), cnode(), index(), endpoint_offset, parameter)
            .prop_map(|(s, c, i, p, q)| Op::Mint(s, c, i, p, q)),
        1 => (prop_oneof![Just(ObjType::Id as u8), 0..40u8], cnode(), index()).prop_map(|(t, c, i)| Op::Create(t, c, i)),
        14 => retype,
        5 => pick().prop_map(Op::Delete),
        1 => pick().prop_map(Op::Revoke),
        3 => (kind(&[Dispatcher]), 0..3u32, pick()).prop_map(|(d, n, s)| Op::CopyIntoDispatcher(d, n, s)),
        2 => kind(&[L1CNode, L2CNode, Dispatcher, KernelControlBlock]).prop_map(Op::DeleteWhole),
        1 => pick().prop_map(Op::RevokeWhole),
        8 => map,
        2 => (kind(TABLES), kind(MAPPINGS)).prop_map(|(t, m)| Op::Unmap(t, m)),
        2 => (kind(MAPPINGS), prop_oneof![3 => Just(0u64), 1 => 0..5u64], prop_oneof![3 => Just(1u64), 1 => 0..4u64], flags()).prop_map(|(m, f, p, x)| Op::Modify(m, f, p, x)),
        2 => (kind(TABLES), 0..8u64, prop_oneof![3 => Just(1u64), 1 => 0..4u64], flags()).prop_map(|(t, f, c, x)| Op::ModifyEntries(t, f, c, x)),
        1 => kind(MAPPINGS).prop_map(Op::Destroy),
        1 => (pick(), 0..3u8).prop_map(|(a, lock)| Op::Lock(a, lock == 0)),
        1 => (pick(), 0..3u8).prop_map(|(a, foreign)| Op::Owner(a, foreign == 0)),
        1 => (pick(), 0..8u8, 0..8u8).prop_map(|(a, bits, mask)| Op::Relations(a, bits & 5, mask)),
        1 => kind(&[ObjType::Ram]).prop_map(Op::Retain),
        2 => (0..5u32, 0..USED_SLOTS, prop_oneof![8 => Just(2u64), 2 => 0..4u64], prop_oneof![4 => Just(3u8), 1 => 0..32u8])
            .prop_map(|(l1, l2, level, rights)| Op::Lookup(l1, l2, level, rights)),
        1 => (0..0x3800u32, prop::sample::select(&[0u64, 1, 512, 4096, 8192, 16384, 65536, 1 << 20][..]))
            .prop_map(|(start, bytes)| Op::Find(start, bytes)),
    ]
}

/// Operations for [`interleaved`].
pub fn steps() -> impl Strategy<Value = Op> {
    use ObjType::{Dispatcher, KernelControlBlock, L1CNode, L2CNode};
    prop_oneof![
        12 => op(),
        4 => kind(&[L1CNode, L2CNode, Dispatcher, KernelControlBlock]).prop_map(Op::DeleteLast),
        1 => pick().prop_map(Op::RevokeMarkTarget),
        3 => Just(Op::DeleteStep),
        2 => Just(Op::ClearStep),
        8 => any::<u32>().prop_map(Op::Continue),
    ]
}
