//! What clients and servers see: short stories, and `many` of everything.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "stories/many.rs"]
mod many;

use names::{
    Action, Change, Client, Engine, Error, Event, Limits, Name, Pid, Properties, Pulse, Query,
    Reason, Record, RegisterOptions, Registration, Role, Ticks, Waited, WatchOptions, codes,
};
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
