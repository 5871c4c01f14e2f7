//! Whatever goes in comes out, over both transports, whole or in fragments.

#[cfg(test)]
mod common;

#[cfg(test)]
mod tests {
    use crate::common::*;
    use errors::{Error, ErrorCode};
    use flounder::{Limits, Single, loopback, within};
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = Record> {
        let kind = prop_oneof![
            Just(Kind::Empty),
            any::<(u8, u64)>().prop_map(|(a, b)| Kind::Pair(a, b)),
            prop::collection::vec(any::<u16>(), 0..40).prop_map(|list| Kind::Named { list }),
        ];
        (".{0,20}", any::<i64>(), kind).prop_map(|(name, number, kind)| Record {
            name,
            number,
            kind,
        })
    }

    type Packing = Lmp<50>;

    /// Runs a test over loopback, over the LMP-like transport, and over that with long data in frames, of which there are not
    /// always enough. All give the same.
    fn over_all_three<R: PartialEq + std::fmt::Debug + 'static>(
        one: impl AsyncFnOnce(TrialClient<flounder::Loopback<Cap>>) -> R + 'static,
        two: impl AsyncFnOnce(TrialClient<Lmp>) -> R + 'static,
        three: impl AsyncFnOnce(TrialClient<Packing>) -> R + 'static,
    ) -> R {
        let (client, server) = loopback::<Cap, Single, 9>(8);
        let one = with_client(client, server, wide(), one);
        let (client, server, _) = lmp();
        assert_eq!(with_client(client, server, wide(), two), one);
        let (client, server, faults) = ends();
        faults.scarce.set(Some(3));
        assert_eq!(with_client(client, server, wide(), three), one);
        assert_eq!(faults.frames.alive(), 0);
        one
    }

    /// The body once for each transport, with its own copies of what it uses.
    macro_rules! over_all {
        (|$client:ident $(, $used:ident)*| $body:expr) => {{
            $(let $used = ($used.clone(), $used.clone(), $used.clone());)*
            over_all_three(
                { $(let $used = $used.0;)* async move |$client| $body },
                { $(let $used = $used.1;)* async move |$client| $body },
                { $(let $used = $used.2;)* async move |$client| $body },
            )
        }};
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn numbers(v: (u8, i16, bool, char, i64, usize, u64, i8)) {
            let got = over_all!(|client| client.numbers(v.0, v.1, v.2, v.3, v.4, v.5, v.6, v.7).await);
            prop_assert_eq!(got, Ok(v));
        }

        #[test]
        fn sums(a: u64, b: u32) {
            let got = over_all!(|client| client.add(a, b).await);
            let sum = a.checked_add(u64::from(b));
            prop_assert_eq!(got, sum.ok_or(Error::new(ErrorCode::CommonInvalidArgs)));
        }

        #[test]
        fn records(one in record(), more in prop::collection::vec(record(), 0..30)) {
            let got = over_all!(|client, one, more| client.records(one, more).await);
            prop_assert_eq!(got, Ok((one, more)));
        }

        #[test]
        fn text(text in ".{0,300}") {
            let got = over_all!(|client, text| client.text(&text).await);
            prop_assert_eq!(got, Ok(text));
        }

        #[test]
        fn capabilities(maybe: bool, count in 0..14_u64, text in ".{0,100}") {
            let made = Caps::default();
            let got = over_all!(|client, made, text| {
                let maybe = maybe.then(|| made.make(100));
                let many = (0..count).map(|number| made.make(number)).collect();
                client.caps(made.make(99), maybe, many, &text).await
            });
            let (many, one, first, back) = got.unwrap();
            prop_assert_eq!(many.iter().map(|cap| cap.number).collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            prop_assert_eq!(one.map(|cap| cap.number), maybe.then_some(100));
            prop_assert_eq!((first.number, back), (99, text));
            drop((many, first));
            prop_assert_eq!(made.alive(), 0);
        }

        #[test]
        fn bytes_of_any_size(length in prop_oneof![0..200_usize, 0..70_000_usize], seed: u8) {
            bytes(length, seed);
        }
    }

    fn bytes(length: usize, seed: u8) {
        let data: Vec<u8> = (0..length)
            .map(|at| (at as u8).wrapping_mul(31) ^ seed)
            .collect();
        let got = over_all!(|client, data| client.bytes(&data).await);
        assert!(got.unwrap() == data);
    }

    #[test]
    fn bytes_up_to_a_mebibyte() {
        for length in [
            47,
            48,
            55,
            56,
            57,
            63,
            64,
            4096,
            1 << 16,
            (1 << 20) - 1,
            1 << 20,
        ] {
            bytes(length, 7);
        }
    }

    #[test]
    fn sixteen_mebibytes_are_a_few_messages_in_a_frame() {
        let (client, server, faults) = ends::<4096>();
        let counter = faults.clone();
        let limits = Limits {
            queued_bytes: 1000,
            ..Limits::large()
        };
        with_client(
            client,
            server,
            limits,
            async move |client: TrialClient<Lmp<4096>>| {
                let data = vec![7; Limits::MESSAGE_BYTES_MAX];
                let before = counter.operations.get();
                assert!(client.bytes(&data).await.unwrap() == data);
                let operations = counter.operations.get() - before;
                assert!(operations <= 10, "{operations} operations");
                let data = vec![7; Limits::MESSAGE_BYTES_MAX + 1];
                let refused = client.bytes(&data).await.map(|bytes| bytes.len());
                assert_eq!(refused, Err(ErrorCode::FlounderTxMsgSize.into()));
            },
        );
        assert_eq!((faults.packed.get(), faults.unpacked.get()), (2, 2));
        assert_eq!(faults.frames.alive(), 0);
    }

    #[test]
    fn bytes_that_fill_a_message_are_one() {
        let (client, server, faults) = lmp();
        let before = faults.clone();
        with_client(
            client,
            server,
            wide(),
            async move |client: TrialClient<Lmp>| {
                client.nothing().await.unwrap();
                for length in [1, 8, 55, 56] {
                    let data = vec![0; length];
                    let start = before.operations.get();
                    assert_eq!(client.bytes(&data).await, Ok(data));
                    let operations = before.operations.get() - start;
                    assert!(operations <= 8, "{length} bytes: {operations} operations");
                }
            },
        );
    }

    #[test]
    fn a_small_call_with_a_capability_is_one_message() {
        let (client, server, faults) = lmp();
        let before = faults.clone();
        with_client(
            client,
            server,
            wide(),
            async move |client: TrialClient<Lmp>| {
                client.nothing().await.unwrap();
                let start = before.operations.get();
                let made = Caps::default();
                assert_eq!(client.pass(5, made.make(6)).await, Ok((made.make(6), 5)));
                // Client: send, nothing there; server: receive, send, nothing there; client: receive, nothing there.
                let operations = before.operations.get() - start;
                assert!(operations <= 8, "{operations} operations");
            },
        );
    }

    #[test]
    fn errors_arrive_with_their_stack() {
        let error = Error::new(ErrorCode::SysCapNotFound).push(ErrorCode::LibSlotAlloc);
        let got = over_all!(|client| client.fail(error.raw()).await);
        assert_eq!(got, Err(error));
    }

    #[test]
    fn one_way_messages_stay_in_order() {
        let (client, server, _) = lmp();
        let book = shared(server, wide());
        let mut tasks = Tasks::default();
        tasks.spawn(serve(book.clone()));
        let done = tasks.spawn(async move {
            let client = TrialClient::<Lmp>::bind(client, wide()).await.unwrap();
            let made = Caps::default();
            for number in 0..50 {
                client.note(number).await.unwrap();
                client
                    .note_bytes(&[0; 300], made.make(number))
                    .await
                    .unwrap();
            }
            client.nothing().await.unwrap();
            made.alive()
        });
        tasks.run(|_| 0);
        assert_eq!(done.take(), Some(0));
        let expected: Vec<u64> = (0..50).flat_map(|number| [number, 300 + number]).collect();
        assert_eq!(book.borrow().1.0.notes, expected);
    }

    #[test]
    fn too_large_is_refused_before_it_is_sent() {
        let limits = Limits {
            message_bytes: 100,
            caps: 1,
            ..Limits::default()
        };
        let (client, server, _) = lmp();
        let made = Caps::default();
        let inner = made.clone();
        with_client(
            client,
            server,
            limits,
            async move |client: TrialClient<Lmp>| {
                let large = client.bytes(&[0; 101]).await;
                assert_eq!(large, Err(ErrorCode::FlounderTxMsgSize.into()));
                let caps = client
                    .caps(inner.make(1), Some(inner.make(2)), vec![], "")
                    .await;
                assert_eq!(caps, Err(ErrorCode::FlounderTxCaps.into()));
                client.nothing().await.unwrap();
            },
        );
        assert_eq!(made.alive(), 0);
    }

    #[test]
    fn a_deadline_ends_a_call_and_the_server_hears_of_it() {
        let (client, server, _) = lmp();
        let book = shared(server, wide());
        let mut tasks = Tasks::default();
        tasks.spawn(serve(book.clone()));
        let time = std::rc::Rc::new(std::cell::Cell::new(false));
        let clock = time.clone();
        let done = tasks.spawn(async move {
            let client = TrialClient::<Lmp>::bind(client, wide()).await.unwrap();
            let sleep = std::future::poll_fn(move |cx| {
                cx.waker().wake_by_ref();
                match clock.get() {
                    true => std::task::Poll::Ready(()),
                    false => {
                        clock.set(true);
                        std::task::Poll::Pending
                    }
                }
            });
            let result = within(client.wait(9), sleep).await;
            (result, client.nothing().await, client.connection().calls())
        });
        tasks.run(|_| 0);
        let (result, after, calls) = done.take().unwrap();
        assert_eq!(result, Err(ErrorCode::FlounderTimeout.into()));
        assert_eq!((after, calls), (Ok(()), 0));
        let book = &book.borrow().1.0;
        assert_eq!((book.cancelled, book.waiting.len()), (1, 0));
    }
}
