//! Random programs of clients, compared with a model that looks at everything: answers, actions in their order, events, and time.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;
#[path = "common/model.rs"]
mod model;

use common::{Question, name, properties, question};
use model::Model;
use names::{
    Action, Client, Engine, LookupId, Name, Pid, Properties, Pulse, Query, RegisterOptions, Role,
    Ticks, Waited, WatchId, WatchOptions,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Step {
    Join(Client, bool),
    Die(Client),
    Heard(Client),
    Register(Client, Name, Properties, bool),
    Deregister(Client, Name),
    Update(Client, Name, Properties),
    Look(Name, Question, usize),
    Wait(Client, Question, Option<u64>),
    Watch(Client, Question, WatchOptions),
    /// Ends the watch or lookup made that many before the last one, or tries to, as both.
    Cancel(Client, u64),
    Take(Client, usize),
    Later(u64),
}

fn client() -> impl Strategy<Value = Client> {
    (0..5_u64).prop_map(Client)
}

fn options() -> impl Strategy<Value = WatchOptions> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    flags.prop_map(|(once, appeared, changed, gone)| WatchOptions {
        once,
        appeared,
        changed,
        gone,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (client(), any::<bool>()).prop_map(|(client, admin)| Step::Join(client, admin)),
        2 => client().prop_map(Step::Die),
        3 => client().prop_map(Step::Heard),
        9 => (client(), name(), properties(), any::<bool>())
            .prop_map(|(client, name, set, replace)| Step::Register(client, name, set, replace)),
        3 => (client(), name()).prop_map(|(client, name)| Step::Deregister(client, name)),
        4 => (client(), name(), properties())
            .prop_map(|(client, name, set)| Step::Update(client, name, set)),
        2 => (name(), question(), 0..4_usize)
            .prop_map(|(name, question, limit)| Step::Look(name, question, limit)),
        3 => (client(), question(), prop::option::of(0..30_u64))
            .prop_map(|(client, question, time)| Step::Wait(client, question, time)),
        4 => (client(), question(), options())
            .prop_map(|(client, question, options)| Step::Watch(client, question, options)),
        1 => (client(), 0..6_u64).prop_map(|(client, back)| Step::Cancel(client, back)),
        4 => (client(), 0..9_usize).prop_map(|(client, limit)| Step::Take(client, limit)),
        4 => (0..15_u64).prop_map(Step::Later),
    ]
}

/// The engine, the model, and what both have been given.
struct World {
    engine: Engine<u64>,
    model: Model,
    now: Ticks,
    /// Handles that the engine has.
    held: BTreeSet<u64>,
    handles: u64,
    /// The last number of a watch or lookup.
    last: u64,
}

impl World {
    fn play(&mut self, step: Step) {
        match step {
            Step::Join(client, admin) => {
                let role = if admin {
                    Role::Administrator
                } else {
                    Role::User
                };
                let pid = Pid(client.0 as u32 + 100);
                let done = self.engine.join(client, pid, role, self.now);
                assert_eq!(done, self.model.join(client, admin, self.now));
            }
            Step::Die(client) => {
                let done = self.engine.client_died(client);
                assert_eq!(done, self.model.die(client));
            }
            Step::Heard(client) => {
                let done = self.engine.heard(client, self.now);
                assert_eq!(done, self.model.heard(client, self.now));
            }
            Step::Register(client, name, set, replace) => {
                self.handles += 1;
                let handle = self.handles;
                let options = RegisterOptions { replace };
                let done = self
                    .engine
                    .register(client, name.clone(), set.clone(), handle, options);
                let expected = self.model.register(client, name, set, handle, replace);
                match done {
                    Ok(registration) => {
                        assert_eq!(Ok(registration), expected);
                        self.held.insert(handle);
                    }
                    Err(refused) => {
                        assert_eq!(refused.handle, handle);
                        assert_eq!(Err(refused.error), expected);
                    }
                }
            }
            Step::Deregister(client, name) => {
                let done = self.engine.deregister(client, &name);
                assert_eq!(done, self.model.deregister(client, &name));
            }
            Step::Update(client, name, set) => {
                let done = self.engine.update(client, &name, set.clone());
                assert_eq!(done, self.model.update(client, &name, set));
            }
            Step::Look(name, question, limit) => self.look(&name, &question, limit),
            Step::Wait(client, question, time) => {
                let Ok(query) = Query::parse(&question.text()) else {
                    return;
                };
                let deadline = time.map(|time| self.now.after(Ticks(time)));
                let done = self.engine.wait_for(client, query, deadline);
                let expected = self.model.wait_for(client, question, deadline);
                match done {
                    Ok(Waited::Found(record)) => assert_eq!(expected, Ok(Ok(*record))),
                    Ok(Waited::Pending(lookup)) => {
                        self.last = lookup.0;
                        assert_eq!(expected, Ok(Err(lookup.0)));
                    }
                    Err(error) => assert_eq!(expected, Err(error)),
                }
            }
            Step::Watch(client, question, options) => {
                let Ok(query) = Query::parse(&question.text()) else {
                    return;
                };
                let done = self.engine.watch(client, query, options);
                if let Ok(watch) = done {
                    self.last = watch.0;
                }
                let expected = self.model.watch(client, question, options);
                assert_eq!(done.map(|watch| watch.0), expected);
            }
            Step::Cancel(client, back) => {
                let id = self.last.saturating_sub(back);
                let done = self.engine.unwatch(client, WatchId(id));
                assert_eq!(done.is_ok(), self.model.cancel(client, id, false));
                let done = self.engine.cancel(client, LookupId(id));
                assert_eq!(done.is_ok(), self.model.cancel(client, id, true));
            }
            Step::Take(client, limit) => {
                let events = self.engine.take_events(client, limit);
                assert_eq!(events, self.model.take(client, limit));
            }
            Step::Later(time) => {
                self.now = self.now.after(Ticks(time));
                self.tick();
                return;
            }
        }
        let actions: Vec<_> = std::iter::from_fn(|| self.engine.next_action()).collect();
        assert_eq!(actions, self.model.actions());
        self.release(&actions);
    }

    /// Lookups and clients come in the order of their deadlines, which the model does not know across both: so the actions are compared as sets.
    fn tick(&mut self) {
        while self
            .engine
            .next_deadline()
            .is_some_and(|next| next <= self.now)
        {
            self.engine.tick(self.now);
        }
        self.model.tick(self.now);
        let sorted = |actions: &[Action<u64>]| {
            let mut texts: Vec<String> = actions.iter().map(|one| format!("{one:?}")).collect();
            texts.sort();
            texts
        };
        let actions: Vec<_> = std::iter::from_fn(|| self.engine.next_action()).collect();
        assert_eq!(sorted(&actions), sorted(&self.model.actions()));
        self.release(&actions);
        // Nobody who is due is forgotten.
        let next = self.engine.next_deadline();
        match self.model.next_deadline() {
            Some(due) => assert!(next.is_some_and(|next| next <= due && next > self.now)),
            None => assert_eq!(next, None),
        }
    }

    fn release(&mut self, actions: &[Action<u64>]) {
        for action in actions {
            if let Action::Release(handle) = action {
                assert!(self.held.remove(handle), "released twice: {handle}");
            }
        }
    }

    fn look(&self, name: &Name, question: &Question, limit: usize) {
        assert_eq!(self.engine.lookup(name).ok(), self.model.get(name));
        let Ok(query) = Query::parse(&question.text()) else {
            return;
        };
        let (mut found, mut after, mut parts) = (Vec::new(), None, 0);
        loop {
            let page = self.engine.enumerate(&query, after.as_ref(), limit);
            assert!(page.records.len() <= limit.clamp(1, model::LIMITS.page));
            found.extend(page.records);
            parts += 1;
            assert!(page.next.is_none() || page.next > after);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(parts <= self.engine.len() + 1);
        assert_eq!(found, self.model.meant(question));
    }

    fn check(&self) {
        self.engine.check_invariants().unwrap();
        let all = self.engine.enumerate(&Query::any(), None, usize::MAX);
        assert!(all.records.len() <= model::LIMITS.page);
        assert_eq!(self.engine.len(), self.held.len());
        assert_eq!(self.engine.is_empty(), self.held.is_empty());
        for client in (0..5).map(Client) {
            assert_eq!(self.engine.events_of(client), self.model.events_of(client));
            let names = self.engine.names_of(client).cloned();
            assert!(names.eq(self.model.names_of(client)));
            let known = self.engine.client(client).map(|(pid, _)| pid.0);
            assert_eq!(known, self.model.pid_of(client));
        }
    }
}

fn play(steps: Vec<Step>, pulse: Pulse) {
    let mut world = World {
        engine: Engine::new(model::LIMITS, pulse),
        model: Model::new(pulse),
        now: Ticks(0),
        held: BTreeSet::new(),
        handles: 0,
        last: 0,
    };
    for step in steps {
        world.play(step);
        world.check();
    }
    // In the end everybody goes, watched by who comes later, and nothing is left.
    for client in (0..5).map(Client) {
        world.play(Step::Take(client, usize::MAX));
    }
    for client in (0..5).map(Client) {
        world.play(Step::Die(client));
        world.check();
        for other in (0..5).map(Client) {
            world.play(Step::Take(other, usize::MAX));
        }
    }
    assert!(world.engine.is_empty() && world.held.is_empty());
    assert_eq!(world.engine.next_deadline(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_model_does(
        steps in prop::collection::vec(step(), 0..150),
        interval in 1..20_u64,
        patience in 1..10_u64,
    ) {
        let pulse = Pulse { interval: Ticks(interval), patience: Ticks(patience) };
        play(steps, pulse);
    }
}
