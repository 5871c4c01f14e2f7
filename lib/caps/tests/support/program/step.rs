//! One operation, on the database and on the model.

use super::super::{Call, HELD, HELD_BASE, L1, L2, RAM, ROOT, World, entry};
use super::compare::unnarrowed;
use super::ops::{Op, Pick};
use super::{Held, Run};
use caps::{DestSlot, Flags, MapArgs, Range, RetypeArgs, Store, lookup};
use errors::ErrorCode;
use kpi::addr::{CapAddr, CoreId, PhysAddr};
use kpi::cap::ObjType;
use kpi::rights::CapRights;

fn as_errors<T>(result: Result<T, ErrorCode>) -> Result<(), ErrorCode> {
    result.map(|_| ())
}

impl Run {
    /// Runs the operation on both; returns both results.
    pub fn step(&mut self, op: &Op) -> (Result<(), ErrorCode>, Result<(), ErrorCode>) {
        let dest = |run: &Self, cnode: Pick, index: u32| {
            let cnode = run.find(cnode);
            let index = run.free_from(cnode, index);
            let slot = DestSlot {
                cnode: entry(cnode),
                index,
            };
            (slot, (cnode, index))
        };
        match *op {
            Op::Copy(source, cnode, index) => {
                let source = self.find(source);
                let (slot, place) = dest(self, cnode, index);
                let seen = self.world.copy(slot, entry(source));
                (as_errors(seen), self.model.copy(place, source))
            }
            Op::CopyIntoObject(n, source) => {
                let source = self.find(source);
                let held = HELD_BASE + 64 * (u64::from(n) % HELD);
                let World { db, env } = &mut self.world;
                let seen = db.copy_into_object(env, entry(held), entry(source));
                (seen, self.model.copy_into_object(held, source))
            }
            Op::Release(n) => {
                let held = HELD_BASE + 64 * (u64::from(n) % HELD);
                let at = entry(held);
                let seen = self.call(
                    &[at],
                    Box::new(move |db, env| db.release_from_object(env, at)),
                );
                (seen, self.model.release(held))
            }
            Op::Mint(source, cnode, index, p1, p2) => {
                let source = self.find(source);
                let (slot, place) = dest(self, cnode, index);
                let World { db, env } = &mut self.world;
                let seen = db.mint(env, slot, entry(source), p1, p2);
                (as_errors(seen), self.model.mint(place, source, p1, p2))
            }
            Op::Create(objtype, cnode, index) => {
                let (slot, place) = dest(self, cnode, index);
                let World { db, env } = &mut self.world;
                let seen = db.create(env, objtype, slot);
                (as_errors(seen), self.model.create(objtype, place))
            }
            Op::Retype {
                source,
                objtype,
                bytes,
                count,
                offset,
                cnode,
                index,
                from_monitor,
            } => {
                let source = self.find(source);
                let (slot, place) = dest(self, cnode, index);
                let kind = self.model.caps.get(&source).map(|held| held.cap.objtype());
                let args = RetypeArgs {
                    source: entry(source),
                    objtype,
                    bytes,
                    count,
                    offset,
                    dest: slot,
                    from_monitor,
                };
                // One call must at least be able to look through all results.
                self.world.env.per_call = self.world.env.per_call.max((count.min(256) * 31) as u32);
                let names = [args.source, args.dest.cnode];
                let seen = self.call(&names, Box::new(move |db, env| db.retype(env, args)));
                let expected =
                    self.model
                        .retype(source, objtype, bytes, count, offset, place, from_monitor);
                if seen.is_ok() && expected.is_ok() && !self.cut {
                    self.use_results(place, count, kind == ObjType::from_u8(objtype));
                }
                (seen, expected)
            }
            Op::Delete(at) => {
                let at = self.find(at);
                if at <= L2[0] {
                    // Without the CNodes and the RAM of the boot little can be done.
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let seen = self.call(&[name], Box::new(move |db, env| db.delete(env, name)));
                (seen, self.model.delete(at))
            }
            Op::Revoke(at) => {
                let at = self.find(at);
                let address = self.model.caps.get(&at).map(|held| held.cap.address());
                if address.is_some_and(|base| base == L1 || L2.contains(&base)) {
                    // As for Delete.
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let seen = self.call(&[name], Box::new(move |db, env| db.revoke(env, name)));
                (seen, self.model.revoke(at))
            }
            Op::CopyIntoDispatcher(dispatcher, n, source) => {
                let (dispatcher, source) = (self.find(dispatcher), self.find(source));
                let found = self.model.caps.get(&dispatcher).map(|held| held.cap);
                let Some(dcb) = found.filter(|cap| cap.objtype() == ObjType::Dispatcher) else {
                    return (Ok(()), Ok(()));
                };
                // Nobody can set up what is being deleted.
                let flags = self.world.env.cte(entry(dispatcher)).flags();
                if flags.has(Flags::IN_DELETE.with(Flags::CREATING)) {
                    return (Ok(()), Ok(()));
                }
                let held = dcb.address() + 64 * u64::from(n);
                let World { db, env } = &mut self.world;
                let seen = db.copy_into_object(env, entry(held), entry(source));
                (seen, self.model.copy_into_object(held, source))
            }
            Op::DeleteWhole(at) => {
                let at = self.find(at);
                if at <= L2[0] || !self.model.caps.contains_key(&at) {
                    return (Ok(()), Ok(()));
                }
                self.make_local();
                self.model.delete_whole(at);
                (self.world.delete_whole(entry(at)), Ok(()))
            }
            Op::RevokeWhole(at) => {
                let at = self.find(at);
                let address = self.model.caps.get(&at).map(|held| held.cap.address());
                if address.is_none_or(|base| base == L1 || L2.contains(&base)) {
                    return (Ok(()), Ok(()));
                }
                self.make_local();
                if self.model.caps[&at].cap.rights().0 & 2 == 0 {
                    return (
                        self.world.revoke_whole(entry(at)),
                        Err(ErrorCode::SysCapRights),
                    );
                }
                self.model.revoke_whole(at);
                (self.world.revoke_whole(entry(at)), Ok(()))
            }
            Op::DeleteLast(at) => {
                let at = self.find(at);
                if at <= L2[0] {
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let seen = self.call(&[name], Box::new(move |db, env| db.delete_last(env, name)));
                (seen, Ok(()))
            }
            Op::RevokeMarkTarget(at) => {
                let at = self.find(at);
                let address = self.model.caps.get(&at).map(|held| held.cap.address());
                if address.is_none_or(|base| base == L1 || L2.contains(&base)) {
                    return (Ok(()), Ok(()));
                }
                let name = entry(at);
                let call: Call = Box::new(move |db, env| db.revoke_mark_target(env, name));
                (self.call(&[name], call), Ok(()))
            }
            Op::DeleteStep => {
                let step = self.world.once(&mut |db, env| db.delete_step(env));
                (as_errors(step), Ok(()))
            }
            Op::ClearStep => {
                let step = self.world.once(&mut |db, env| db.clear_step(env));
                (as_errors(step), Ok(()))
            }
            Op::Continue(n) => {
                self.go_on(n);
                (Ok(()), Ok(()))
            }
            Op::Map {
                table,
                source,
                flags,
                offset,
                count,
                entry: first,
                cnode,
                index,
            } => {
                let (table, source) = (self.find(table), self.find(source));
                let (slot, place) = dest(self, cnode, index);
                let args = MapArgs {
                    source: entry(source),
                    flags,
                    offset,
                    count,
                    entry: first,
                    dest: slot,
                };
                let World { db, env } = &mut self.world;
                let seen = db.map(env, entry(table), args);
                let expected = self
                    .model
                    .map(table, source, flags, offset, count, first, place);
                (as_errors(seen), expected)
            }
            Op::Unmap(table, mapping) => {
                let (mut table, mapping) = (self.find(table), self.find(mapping));
                if let Some(fields) = self
                    .model
                    .caps
                    .get(&mapping)
                    .and_then(|m| m.cap.as_mapping())
                    && fields.pte / 8 % 4 > 0
                    && let Some(its) = self.table_at(fields.pte & !0xfff)
                {
                    table = its;
                }
                let (a, b) = (entry(table), entry(mapping));
                let seen = self.call(&[a, b], Box::new(move |db, env| db.unmap(env, a, b)));
                (seen, self.model.unmap(table, mapping))
            }
            Op::Modify(mapping, first, pages, flags) => {
                let mapping = self.find(mapping);
                let World { db, env } = &mut self.world;
                let seen = db.modify(env, entry(mapping), first, pages, flags);
                (seen, self.model.modify(mapping, first, pages, flags))
            }
            Op::ModifyEntries(table, first, count, flags) => {
                let table = self.find(table);
                let World { db, env } = &mut self.world;
                let seen = db.modify_entries(env, entry(table), first, count, flags);
                (seen, self.model.modify_entries(table, first, count, flags))
            }
            Op::Destroy(mapping) => {
                let mapping = self.find(mapping);
                let seen = self
                    .world
                    .repeat(|db, env| db.destroy_mapping(env, entry(mapping)));
                (as_errors(seen), self.model.destroy(mapping))
            }
            Op::Lock(at, locked) => {
                let at = self.find(at);
                if self.model.caps.contains_key(&at) {
                    let World { db, env } = &mut self.world;
                    db.set_locked(env, entry(at), locked);
                    self.model.share(at, |state| state.locked = locked);
                }
                (Ok(()), Ok(()))
            }
            Op::Owner(at, foreign) => {
                let at = self.find(at);
                // The entries of a foreign object are in another core's database; these have entries in this one.
                let has_entries = |held: &Held| {
                    use ObjType::{Dispatcher, L1CNode, L2CNode};
                    matches!(held.cap.objtype(), Dispatcher | L1CNode | L2CNode)
                };
                let held = self.model.caps.get(&at);
                if held.is_some_and(|held| !has_entries(held)) {
                    let World { db, env } = &mut self.world;
                    db.set_owner(env, entry(at), CoreId(u8::from(foreign)));
                    self.model.share(at, |state| state.foreign = foreign);
                }
                (Ok(()), Ok(()))
            }
            Op::Relations(at, bits, mask) => {
                let at = self.find(at);
                if self.model.caps.contains_key(&at) {
                    let flags = |bits: u8| {
                        [
                            Flags::REMOTE_COPIES,
                            Flags::REMOTE_ANCS,
                            Flags::REMOTE_DESCS,
                        ]
                        .into_iter()
                        .enumerate()
                        .filter(|(n, _)| bits >> n & 1 == 1)
                        .fold(Flags::NONE, |all, (_, flag)| all.with(flag))
                    };
                    let World { db, env } = &mut self.world;
                    db.set_relations(env, entry(at), flags(bits), flags(mask));
                    self.model.share(at, |state| {
                        if mask & 1 > 0 {
                            state.remote_copies = bits & 1 > 0;
                        }
                        if mask & 2 > 0 {
                            state.remote_ancs = bits & 2 > 0;
                        }
                        if mask & 4 > 0 {
                            state.remote_descs = bits & 4 > 0;
                        }
                    });
                }
                (Ok(()), Ok(()))
            }
            Op::Retain(at) => {
                let at = self.find(at);
                let World { db, env } = &mut self.world;
                (db.retain(env, entry(at)), self.model.retain(at))
            }
            Op::Lookup(l1, l2, level, rights) => {
                let rights = CapRights(rights);
                let name = CapAddr::new(l1, l2 as u8);
                let seen = lookup(&self.world.env, entry(ROOT), name, level, rights);
                let expected = self.model.lookup(ROOT, l1, l2, level, rights);
                if !self.stepwise {
                    let (a, b) = (seen.map(|at| at.address().0), expected);
                    assert_eq!(a, b, "{op:?}");
                }
                (as_errors(seen), as_errors(expected))
            }
            Op::Find(start, bytes) => {
                let start = RAM + 512 * u64::from(start);
                let World { db, env } = &self.world;
                let (relation, at) = db.find_range(env, PhysAddr(start), bytes, Range::Partial);
                let at = at.map(|at| unnarrowed(env.cte(at).cap()));
                let (naive, cap) = self.model.find_range(start, bytes);
                let mut cap = cap.map(|cap| unnarrowed(&cap));
                if let (Range::Partial, Some(found), Some(one)) = (relation, at, cap)
                    && one.address() >= start
                {
                    // Several may cut the end.
                    let stop = start + bytes;
                    assert!((start..stop).contains(&found.address()));
                    assert!(found.address() + found.size() > stop);
                    cap = at;
                }
                assert_eq!((relation, at), (naive, cap), "{start:#x}, {bytes} bytes");
                let covers = db.find_cap_for_address(env, PhysAddr(start));
                let (naive, cap) = self.model.find_range(start, 1);
                let cap = cap.filter(|_| naive == Range::Surrounding);
                assert_eq!(
                    covers.map(|at| unnarrowed(env.cte(at).cap())),
                    cap.map(|cap| unnarrowed(&cap))
                );
                (Ok(()), Ok(()))
            }
        }
    }
}
