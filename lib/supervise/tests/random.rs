//! Random services, ends and times: what the supervisor does is checked against the rules, told from its actions alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use supervise::{
    Action, Definition, End, Error, Need, NeedKind, Policy, Restart, Run, Service, State,
    Supervisor, Ticks,
};

const SERVICES: u32 = 5;

#[derive(Clone, Debug)]
enum Step {
    Start(Service),
    Stop(Service),
    Ready(Service),
    Hung(Service),
    Exit(Service, End),
    Later(u64),
}

fn service() -> impl Strategy<Value = Service> {
    (0..SERVICES).prop_map(Service)
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![1 => Just(End::Well), 3 => Just(End::Failure)];
    prop_oneof![
        4 => service().prop_map(Step::Start),
        1 => service().prop_map(Step::Stop),
        8 => service().prop_map(Step::Ready),
        1 => service().prop_map(Step::Hung),
        8 => (service(), end).prop_map(|(service, end)| Step::Exit(service, end)),
        8 => (0..8_u64).prop_map(Step::Later),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let restart = prop_oneof![
        1 => Just(Restart::Never),
        3 => Just(Restart::OnFailure),
        3 => Just(Restart::Always),
    ];
    let times = (0..4_u8, 5..40_u64, 0..4_u64, 0..8_u64);
    (restart, times, prop::option::of(1..6_u64)).prop_map(|(restart, times, ready)| Policy {
        restart,
        restarts: times.0,
        window: Ticks(times.1),
        base: Ticks(times.2),
        cap: Ticks(times.3),
        ready_within: ready.map(Ticks),
    })
}

fn kind() -> impl Strategy<Value = NeedKind> {
    prop_oneof![Just(NeedKind::After), Just(NeedKind::With)]
}

/// Each service needs some of those with smaller numbers; the order they are given in is another one.
fn definitions() -> impl Strategy<Value = Vec<Definition>> {
    let all: Vec<_> = (0..SERVICES)
        .map(|number| {
            let need = (0..number.max(1), kind()).prop_map(|(on, kind)| Need {
                on: Service(on),
                kind,
            });
            let most = if number == 0 { 0 } else { 2 };
            (policy(), prop::collection::vec(need, 0..=most)).prop_map(move |(policy, needs)| {
                Definition {
                    service: Service(number),
                    policy,
                    needs,
                }
            })
        })
        .collect();
    all.prop_shuffle()
}

/// A run that has not ended.
#[derive(Clone, Debug)]
struct Live {
    run: Run,
    ready: bool,
    killed: bool,
    deadline: Option<Ticks>,
    /// It was killed for what it did not do.
    blamed: bool,
}

/// What became of a service that ended by itself.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Ended,
    Failed,
    /// A restart is due then.
    Restart(Ticks),
}

struct World {
    definitions: BTreeMap<Service, Definition>,
    supervisor: Supervisor,
    now: Ticks,
    wanted: BTreeSet<Service>,
    live: BTreeMap<Service, Live>,
    fate: BTreeMap<Service, Fate>,
    /// When it was restarted.
    restarts: BTreeMap<Service, Vec<Ticks>>,
    last: u64,
}

impl World {
    fn new(definitions: Vec<Definition>) -> Self {
        Self {
            definitions: definitions
                .iter()
                .map(|one| (one.service, one.clone()))
                .collect(),
            supervisor: Supervisor::new(definitions).unwrap(),
            now: Ticks(0),
            wanted: BTreeSet::new(),
            live: BTreeMap::new(),
            fate: BTreeMap::new(),
            restarts: BTreeMap::new(),
            last: 0,
        }
    }

    fn needs(&self, service: Service, kind: NeedKind) -> Vec<Service> {
        let needs = &self.definitions[&service].needs;
        let needs = needs.iter().filter(|need| need.kind == kind);
        needs.map(|need| need.on).collect()
    }

    /// It has said that it is ready, and is not being killed.
    fn works(&self, service: Service) -> bool {
        let live = self.live.get(&service);
        live.is_some_and(|live| live.ready && !live.killed)
    }

    fn broken(&self, service: Service) -> bool {
        !self
            .needs(service, NeedKind::With)
            .iter()
            .all(|need| self.works(*need))
    }

    /// It is being killed, or has to be.
    fn must_go(&self, service: Service) -> bool {
        let with = || self.needs(service, NeedKind::With);
        self.live.get(&service).is_some_and(|live| {
            live.killed
                || !self.wanted.contains(&service)
                || self.broken(service)
                || with().iter().any(|need| self.must_go(*need))
        })
    }

    fn play(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::Start(service) => {
                self.want(service, true);
                self.supervisor.start(service, now).unwrap();
            }
            Step::Stop(service) => {
                self.unwant(service);
                self.supervisor.stop(service, now).unwrap();
            }
            Step::Ready(service) => {
                let Some(live) = self.live.get_mut(&service) else {
                    return;
                };
                live.ready |= !live.killed;
                self.supervisor.ready(live.run, now).unwrap();
            }
            Step::Hung(service) => {
                let Some(live) = self.live.get_mut(&service) else {
                    return;
                };
                live.blamed |= !live.killed;
                self.supervisor.hung(live.run, now).unwrap();
            }
            Step::Exit(service, end) => self.exit(service, end),
            Step::Later(time) => {
                self.now = now.after(Ticks(time));
                self.supervisor.tick(self.now);
            }
        }
        self.actions();
    }

    fn want(&mut self, service: Service, running: bool) {
        self.wanted.insert(service);
        let again = match self.fate.get(&service) {
            Some(Fate::Failed) => true,
            Some(Fate::Ended) => running,
            _ => false,
        };
        if again {
            self.fate.remove(&service);
            self.restarts.remove(&service);
        }
        for need in self.needs(service, NeedKind::After) {
            self.want(need, false);
        }
        for need in self.needs(service, NeedKind::With) {
            self.want(need, true);
        }
    }

    fn unwant(&mut self, service: Service) {
        self.wanted.remove(&service);
        self.fate.remove(&service);
        let on = |one: &&Definition| one.needs.iter().any(|need| need.on == service);
        let dependents = self.definitions.values().filter(on).map(|one| one.service);
        for dependent in dependents.collect::<Vec<_>>() {
            self.unwant(dependent);
        }
    }

    fn exit(&mut self, service: Service, end: End) {
        let Some(live) = self.live.remove(&service) else {
            return;
        };
        let own = self.wanted.contains(&service) && !self.broken(service);
        if own && (!live.killed || live.blamed) {
            let end = if live.blamed { End::Failure } else { end };
            let fate = self.judge(service, end);
            self.fate.insert(service, fate);
        }
        self.supervisor.exited(live.run, end, self.now).unwrap();
        let again = self.supervisor.exited(live.run, end, self.now);
        assert_eq!(again, Err(Error::NotCurrent));
    }

    fn judge(&self, service: Service, end: End) -> Fate {
        let policy = self.definitions[&service].policy;
        match (policy.restart, end) {
            (Restart::Never | Restart::OnFailure, End::Well) => return Fate::Ended,
            (Restart::Never, End::Failure) => return Fate::Failed,
            _ => {}
        }
        let recent = self.restarts.get(&service).into_iter().flatten();
        let recent = recent.filter(|time| time.after(policy.window) > self.now);
        let count = recent.count();
        if count >= usize::from(policy.restarts) {
            return Fate::Failed;
        }
        let mut delay = policy.base.0;
        for _ in 0..count {
            delay *= 2;
        }
        Fate::Restart(self.now.after(Ticks(delay.min(policy.cap.0))))
    }

    fn actions(&mut self) {
        while let Some(action) = self.supervisor.next_action() {
            match action {
                Action::Spawn(run) => self.spawned(run),
                Action::Kill(run) => self.killed(run),
                Action::Report(..) => {}
            }
        }
        for service in self.definitions.keys() {
            let run = self.live.get(service).map(|live| live.run);
            assert_eq!(self.supervisor.run(*service), run);
        }
    }

    fn spawned(&mut self, run: Run) {
        let service = run.service;
        assert!(run.number > self.last && !self.live.contains_key(&service));
        self.last = run.number;
        assert!(self.wanted.contains(&service));
        assert!(!self.broken(service));
        for need in self.needs(service, NeedKind::After) {
            assert!(self.works(need) || self.fate.get(&need) == Some(&Fate::Ended));
        }
        for need in &self.definitions[&service].needs {
            assert!(!self.must_go(need.on), "started on what has to go");
        }
        let policy = self.definitions[&service].policy;
        match self.fate.remove(&service) {
            Some(Fate::Restart(until)) => {
                assert!(until <= self.now, "too soon");
                let restarts = self.restarts.entry(service).or_default();
                restarts.push(self.now);
                let recent = restarts
                    .iter()
                    .filter(|time| time.after(policy.window) > self.now);
                assert!(recent.count() <= usize::from(policy.restarts), "too often");
            }
            Some(fate) => panic!("started in spite of {fate:?}"),
            None => {}
        }
        let live = Live {
            run,
            ready: false,
            killed: false,
            deadline: policy.ready_within.map(|within| self.now.after(within)),
            blamed: false,
        };
        self.live.insert(service, live);
    }

    fn killed(&mut self, run: Run) {
        let service = run.service;
        let now = self.now;
        let live = self.live.get_mut(&service).unwrap();
        assert!(live.run == run && !live.killed);
        live.blamed |= !live.ready && live.deadline.is_some_and(|deadline| deadline <= now);
        if !live.blamed {
            assert!(self.must_go(service));
            for one in self.definitions.values() {
                let needs = one.needs.iter().any(|need| need.on == service);
                assert!(!needs || !self.must_go(one.service), "killed too soon");
            }
        }
        self.live.get_mut(&service).unwrap().killed = true;
    }

    /// From now on everything goes well and takes no time.
    fn rest(&mut self) {
        for _ in 0..200 {
            let killed = self.live.values().find(|live| live.killed);
            let starting = self.live.values().find(|live| !live.ready && !live.killed);
            if let Some(service) = killed.map(|live| live.run.service) {
                self.play(&Step::Exit(service, End::Failure));
            } else if let Some(service) = starting.map(|live| live.run.service) {
                self.play(&Step::Ready(service));
            } else if let Some(deadline) = self.supervisor.next_deadline() {
                self.play(&Step::Later(deadline.0.saturating_sub(self.now.0)));
            } else {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// What is wanted runs, but for what has failed or ended, and what needs that.
    fn check_rest(&self) {
        for service in self.supervisor.services() {
            let state = self.supervisor.state(service).unwrap();
            let after = self.needs(service, NeedKind::After);
            let ended = |need: &Service| self.fate.get(need) == Some(&Fate::Ended);
            let may =
                !self.broken(service) && after.iter().all(|need| self.works(*need) || ended(need));
            let works = self.works(service);
            match self.fate.get(&service) {
                _ if !self.wanted.contains(&service) => assert_eq!(state, State::Stopped),
                Some(Fate::Ended) => assert_eq!(state, State::Ended),
                Some(Fate::Failed) => assert!(matches!(state, State::Failed(_))),
                Some(Fate::Restart(_)) | None => match works {
                    true => assert_eq!(state, State::Running),
                    false => assert!(state == State::Waiting && !may),
                },
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_are_kept_and_what_may_run_runs(
        definitions in definitions(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(definitions);
        for step in &steps {
            world.play(step);
        }
        world.rest();
        world.check_rest();
        // All can be stopped.
        for service in 0..SERVICES {
            world.play(&Step::Stop(Service(service)));
        }
        world.rest();
        prop_assert!(world.live.is_empty());
        world.check_rest();
    }

    #[test]
    fn an_order_respects_all_needs_or_there_is_a_circle(
        edges in prop::collection::vec((0..8_u32, 0..8_u32, kind()), 0..14),
    ) {
        let policy = Policy {
            restart: Restart::Never,
            restarts: 0,
            window: Ticks(0),
            base: Ticks(0),
            cap: Ticks(0),
            ready_within: None,
        };
        let needs = |from: u32| {
            let mine = edges.iter().filter(move |edge| edge.0 == from);
            mine.map(|(_, on, kind)| Need { on: Service(*on), kind: *kind })
        };
        let definitions = (0..8).map(|number| Definition {
            service: Service(number),
            policy,
            needs: needs(number).collect(),
        });
        match Supervisor::new(definitions.collect()) {
            Ok(supervisor) => {
                let order: Vec<_> = supervisor.services().collect();
                prop_assert_eq!(order.len(), 8);
                let place = |number: u32| order.iter().position(|one| one.0 == number).unwrap();
                for (from, on, _) in &edges {
                    prop_assert!(place(*on) < place(*from));
                }
            }
            Err(Error::Cycle(circle)) => {
                prop_assert!(!circle.is_empty());
                let next = circle.iter().cycle().skip(1);
                for (from, on) in circle.iter().zip(next) {
                    prop_assert!(edges.iter().any(|edge| edge.0 == from.0 && edge.1 == on.0));
                }
                let different: BTreeSet<_> = circle.iter().collect();
                prop_assert_eq!(different.len(), circle.len());
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
