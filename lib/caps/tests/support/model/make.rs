//! New capabilities: copies, minted ones, and what is made out of memory or out of nothing.

use super::super::{BASE, BYTES};
use super::{Held, Model, Slot, State, in_memory};
use errors::ErrorCode as E;
use kpi::cap::{
    Capability, Dispatcher, Domain, EndPointLmp, EndPointUmp, Id, IrqSrc, KernelControlBlock,
    L1CNode, L2CNode, Memory, ObjType, VNode, compare, is_copy, is_well_founded,
};
use kpi::rights::CapRights;

fn made(objtype: ObjType, base: u64, bytes: u64, rights: CapRights) -> Capability {
    let all = CapRights::ALL;
    match objtype {
        ObjType::L1CNode => {
            let cnode = L1CNode {
                cnode: base,
                rightsmask: all,
                allocated_bytes: bytes,
            };
            Capability::new_l1_cnode(cnode, rights)
        }
        ObjType::L2CNode => {
            let cnode = L2CNode {
                cnode: base,
                rightsmask: all,
            };
            Capability::new_l2_cnode(cnode, rights)
        }
        ObjType::Dispatcher => Capability::new_dispatcher(Dispatcher { dcb: base }, rights),
        ObjType::KernelControlBlock => {
            Capability::new_kernel_control_block(KernelControlBlock { kcb: base }, rights)
        }
        ObjType::EndPointUmp => {
            let endpoint = EndPointUmp {
                base,
                bytes,
                pasid: 0,
                iftype: 0,
            };
            Capability::new_end_point_ump(endpoint, rights)
        }
        ObjType::EndPointLmp => {
            let endpoint = EndPointLmp {
                listener: base,
                epoffset: 0,
                epbuflen: 0,
                iftype: 0,
            };
            Capability::new_end_point_lmp(endpoint, rights)
        }
        _ if objtype.is_vnode() => Capability::new_vnode(objtype, VNode { base }, rights).unwrap(),
        _ => {
            let memory = Memory {
                base,
                bytes,
                pasid: 0,
            };
            Capability::new_memory(objtype, memory, rights).unwrap()
        }
    }
}

impl Model {
    pub fn copy(&mut self, dest: (Slot, u32), source: Slot) -> Result<(), E> {
        let cap = self.get(source)?.cap;
        let slot = self.empty_slot(dest, cap.objtype())?;
        self.put_copy(slot, source, cap, false);
        Ok(())
    }

    pub fn copy_into_object(&mut self, dest: Slot, source: Slot) -> Result<(), E> {
        let cap = self.get(source)?.cap;
        if self.caps.contains_key(&dest) {
            return Err(E::SysSlotInUse);
        }
        self.put_copy(dest, source, cap, true);
        Ok(())
    }

    pub fn mint(&mut self, dest: (Slot, u32), source: Slot, p1: u64, p2: u64) -> Result<(), E> {
        let Held { cap, state, .. } = self.get(source)?.clone();
        let slot = self.empty_slot(dest, cap.objtype())?;
        let mut own = State::default();
        let minted = if let Some(mut endpoint) = cap.as_end_point_lmp() {
            if endpoint.epbuflen > 0 {
                return Err(E::SysInvalidSourceType);
            }
            if !cap.rights().contains(CapRights::WRITE) {
                return Err(E::SysDestCapRights);
            }
            let words = p2 & 0xffff;
            let shared = kpi::dispatcher::offsets::SHARED_BYTES as u128;
            let last = u128::from(p1) + 16 + 8 * u128::from(words);
            if p2 >> 32 > 0
                || words < 2
                || !p1.is_multiple_of(8)
                || u128::from(p1) < shared
                || last > 512 << 10
            {
                return Err(E::SysInvalidEplen);
            }
            own.foreign = state.foreign;
            endpoint.epoffset = p1;
            endpoint.epbuflen = words as u32;
            endpoint.iftype = (p2 >> 16) as u16;
            Capability::new_end_point_lmp(endpoint, cap.rights())
        } else if let Some(mut endpoint) = cap.as_end_point_ump() {
            endpoint.iftype = p1 as u16;
            Capability::new_end_point_ump(endpoint, cap.rights())
        } else {
            cap.with_rights(CapRights(cap.rights().0 & (p1 as u8)))
        };
        if is_copy(&minted, &cap) && !matches!(cap.objtype(), ObjType::EndPointLmp) {
            self.put_copy(slot, source, minted, false);
        } else {
            self.put(slot, minted, false, own);
            let origin = self.objects.get(&source);
            if let (Some(object), Some(origin)) = (
                self.objects.get(&slot),
                origin.and_then(|origin| self.made_from.get(origin)),
            ) {
                self.made_from.insert(*object, *origin);
            }
        }
        Ok(())
    }

    pub fn create(&mut self, objtype: u8, dest: (Slot, u32)) -> Result<(), E> {
        if objtype != ObjType::Id as u8 {
            return Err(E::SysTypeNotCreatable);
        }
        let slot = self
            .empty_slot(dest, ObjType::Id)
            .map_err(|error| match error {
                E::SysSlotInUse => E::SysSlotsInUse,
                other => other,
            })?;
        self.last_id += 1;
        let id = Id {
            coreid: 0,
            core_local_id: self.last_id,
        };
        self.put(
            slot,
            Capability::new_id(id, CapRights::ALL),
            false,
            State::default(),
        );
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the arguments of the invocation")]
    pub fn retype(
        &mut self,
        source: Slot,
        objtype: u8,
        bytes: u64,
        count: u64,
        offset: u64,
        dest: (Slot, u32),
        from_monitor: bool,
    ) -> Result<(), E> {
        let Held {
            cap: src, state, ..
        } = self.get(source)?.clone();
        let objtype = match ObjType::from_u8(objtype) {
            None | Some(ObjType::Null) => return Err(E::SysInvalidRetype),
            Some(objtype) => objtype,
        };
        let alignment = if objtype == ObjType::Dispatcher {
            1024
        } else {
            4096
        };
        if src.objtype() != ObjType::IrqSrc && !offset.is_multiple_of(alignment) {
            return Err(E::SysRetypeInvalidOffset);
        }
        let unit = match objtype {
            ObjType::L1CNode => 16384,
            _ if objtype.is_memory() || objtype.is_vnode() => 4096,
            _ => 1,
        };
        if !bytes.is_multiple_of(unit) || (objtype == ObjType::L2CNode && bytes != 16384) {
            return Err(E::SysInvalidSize);
        }
        if objtype.is_mapping() {
            return Err(E::SysRetypeMappingExplicit);
        }
        if !is_well_founded(src.objtype(), objtype) || objtype == ObjType::DeviceId {
            return Err(E::SysInvalidRetype);
        }
        if state.locked {
            return Err(E::SysCapLocked);
        }
        let endpoint = objtype == ObjType::EndPointLmp;
        if !from_monitor && (state.foreign || (state.remote_descs && !endpoint)) {
            return Err(E::SysRetryThroughMonitor);
        }
        let carves = objtype.has_address() && !endpoint;
        let each = match objtype {
            ObjType::Dispatcher => 1024,
            ObjType::KernelControlBlock => 131_072,
            ObjType::L2CNode => 16384,
            _ if objtype.is_vnode() => 4096,
            _ => bytes,
        };
        let most = match objtype {
            ObjType::Domain => 256,
            _ if !carves => 1,
            _ if each == 0 => 0,
            _ => src.size() / each,
        };
        if most == 0 {
            return Err(E::SysInvalidSize);
        }
        if count == 0 || count > most || count > 256 {
            return Err(E::SysRetypeInvalidCount);
        }
        let wanted = u128::from(offset) + u128::from(count) * u128::from(each);
        if carves && wanted > u128::from(src.size()) {
            return Err(E::SysRetypeInvalidOffset);
        }
        let in_ram = (BASE..BASE + BYTES).contains(&src.address());
        if src.objtype() == ObjType::PhysAddr && objtype == ObjType::Ram && !in_ram {
            return Err(E::SysInvalidRetype);
        }
        if let Some(vectors) = src.as_irq_src() {
            if offset > bytes || offset < vectors.vec_start || offset > vectors.vec_end {
                return Err(E::SysRetypeInvalidOffset);
            }
            if bytes < vectors.vec_start || bytes > vectors.vec_end {
                return Err(E::SysRetypeInvalidObjsize);
            }
        }
        let first = self.destination(dest.0, u64::from(dest.1), count, objtype)?;
        if carves {
            let start = src.address() + offset;
            self.free(&src, start, start + count * each)?;
        }
        if (0..count).any(|index| self.caps.contains_key(&(first + 64 * index))) {
            return Err(E::SysSlotsInUse);
        }
        for index in 0..count {
            let base = src
                .address()
                .wrapping_add(offset)
                .wrapping_add(index.wrapping_mul(each));
            let rights = src.rights();
            let cap = match objtype {
                ObjType::Domain => {
                    self.last_domain += 1;
                    let domain = Domain {
                        coreid: 0,
                        core_local_id: self.last_domain,
                    };
                    Capability::new_domain(domain, rights)
                }
                ObjType::IrqSrc => {
                    let vectors = IrqSrc {
                        vec_start: offset,
                        vec_end: bytes,
                    };
                    Capability::new_irq_src(vectors, rights)
                }
                ObjType::EndPointLmp => made(objtype, src.address(), 0, rights),
                _ => made(objtype, base, each, rights),
            };
            self.put(first + 64 * index, cap, false, State::default());
            self.derive(first + 64 * index, source);
        }
        Ok(())
    }

    /// Whether a range is free below the source.
    fn free(&self, src: &Capability, start: u64, stop: u64) -> Result<(), E> {
        let mut innermost: Option<Capability> = None;
        for held in self.caps.values().filter(|held| in_memory(&held.cap)) {
            let cap = held.cap;
            let (a, b) = (cap.address(), cap.address() + cap.size().max(1));
            if b <= start || a >= stop {
                continue;
            }
            if a > start || b < stop {
                return Err(E::SysRevokeFirst);
            }
            if innermost.is_none_or(|other| compare(&other, &cap).is_le()) {
                innermost = Some(cap);
            }
        }
        match innermost {
            Some(cap) if !is_copy(&cap, src) => Err(E::SysRevokeFirst),
            _ => Ok(()),
        }
    }

    pub fn retain(&mut self, at: Slot) -> Result<(), E> {
        if self.get(at)?.cap.objtype() != ObjType::Ram {
            return Err(E::SysInvalidSourceType);
        }
        self.share(at, |state| state.retained = true);
        Ok(())
    }
}
