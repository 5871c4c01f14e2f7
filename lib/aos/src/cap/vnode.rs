//! Page tables and Mappings: Map, Unmap, other flags.

use super::{CapRef, invoke};
use crate::error::{Error, ErrorCode, ResultExt};
use kpi::cap::ObjType;
use kpi::invocation::{MapWord, MappingCommand, OWN_CSPACE, VNodeCommand};
use kpi::rights::PageFlags;
use kpi::syscall::CallWord;

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
/// The level of the table says how much of a frame an entry maps: 4 KiB at level 3, 2 MiB at level 2, 1 GiB at level 1. Where mapping
/// begins, the frame's address must be a multiple of that. At level 3 `source` may also be a page table or CNode, to be read.
///
/// # Errors
/// `LIB_ERR_VNODE_MAP` on the kernel's error.
#[inline]
pub fn vnode_map(
    table: CapRef,
    source: CapRef,
    flags: PageFlags,
    offset: u64,
    entries: Entries,
    mapping: CapRef,
) -> Result<(), Error> {
    let args = map_args(source, flags, offset, entries, mapping)?;
    let command = VNodeCommand::Map;
    invoke(table, command as u8, command.argc(), &args)
        .map(|_| ())
        .push_err(ErrorCode::LibVnodeMap)
}

#[inline(always)]
fn map_args(
    source: CapRef,
    flags: PageFlags,
    offset: u64,
    entries: Entries,
    mapping: CapRef,
) -> Result<[u64; 8], Error> {
    let slot =
        u8::try_from(mapping.slot).map_err(|_| Error::new(ErrorCode::LibSlotAllocWrongCnode))?;
    let word = MapWord::new(
        source.level() as u8,
        mapping.cnode.level as u8,
        slot,
        entries.entry,
    );
    Ok([
        root_word(source),
        u64::from(source.addr().0),
        flags.0,
        offset,
        u64::from(entries.count),
        root_word(mapping),
        u64::from(mapping.cnode.cnode.0),
        word.0,
    ])
}

/// The words of a call: the first two, and the others.
pub(crate) type Words = ([u64; 2], [u64; 8]);

fn head(table: CapRef, command: VNodeCommand) -> [u64; 2] {
    let word = CallWord::invoke(command as u8, table.level() as u8, command.argc());
    [word.0, u64::from(table.addr().0)]
}

/// The call that [`vnode_map`] makes; `table` is in the own CSpace.
pub(crate) fn map_words(
    table: CapRef,
    source: CapRef,
    flags: PageFlags,
    offset: u64,
    entries: Entries,
    mapping: CapRef,
) -> Result<Words, Error> {
    let args = map_args(source, flags, offset, entries, mapping)?;
    Ok((head(table, VNodeCommand::Map), args))
}

/// The call that [`vnode_unmap`] makes; `table` is in the own CSpace.
pub(crate) fn unmap_words(table: CapRef, mapping: CapRef) -> Words {
    let (address, level) = (u64::from(mapping.addr().0), mapping.level() as u64);
    let args = [address, level, 0, 0, 0, 0, 0, 0];
    (head(table, VNodeCommand::Unmap), args)
}

/// Says in whose CSpace a capability is.
#[inline(always)]
fn root_word(cap: CapRef) -> u64 {
    if cap.is_own() {
        OWN_CSPACE
    } else {
        u64::from(cap.croot().0)
    }
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

/// Gives entries of a table, which map frames, other flags.
///
/// # Errors
/// The kernel's: `SYS_ERR_WRONG_MAPPING` (an entry maps no frame), `SYS_ERR_VM_MAP_RIGHTS`, `SYS_ERR_VM_MAP_SIZE`.
pub fn vnode_modify_flags(table: CapRef, entries: Entries, flags: PageFlags) -> Result<(), Error> {
    let command = VNodeCommand::ModifyFlags;
    let args = [u64::from(entries.entry), u64::from(entries.count), flags.0];
    invoke(table, command as u8, command.argc(), &args).map(|_| ())
}

/// Gives `count` pages (or blocks) of a Mapping of a frame, from its `first` on, other flags.
///
/// # Errors
/// The kernel's: `SYS_ERR_WRONG_MAPPING` (not of a frame), `SYS_ERR_VM_MAP_OFFSET`, `SYS_ERR_VM_MAP_SIZE`, `SYS_ERR_VM_MAP_RIGHTS`.
pub fn mapping_modify(
    mapping: CapRef,
    first: u64,
    count: u64,
    flags: PageFlags,
) -> Result<(), Error> {
    let command = MappingCommand::Modify;
    invoke(
        mapping,
        command as u8,
        command.argc(),
        &[first, count, flags.0],
    )
    .map(|_| ())
}

/// Unmaps what a Mapping stands for and deletes it with all its copies.
///
/// # Errors
/// `LIB_ERR_VNODE_UNMAP` on the kernel's error.
pub fn mapping_destroy(mapping: CapRef) -> Result<(), Error> {
    let command = MappingCommand::Destroy;
    invoke(mapping, command as u8, command.argc(), &[])
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
