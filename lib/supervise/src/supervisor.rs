//! The state of each service, and what follows from what happened.
//!
//! An event changes the state of one service, or what is wanted; then `settle` goes through all services in the order of
//! their needs, and does what the rules say: times that are due, who has to go, who is killed now, who is started now.

use crate::Ticks;
use crate::error::Error;
use crate::plan::{Definition, MAX_NEEDS, MAX_SERVICES, Need, NeedKind, Service, order};
use crate::policy::{History, Restart};
use crate::state::{Action, End, Reason, Run, State};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

#[derive(Debug)]
struct Entry {
    definition: Definition,
    /// Who needs it.
    dependents: BTreeSet<Service>,
    state: State,
    wanted: bool,
    /// The number of the run that there is, or was last.
    run: u64,
    /// The run was killed because it was late or hung: its end is a failure.
    blamed: bool,
    /// The next run is a restart that counts.
    restart: bool,
    history: History,
}

/// The process server's part that decides about restarts.
#[derive(Debug)]
pub struct Supervisor {
    services: BTreeMap<Service, Entry>,
    /// Everything comes behind what it needs.
    order: Vec<Service>,
    runs: u64,
    now: Ticks,
    actions: VecDeque<Action>,
}

impl Supervisor {
    /// One for these services, all stopped.
    ///
    /// # Errors
    /// `TooManyServices`, `TooManyNeeds`, `ServiceExists`, `UnknownNeed`, `Cycle`.
    pub fn new(definitions: Vec<Definition>) -> Result<Self, Error> {
        let order = order(&definitions)?;
        let mut supervisor = Self {
            services: BTreeMap::new(),
            order,
            runs: 0,
            now: Ticks::default(),
            actions: VecDeque::new(),
        };
        for definition in definitions {
            let entry = Entry::new(definition);
            let service = entry.definition.service;
            supervisor.services.insert(service, entry);
        }
        for service in supervisor.order.clone() {
            supervisor.join(service);
        }
        Ok(supervisor)
    }

    /// One service more, which may need those that are there.
    ///
    /// # Errors
    /// `TooManyServices`, `TooManyNeeds`, `ServiceExists`; `UnknownNeed`; `Cycle` if it needs itself.
    pub fn add(&mut self, definition: Definition) -> Result<(), Error> {
        let service = definition.service;
        if self.services.contains_key(&service) {
            return Err(Error::ServiceExists(service));
        }
        if self.services.len() >= MAX_SERVICES {
            return Err(Error::TooManyServices);
        }
        if definition.needs.len() > MAX_NEEDS {
            return Err(Error::TooManyNeeds(service));
        }
        for need in definition.needs.iter().map(|need| need.on) {
            if need == service {
                return Err(Error::Cycle([service].into()));
            }
            if !self.services.contains_key(&need) {
                return Err(Error::UnknownNeed { service, need });
            }
        }
        self.services.insert(service, Entry::new(definition));
        self.order.push(service);
        self.join(service);
        Ok(())
    }

    /// Makes it known to those that it needs.
    fn join(&mut self, service: Service) {
        for need in self.needs(service) {
            if let Some(entry) = self.services.get_mut(&need.on) {
                entry.dependents.insert(service);
            }
        }
    }

    /// Forgets a service that is stopped, has ended or failed, and that no other one needs.
    ///
    /// # Errors
    /// `UnknownService`, `InUse`.
    pub fn remove(&mut self, service: Service) -> Result<Definition, Error> {
        let entry = self.entry(service)?;
        let idle = matches!(
            entry.state,
            State::Stopped | State::Ended | State::Failed(_)
        );
        if !idle || !entry.dependents.is_empty() {
            return Err(Error::InUse(service));
        }
        for need in self.needs(service) {
            if let Some(entry) = self.services.get_mut(&need.on) {
                entry.dependents.remove(&service);
            }
        }
        self.order.retain(|one| *one != service);
        let entry = self.services.remove(&service);
        entry
            .map(|entry| entry.definition)
            .ok_or(Error::UnknownService(service))
    }

    /// The next thing to do, oldest first.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    // Events.

    /// The service is wanted, and so is all that it needs. What of this has failed is tried again, as if it had never failed.
    ///
    /// # Errors
    /// `UnknownService`.
    pub fn start(&mut self, service: Service, now: Ticks) -> Result<(), Error> {
        self.entry(service)?;
        let mut wanted = BTreeSet::from([service]);
        // What has ended well is enough for who comes after it, and not for who runs with it.
        let mut running = wanted.clone();
        for one in self.order.iter().rev() {
            if wanted.contains(one) {
                for need in self.needs(*one) {
                    wanted.insert(need.on);
                    if need.kind == NeedKind::With {
                        running.insert(need.on);
                    }
                }
            }
        }
        for one in wanted {
            let entry = self.entry(one)?;
            entry.wanted = true;
            match entry.state {
                State::Failed(_) => {}
                State::Ended if running.contains(&one) => {}
                _ => continue,
            }
            entry.history.clear();
            entry.restart = false;
            self.set(one, State::Stopped);
        }
        self.settle(now);
        Ok(())
    }

    /// The service is wanted no longer, nor is what needs it.
    ///
    /// # Errors
    /// `UnknownService`.
    pub fn stop(&mut self, service: Service, now: Ticks) -> Result<(), Error> {
        self.entry(service)?;
        let mut unwanted = BTreeSet::from([service]);
        for one in &self.order {
            if self
                .needs(*one)
                .iter()
                .any(|need| unwanted.contains(&need.on))
            {
                unwanted.insert(*one);
            }
        }
        for one in unwanted {
            let entry = self.entry(one)?;
            entry.wanted = false;
            entry.restart = false;
            if !entry.state.is_live() {
                self.set(one, State::Stopped);
            }
        }
        self.settle(now);
        Ok(())
    }

    /// The run is ready.
    ///
    /// # Errors
    /// `NotCurrent`.
    pub fn ready(&mut self, run: Run, now: Ticks) -> Result<(), Error> {
        // One that is being killed said so too late.
        if let State::Starting { .. } = self.current(run)?.state {
            self.set(run.service, State::Running);
        }
        self.settle(now);
        Ok(())
    }

    /// The run does not do its work any more, though it has not ended: it is killed, which is a failure of its own.
    ///
    /// # Errors
    /// `NotCurrent`.
    pub fn hung(&mut self, run: Run, now: Ticks) -> Result<(), Error> {
        if self.current(run)?.state != State::Stopping {
            self.blame(run.service);
        }
        self.settle(now);
        Ok(())
    }

    /// The run has ended, by itself or because it was killed.
    ///
    /// # Errors
    /// `NotCurrent`.
    pub fn exited(&mut self, run: Run, end: End, now: Ticks) -> Result<(), Error> {
        self.now = self.now.max(now);
        let service = run.service;
        let broken = !self.has_companions(service, &BTreeSet::new());
        let now = self.now;
        let entry = self.current(run)?;
        let end = if entry.blamed { End::Failure } else { end };
        // Who is to go anyway, or lost what it runs with, is not to blame.
        let own = entry.wanted && !broken && (entry.state != State::Stopping || entry.blamed);
        entry.blamed = false;
        let state = match own {
            true => entry.after(end, now),
            false => State::Stopped,
        };
        self.set(service, state);
        self.settle(now);
        Ok(())
    }

    /// It is that late now.
    pub fn tick(&mut self, now: Ticks) {
        self.settle(now);
    }

    /// When [`tick`](Self::tick) is to be called, at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        let due = self
            .services
            .values()
            .filter_map(|entry| match entry.state {
                State::Backoff { until } => Some(until),
                State::Starting { deadline } => deadline,
                _ => None,
            });
        due.min()
    }

    // Questions.

    /// What the service does.
    #[must_use]
    pub fn state(&self, service: Service) -> Option<State> {
        self.services.get(&service).map(|entry| entry.state)
    }

    /// Its run, if there is one.
    #[must_use]
    pub fn run(&self, service: Service) -> Option<Run> {
        let entry = self.services.get(&service)?;
        entry.state.is_live().then_some(Run {
            service,
            number: entry.run,
        })
    }

    /// How often it was restarted in the window that its last restart was in.
    #[must_use]
    pub fn restarts(&self, service: Service) -> usize {
        let entry = self.services.get(&service);
        entry.map_or(0, |entry| entry.history.len())
    }

    /// All services, each behind what it needs.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        self.order.iter().copied()
    }

    // The rules.

    fn settle(&mut self, now: Ticks) {
        self.now = self.now.max(now);
        self.due();
        let going = self.going();
        for service in self.order.clone().into_iter().rev() {
            let Some(entry) = self.services.get(&service) else {
                continue;
            };
            let killed = entry.state == State::Stopping;
            let held = entry.dependents.iter().any(|one| going.contains(one));
            if going.contains(&service) && !killed && !held {
                self.kill(service);
            }
        }
        for service in self.order.clone() {
            let Some(entry) = self.services.get(&service) else {
                continue;
            };
            if entry.wanted && matches!(entry.state, State::Stopped | State::Waiting) {
                match self.may_begin(service, &going) {
                    true => self.spawn(service),
                    false => self.set(service, State::Waiting),
                }
            }
        }
    }

    /// What the time is for.
    fn due(&mut self) {
        for service in self.order.clone() {
            match self.state(service) {
                Some(State::Backoff { until }) if until <= self.now => {
                    if let Some(entry) = self.services.get_mut(&service) {
                        entry.restart = true;
                    }
                    self.set(service, State::Waiting);
                }
                Some(State::Starting {
                    deadline: Some(deadline),
                }) if deadline <= self.now => self.blame(service),
                _ => {}
            }
        }
    }

    /// Those that have a run that has to end, or has been killed.
    fn going(&self) -> BTreeSet<Service> {
        let mut going = BTreeSet::new();
        for service in &self.order {
            if let Some(entry) = self.services.get(service)
                && entry.state.is_live()
                && (entry.state == State::Stopping
                    || !entry.wanted
                    || !self.has_companions(*service, &going))
            {
                going.insert(*service);
            }
        }
        going
    }

    /// Whether all runs with which it runs are there and stay.
    fn has_companions(&self, service: Service, going: &BTreeSet<Service>) -> bool {
        let needs = self.needs(service);
        let mut with = needs.iter().filter(|need| need.kind == NeedKind::With);
        with.all(|need| self.state(need.on) == Some(State::Running) && !going.contains(&need.on))
    }

    fn may_begin(&self, service: Service, going: &BTreeSet<Service>) -> bool {
        self.needs(service)
            .iter()
            .all(|need| match self.state(need.on) {
                Some(State::Running) => !going.contains(&need.on),
                Some(State::Ended) => need.kind == NeedKind::After,
                _ => false,
            })
    }

    fn spawn(&mut self, service: Service) {
        let now = self.now;
        self.runs = self.runs.saturating_add(1);
        let number = self.runs;
        if let Some(entry) = self.services.get_mut(&service) {
            let policy = &entry.definition.policy;
            if entry.restart {
                entry.history.restarted(policy, now);
            }
            entry.restart = false;
            entry.run = number;
            let deadline = policy.ready_within.map(|within| now.after(within));
            self.actions
                .push_back(Action::Spawn(Run { service, number }));
            self.set(service, State::Starting { deadline });
        }
    }

    fn kill(&mut self, service: Service) {
        if let Some(run) = self.run(service) {
            self.actions.push_back(Action::Kill(run));
            self.set(service, State::Stopping);
        }
    }

    /// Kills it by its own fault.
    fn blame(&mut self, service: Service) {
        self.kill(service);
        if let Some(entry) = self.services.get_mut(&service) {
            entry.blamed = true;
        }
    }

    fn set(&mut self, service: Service, state: State) {
        if let Some(entry) = self.services.get_mut(&service)
            && entry.state != state
        {
            entry.state = state;
            self.actions.push_back(Action::Report(service, state));
        }
    }

    fn needs(&self, service: Service) -> Vec<Need> {
        let entry = self.services.get(&service);
        entry.map_or(Vec::new(), |entry| entry.definition.needs.clone())
    }

    fn entry(&mut self, service: Service) -> Result<&mut Entry, Error> {
        let entry = self.services.get_mut(&service);
        entry.ok_or(Error::UnknownService(service))
    }

    /// The service whose run there is.
    fn current(&mut self, run: Run) -> Result<&mut Entry, Error> {
        match self.services.get_mut(&run.service) {
            Some(entry) if entry.state.is_live() && entry.run == run.number => Ok(entry),
            _ => Err(Error::NotCurrent),
        }
    }
}

impl Entry {
    const fn new(definition: Definition) -> Self {
        Self {
            definition,
            dependents: BTreeSet::new(),
            state: State::Stopped,
            wanted: false,
            run: 0,
            blamed: false,
            restart: false,
            history: History::new(),
        }
    }

    /// What becomes of it when it has ended by itself.
    fn after(&mut self, end: End, now: Ticks) -> State {
        let policy = &self.definition.policy;
        match (policy.restart, end) {
            (Restart::Never | Restart::OnFailure, End::Well) => State::Ended,
            (Restart::Never, End::Failure) => State::Failed(Reason::NotRestarted),
            (Restart::OnFailure, End::Failure) | (Restart::Always, _) => {
                match self.history.delay(policy, now) {
                    Some(delay) => State::Backoff {
                        until: now.after(delay),
                    },
                    None => State::Failed(Reason::TooOften),
                }
            }
        }
    }
}
