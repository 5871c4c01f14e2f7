//! Services that start, crash, hang and are stopped.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use supervise::{
    Action, Definition, End, Error, Need, NeedKind, Policy, Reason, Restart, Run, Service, State,
    Supervisor, Ticks,
};

const NAMES: Service = Service(1);
const DISK: Service = Service(2);
const FILES: Service = Service(3);

const POLICY: Policy = Policy {
    restart: Restart::OnFailure,
    restarts: 3,
    window: Ticks(100),
    base: Ticks(2),
    cap: Ticks(5),
    ready_within: Some(Ticks(10)),
};

fn service(service: Service, policy: Policy, needs: &[(Service, NeedKind)]) -> Definition {
    let need = |(on, kind): &(Service, NeedKind)| Need {
        on: *on,
        kind: *kind,
    };
    Definition {
        service,
        policy,
        needs: needs.iter().map(need).collect(),
    }
}

/// The file system runs with its disk, and starts after the name server.
fn three() -> Supervisor {
    let needs = [(DISK, NeedKind::With), (NAMES, NeedKind::After)];
    Supervisor::new(vec![
        service(FILES, POLICY, &needs),
        service(DISK, POLICY, &[(NAMES, NeedKind::After)]),
        service(NAMES, POLICY, &[]),
    ])
    .unwrap()
}

fn one(policy: Policy) -> Supervisor {
    Supervisor::new(vec![service(NAMES, policy, &[])]).unwrap()
}

/// What is to be spawned (+) and killed (-).
fn work(supervisor: &mut Supervisor) -> Vec<(char, Service)> {
    let actions = std::iter::from_fn(|| supervisor.next_action());
    let work = actions.filter_map(|action| match action {
        Action::Spawn(run) => Some(('+', run.service)),
        Action::Kill(run) => Some(('-', run.service)),
        Action::Report(..) => None,
    });
    work.collect()
}

fn ready(supervisor: &mut Supervisor, service: Service, now: u64) {
    let run = supervisor.run(service).unwrap();
    supervisor.ready(run, Ticks(now)).unwrap();
}

fn exit(supervisor: &mut Supervisor, service: Service, end: End, now: u64) {
    let run = supervisor.run(service).unwrap();
    supervisor.exited(run, end, Ticks(now)).unwrap();
}

/// All three run.
fn running() -> Supervisor {
    let mut supervisor = three();
    supervisor.start(FILES, Ticks(0)).unwrap();
    for service in [NAMES, DISK, FILES] {
        assert_eq!(work(&mut supervisor), [('+', service)]);
        ready(&mut supervisor, service, 0);
    }
    assert_eq!(work(&mut supervisor), []);
    supervisor
}

// ANCHOR: life
#[test]
fn a_disk_that_crashes_takes_the_file_system_with_it_and_both_come_back() {
    let mut supervisor = running();
    exit(&mut supervisor, DISK, End::Failure, 50);
    assert_eq!(work(&mut supervisor), [('-', FILES)]);
    exit(&mut supervisor, FILES, End::Failure, 51);
    assert_eq!(supervisor.next_deadline(), Some(Ticks(52)));
    supervisor.tick(Ticks(52));
    assert_eq!(work(&mut supervisor), [('+', DISK)]);
    ready(&mut supervisor, DISK, 53);
    assert_eq!(work(&mut supervisor), [('+', FILES)]);
    // Only the disk's restart counts.
    assert_eq!(supervisor.restarts(DISK), 1);
    assert_eq!(supervisor.restarts(FILES), 0);
}
// ANCHOR_END: life

#[test]
fn who_only_comes_after_copes_with_the_loss() {
    let mut supervisor = running();
    exit(&mut supervisor, NAMES, End::Failure, 50);
    assert_eq!(work(&mut supervisor), []);
    assert_eq!(supervisor.state(FILES), Some(State::Running));
    // But it does not start while the other is not there.
    exit(&mut supervisor, FILES, End::Failure, 51);
    supervisor.tick(Ticks(53));
    assert_eq!(work(&mut supervisor), [('+', NAMES)]);
    assert_eq!(supervisor.state(FILES), Some(State::Waiting));
    ready(&mut supervisor, NAMES, 54);
    assert_eq!(work(&mut supervisor), [('+', FILES)]);
}

#[test]
fn nothing_is_started_on_what_has_to_go() {
    let with = |on| [(on, NeedKind::With)];
    let late = Service(9);
    let mut supervisor = Supervisor::new(vec![
        service(NAMES, POLICY, &[]),
        service(DISK, POLICY, &with(NAMES)),
        service(FILES, POLICY, &with(DISK)),
        service(late, POLICY, &[(DISK, NeedKind::After)]),
    ])
    .unwrap();
    supervisor.start(FILES, Ticks(0)).unwrap();
    for service in [NAMES, DISK, FILES] {
        ready(&mut supervisor, service, 0);
    }
    exit(&mut supervisor, NAMES, End::Failure, 1);
    work(&mut supervisor);
    // The disk still runs, until the file system has ended.
    assert_eq!(supervisor.state(DISK), Some(State::Running));
    supervisor.start(late, Ticks(1)).unwrap();
    assert_eq!(supervisor.state(late), Some(State::Waiting));
    exit(&mut supervisor, FILES, End::Failure, 2);
    assert_eq!(work(&mut supervisor), [('-', DISK)]);
}

#[test]
fn all_is_stopped_from_the_outside_in() {
    let mut supervisor = running();
    supervisor.stop(NAMES, Ticks(9)).unwrap();
    for service in [FILES, DISK, NAMES] {
        assert_eq!(work(&mut supervisor), [('-', service)]);
        assert_eq!(supervisor.state(service), Some(State::Stopping));
        exit(&mut supervisor, service, End::Failure, 9);
        assert_eq!(supervisor.state(service), Some(State::Stopped));
    }
    assert_eq!(work(&mut supervisor), []);
    assert_eq!(supervisor.next_deadline(), None);
}

#[test]
fn a_service_wanted_again_while_it_is_killed_is_started_when_it_has_ended() {
    let mut supervisor = one(POLICY);
    supervisor.start(NAMES, Ticks(0)).unwrap();
    let first = supervisor.run(NAMES).unwrap();
    supervisor.stop(NAMES, Ticks(1)).unwrap();
    supervisor.start(NAMES, Ticks(1)).unwrap();
    assert_eq!(work(&mut supervisor), [('+', NAMES), ('-', NAMES)]);
    supervisor.ready(first, Ticks(1)).unwrap();
    assert_eq!(supervisor.state(NAMES), Some(State::Stopping));
    supervisor.exited(first, End::Failure, Ticks(2)).unwrap();
    assert_eq!(work(&mut supervisor), [('+', NAMES)]);
    assert_eq!(supervisor.restarts(NAMES), 0);
    let ended = supervisor.exited(first, End::Well, Ticks(2));
    assert_eq!(ended, Err(Error::NotCurrent));
    assert_eq!(supervisor.ready(first, Ticks(2)), Err(Error::NotCurrent));
    assert_eq!(supervisor.hung(first, Ticks(2)), Err(Error::NotCurrent));
}

#[test]
fn restarts_wait_longer_and_longer_and_end() {
    let mut supervisor = one(POLICY);
    supervisor.start(NAMES, Ticks(0)).unwrap();
    let mut now = 0;
    for delay in [2, 4, 5] {
        ready(&mut supervisor, NAMES, now);
        exit(&mut supervisor, NAMES, End::Failure, now);
        now += delay;
        let until = Ticks(now);
        assert_eq!(supervisor.state(NAMES), Some(State::Backoff { until }));
        supervisor.tick(Ticks(now - 1));
        supervisor.tick(Ticks(now));
    }
    assert_eq!(work(&mut supervisor).len(), 4);
    exit(&mut supervisor, NAMES, End::Failure, now);
    let failed = State::Failed(Reason::TooOften);
    assert_eq!(supervisor.state(NAMES), Some(failed));
    supervisor.tick(Ticks(1000));
    assert_eq!(work(&mut supervisor), []);
    // Who is started again has all its restarts again.
    supervisor.start(NAMES, Ticks(1000)).unwrap();
    exit(&mut supervisor, NAMES, End::Failure, 1000);
    let until = Ticks(1002);
    assert_eq!(supervisor.state(NAMES), Some(State::Backoff { until }));
}

#[test]
fn old_restarts_are_forgotten() {
    let mut supervisor = one(POLICY);
    supervisor.start(NAMES, Ticks(0)).unwrap();
    for round in 0..20_u64 {
        // Three restarts in any 100, at 2, 42, 82, 122 and so on.
        let now = round * 40;
        ready(&mut supervisor, NAMES, now);
        exit(&mut supervisor, NAMES, End::Failure, now);
        let Some(State::Backoff { until }) = supervisor.state(NAMES) else {
            panic!("{round}: it is still restarted");
        };
        supervisor.tick(until);
    }
}

#[test]
fn policies_say_after_which_ends() {
    let cases = [
        (Restart::Never, End::Well, State::Ended),
        (
            Restart::Never,
            End::Failure,
            State::Failed(Reason::NotRestarted),
        ),
        (Restart::OnFailure, End::Well, State::Ended),
        (
            Restart::OnFailure,
            End::Failure,
            State::Backoff { until: Ticks(2) },
        ),
        (
            Restart::Always,
            End::Well,
            State::Backoff { until: Ticks(2) },
        ),
        (
            Restart::Always,
            End::Failure,
            State::Backoff { until: Ticks(2) },
        ),
    ];
    for (restart, end, state) in cases {
        let mut supervisor = one(Policy { restart, ..POLICY });
        supervisor.start(NAMES, Ticks(0)).unwrap();
        exit(&mut supervisor, NAMES, end, 0);
        assert_eq!(supervisor.state(NAMES), Some(state), "{restart:?} {end:?}");
    }
}

#[test]
fn who_is_not_ready_in_time_or_hangs_is_killed_and_has_failed() {
    let mut supervisor = one(POLICY);
    supervisor.start(NAMES, Ticks(5)).unwrap();
    assert_eq!(supervisor.next_deadline(), Some(Ticks(15)));
    supervisor.tick(Ticks(15));
    assert_eq!(work(&mut supervisor), [('+', NAMES), ('-', NAMES)]);
    // Whatever it says of its end.
    exit(&mut supervisor, NAMES, End::Well, 16);
    assert_eq!(
        supervisor.state(NAMES),
        Some(State::Backoff { until: Ticks(18) })
    );
    supervisor.tick(Ticks(18));
    ready(&mut supervisor, NAMES, 19);
    assert_eq!(supervisor.next_deadline(), None);
    let run = supervisor.run(NAMES).unwrap();
    supervisor.hung(run, Ticks(20)).unwrap();
    supervisor.hung(run, Ticks(20)).unwrap();
    assert_eq!(work(&mut supervisor), [('+', NAMES), ('-', NAMES)]);
    exit(&mut supervisor, NAMES, End::Well, 20);
    assert_eq!(
        supervisor.state(NAMES),
        Some(State::Backoff { until: Ticks(24) })
    );
}

#[test]
fn a_task_that_ends_well_is_enough_for_who_comes_after_it() {
    let mut supervisor = Supervisor::new(vec![
        service(NAMES, POLICY, &[]),
        service(DISK, POLICY, &[(NAMES, NeedKind::After)]),
        service(FILES, POLICY, &[(NAMES, NeedKind::With)]),
    ])
    .unwrap();
    supervisor.start(DISK, Ticks(0)).unwrap();
    assert_eq!(work(&mut supervisor), [('+', NAMES)]);
    exit(&mut supervisor, NAMES, End::Well, 1);
    assert_eq!(supervisor.state(NAMES), Some(State::Ended));
    assert_eq!(work(&mut supervisor), [('+', DISK)]);
    // Not for who runs with it.
    supervisor.start(FILES, Ticks(2)).unwrap();
    assert_eq!(work(&mut supervisor), [('+', NAMES)]);
    ready(&mut supervisor, NAMES, 3);
    assert_eq!(work(&mut supervisor), [('+', FILES)]);
}

#[test]
fn reports_tell_every_state() {
    let mut supervisor = one(POLICY);
    supervisor.start(NAMES, Ticks(0)).unwrap();
    ready(&mut supervisor, NAMES, 1);
    exit(&mut supervisor, NAMES, End::Failure, 2);
    supervisor.stop(NAMES, Ticks(3)).unwrap();
    let run = Run {
        service: NAMES,
        number: 1,
    };
    let report = |state| Action::Report(NAMES, state);
    let expected = [
        Action::Spawn(run),
        report(State::Starting {
            deadline: Some(Ticks(10)),
        }),
        report(State::Running),
        report(State::Backoff { until: Ticks(4) }),
        report(State::Stopped),
    ];
    let actions: Vec<_> = std::iter::from_fn(|| supervisor.next_action()).collect();
    assert_eq!(actions, expected);
}

#[test]
fn plans_that_cannot_work_are_refused() {
    use NeedKind::{After, With};
    let plan = |needs: &[(u32, &[(u32, NeedKind)])]| {
        let definition = |(one, needs): &(u32, &[(u32, NeedKind)])| {
            let needs: Vec<_> = needs
                .iter()
                .map(|(on, kind)| (Service(*on), *kind))
                .collect();
            service(Service(*one), POLICY, &needs)
        };
        Supervisor::new(needs.iter().map(definition).collect())
    };
    let error = |plan: Result<Supervisor, Error>| plan.unwrap_err();
    let circle = plan(&[
        (1, &[(2, After)]),
        (2, &[(5, After), (3, With)]),
        (3, &[(4, After)]),
        (4, &[(2, After)]),
        (5, &[]),
    ]);
    let circle = error(circle);
    assert_eq!(circle, Error::Cycle([2, 3, 4].map(Service).to_vec()));
    assert!(circle.to_string().ends_with("(2 needs 3 needs 4 needs 2)"));
    assert_eq!(
        error(plan(&[(1, &[(1, With)])])),
        Error::Cycle(vec![Service(1)])
    );
    let unknown = Error::UnknownNeed {
        service: Service(1),
        need: Service(2),
    };
    assert_eq!(error(plan(&[(1, &[(2, With)])])), unknown);
    assert!(unknown.to_string().ends_with("(service 1 needs 2)"));
    assert_eq!(
        error(plan(&[(1, &[]), (1, &[])])),
        Error::ServiceExists(Service(1))
    );
    let many = [(1, After); 17];
    assert_eq!(error(plan(&[(1, &many)])), Error::TooManyNeeds(Service(1)));
    let many: Vec<_> = (0..65).map(|number| (number, [].as_slice())).collect();
    assert_eq!(error(plan(&many)), Error::TooManyServices);
}

#[test]
fn services_come_and_go() {
    let mut supervisor = one(POLICY);
    let with = |on| service(DISK, POLICY, &[(on, NeedKind::With)]);
    assert_eq!(supervisor.add(with(DISK)), Err(Error::Cycle(vec![DISK])));
    let unknown = Error::UnknownNeed {
        service: DISK,
        need: FILES,
    };
    assert_eq!(supervisor.add(with(FILES)), Err(unknown));
    supervisor.add(with(NAMES)).unwrap();
    assert_eq!(supervisor.add(with(NAMES)), Err(Error::ServiceExists(DISK)));
    assert_eq!(supervisor.remove(NAMES), Err(Error::InUse(NAMES)));
    supervisor.start(DISK, Ticks(0)).unwrap();
    assert_eq!(supervisor.remove(DISK), Err(Error::InUse(DISK)));
    supervisor.stop(DISK, Ticks(0)).unwrap();
    assert_eq!(
        supervisor.state(NAMES),
        Some(State::Starting {
            deadline: Some(Ticks(10))
        })
    );
    assert_eq!(supervisor.remove(DISK).unwrap(), with(NAMES));
    assert_eq!(supervisor.remove(DISK), Err(Error::UnknownService(DISK)));
    assert_eq!(
        supervisor.start(DISK, Ticks(0)),
        Err(Error::UnknownService(DISK))
    );
    assert_eq!(
        supervisor.stop(DISK, Ticks(0)),
        Err(Error::UnknownService(DISK))
    );
    assert_eq!(supervisor.services().collect::<Vec<_>>(), [NAMES]);
    for number in 10..73 {
        supervisor
            .add(service(Service(number), POLICY, &[]))
            .unwrap();
    }
    let full = supervisor.add(service(DISK, POLICY, &[]));
    assert_eq!(full, Err(Error::TooManyServices));
    assert!(
        full.unwrap_err()
            .code()
            .name()
            .starts_with("SUPERVISE_ERR_")
    );
}
