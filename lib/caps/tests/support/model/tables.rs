//! Page tables: what Map, Unmap and Modify do to entries.

use super::super::{BASE, BYTES};
use super::{Held, Model, Slot, State};
use caps::vnode::aarch64;
use caps::vnode::aarch64::MemoryType;
use errors::ErrorCode as E;
use kpi::addr::PhysAddr;
use kpi::cap::{Capability, Mapping, ObjType};
use kpi::rights::{CapRights, PageFlags};

pub(super) fn level(objtype: ObjType) -> Option<u64> {
    match objtype {
        ObjType::VNodeAarch64L0 => Some(0),
        ObjType::VNodeAarch64L1 => Some(1),
        ObjType::VNodeAarch64L2 => Some(2),
        ObjType::VNodeAarch64L3 => Some(3),
        _ => None,
    }
}

fn is_ram(base: u64, bytes: u64) -> bool {
    base >= BASE && base + bytes <= BASE + BYTES
}

/// A descriptor, or why not.
fn leaf(base: u64, bytes: u64, flags: u64, rights: CapRights, device: bool) -> Result<u64, E> {
    let device = device || !is_ram(base, bytes);
    let wrong = flags > 15
        || flags & 1 == 0
        || flags & 6 == 6
        || flags & 7 & !u64::from(rights.0) != 0
        || (device && flags & 4 != 0);
    if wrong {
        return Err(E::SysVmMapRights);
    }
    let memory = match (device, flags & 8 != 0) {
        (true, _) => MemoryType::Device,
        (false, true) => MemoryType::NonCacheable,
        (false, false) => MemoryType::Normal,
    };
    Ok(aarch64::page(PhysAddr(base), PageFlags(flags), memory))
}

/// Bytes that an entry of a table of that level translates.
pub fn entry_bytes(level: u64) -> u64 {
    [1 << 39, 1 << 30, 1 << 21, 4096][level as usize]
}

/// The leaf as it stands in a table of that level.
fn in_table(page: u64, level: u64, rights: CapRights) -> u64 {
    let bound = u64::from(rights.0 >> 1 & 3) << 55;
    match level {
        3 => page | bound,
        2 => page & !2 | bound,
        _ => page & !2 | bound | 1 << 57,
    }
}

/// The number of a kernel object's Mapping type in an entry that shows it.
fn object_number(objtype: ObjType) -> Option<u64> {
    match objtype {
        ObjType::L1CNode => Some(4),
        ObjType::L2CNode => Some(5),
        _ => level(objtype),
    }
}

impl Model {
    #[expect(clippy::too_many_arguments, reason = "the arguments of the invocation")]
    pub fn map(
        &mut self,
        table: Slot,
        source: Slot,
        flags: u64,
        offset: u64,
        count: u64,
        entry: u64,
        dest: (Slot, u32),
    ) -> Result<(), E> {
        let table = self.get(table)?.cap;
        if table.rights().0 & 2 == 0 {
            return Err(E::SysDestCapRights);
        }
        let src = self.get(source)?.cap;
        if self.caps.get(&dest.0).map(|held| held.cap.objtype()) != Some(ObjType::L2CNode) {
            return Err(E::SysDestTypeInvalid);
        }
        let slot = self.empty_slot(dest, ObjType::FrameMapping)?;
        let level_of_table = level(table.objtype()).ok_or(E::SysVnodeType)?;
        if entry > 511 {
            return Err(E::SysVnodeSlotInvalid);
        }
        let base = src.address().wrapping_add(offset);
        let is_frame = matches!(
            src.objtype(),
            ObjType::Frame | ObjType::EndPointUmp | ObjType::DevFrame
        );
        let object = object_number(src.objtype()).filter(|_| level_of_table == 3);
        let stride = entry_bytes(level_of_table);
        let value = if (is_frame && level_of_table > 0) || object.is_some() {
            if u128::from(offset) + u128::from(stride) > u128::from(src.size())
                || !base.is_multiple_of(stride)
            {
                return Err(E::SysFrameOffsetInvalid);
            }
            if count == 0
                || u128::from(count) + u128::from(entry) > 512
                || offset + count * stride > src.size()
            {
                return Err(E::SysVmMapSize);
            }
            if let Some(number) = object {
                if flags != 1 || src.rights().0 & 17 != 17 {
                    return Err(E::SysVmMapRights);
                }
                leaf(base, 4096, 1, src.rights(), false)? | 1 << 58 | number << 55
            } else {
                let device = src.objtype() == ObjType::DevFrame;
                let page = leaf(base, count * stride, flags, src.rights(), device)?;
                let number = match src.objtype() {
                    ObjType::Frame => 0,
                    ObjType::EndPointUmp => 1,
                    _ => 2,
                };
                in_table(page, level_of_table, src.rights()) | number << 59
            }
        } else {
            if level_of_table < 3 && count != 1 {
                return Err(E::SysVmMapSize);
            }
            if level(src.objtype()) != Some(level_of_table + 1) {
                return Err(E::SysWrongMapping);
            }
            if offset != 0 {
                return Err(E::SysFrameOffsetInvalid);
            }
            src.address() | 3
        };
        let pte = table.address() + 8 * entry;
        if (0..count).any(|index| self.entries.contains_key(&(pte + 8 * index))) {
            return Err(E::SysVnodeSlotInuse);
        }
        for index in 0..count {
            self.entries.insert(pte + 8 * index, value + stride * index);
        }
        let mapping = Mapping {
            base,
            pte,
            source_pages: (src.size() / 4096) as u32,
            pte_count: count as u16,
        };
        let objtype = src.objtype().mapping().unwrap();
        let cap = Capability::new_mapping(objtype, mapping, src.rights()).unwrap();
        self.put(slot, cap, false, State::default());
        self.derive(slot, source);
        Ok(())
    }

    pub fn unmap(&mut self, table: Slot, mapping: Slot) -> Result<(), E> {
        let table = self.get(table)?.cap;
        if table.rights().0 & 2 == 0 {
            return Err(E::SysDestCapRights);
        }
        if !table.objtype().is_vnode() {
            return Err(E::SysVnodeType);
        }
        let Held { cap, state, .. } = self.get(mapping)?.clone();
        let fields = cap.as_mapping().ok_or(E::SysWrongMapping)?;
        if fields.pte & !0xfff != table.address() {
            return Err(E::SysWrongMapping);
        }
        if state.locked {
            return Err(E::SysCapLocked);
        }
        self.forget(mapping);
        Ok(())
    }

    /// Removes a Mapping with its copies.
    fn forget(&mut self, mapping: Slot) {
        for copy in self.copies_of(mapping) {
            self.remove(copy);
        }
        self.remove(mapping);
    }

    pub fn destroy(&mut self, mapping: Slot) -> Result<(), E> {
        let Held { cap, state, .. } = self.get(mapping)?.clone();
        if !cap.objtype().is_mapping() {
            return Err(E::SysWrongMapping);
        }
        if state.locked {
            return Err(E::SysCapLocked);
        }
        self.forget(mapping);
        Ok(())
    }

    pub fn modify(&mut self, mapping: Slot, first: u64, pages: u64, flags: u64) -> Result<(), E> {
        let cap = self.get(mapping)?.cap;
        if !matches!(
            cap.objtype(),
            ObjType::FrameMapping | ObjType::EndPointUmpMapping | ObjType::DevFrameMapping
        ) {
            return Err(E::SysWrongMapping);
        }
        let fields = cap.as_mapping().unwrap();
        let count = u64::from(fields.pte_count);
        if first >= count {
            return Err(E::SysVmMapOffset);
        }
        if pages == 0 || u128::from(first) + u128::from(pages) > u128::from(count) {
            return Err(E::SysVmMapSize);
        }
        self.rewrite(fields.pte + 8 * first, pages, flags, cap.rights())
    }

    pub fn modify_entries(
        &mut self,
        table: Slot,
        first: u64,
        count: u64,
        flags: u64,
    ) -> Result<(), E> {
        let table = self.get(table)?.cap;
        if table.rights().0 & 2 == 0 {
            return Err(E::SysDestCapRights);
        }
        if !table.objtype().is_vnode() {
            return Err(E::SysVnodeType);
        }
        if first > 511 {
            return Err(E::SysVnodeSlotInvalid);
        }
        if count == 0 || u128::from(first) + u128::from(count) > 512 {
            return Err(E::SysVmMapSize);
        }
        let pte = table.address() + 8 * first;
        let is_memory = |index: u64| {
            let value = self.entries.get(&(pte + 8 * index)).copied().unwrap_or(0);
            value & 1 << 10 > 0 && value & 1 << 58 == 0
        };
        if !(0..count).all(is_memory) {
            return Err(E::SysWrongMapping);
        }
        self.rewrite(pte, count, flags, CapRights::ALL)
    }

    /// Other flags for leaves that are there, if all may have them.
    fn rewrite(&mut self, pte: u64, count: u64, flags: u64, rights: CapRights) -> Result<(), E> {
        let mut changed = Vec::new();
        for index in 0..count {
            let old = self.entries.get(&(pte + 8 * index)).copied().unwrap_or(0);
            let bound = CapRights(((old >> 55 & 3) as u8 * 2) | 1);
            let bound = bound.intersection(rights);
            let device = old >> 2 & 7 == 1;
            let page = leaf(old & 0xffff_ffff_f000, 4096, flags, bound, device)?;
            let kept = 2 | 63 << 55;
            changed.push(page & !kept | old & kept);
        }
        for (index, value) in changed.into_iter().enumerate() {
            self.entries.insert(pte + 8 * index as u64, value);
        }
        Ok(())
    }
}
