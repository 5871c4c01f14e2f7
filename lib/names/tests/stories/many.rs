//! Many clients, names and events: limits, what is done in parts, and what stays quick.

use super::{ADMINISTRATOR, PULSE, SERVER, USER, actions, engine, name, query, register};
use names::engine::TICK_MAX;
use names::{
    Action, Client, Engine, Error, Event, Limits, Pid, Prefix, Properties, Query, Role, Ticks,
    WatchOptions,
};
use random::Random;
use std::collections::HashSet;

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
