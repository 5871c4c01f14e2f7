//! Page tables: Map and Unmap.

use super::{CapRef, invoke};
use crate::error::{Error, ErrorCode, ResultExt};
use kpi::cap::ObjType;
use kpi::invocation::{MapWord, VNodeCommand};
use kpi::rights::PageFlags;

/// What to map: `count` entries of a table from `entry` on.
#[derive(Clone, Copy, Debug)]
pub struct Entries {
    /// First entry.
    pub entry: u16,
    /// Number of entries.
    pub count: u16,
}

/// Maps `source` (a frame from byte `offset` on, or the next table) into `table`; the Mapping capability goes to `mapping`.
///
/// # Errors
/// `LIB_ERR_VNODE_MAP` on the kernel's error.
pub fn vnode_map(
    table: CapRef,
    source: CapRef,
    flags: PageFlags,
    offset: u64,
    entries: Entries,
    mapping: CapRef,
) -> Result<(), Error> {
    let slot =
        u8::try_from(mapping.slot).map_err(|_| Error::new(ErrorCode::LibSlotAllocWrongCnode))?;
    let word = MapWord::new(
        source.level() as u8,
        mapping.cnode.level as u8,
        slot,
        entries.entry,
    );
    let args = [
        u64::from(source.croot().0),
        u64::from(source.addr().0),
        flags.0,
        offset,
        u64::from(entries.count),
        u64::from(mapping.croot().0),
        u64::from(mapping.cnode.cnode.0),
        word.0,
    ];
    let command = VNodeCommand::Map;
    invoke(table, command as u8, command.argc(), &args)
        .map(|_| ())
        .push_err(ErrorCode::LibVnodeMap)
}

/// Takes back what `mapping` (in the own CSpace) stands for; its slot is empty afterwards.
///
/// # Errors
/// `LIB_ERR_VNODE_UNMAP` on the kernel's error.
pub fn vnode_unmap(table: CapRef, mapping: CapRef) -> Result<(), Error> {
    let command = VNodeCommand::Unmap;
    let args = [u64::from(mapping.addr().0), mapping.level() as u64];
    invoke(table, command as u8, command.argc(), &args)
        .map(|_| ())
        .push_err(ErrorCode::LibVnodeUnmap)
}

/// The type of the table of a level, 0 to 3.
pub const fn table_type(level: u8) -> ObjType {
    match level {
        0 => ObjType::VNodeAarch64L0,
        1 => ObjType::VNodeAarch64L1,
        2 => ObjType::VNodeAarch64L2,
        _ => ObjType::VNodeAarch64L3,
    }
}
