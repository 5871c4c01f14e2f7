//! Whatever the other side sends: no panic, nothing kept, a clear error.

#[cfg(test)]
mod common;

#[cfg(test)]
mod tests {
    use crate::common::*;
    use errors::{Error, ErrorCode};
    use flounder::header::{Header, Kind};
    use flounder::{Limits, SendError, Server, Service, Single, Transport, interface, within};
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    const NAME: u64 = <TrialServer<Book> as Service<Cap>>::NAME;
    const VERSION: u64 = <TrialServer<Book> as Service<Cap>>::VERSION;

    fn narrow() -> Limits {
        Limits {
            message_bytes: 200,
            caps: 3,
            queued_bytes: 1000,
            calls: 4,
        }
    }

    fn header(kind: Kind, method: u16, call: u64) -> u64 {
        Header::from_word(kind as u64 | u64::from(method) << 5 | call << 19)
            .map_or(0, Header::to_word)
    }

    const FIRST: u64 = 1 << 4;

    /// Sends to a fresh server after a bind, polls it after each, and returns what became of it.
    fn tell(messages: &[(Vec<u64>, bool)]) -> Result<(), Error> {
        let (mut client, server, _) = lmp();
        let mut server = Server::new(server, narrow(), 1);
        let mut book = TrialServer(Book::default());
        let made = Caps::default();
        client
            .send(&[header(Kind::Bind, 0, 0), NAME, VERSION], None)
            .unwrap();
        server.poll(&mut book, 8).unwrap();
        let mut result = Ok(());
        for (words, cap) in messages {
            // The client that does not read its answers is not served.
            let cap = cap.then(|| made.frame(&[1; 150]));
            if let Err(SendError::Full(_)) = client.send(words, cap) {
                drop(client.receive());
            }
            result = server.poll(&mut book, 8).map(|_| ());
            assert!(server.queued() <= narrow().queued_bytes + narrow().message_bytes + 64);
            if result.is_err() {
                break;
            }
        }
        drop((client, server, book));
        assert_eq!(made.alive(), 0, "a capability was kept");
        result
    }

    fn cause(messages: &[(Vec<u64>, bool)]) -> ErrorCode {
        let error = tell(messages).unwrap_err();
        assert_eq!(error.code(), ErrorCode::FlounderConnectionLost);
        error.pop().unwrap().code()
    }

    #[test]
    fn what_breaks_the_protocol_ends_the_connection() {
        use ErrorCode::*;
        let call = header(Kind::Call, 4, 7);
        let part = header(Kind::Part, 0, 7);
        for (messages, code) in [
            (vec![(vec![], false)], FlounderRxEmptyMsg),
            (vec![(vec![0xf], false)], FlounderRxInvalidMsgnum),
            // No such method; a call as one-way message; an answer from a client; a second bind.
            (
                vec![(vec![header(Kind::Call, 99, 1)], false)],
                FlounderRxInvalidMsgnum,
            ),
            (
                vec![(vec![header(Kind::OneWay, 0, 1)], false)],
                FlounderRxInvalidMsgnum,
            ),
            (
                vec![(vec![header(Kind::Reply, 0, 1)], false)],
                FlounderRxInvalidMsgnum,
            ),
            (
                vec![(vec![header(Kind::Bind, 0, 1), NAME, VERSION], false)],
                FlounderRxProtocol,
            ),
            // A one-way message whose argument is missing, and one with a capability too many.
            (
                vec![(vec![header(Kind::OneWay, 9, 1)], false)],
                FlounderRxInvalidLength,
            ),
            (
                vec![(vec![header(Kind::OneWay, 9, 1), 5], true)],
                FlounderRxCaps,
            ),
            // Parts and ends of nothing.
            (vec![(vec![part, 1], false)], FlounderRxProtocol),
            (
                vec![(vec![header(Kind::Abort, 0, 7)], false)],
                FlounderRxProtocol,
            ),
            // Longer than the limits, more capabilities than they allow, no sizes.
            (
                vec![(vec![call | FIRST, 201, 1, 2], false)],
                FlounderRxInvalidLength,
            ),
            (
                vec![(vec![call | FIRST, (1 << 48) - 1, 1], false)],
                FlounderRxInvalidLength,
            ),
            (
                vec![(vec![call | FIRST, 100 | 4 << 48, 1], true)],
                FlounderRxCaps,
            ),
            (vec![(vec![call | FIRST], false)], FlounderRxInvalidLength),
            // An empty fragment, too much data, a capability not announced, one that is missing.
            (
                vec![(vec![call | FIRST, 100], false)],
                FlounderRxInvalidLength,
            ),
            (
                vec![(vec![call | FIRST, 8, 1, 2], false)],
                FlounderRxInvalidLength,
            ),
            (vec![(vec![call | FIRST, 100, 1], true)], FlounderRxCaps),
            (
                vec![(vec![call | FIRST, 100 | 1 << 48, 1], false)],
                FlounderRxCaps,
            ),
            // Within a message: another message, a part of another call, another beginning.
            (
                vec![(vec![call | FIRST, 100, 1], false), (vec![call], false)],
                FlounderRxProtocol,
            ),
            (
                vec![
                    (vec![call | FIRST, 100, 1], false),
                    (vec![header(Kind::Part, 0, 8), 1], false),
                ],
                FlounderRxProtocol,
            ),
            (
                vec![
                    (vec![call | FIRST, 100, 1], false),
                    (vec![call | FIRST, 100, 1], false),
                ],
                FlounderRxProtocol,
            ),
            // The same number for two calls that wait.
            (
                vec![
                    (vec![header(Kind::Call, 11, 3), 1], false),
                    (vec![header(Kind::Call, 11, 3), 2], false),
                ],
                FlounderRxProtocol,
            ),
        ] {
            assert_eq!(cause(&messages), code, "{messages:x?}");
        }
    }

    #[test]
    fn arguments_that_cannot_be_read_fail_the_call_only() {
        for (words, cap, code) in [
            // `add` without arguments; with a second number too large; `numbers` with a character that is none; text that
            // is no UTF-8; a record that ends early; more than a record; a capability too many and too few.
            (
                vec![header(Kind::Call, 1, 1)],
                false,
                ErrorCode::FlounderRxInvalidLength,
            ),
            (
                vec![header(Kind::Call, 1, 1), 1, 1 << 32],
                false,
                ErrorCode::FlounderDemarshalling,
            ),
            (
                vec![header(Kind::Call, 5, 1), 0xff_01],
                false,
                ErrorCode::FlounderDemarshalling,
            ),
            (
                vec![header(Kind::Call, 6, 1), 0x7f],
                false,
                ErrorCode::FlounderDemarshalling,
            ),
            (
                vec![header(Kind::Call, 6, 1), 0],
                false,
                ErrorCode::FlounderRxInvalidLength,
            ),
            // Numbers are whole words.
            (
                vec![header(Kind::Call, 1, 1) | 3 << 16, 1, 2],
                false,
                ErrorCode::FlounderRxInvalidLength,
            ),
            (
                vec![header(Kind::Call, 0, 1)],
                true,
                ErrorCode::FlounderRxCaps,
            ),
            (
                vec![header(Kind::Call, 3, 1), 1],
                false,
                ErrorCode::FlounderRxCaps,
            ),
            (
                vec![header(Kind::Call, 7, 1), 1],
                true,
                ErrorCode::FlounderRxCaps,
            ),
        ] {
            let (mut client, server, _) = lmp();
            let mut server = Server::new(server, narrow(), 1);
            let mut book = TrialServer(Book::default());
            let made = Caps::default();
            let bind = [header(Kind::Bind, 0, 0), NAME, VERSION];
            client.send(&bind, None).unwrap();
            client.send(&words, cap.then(|| made.make(1))).unwrap();
            server.poll(&mut book, 8).unwrap();
            assert_eq!(
                client.receive().unwrap().unwrap().words(),
                [header(Kind::Reply, 0, 0)]
            );
            let answer = client.receive().unwrap().unwrap();
            assert_eq!(answer.words()[0], header(Kind::Failed, 0, 1), "{words:x?}");
            let error = Error::from_raw(answer.words()[1]).unwrap();
            assert_eq!(error.code(), code, "{words:x?}");
            assert_eq!(made.alive(), 0);
        }
    }

    const PACKED: u64 = 1 << 63;

    /// Sends a first fragment with this capability; returns the answer's words, or why the connection was lost, and how often
    /// memory was read.
    fn tell_packed(words: &[u64], cap: Option<Cap>) -> (Result<Vec<u64>, Error>, u64) {
        let (mut client, server, faults) = lmp();
        let mut server = Server::new(server, narrow(), 1);
        let mut book = TrialServer(Book::default());
        let bind = [header(Kind::Bind, 0, 0), NAME, VERSION];
        client.send(&bind, None).unwrap();
        server.poll(&mut book, 8).unwrap();
        client.receive().unwrap();
        client.send(words, cap).unwrap();
        let polled = server.poll(&mut book, 8);
        let answer = polled.map(|_| match client.receive().unwrap() {
            Some(answer) => answer.words().to_vec(),
            None => vec![],
        });
        (answer, faults.unpacked.get())
    }

    #[test]
    fn packed_data_is_checked_before_it_is_read() {
        let call = header(Kind::Call, 4, 7) | FIRST;
        let made = Caps::default();
        let frame = || Some(made.frame(&[5; 100]));
        for (words, cap, code) in [
            // Longer than the limits; no capability; data beside it.
            (
                vec![call, PACKED | 201],
                frame(),
                ErrorCode::FlounderRxInvalidLength,
            ),
            (vec![call, PACKED | 100], None, ErrorCode::FlounderRxCaps),
            (
                vec![call, PACKED | 100 | 4 << 48],
                frame(),
                ErrorCode::FlounderRxCaps,
            ),
        ] {
            let (result, unpacked) = tell_packed(&words, cap);
            assert_eq!(
                result.unwrap_err().pop().unwrap().code(),
                code,
                "{words:x?}"
            );
            assert_eq!(unpacked, 0);
        }
        let (result, _) = tell_packed(&[call, PACKED | 100, 1], frame());
        assert!(
            result
                .unwrap_err()
                .contains(ErrorCode::FlounderRxInvalidLength)
        );
        assert_eq!(made.alive(), 0);
    }

    #[test]
    fn packed_data_that_cannot_be_read_fails_the_call_only() {
        let call = header(Kind::Call, 4, 7) | FIRST;
        let made = Caps::default();
        // The memory is shorter than the message; the capability is not one to memory.
        for (cap, code) in [
            (made.frame(&[5; 99]), ErrorCode::CommonInvalidArgs),
            (made.make(1), ErrorCode::SysCapNotFound),
        ] {
            let (answer, _) = tell_packed(&[call, PACKED | 100], Some(cap));
            let error = Error::from(code).raw();
            assert_eq!(answer, Ok(vec![header(Kind::Failed, 0, 7), error]));
        }
        // Nobody hears of a message without answer that is missing: so it is not just dropped.
        let one_way = header(Kind::OneWay, 10, 7) | FIRST;
        let (result, _) = tell_packed(&[one_way, PACKED | 100], Some(made.make(1)));
        assert!(result.unwrap_err().contains(ErrorCode::SysCapNotFound));
        assert_eq!(made.alive(), 0);
    }

    #[test]
    fn an_aborted_message_is_forgotten() {
        let call = header(Kind::Call, 4, 7);
        let messages = [
            (vec![call | FIRST, 100 | 2 << 48, 1], true),
            (vec![header(Kind::Abort, 0, 7)], false),
            (vec![header(Kind::Call, 0, 8)], false),
        ];
        assert_eq!(tell(&messages), Ok(()));
    }

    /// Another trait of the same name, and one of another name.
    mod others {
        use super::{Error, interface};

        #[interface]
        pub trait Trial {
            fn nothing(&mut self) -> Result<u64, Error>;
        }

        #[interface]
        pub trait Trail {
            fn nothing(&mut self) -> Result<(), Error>;
        }
    }

    #[test]
    fn another_interface_or_version_is_refused_at_bind() {
        fn bind<R: 'static>(
            bind: impl AsyncFnOnce(Lmp) -> Result<R, Error> + 'static,
        ) -> (Error, Error) {
            let (client, server, _) = lmp();
            let mut tasks = Tasks::default();
            let served = tasks.spawn(serve(shared(server, wide())));
            let bound = tasks.spawn(async move { bind(client).await.map(|_| ()) });
            tasks.run(|_| 0);
            (bound.take().unwrap().unwrap_err(), served.take().unwrap())
        }
        let (client, server) =
            bind(async |end| others::TrialClient::<_, Single>::bind(end, wide()).await);
        assert_eq!(
            client,
            Error::new(ErrorCode::FlounderVersion).push(ErrorCode::FlounderBind)
        );
        assert!(server.contains(ErrorCode::FlounderVersion));
        let (client, server) =
            bind(async |end| others::TrailClient::<_, Single>::bind(end, wide()).await);
        assert_eq!(
            client,
            Error::new(ErrorCode::FlounderInterface).push(ErrorCode::FlounderBind)
        );
        assert!(server.contains(ErrorCode::FlounderInterface));
    }

    #[test]
    fn nothing_is_done_before_the_bind() {
        let (mut client, server, _) = lmp();
        let mut server = Server::new(server, narrow(), 1);
        let mut book = TrialServer(Book::default());
        client.send(&[header(Kind::OneWay, 9, 1), 5], None).unwrap();
        assert!(server.poll(&mut book, 8).is_err());
        assert!(book.0.notes.is_empty());
    }

    #[test]
    fn who_does_not_read_is_not_served() {
        let (mut client, server, _) = lmp();
        let mut server = Server::new(server, narrow(), 1);
        let mut book = TrialServer(Book::default());
        client
            .send(&[header(Kind::Bind, 0, 0), NAME, VERSION], None)
            .unwrap();
        for number in 0..1000 {
            // `bytes` with 40 bytes.
            let _ = client.send(&[header(Kind::Call, 4, number), 40, 0, 0, 0, 0, 0], None);
            server.poll(&mut book, 8).unwrap();
        }
        assert!(server.queued() <= narrow().queued_bytes + narrow().message_bytes + 64);
        assert!(matches!(
            client.send(&[header(Kind::Call, 0, 1)], None),
            Err(SendError::Full(_))
        ));
    }

    /// Words that look like messages more often than by chance.
    fn message() -> impl Strategy<Value = (Vec<u64>, bool)> {
        let head = (0..10_u64, any::<bool>(), 0..13_u64, 0..4_u64).prop_map(
            |(kind, first, method, call)| kind | u64::from(first) << 4 | method << 5 | call << 19,
        );
        let head = prop_oneof![6 => head, 1 => any::<u64>()];
        let word = prop_oneof![
            0..300_u64,
            (0..300_u64, 0..5_u64, any::<bool>())
                .prop_map(|(bytes, caps, packed)| bytes | caps << 48 | u64::from(packed) << 63),
            any::<u64>(),
        ];
        (head, prop::collection::vec(word, 0..8), any::<bool>()).prop_map(
            |(head, mut words, cap)| {
                words.truncate(7);
                words.insert(0, head);
                (words, cap)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn servers_survive_anything(messages in prop::collection::vec(message(), 1..40)) {
            let _ = tell(&messages);
        }

        #[test]
        fn clients_survive_anything(messages in prop::collection::vec(message(), 1..20)) {
            let (end, mut server, _) = lmp();
            let made = Caps::default();
            let results = Rc::new(RefCell::new(Vec::new()));
            let mut tasks = Tasks::default();
            let out = results.clone();
            let inner = made.clone();
            tasks.spawn(async move {
                let client = TrialClient::<Lmp>::bind(end, narrow()).await.unwrap();
                let mut work = [
                    Box::pin(async { client.nothing().await.map(|_| 0) }) as std::pin::Pin<Box<dyn Future<Output = _>>>,
                    Box::pin(async { client.pass(1, inner.make(1)).await.map(|_| 1) }),
                    Box::pin(async { client.bytes(&[5; 150]).await.map(|_| 2) }),
                    Box::pin(async { client.wait(1).await.map(|_| 3) }),
                    Box::pin(async { within(client.wait(2), std::future::pending()).await.map(|_| 4) }),
                ];
                let mut left: Vec<usize> = (0..work.len()).collect();
                std::future::poll_fn(|cx| {
                    left.retain(|index| match work[*index].as_mut().poll(cx) {
                        std::task::Poll::Ready(result) => {
                            out.borrow_mut().push(result);
                            false
                        }
                        std::task::Poll::Pending => true,
                    });
                    match left.is_empty() {
                        true => std::task::Poll::Ready(()),
                        false => std::task::Poll::Pending,
                    }
                })
                .await;
            });
            tasks.run(|_| 0);
            server.receive().unwrap();
            server.send(&[header(Kind::Reply, 0, 0)], None).unwrap();
            for (words, cap) in messages {
                tasks.run(|_| 0);
                while let Ok(Some(_)) = server.receive() {}
                let _ = server.send(&words, cap.then(|| made.frame(&[2; 150])));
            }
            drop(server);
            tasks.run(|_| 0);
            prop_assert_eq!(results.borrow().len(), 5, "a call did not end");
            drop((tasks, results));
            prop_assert_eq!(made.alive(), 0);
        }
    }
}
