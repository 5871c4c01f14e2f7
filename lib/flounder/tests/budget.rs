//! What all clients of a service hold together has a bound, in which each has its share; and calls whose answers are dropped end.

#[cfg(test)]
mod tests {
    use errors::{Error, ErrorCode};
    use flounder::header::{Header, Kind};
    use flounder::{
        Answer, Connections, Limits, Loopback, Message, Service, Single, Transport, interface,
        loopback,
    };
    use proptest::prelude::*;
    use std::task::Waker;

    #[interface]
    trait Store<C> {
        fn bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error>;
        #[later]
        fn wait(&mut self, value: u64) -> Result<u64, Error>;
    }

    #[derive(Default)]
    struct Keeper(Vec<Answer<u64, u64>>);

    impl Store<u64> for Keeper {
        fn bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
            Ok(bytes.to_vec())
        }
        fn wait(&mut self, _value: u64, answer: Answer<u64, u64>) {
            self.0.push(answer);
        }
    }

    type End = Loopback<u64, Single, 9>;

    const CLIENTS: usize = 8;
    const TOTAL: usize = 16 << 10;
    const SHARE: usize = TOTAL / 2 / CLIENTS;
    const LONG: usize = 12 << 10;
    const CAPACITY: usize = 4096;

    fn word(kind: Kind, method: u16, call: u64) -> u64 {
        let word = kind as u64 | u64::from(method) << 5 | call << 19;
        Header::from_word(word).map_or(0, Header::to_word)
    }

    struct Daemon {
        connections: Connections<End>,
        service: StoreServer<Keeper>,
        clients: Vec<Client>,
    }

    struct Client {
        end: End,
        call: u64,
        /// Words of the message under way that are not sent.
        left: usize,
    }

    impl Client {
        /// Begins a call with so many bytes.
        fn begin(&mut self, bytes: usize) {
            self.call += 1;
            let first = word(Kind::Call, 0, self.call) | 1 << 4;
            self.end.send(&[first, bytes as u64, 7], None).unwrap();
            self.left = bytes.div_ceil(8) - 1;
        }

        /// Sends some messages more of it.
        fn go_on(&mut self, messages: usize) {
            for _ in 0..messages {
                let count = self.left.min(8);
                if count == 0 {
                    return;
                }
                let mut words = [7; 9];
                words[0] = word(Kind::Part, 0, self.call);
                self.end.send(&words[..=count], None).unwrap();
                self.left -= count;
            }
        }

        fn answers(&mut self) -> Vec<Message<u64>> {
            std::iter::from_fn(|| self.end.receive().unwrap()).collect()
        }
    }

    fn daemon() -> Daemon {
        let limits = Limits {
            message_bytes: LONG,
            queued_bytes: 4 << 10,
            ..Limits::default()
        };
        let mut this = Daemon {
            connections: Connections::new(CLIENTS, limits).within(TOTAL),
            service: StoreServer(Keeper::default()),
            clients: Vec::new(),
        };
        for _ in 0..CLIENTS {
            let (mut end, server) = loopback(CAPACITY);
            assert!(this.connections.add(server).is_ok());
            let name = <StoreServer<Keeper> as Service<u64>>::NAME;
            let version = <StoreServer<Keeper> as Service<u64>>::VERSION;
            end.send(&[word(Kind::Bind, 0, 0), name, version], None)
                .unwrap();
            this.clients.push(Client {
                end,
                call: 0,
                left: 0,
            });
        }
        this.settle();
        for client in &mut this.clients {
            assert_eq!(client.answers().len(), 1);
        }
        this
    }

    impl Daemon {
        fn settle(&mut self) {
            while self.round() {}
        }

        fn round(&mut self) -> bool {
            let more = self.connections.poll(&mut self.service, 16, Waker::noop());
            assert!(
                self.connections.held() <= TOTAL,
                "{}",
                self.connections.held()
            );
            more
        }
    }

    fn is(message: &Message<u64>, kind: Kind) -> bool {
        message.words()[0] & 0xf == kind as u64
    }

    proptest! {
        #[test]
        fn there_is_a_bound_and_each_has_its_share(
            steps in prop::collection::vec((1..CLIENTS, 0..4_u8, 1..LONG), 1..120),
        ) {
            let mut daemon = daemon();
            for (index, what, size) in steps {
                let client = &mut daemon.clients[index];
                match what {
                    0 if client.left == 0 => client.begin(size),
                    0 | 1 => client.go_on(size / 64),
                    2 => client.go_on(usize::MAX),
                    _ => drop(client.answers()),
                }
                daemon.settle();
                // The first client keeps nothing: what is in its share is always answered.
                let first = &mut daemon.clients[0];
                first.begin(size % (SHARE - 64) + 1);
                first.go_on(usize::MAX);
                daemon.settle();
                let answers = daemon.clients[0].answers();
                prop_assert!(is(&answers[0], Kind::Reply));
                daemon.settle();
            }
            for client in &mut daemon.clients {
                client.go_on(usize::MAX);
            }
            for _ in 0..64 {
                daemon.settle();
                for client in &mut daemon.clients {
                    client.answers();
                }
            }
            prop_assert_eq!(daemon.connections.held(), 0);
        }
    }

    #[test]
    fn what_does_not_fit_fails_and_nothing_else_does() {
        let mut daemon = daemon();
        daemon.clients[1].begin(LONG - 4096);
        daemon.settle();
        daemon.clients[2].begin(LONG - 4096);
        daemon.clients[2].go_on(usize::MAX);
        daemon.settle();
        let answers = daemon.clients[2].answers();
        assert!(is(&answers[0], Kind::Failed));
        let error = Error::from_raw(answers[0].words()[1]);
        assert!(error.is_some_and(|error| error.contains(ErrorCode::FlounderNoRoom)));
        // It is as before when the first one is done.
        daemon.clients[1].go_on(usize::MAX);
        daemon.settle();
        assert!(is(&daemon.clients[1].answers()[0], Kind::Reply));
        daemon.settle();
        daemon.clients[2].begin(LONG - 4096);
        daemon.clients[2].go_on(usize::MAX);
        daemon.settle();
        assert!(is(&daemon.clients[2].answers()[0], Kind::Reply));
    }

    #[test]
    fn dropped_answers_are_told() {
        let mut daemon = daemon();
        for client in &mut daemon.clients {
            client.end.send(&[word(Kind::Call, 1, 5), 1], None).unwrap();
        }
        daemon.settle();
        let last = daemon.service.0.0.pop().unwrap();
        daemon.service.0.0.clear();
        assert!(daemon.connections.has_broken());
        daemon.settle();
        assert!(!daemon.connections.has_broken());
        let finished = last.finish(Ok(9));
        daemon.connections.finish(&mut daemon.service, finished);
        daemon.settle();
        let mut replies = 0;
        for client in &mut daemon.clients {
            let answers = client.answers();
            assert_eq!(answers.len(), 1);
            if is(&answers[0], Kind::Reply) {
                replies += 1;
                continue;
            }
            let error = Error::from_raw(answers[0].words()[1]);
            assert!(error.is_some_and(|error| error.contains(ErrorCode::FlounderNoAnswer)));
        }
        assert_eq!(replies, 1);
        assert!(!daemon.connections.has_broken());
    }
}
