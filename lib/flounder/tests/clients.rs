//! Many clients of one service: fair, cheap while they are idle, and cleaned up when they are gone.

#[cfg(test)]
mod common;

#[cfg(test)]
mod tests {
    use crate::common::Tasks;
    use errors::{Error, ErrorCode};
    use flounder::header::{Header, Kind};
    use flounder::{
        Answer, Caller, Connections, Interest, Limits, Loopback, Message, SendError, Server,
        Service, Single, Transport, interface, loopback,
    };
    use proptest::prelude::*;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Poll, Wake, Waker};

    #[interface]
    trait Count {
        #[caller]
        fn add(&mut self, value: u64) -> Result<u64, Error>;
        #[caller]
        #[one_way]
        fn note(&mut self, text: &str);
        #[caller]
        #[later]
        fn wait(&mut self, value: u64) -> Result<u64, Error>;
    }

    /// What each client has said.
    #[derive(Default)]
    struct Counter {
        sums: BTreeMap<u64, u64>,
        messages: BTreeMap<u64, usize>,
        waiting: Vec<Answer<u64>>,
        closed: Vec<u64>,
    }

    impl Count for Counter {
        fn add(&mut self, caller: Caller, value: u64) -> Result<u64, Error> {
            *self.messages.entry(caller.connection).or_default() += 1;
            let sum = self.sums.entry(caller.connection).or_default();
            *sum += value;
            Ok(*sum)
        }
        fn note(&mut self, caller: Caller, _text: &str) {
            *self.messages.entry(caller.connection).or_default() += 1;
        }
        fn wait(&mut self, caller: Caller, _value: u64, answer: Answer<u64>) {
            assert_eq!(caller, answer.caller());
            self.waiting.push(answer);
        }
        fn closed(&mut self, connection: u64) {
            self.sums.remove(&connection);
            self.closed.push(connection);
        }
    }

    type End = Loopback<u64, Single, 9>;

    /// A transport that counts how often it is asked for messages.
    struct Counted(End, Rc<Cell<usize>>);

    impl Transport for Counted {
        type Cap = u64;
        const WORDS: usize = 9;
        fn send(&mut self, words: &[u64], cap: Option<u64>) -> Result<(), SendError<u64>> {
            self.0.send(words, cap)
        }
        fn receive(&mut self) -> Result<Option<Message<u64>>, Error> {
            self.1.set(self.1.get() + 1);
            self.0.receive()
        }
        fn watch(&mut self, waker: &Waker, interest: Interest) {
            self.0.watch(waker, interest);
        }
    }

    fn header(kind: Kind, method: u16, call: u64) -> u64 {
        Header::from_word(kind as u64 | u64::from(method) << 5 | call << 19)
            .map_or(0, Header::to_word)
    }

    /// A waker that counts.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Daemon {
        connections: Connections<Counted>,
        counter: CountServer<Counter>,
        received: Rc<Cell<usize>>,
        woken: Arc<Woken>,
    }

    impl Daemon {
        fn new(most: usize) -> Self {
            Self {
                connections: Connections::new(most, Limits::default()),
                counter: CountServer(Counter::default()),
                received: Rc::default(),
                woken: Arc::default(),
            }
        }

        /// Adds a client that binds.
        fn client(&mut self, capacity: usize) -> (End, u64) {
            let (mut client, server) = loopback(capacity);
            let server = Counted(server, self.received.clone());
            let number = self.connections.add(server);
            let number = number.unwrap_or_else(|_| panic!("the table is full"));
            let name = <CountServer<Counter> as Service<u64>>::NAME;
            let version = <CountServer<Counter> as Service<u64>>::VERSION;
            let bind = [header(Kind::Bind, 0, 0), name, version];
            client.send(&bind, None).unwrap();
            self.round();
            assert!(client.receive().unwrap().is_some());
            (client, number)
        }

        fn round(&mut self) -> bool {
            let waker = Waker::from(self.woken.clone());
            self.connections.poll(&mut self.counter, BUDGET, &waker)
        }
    }

    const BUDGET: usize = 4;

    proptest! {
        #[test]
        fn who_floods_gets_no_more_than_its_share(
            flood in prop::collection::vec(any::<bool>(), 1..90),
            sends in prop::collection::vec(any::<u64>(), 1..12),
        ) {
            let mut service = Daemon::new(100);
            let mut clients: Vec<_> = flood.iter().map(|flood| (*flood, service.client(10))).collect();
            while service.round() {}
            for bits in sends {
                let mut sent = Vec::new();
                for (index, (flood, (client, number))) in clients.iter_mut().enumerate() {
                    let note = [header(Kind::OneWay, 1, 1), 0];
                    if *flood {
                        while client.send(&note, None).is_ok() {}
                        sent.push((*number, BUDGET));
                    } else if bits >> (index % 64) & 1 != 0 {
                        client.send(&note, None).unwrap();
                        sent.push((*number, 1));
                    }
                }
                service.counter.0.messages.clear();
                let more = service.round();
                prop_assert_eq!(more, flood.contains(&true));
                let handled: Vec<_> = service.counter.0.messages.iter().map(|(k, v)| (*k, *v)).collect();
                sent.sort();
                prop_assert_eq!(handled, sent);
            }
        }
    }

    #[test]
    fn idle_clients_are_not_looked_at() {
        let mut service = Daemon::new(1000);
        let mut clients: Vec<_> = (0..1000).map(|_| service.client(4).0).collect();
        while service.round() {}
        service.received.set(0);
        assert!(!service.round());
        assert_eq!(service.received.get(), 0);
        clients[777]
            .send(&[header(Kind::Call, 0, 1), 5], None)
            .unwrap();
        assert!(!service.round());
        assert_eq!(
            service.received.get(),
            2,
            "its call, and that there is no other"
        );
        let answer = clients[777].receive().unwrap().unwrap();
        assert_eq!(answer.words(), [header(Kind::Reply, 0, 1), 5]);
    }

    #[test]
    fn another_task_that_polls_is_the_one_woken() {
        let mut daemon = Daemon::new(9);
        let mut clients: Vec<_> = (0..9).map(|_| daemon.client(4).0).collect();
        while daemon.round() {}
        for _ in 0..3 {
            let count = Arc::new(Woken::default());
            let waker = Waker::from(count.clone());
            let poll = |daemon: &mut Daemon| {
                while daemon.connections.poll(&mut daemon.counter, BUDGET, &waker) {}
            };
            poll(&mut daemon);
            for client in &mut clients {
                client.send(&[header(Kind::OneWay, 1, 1), 0], None).unwrap();
            }
            assert_eq!(count.0.load(Ordering::Relaxed), 9);
            poll(&mut daemon);
        }
        assert!(daemon.counter.0.messages.values().all(|count| *count == 3));
    }

    #[test]
    fn an_idle_client_needs_little_memory() {
        let more = size_of::<Server<Counted>>() - size_of::<Counted>();
        assert!(more <= 192, "{more} bytes");
    }

    #[test]
    fn the_service_hears_once_of_each_end() {
        let mut service = Daemon::new(5);
        let mut clients: Vec<_> = (0..5).map(|_| service.client(4)).collect();
        for (client, _) in &mut clients {
            client.send(&[header(Kind::Call, 0, 1), 5], None).unwrap();
        }
        while service.round() {}
        assert_eq!(service.counter.0.sums.len(), 5);
        // One leaves, one breaks the protocol, one is thrown out, one has a call that waits and leaves.
        let numbers: Vec<u64> = clients.iter().map(|(_, number)| *number).collect();
        clients[3]
            .0
            .send(&[header(Kind::Call, 2, 2), 5], None)
            .unwrap();
        while service.round() {}
        drop(clients.remove(3));
        drop(clients.remove(0));
        clients[0].0.send(&[0], None).unwrap();
        service.connections.close(&mut service.counter, numbers[2]);
        service.connections.close(&mut service.counter, numbers[2]);
        while service.round() {}
        let mut closed = service.counter.0.closed.clone();
        closed.sort();
        assert_eq!(closed, numbers[..4]);
        assert_eq!(service.counter.0.sums.len(), 1);
        assert_eq!(service.connections.len(), 1);
        assert!(service.connections.get(numbers[0]).is_none());
        // An answer to who is gone goes nowhere; a place is used again under another number.
        let answer = service.counter.0.waiting.remove(0);
        let answer = answer.finish(Ok(1)).any();
        service.connections.finish(&mut service.counter, answer);
        let (_client, number) = service.client(4);
        assert!(!numbers.contains(&number));
        assert_eq!(service.counter.0.closed.len(), 4);
        // The service told both that it threw out, by dropping its end.
        assert!(clients[0].0.send(&[0], None).is_err());
        assert!(clients[1].0.send(&[0], None).is_err());
    }

    #[test]
    fn an_answer_that_cannot_be_sent_ends_the_connection() {
        let mut service = Daemon::new(1);
        let (mut client, number) = service.client(4);
        client.send(&[header(Kind::Call, 2, 2), 5], None).unwrap();
        while service.round() {}
        drop(client);
        let answer = service.counter.0.waiting.remove(0).finish(Ok(1)).any();
        service.connections.finish(&mut service.counter, answer);
        assert_eq!(service.counter.0.closed, [number]);
    }

    #[test]
    fn a_full_table_gives_the_transport_back() {
        let mut service = Daemon::new(1);
        let _client = service.client(4);
        let (mut client, server) = loopback(4);
        let server = Counted(server, service.received.clone());
        let refused = service.connections.add(server);
        assert!(matches!(client.receive(), Ok(None)));
        drop(refused.unwrap_err());
        let error = client.receive().unwrap_err();
        assert_eq!(error.code(), ErrorCode::SysLmpNoTarget);
    }

    #[test]
    fn clients_come_call_and_go_under_one_task() {
        let connections = Connections::<Loopback<u64, Single, 9>>::new(8, Limits::default());
        let shared = Rc::new(RefCell::new((connections, CountServer(Counter::default()))));
        let mut tasks = Tasks::default();
        let served = shared.clone();
        // A client that comes wakes the service, as a name server's message would.
        let arrival: Rc<RefCell<Option<Waker>>> = Rc::default();
        let door = arrival.clone();
        tasks.spawn(std::future::poll_fn(move |cx| {
            let (connections, counter) = &mut *served.borrow_mut();
            if connections.poll(counter, BUDGET, cx.waker()) {
                cx.waker().wake_by_ref();
            }
            door.replace(Some(cx.waker().clone()));
            Poll::<()>::Pending
        }));
        tasks.run(|_| 0);
        let mut results = Vec::new();
        for client in 0..40_u64 {
            let (mine, theirs) = loopback(2);
            let added = shared.borrow_mut().0.add(theirs);
            added.unwrap_or_else(|_| panic!("the table is full"));
            arrival.borrow().as_ref().unwrap().wake_by_ref();
            results.push(tasks.spawn(async move {
                let count = CountClient::<_, Single>::bind(mine, Limits::default()).await?;
                for value in 0..20 {
                    count.note(&"x".repeat(value)).await?;
                    count.add(1).await?;
                }
                count.add(client).await
            }));
            if client % 7 == 6 {
                tasks.run(|_| 0);
            }
        }
        tasks.run(|_| 0);
        for (client, result) in (0..).zip(results) {
            assert_eq!(result.take(), Some(Ok(20 + client)));
        }
        let (connections, counter) = &*shared.borrow();
        assert!(connections.is_empty());
        assert_eq!(counter.0.closed.len(), 40);
    }
}
