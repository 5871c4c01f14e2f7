//! What clients and servers see: short stories, and many of everything.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use names::engine::TICK_MAX;
use names::{
    Action, Change, Client, Engine, Error, Event, Limits, Name, Pid, Prefix, Properties, Pulse,
    Query, Reason, Record, RegisterOptions, Registration, Role, Ticks, Waited, WatchOptions, codes,
};
use random::Random;
use std::collections::HashSet;

const PULSE: Pulse = Pulse {
    interval: Ticks(100),
    patience: Ticks(10),
};
const SERVER: Client = Client(1);
const USER: Client = Client(2);
const ADMINISTRATOR: Client = Client(3);

fn engine() -> Engine<u32> {
    let mut engine = Engine::new(Limits::default(), PULSE);
    engine.join(SERVER, Pid(11), Role::User, Ticks(0)).unwrap();
    engine.join(USER, Pid(12), Role::User, Ticks(0)).unwrap();
    let role = Role::Administrator;
    engine.join(ADMINISTRATOR, Pid(13), role, Ticks(0)).unwrap();
    engine
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn query(text: &str) -> Query {
    Query::parse(text).unwrap()
}

fn set(text: &str) -> Properties {
    Properties::parse(text).unwrap()
}

fn register(engine: &mut Engine<u32>, client: Client, text: &str) -> Result<Registration, Error> {
    let options = RegisterOptions::default();
    engine
        .register(client, name(text), Properties::new(), 7, options)
        .map_err(|refused| refused.error)
}

fn actions(engine: &mut Engine<u32>) -> Vec<Action<u32>> {
    std::iter::from_fn(|| engine.next_action()).collect()
}

/// The life of a registration, as the book has it.
#[test]
fn a_service_comes_changes_and_goes() {
    let mut engine = engine();
    // ANCHOR: life
    let serial = name("service/serial0");
    let watch = engine
        .watch(USER, query("service/** { ready: true }"), WatchOptions::ALL)
        .unwrap();
    let Ok(Waited::Pending(lookup)) = engine.wait_for(USER, query("**/serial*"), None) else {
        panic!("it is not there yet");
    };

    let options = RegisterOptions::default();
    let properties = set("{ kind: 'console', speed: 9600 }");
    let registration = engine
        .register(SERVER, serial.clone(), properties.clone(), 42, options)
        .unwrap();
    let record = Record {
        name: serial.clone(),
        owner: SERVER,
        pid: Pid(11),
        registration,
        properties,
        handle: 42,
    };
    let answer = Action::Answer {
        client: USER,
        lookup,
        answer: Ok(Box::new(record.clone())),
    };
    assert_eq!(actions(&mut engine), [answer]);
    assert_eq!(engine.lookup(&serial), Ok(&record));

    let event = |change| Event::Seen {
        watch,
        name: serial.clone(),
        registration,
        change,
    };
    // Events are announced once, and fetched when the client likes.
    engine
        .update(SERVER, &serial, set("{ ready: true }"))
        .unwrap();
    assert_eq!(actions(&mut engine), [Action::Notify(USER)]);
    engine
        .update(SERVER, &serial, set("{ ready: true }"))
        .unwrap();
    engine
        .update(SERVER, &serial, set("{ ready: true, speed: 1 }"))
        .unwrap();
    engine
        .update(SERVER, &serial, set("{ ready: false }"))
        .unwrap();
    assert_eq!(actions(&mut engine), []);
    assert_eq!(
        engine.take_events(USER, 9).unwrap(),
        [
            event(Change::Appeared),
            event(Change::Changed),
            event(Change::Gone(Reason::NoMatch))
        ]
    );

    assert_eq!(engine.deregister(USER, &serial), Err(Error::NotOwner));
    engine.deregister(SERVER, &serial).unwrap();
    assert_eq!(actions(&mut engine), [Action::Release(42)]);
    assert_eq!(engine.lookup(&serial), Err(Error::UnknownName));
    // ANCHOR_END: life
    assert_eq!(engine.deregister(SERVER, &serial), Err(Error::UnknownName));
    assert_eq!(engine.take_events(USER, 9).unwrap(), []);
}

#[test]
fn what_is_known_of_a_service_goes_into_a_message() {
    let mut engine = engine();
    register(&mut engine, SERVER, "a/b").unwrap();
    let record = engine.lookup(&name("a/b")).unwrap().with(());
    let bytes = postcard::to_allocvec(&record).unwrap();
    assert_eq!(postcard::from_bytes::<Record<()>>(&bytes), Ok(record));
}

#[test]
fn who_may_take_a_name() {
    let mut engine = engine();
    let replace = RegisterOptions { replace: true };
    let mut again = |client, options, handle| {
        engine
            .register(client, name("a"), Properties::new(), handle, options)
            .map_err(|refused| (refused.error, refused.handle))
    };
    assert_eq!(again(SERVER, replace, 1), Ok(Registration(1)));
    let refused = again(SERVER, RegisterOptions::default(), 2);
    assert_eq!(refused, Err((Error::NameTaken, 2)));
    assert_eq!(again(USER, replace, 3), Err((Error::NotOwner, 3)));
    assert_eq!(again(SERVER, replace, 4), Ok(Registration(2)));
    assert_eq!(again(ADMINISTRATOR, replace, 5), Ok(Registration(3)));
    let nobody = again(Client(9), replace, 6);
    assert_eq!(nobody, Err((Error::UnknownClient, 6)));
    let event = Event::Withdrawn {
        name: name("a"),
        registration: Registration(2),
        reason: Reason::Replaced,
    };
    assert_eq!(engine.take_events(SERVER, 9).unwrap(), [event]);
    let expected = [
        Action::Release(1),
        Action::Notify(SERVER),
        Action::Release(4),
    ];
    assert_eq!(actions(&mut engine), expected);
    assert_eq!(engine.lookup(&name("a")).unwrap().pid, Pid(13));
}

#[test]
fn a_service_is_gone_for_those_whom_its_replacement_does_not_suit() {
    let mut engine = engine();
    let replace = RegisterOptions { replace: true };
    let watch = engine
        .watch(USER, query("{ speed > 1 }"), WatchOptions::ALL)
        .unwrap();
    let mut again = |text, handle| {
        let done = engine.register(SERVER, name("a"), set(text), handle, replace);
        let registration = done.unwrap();
        (registration, engine.take_events(USER, 9).unwrap())
    };
    for (text, change) in [
        ("{ speed: 2 }", Some(Change::Appeared)),
        ("{ speed: 3 }", Some(Change::Appeared)),
        ("{ speed: 1 }", Some(Change::Gone(Reason::Replaced))),
        ("{ speed: 0 }", None),
    ] {
        let (registration, events) = again(text, 1);
        let expected = change.map(|change| Event::Seen {
            watch,
            name: name("a"),
            registration,
            change,
        });
        assert_eq!(events, Vec::from_iter(expected), "{text}");
    }
}

#[test]
fn a_client_that_ends_leaves_nothing() {
    let mut engine = engine();
    register(&mut engine, SERVER, "a").unwrap();
    register(&mut engine, USER, "b").unwrap();
    engine.watch(USER, query("**"), WatchOptions::ALL).unwrap();
    engine
        .watch(SERVER, query("**"), WatchOptions::ALL)
        .unwrap();
    engine.wait_for(SERVER, query("c"), None).unwrap();
    engine.client_died(SERVER).unwrap();
    assert_eq!(
        actions(&mut engine),
        [Action::Notify(USER), Action::Release(7)]
    );
    assert!(matches!(
        engine.take_events(USER, 9).unwrap().as_slice(),
        [Event::Seen {
            change: Change::Gone(Reason::Died),
            ..
        }]
    ));
    register(&mut engine, USER, "c").unwrap();
    assert_eq!(actions(&mut engine), [Action::Notify(USER)]);
    assert_eq!(engine.client_died(SERVER), Err(Error::UnknownClient));
    assert_eq!(engine.names_of(SERVER).count(), 0);
    engine.check_invariants().unwrap();
}

#[test]
fn who_is_silent_is_asked_and_who_does_not_answer_goes() {
    let mut engine = engine();
    register(&mut engine, SERVER, "a").unwrap();
    register(&mut engine, ADMINISTRATOR, "b").unwrap();
    engine.watch(USER, query("**"), WatchOptions::NEXT).unwrap();
    engine.heard(SERVER, Ticks(50)).unwrap();
    // The user has no names, and is left alone.
    engine.tick(Ticks(100));
    assert_eq!(actions(&mut engine), [Action::Ping(ADMINISTRATOR)]);
    engine.heard(ADMINISTRATOR, Ticks(109)).unwrap();
    engine.tick(Ticks(149));
    assert_eq!(actions(&mut engine), []);
    assert_eq!(engine.next_deadline(), Some(Ticks(150)));
    engine.tick(Ticks(150));
    assert_eq!(actions(&mut engine), [Action::Ping(SERVER)]);
    engine.tick(Ticks(159));
    assert_eq!(actions(&mut engine), []);
    assert_eq!(engine.next_deadline(), Some(Ticks(160)));
    engine.tick(Ticks(160));
    assert_eq!(
        actions(&mut engine),
        [
            Action::Unresponsive(SERVER),
            Action::Notify(SERVER),
            Action::Notify(USER),
            Action::Release(7)
        ]
    );
    assert!(matches!(
        engine.take_events(USER, 9).unwrap().as_slice(),
        [Event::Seen {
            change: Change::Gone(Reason::Unresponsive),
            ..
        }]
    ));
    // It wakes up, sees what happened, and comes back.
    engine.heard(SERVER, Ticks(170)).unwrap();
    assert!(matches!(
        engine.take_events(SERVER, 9).unwrap().as_slice(),
        [Event::Withdrawn {
            reason: Reason::Unresponsive,
            ..
        }]
    ));
    register(&mut engine, SERVER, "a").unwrap();
    engine.tick(Ticks(208));
    assert_eq!(actions(&mut engine), []);
    engine.tick(Ticks(209));
    assert_eq!(actions(&mut engine), [Action::Ping(ADMINISTRATOR)]);
    engine.check_invariants().unwrap();
}

#[test]
fn a_lookup_ends_at_its_deadline_or_is_cancelled() {
    let mut engine = engine();
    let mut wait = |text, deadline| {
        let done = engine.wait_for(USER, query(text), deadline);
        match done.unwrap() {
            Waited::Pending(lookup) => lookup,
            Waited::Found(record) => panic!("{record:?}"),
        }
    };
    let (first, second) = (wait("a", Some(Ticks(5))), wait("a", None));
    assert_eq!(engine.next_deadline(), Some(Ticks(5)));
    engine.tick(Ticks(5));
    let answer = Action::Answer {
        client: USER,
        lookup: first,
        answer: Err(Error::TimedOut),
    };
    assert_eq!(actions(&mut engine), [answer]);
    assert_eq!(engine.cancel(USER, first), Err(Error::NoLookup));
    assert_eq!(engine.cancel(SERVER, second), Err(Error::NoLookup));
    engine.cancel(USER, second).unwrap();
    register(&mut engine, SERVER, "a").unwrap();
    assert_eq!(actions(&mut engine), []);
    let found = engine.wait_for(USER, query("a"), None).unwrap();
    assert!(matches!(found, Waited::Found(_)));
}

#[test]
fn a_slow_client_is_told_what_it_lost_and_slows_nobody() {
    let limits = Limits {
        events_of_client: 3,
        ..Limits::default()
    };
    let mut engine = Engine::new(limits, PULSE);
    for client in [SERVER, USER, ADMINISTRATOR] {
        engine.join(client, Pid(0), Role::User, Ticks(0)).unwrap();
    }
    engine.watch(USER, query("**"), WatchOptions::ALL).unwrap();
    let quick = engine
        .watch(ADMINISTRATOR, query("**"), WatchOptions::ALL)
        .unwrap();
    for number in 0..10 {
        register(&mut engine, SERVER, &format!("a{number}")).unwrap();
        let events = engine.take_events(ADMINISTRATOR, 9).unwrap();
        let [Event::Seen { watch, .. }] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(*watch, quick);
    }
    let first = engine.take_events(USER, 1).unwrap();
    assert!(matches!(first.as_slice(), [Event::Seen { .. }]));
    // There is room again, but not for two.
    register(&mut engine, SERVER, "b").unwrap();
    let events = engine.take_events(USER, 9).unwrap();
    assert!(matches!(
        events.as_slice(),
        [Event::Seen { .. }, Event::Lost(9)]
    ));
    register(&mut engine, SERVER, "c").unwrap();
    let events = engine.take_events(USER, 9).unwrap();
    assert!(matches!(events.as_slice(), [Event::Seen { .. }]));
}

#[test]
fn limits_hold() {
    let mut engine = engine();
    let limits = Limits::default();
    for number in 0..limits.names_of_client {
        register(&mut engine, SERVER, &format!("s/{number}")).unwrap();
    }
    let one_more = register(&mut engine, SERVER, "one-more");
    assert_eq!(one_more, Err(Error::TooManyNames));
    register(&mut engine, USER, "one-more").unwrap();
    for _ in 0..limits.watches_of_client {
        engine.watch(USER, query("**"), WatchOptions::ALL).unwrap();
    }
    let one_more = engine.wait_for(USER, query("nothing"), None);
    assert_eq!(one_more, Err(Error::TooManyWatches));
    let mut properties = Properties::new();
    for number in 0..9 {
        let text = "x".repeat(126);
        properties
            .set(&format!("k{number}"), text.as_str())
            .unwrap();
    }
    let done = engine.update(USER, &name("one-more"), properties);
    assert_eq!(done, Err(Error::RecordTooLarge));
    let mut number = 100;
    while engine.len() < limits.names {
        let (client, pid) = (Client(number), Pid(0));
        engine.join(client, pid, Role::User, Ticks(0)).unwrap();
        for name in 0..limits.names_of_client {
            if engine.len() < limits.names {
                register(&mut engine, client, &format!("c{number}/{name}")).unwrap();
            }
        }
        number += 1;
    }
    let full = register(&mut engine, ADMINISTRATOR, "one-too-many");
    assert_eq!(full, Err(Error::Full));
    while engine.join(Client(number), Pid(0), Role::User, Ticks(0)) != Err(Error::TooManyClients) {
        number += 1;
    }
    let known = (0..=number).filter(|number| engine.client(Client(*number)).is_some());
    assert_eq!(known.count(), limits.clients);
    engine.check_invariants().unwrap();
}

/// A tick does so much and no more, and says that there is more to do.
#[test]
fn what_is_due_at_once_is_done_in_parts() {
    let limits = Limits {
        clients: 1000,
        watches_of_client: 1000,
        ..Limits::default()
    };
    let mut engine = Engine::new(limits, PULSE);
    for number in 0..100 {
        let client = Client(number);
        engine.join(client, Pid(0), Role::User, Ticks(0)).unwrap();
        register(&mut engine, client, &format!("a{number}")).unwrap();
        let deadline = Some(Ticks(100));
        engine.wait_for(client, query("b"), deadline).unwrap();
    }
    let (mut pings, mut answers, mut ticks) = (HashSet::new(), HashSet::new(), 0);
    while engine.next_deadline() <= Some(Ticks(100)) {
        engine.tick(Ticks(100));
        ticks += 1;
        let actions = actions(&mut engine);
        assert!(actions.len() <= 2 * TICK_MAX);
        for action in actions {
            match action {
                Action::Ping(client) => assert!(pings.insert(client)),
                Action::Answer { client, .. } => assert!(answers.insert(client)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((pings.len(), answers.len()), (100, 100));
    assert_eq!(ticks, 100_usize.div_ceil(TICK_MAX));
}

/// With fifty thousand clients this ends soon only if nothing looks at all of them.
#[test]
fn many_clients() {
    const COUNT: u64 = 50_000;
    let count = COUNT as usize;
    let limits = Limits {
        clients: count,
        names: count,
        watches: count,
        ..Limits::default()
    };
    let mut engine = Engine::new(limits, PULSE);
    for number in 0..COUNT {
        let client = Client(number);
        engine
            .join(client, Pid(0), Role::User, Ticks(number))
            .unwrap();
        let own = format!("area{}/service{number}", number % 317);
        register(&mut engine, client, &own).unwrap();
        let watched = format!("area{0}/service{0}", number + 1);
        engine
            .watch(client, query(&watched), WatchOptions::ALL)
            .unwrap();
    }
    let mut random = Random::new(1);
    let mut now = Ticks(COUNT);
    let (mut asked, mut gone) = (0_u64, 0_u64);
    while !engine.is_empty() {
        now = engine.next_deadline().unwrap().max(now);
        engine.tick(now);
        for action in actions(&mut engine) {
            match action {
                Action::Ping(client) if random.once_in(2) => engine.heard(client, now).unwrap(),
                Action::Ping(_) => asked += 1,
                Action::Unresponsive(_) => gone += 1,
                _ => {}
            }
        }
    }
    assert_eq!((asked, gone), (COUNT, COUNT));
    for number in 0..COUNT {
        engine.client_died(Client(number)).unwrap();
    }
    assert_eq!(engine.next_deadline(), None);
    engine.check_invariants().unwrap();
}

/// An enumeration answers in parts, and comes to an end while names come and go.
#[test]
fn enumeration_in_parts() {
    let mut engine = engine();
    for number in 0..60 {
        register(&mut engine, SERVER, &format!("a/{number:02}")).unwrap();
    }
    let query = Query::from(&Prefix::parse("a/").unwrap());
    // A cursor from elsewhere leads to the first; a part that holds all of the rest is the last.
    register(&mut engine, USER, "z").unwrap();
    register(&mut engine, USER, "0").unwrap();
    register(&mut engine, USER, "1").unwrap();
    let page = engine.enumerate(&query, Some(&name("0")), 60);
    assert_eq!((page.records.len(), page.next), (60, None));
    let (mut seen, mut after, mut parts) = (Vec::new(), None, 0);
    loop {
        let page = engine.enumerate(&query, after.as_ref(), 7);
        seen.extend(page.records.iter().map(|record| record.name.clone()));
        let Some(next) = page.next else { break };
        // The last one seen goes, and another comes before it.
        engine.deregister(SERVER, &next).unwrap();
        register(&mut engine, SERVER, &format!("a/0{parts}-")).unwrap();
        after = Some(next);
        parts += 1;
    }
    let stable = (0..60).map(|number| name(&format!("a/{number:02}")));
    assert!(stable.clone().all(|name| seen.contains(&name)));
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(seen, sorted);
}

#[test]
fn each_error_has_a_code_of_its_own() {
    let mut all: HashSet<_> = Error::ALL.iter().map(|error| error.code()).collect();
    all.extend([codes::NAME, codes::QUERY, codes::PROPERTIES]);
    assert_eq!(all.len(), Error::ALL.len() + 3);
    assert!(all.iter().all(|code| !code.is_success()));
    assert_eq!(Error::NotOwner.to_string(), Error::NotOwner.code().text());
}

/// Names that differ in one letter and clients that hear of nothing: a watch costs only those whose names it can mean.
#[test]
fn watches_see_their_names_and_no_others() {
    let mut engine = engine();
    for text in ["a", "a/*", "a/b/**", "**/c", "a/b/c", "ab/**", "a*/b/c"] {
        let done = engine.watch(USER, query(text), WatchOptions::ALL);
        done.unwrap();
    }
    register(&mut engine, SERVER, "a/b/c").unwrap();
    let events = engine.take_events(USER, 9).unwrap();
    let watches: Vec<u64> = events
        .iter()
        .map(|event| match event {
            Event::Seen { watch, .. } => watch.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(watches, [3, 4, 5, 7]);
}
