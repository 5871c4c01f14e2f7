//! Random programs: every handle comes back exactly once, nobody is told what he cannot hear, limits hold.

use binding::{Book, Cause, ConnectionId, Limits, Refused, ServiceId, Side, What};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LIMITS: Limits = Limits {
    services_of_one: 3,
    services: 5,
    connections_of_one: 4,
    connections: 9,
};

#[derive(Clone, Debug)]
enum Step {
    Export(u32),
    ExportAs(u32),
    Withdraw(u32, u32),
    Bind(u32, u32),
    Accept(u32, u32),
    Reject(u32, u32),
    Close(u32, u32),
    Died(u32),
    Tell,
}

fn step() -> impl Strategy<Value = Step> {
    let (pid, service, connection) = (1..6_u32, 1..9_u32, 1..40_u32);
    prop_oneof![
        2 => pid.clone().prop_map(Step::Export),
        1 => pid.clone().prop_map(Step::ExportAs),
        1 => (pid.clone(), service.clone()).prop_map(|(p, s)| Step::Withdraw(p, s)),
        6 => (pid.clone(), service).prop_map(|(p, s)| Step::Bind(p, s)),
        6 => (pid.clone(), connection.clone()).prop_map(|(p, c)| Step::Accept(p, c)),
        1 => (pid.clone(), connection.clone()).prop_map(|(p, c)| Step::Reject(p, c)),
        3 => (pid.clone(), connection).prop_map(|(p, c)| Step::Close(p, c)),
        1 => pid.prop_map(Step::Died),
        8 => Just(Step::Tell),
    ]
}

/// What each domain knows, from what it was told and did.
#[derive(Default)]
struct World {
    next_handle: u32,
    /// Handles that the book has, and whose they are.
    held: BTreeMap<u32, u32>,
    /// Connections that a domain was asked for, or has opened, on that side.
    known: BTreeSet<(u32, Side, ConnectionId)>,
    ended: BTreeSet<(Side, ConnectionId)>,
}

impl World {
    fn handle(&mut self, owner: u32) -> u32 {
        self.next_handle += 1;
        self.held.insert(self.next_handle, owner);
        self.next_handle
    }

    fn take_back(&mut self, book: &mut Book<u32>) {
        for handle in book.take_released() {
            assert!(
                self.held.remove(&handle).is_some(),
                "{handle} came back twice"
            );
        }
    }

    fn check(&mut self, book: &mut Book<u32>) {
        self.take_back(book);
        assert!(book.services() <= LIMITS.services);
        assert!(book.connections() <= LIMITS.connections);
    }

    fn run(&mut self, book: &mut Book<u32>, step: &Step) {
        match *step {
            Step::Export(pid) => {
                let handle = self.handle(pid);
                if book.export(pid, handle).is_err() {
                    self.held.remove(&handle);
                }
            }
            Step::ExportAs(pid) => {
                let handle = self.handle(pid);
                if book.export_as(ServiceId(1), pid, handle).is_err() {
                    self.held.remove(&handle);
                }
            }
            Step::Withdraw(pid, service) => {
                let service = ServiceId(service);
                let owns = book.owner(service) == Some(pid);
                assert_eq!(book.withdraw(pid, service).is_ok(), owns);
            }
            Step::Bind(pid, service) => {
                let handle = self.handle(pid);
                let owner = book.owner(ServiceId(service));
                match book.bind(pid, ServiceId(service), handle) {
                    Ok(id) => {
                        self.known.insert((pid, Side::Client, id));
                    }
                    Err(refused) => {
                        assert_eq!(refused == Refused::NoService, owner.is_none());
                        self.held.remove(&handle);
                    }
                }
            }
            Step::Accept(pid, id) => {
                let handle = self.handle(pid);
                let id = ConnectionId(id);
                match book.accept(pid, id, handle) {
                    Ok(()) => assert!(self.known.contains(&(pid, Side::Server, id))),
                    Err(_) => {
                        self.held.remove(&handle);
                    }
                }
            }
            Step::Reject(pid, id) => {
                let id = ConnectionId(id);
                if book.reject(pid, id).is_ok() {
                    assert!(self.known.remove(&(pid, Side::Server, id)));
                }
            }
            Step::Close(pid, id) => {
                let id = ConnectionId(id);
                book.close(pid, id);
                let client = self.known.remove(&(pid, Side::Client, id));
                if !client {
                    self.known.remove(&(pid, Side::Server, id));
                }
            }
            Step::Died(pid) => {
                book.died(pid);
                self.known.retain(|(owner, _, _)| *owner != pid);
                self.take_back(book);
                let left = self.held.values().filter(|owner| **owner == pid).count();
                assert_eq!(left, 0, "handles of a dead domain");
            }
            Step::Tell => {
                if let Some(news) = book.news(Book::<u32>::FIRST) {
                    self.tell(book, news.connection, news.side, news.to, news.what);
                }
            }
        }
        self.check(book);
    }

    fn tell(
        &mut self,
        book: &mut Book<u32>,
        id: ConnectionId,
        side: Side,
        to: u32,
        what: What<u32>,
    ) {
        let owner = self.held.get(&to).copied();
        assert!(
            owner.is_some(),
            "told at a handle that the book does not have"
        );
        let owner = owner.unwrap_or_default();
        match what {
            What::Asked(pid, end) => {
                assert_eq!(side, Side::Server);
                assert_eq!(self.held.get(&end), Some(&pid));
                self.known.insert((owner, side, id));
            }
            What::Opened(end) => {
                assert_eq!(side, Side::Client);
                assert!(self.held.contains_key(&end));
            }
            What::Closed(cause) => {
                assert!(self.ended.insert((side, id)), "an end told twice");
                assert!(
                    self.known.remove(&(owner, side, id)),
                    "{cause:?}: who does not know"
                );
            }
        }
        book.told(id, side);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn handles_come_back_once_and_ends_are_told_once(steps in prop::collection::vec(step(), 1..200)) {
        let mut book = Book::new(LIMITS, ServiceId(1));
        let mut world = World::default();
        for step in &steps {
            world.run(&mut book, step);
        }
        // Everything ends: all is told, nothing is kept.
        for pid in 1..6 {
            world.run(&mut book, &Step::Died(pid));
        }
        prop_assert!(!book.has_news());
        prop_assert_eq!((book.services(), book.connections()), (0, 0));
        prop_assert!(world.held.is_empty());
    }
}

#[test]
fn the_other_side_hears_of_a_death() {
    let mut book = Book::new(LIMITS, ServiceId(1));
    let service = book.export(10, 100).unwrap();
    assert_eq!(service, ServiceId(2));
    let id = book.bind(20, service, 200).unwrap();
    assert_eq!(book.accept(10, id, 101), Err(Refused::NoConnection));
    let news = book.news(Book::<u32>::FIRST).unwrap();
    assert_eq!((news.to, news.what), (100, What::Asked(20, 200)));
    book.told(news.connection, news.side);
    book.accept(10, id, 101).unwrap();
    let news = book.news(Book::<u32>::FIRST).unwrap();
    assert_eq!((news.to, news.what), (200, What::Opened(101)));
    book.told(news.connection, news.side);
    assert!(!book.has_news());
    book.died(10);
    let news = book.news(Book::<u32>::FIRST).unwrap();
    assert_eq!((news.to, news.what), (200, What::Closed(Cause::Died)));
    assert_eq!(book.take_released(), [101, 100]);
    book.told(news.connection, news.side);
    assert_eq!(book.take_released(), [200]);
    assert_eq!(book.bind(20, service, 201), Err(Refused::NoService));
}
