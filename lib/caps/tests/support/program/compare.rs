//! The database and the model side by side: what must be the same, or must hold of one.

use super::super::audit::entries;
use super::super::model::{Held, Model, State};
use super::super::{World, entry};
use super::Run;
use caps::{Flags, Range, Store};
use kpi::addr::{CoreId, PhysAddr};
use kpi::cap::{Capability, EndPointUmp, ObjType};
use kpi::rights::CapRights;

impl Run {
    /// New frames are zero; their owner fills them. New objects of other kinds are zero too, or their use would show it.
    pub(super) fn use_results(&mut self, place: (u64, u32), count: u64, split: bool) {
        let base = self.model.caps[&place.0].cap.address();
        for index in 0..count {
            let cap = self.model.caps[&(base + 64 * (u64::from(place.1) + index))].cap;
            if !matches!(cap.objtype(), ObjType::Frame | ObjType::EndPointUmp) {
                continue;
            }
            if !split {
                assert!(
                    self.world.env.is_zero(cap.address(), cap.size()),
                    "{cap} is not zero"
                );
            }
            self.world.env.scribble(cap.address(), cap.size());
        }
    }

    /// What the database holds, as the model would.
    pub(super) fn observed(&self) -> Model {
        let mut seen = Model::default();
        for (at, cap) in entries(&self.world) {
            let cte = self.world.env.cte(entry(at));
            let state = self.world.db.state_of(&self.world.env, entry(at));
            let state = State {
                foreign: state.owner != CoreId(0),
                locked: state.flags.has(Flags::LOCKED),
                remote_copies: state.flags.has(Flags::REMOTE_COPIES),
                remote_ancs: state.flags.has(Flags::REMOTE_ANCS),
                remote_descs: state.flags.has(Flags::REMOTE_DESCS),
                retained: state.flags.has(Flags::RETAINED),
            };
            let in_object = cte.flags().has(Flags::HELD);
            let held = Held {
                cap,
                in_object,
                state,
            };
            seen.caps.insert(at, held);
        }
        let (db, env) = (&self.world.db, &self.world.env);
        let mut next = db.first(env);
        while let Some(at) = next {
            seen.order.push(at.address().0);
            next = db.successor(env, at);
        }
        seen
    }

    /// In what was told since the last time, nothing lies.
    pub(super) fn told_is_free(&mut self) {
        let World { db, env } = &mut self.world;
        for (base, bytes) in std::mem::take(&mut env.free) {
            let (relation, _) = db.find_range(env, PhysAddr(base), bytes, Range::Partial);
            let is_free = matches!(relation, Range::Surrounding | Range::NotFound);
            assert!(is_free, "{bytes} bytes at {base:#x}: {relation:?}");
        }
    }

    pub(super) fn nothing_is_half_done(&self) {
        for at in entries(&self.world).into_keys() {
            let flags = self.world.env.cte(entry(at)).flags();
            assert!(!flags.has(Flags::CREATING.with(Flags::IN_DELETE)));
        }
    }

    pub(super) fn compare(&self) {
        self.nothing_is_half_done();
        let seen = self.observed();
        for at in seen.caps.keys().chain(self.model.caps.keys()) {
            let (a, b) = (seen.caps.get(at), self.model.caps.get(at));
            assert_eq!(a, b, "entry {at:#x}: database, then model");
        }
        for (pte, value) in &self.model.entries {
            assert_eq!(self.world.env.word(*pte), *value, "entry at {pte:#x}");
        }
        let mut lost: Vec<u64> = self
            .world
            .env
            .lost
            .iter()
            .map(|(at, _)| at.address().0)
            .collect();
        let mut expected = self.model.lost.clone();
        lost.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lost, expected);
        let mut free = self.world.env.free.clone();
        let mut expected = self.model.free.clone();
        free.sort_unstable();
        expected.sort_unstable();
        assert_eq!(free, expected, "told: database, then model");
        // Every question about relations, answered both ways.
        for (at, held) in &self.model.caps {
            let (db, env) = (&self.world.db, &self.world.env);
            let descendants = !self.model.behind(*at).is_empty();
            assert_eq!(
                db.has_descendants(env, &held.cap),
                descendants,
                "{}",
                held.cap
            );
            let ancestor = db.find_ancestor(env, &held.cap);
            let naive = self.model.ancestor(*at);
            assert_eq!(
                ancestor.map(|at| unnarrowed(env.cte(at).cap())),
                naive.map(|at| unnarrowed(&self.model.caps[&at].cap)),
                "{}",
                held.cap
            );
            assert_eq!(db.has_ancestors(env, &held.cap), naive.is_some());
            let name = entry(*at);
            assert_eq!(db.is_foreign(env, name), held.state.foreign);
            assert_eq!(db.has_copies(env, name), self.model.has_copies(*at));
            assert_eq!(db.identify(env, name), Ok(identified(&held.cap)));
        }
        self.model.check_forest();
    }
}

/// The capability with all rights, and as minted for no interface: which of several copies was found does not matter.
pub(super) fn unnarrowed(cap: &Capability) -> Capability {
    match cap.as_end_point_ump() {
        Some(fields) => Capability::new_end_point_ump(
            EndPointUmp {
                iftype: 0,
                ..fields
            },
            CapRights::ALL,
        ),
        None => cap.with_rights(CapRights::ALL),
    }
}

/// What user space sees of a capability: no kernel address.
fn identified(cap: &Capability) -> Capability {
    let mut words = cap.to_words();
    match cap.objtype() {
        ObjType::KernelControlBlock => words[0] = 0,
        objtype if objtype.is_mapping() => {
            let mut fields = cap.as_mapping().unwrap();
            fields.pte = 0;
            return Capability::new_mapping(objtype, fields, cap.rights()).unwrap();
        }
        _ => {}
    }
    Capability::from_words(words).unwrap()
}
