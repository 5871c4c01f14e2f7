//! Many calls at once, answered in any order, given up at any time: against a model; and from several threads.

#[cfg(test)]
mod common;

#[cfg(test)]
mod tests {
    use crate::common::*;
    use errors::{Error, ErrorCode};
    use flounder::{
        Guarded, Interest, Limits, Lock, Message, SendError, Server, Transport, loopback,
    };
    use random::Random;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::future::Future;
    use std::pin::pin;
    use std::rc::Rc;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Wake, Waker};

    struct Numbers(Random);

    impl Numbers {
        fn new(seed: u8) -> Self {
            Self(Random::new(seed.into()))
        }
        fn below(&mut self, bound: usize) -> usize {
            self.0.below(bound as u64) as usize
        }
    }

    const CALLS: usize = 1000;

    /// Each call ends as the model says: with the answer to its own question, its own error, or given up.
    fn thousand_calls(seed: u8, calls: usize) {
        let mut numbers = Numbers::new(seed);
        let limits = Limits { calls, ..wide() };
        let (end, server, _) = lmp();
        let made = Caps::default();
        let book = shared(
            server,
            Limits {
                calls: 2 * CALLS,
                ..wide()
            },
        );
        let mut tasks = Tasks::default();
        tasks.spawn(serve(book.clone()));
        let client = tasks.spawn(TrialClient::<Lmp>::bind(end, limits));
        tasks.run(|_| 0);
        let client = client.take().unwrap().unwrap();
        // The model: what each call shall end with.
        let mut expected: BTreeMap<u64, Result<u64, Error>> = BTreeMap::new();
        let mut results = Vec::new();
        let stop = Rc::new(RefCell::new(BTreeMap::<u64, Waker>::new()));
        let stopped = Rc::new(Cell::new(0_u64));
        for number in 0..CALLS as u64 {
            let client = client.clone();
            let kind = numbers.below(4);
            let cap = made.make(number);
            expected.insert(
                number,
                match kind {
                    0 => Ok(number + 1),
                    1 => Ok(number),
                    _ => Ok(number * 3),
                },
            );
            let stop = stop.clone();
            let stopped = stopped.clone();
            results.push(tasks.spawn(async move {
                match kind {
                    0 => client.add(number, 1).await,
                    1 => client.pass(number, cap).await.map(|(cap, _)| cap.number),
                    _ => {
                        let mut call = pin!(client.wait(number));
                        // Whoever is in `stop` and then marked gives up.
                        std::future::poll_fn(|cx| {
                            if stopped.get() == number + 1 {
                                return Poll::Ready(Err(ErrorCode::FlounderTimeout.into()));
                            }
                            stop.borrow_mut().insert(number, cx.waker().clone());
                            call.as_mut().poll(cx).map(|r| r.map(|(n, _)| n))
                        })
                        .await
                    }
                }
            }));
            if numbers.below(3) == 0 {
                tasks.run(|count| numbers.below(count));
            }
        }
        tasks.run(|count| numbers.below(count));
        // Answer in random order, give some up in between.
        loop {
            let waiting: Vec<u64> = book.borrow().1.0.waiting.keys().copied().collect();
            if waiting.is_empty() {
                break;
            }
            let number = waiting[numbers.below(waiting.len())];
            if numbers.below(5) == 0 {
                stopped.set(number + 1);
                expected.insert(number, Err(ErrorCode::FlounderTimeout.into()));
                let waker = stop.borrow_mut().remove(&number).unwrap();
                waker.wake();
                tasks.run(|count| numbers.below(count));
                stopped.set(0);
            } else {
                let answer = book.borrow_mut().1.0.waiting.remove(&number).unwrap();
                let result = match numbers.below(6) {
                    0 => {
                        expected.insert(number, Err(ErrorCode::SysCapNotFound.into()));
                        Err(ErrorCode::SysCapNotFound.into())
                    }
                    half => Ok((number * 3, (half < 3).then(|| made.make(1)))),
                };
                book.borrow_mut().0.finish(answer.finish(result)).unwrap();
                if numbers.below(3) == 0 {
                    tasks.run(|count| numbers.below(count));
                }
            }
            if waiting.len() < 3 {
                tasks.run(|count| numbers.below(count));
            }
        }
        tasks.run(|count| numbers.below(count));
        for (number, result) in results.into_iter().enumerate() {
            let result = result.take();
            assert_eq!(
                result,
                Some(expected[&(number as u64)]),
                "call {number}, seed {seed}"
            );
        }
        assert_eq!(client.connection().calls(), 0);
        drop((tasks, client, book));
        assert_eq!(made.alive(), 0);
    }

    #[test]
    fn a_thousand_calls_in_any_order() {
        for seed in 0..10 {
            thousand_calls(seed, 2000);
        }
    }

    #[test]
    fn a_thousand_calls_through_few_places() {
        for seed in 0..10 {
            thousand_calls(seed, 17);
        }
    }

    /// A transport with a fast path: sending runs the server, whose answer is there then.
    struct Direct {
        inner: Lmp,
        service: Shared<Lmp>,
    }

    impl Transport for Direct {
        type Cap = Cap;
        const WORDS: usize = <Lmp>::WORDS;
        fn send(&mut self, words: &[u64], cap: Option<Cap>) -> Result<(), SendError<Cap>> {
            self.inner.send(words, cap)
        }
        fn receive(&mut self) -> Result<Option<Message<Cap>>, Error> {
            self.inner.receive()
        }
        fn exchange(&mut self, message: &mut Message<Cap>) -> Result<bool, SendError<Cap>> {
            let cap = message.cap.take();
            self.send(message.words(), cap)?;
            {
                let (server, book) = &mut *self.service.borrow_mut();
                server.poll(book, 8).map_err(SendError::Lost)?;
            }
            self.receive_into(message).map_err(SendError::Lost)
        }
        fn watch(&mut self, waker: &Waker, interest: Interest) {
            self.inner.watch(waker, interest);
        }
    }

    #[test]
    fn the_fast_path_passes_by_calls_that_wait() {
        let (inner, server, _) = lmp();
        let service = shared(server, wide());
        let transport = Direct {
            inner,
            service: service.clone(),
        };
        let mut tasks = Tasks::default();
        tasks.spawn(serve(service.clone()));
        let bound = tasks.spawn(TrialClient::bind(transport, wide()));
        tasks.run(|_| 0);
        let client: TrialClient<Direct> = bound.take().unwrap().unwrap();
        let made = Caps::default();
        let waiter = client.clone();
        let waited = tasks.spawn(async move { waiter.wait(7).await.map(|(number, _)| number) });
        tasks.run(|_| 0);
        // Answered at once, whatever the answer is, while the other call waits.
        assert_eq!(client.add(1, 2).now(), Some(Ok(3)));
        let error = Error::from(ErrorCode::SysCapNotFound);
        assert_eq!(client.fail(error.raw()).now(), Some(Err(error)));
        assert_eq!(client.note(5).now(), Some(Ok(())));
        assert_eq!(
            client.pass(1, made.make(2)).now(),
            Some(Ok((made.make(2), 1)))
        );
        // Longer than a message: not at once, but as well.
        let mut long = Box::pin(client.bytes(&[1; 300]));
        assert_eq!(long.now(), None);
        drop(long);
        assert_eq!(client.connection().calls(), 1);
        // The answer to the waiting call comes first: that is handed over, and this one is awaited.
        let answer = service.borrow_mut().1.0.waiting.remove(&7).unwrap();
        let finished = answer.finish(Ok((70, None)));
        service.borrow_mut().0.finish(finished).unwrap();
        let later = client.clone();
        let added = tasks.spawn(async move {
            let mut call = later.add(3, 4);
            assert_eq!(call.now(), None);
            call.await
        });
        tasks.run(|count| count - 1);
        assert_eq!(waited.take(), Some(Ok(70)));
        assert_eq!(added.take(), Some(Ok(7)));
        assert_eq!(client.connection().calls(), 0);
        assert_eq!(service.borrow().1.0.notes, [5]);
        assert_eq!(made.alive(), 0);
    }

    /// A real mutex.
    struct Threads;

    impl Lock for Threads {
        type Of<V> = Locked<V>;
    }

    struct Locked<V>(Mutex<V>);

    impl<V> Guarded<V> for Locked<V> {
        fn new(value: V) -> Self {
            Self(Mutex::new(value))
        }
        fn with<R>(&self, f: impl FnOnce(&mut V) -> R) -> R {
            f(&mut self.0.lock().unwrap())
        }
    }

    struct Unpark(std::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            std::thread::park();
        }
    }

    #[flounder::interface]
    trait Sum {
        fn add(&mut self, a: u64, b: u64) -> Result<u64, Error>;
        fn join(&mut self, text: &str, more: &[u8]) -> Result<Vec<u8>, Error>;
    }

    impl Sum for () {
        fn add(&mut self, a: u64, b: u64) -> Result<u64, Error> {
            Ok(a + b)
        }
        fn join(&mut self, text: &str, more: &[u8]) -> Result<Vec<u8>, Error> {
            Ok([text.as_bytes(), more].concat())
        }
    }

    #[test]
    fn many_threads_share_a_connection() {
        let (client, server) = loopback::<u64, Threads, 8>(3);
        let serving = std::thread::spawn(move || {
            let mut server = Server::new(server, Limits::default(), 1);
            block_on(std::future::poll_fn(|cx| {
                match server.poll(&mut SumServer(()), 16) {
                    Ok(progress) if progress.more => {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    Ok(_) => {
                        server.watch(cx.waker());
                        Poll::Pending
                    }
                    Err(error) => Poll::Ready(error),
                }
            }))
        });
        let limits = Limits {
            calls: 3,
            ..Limits::default()
        };
        let client = block_on(SumClient::<_, Threads>::bind(client, limits)).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..6_u64 {
                let client = client.clone();
                scope.spawn(move || {
                    for number in 0..300 {
                        let mut call = client.add(thread << 32, number);
                        let sum = call.now().unwrap_or_else(|| block_on(call));
                        assert_eq!(sum, Ok(thread << 32 | number));
                        let more = vec![thread as u8; number as usize];
                        let joined = block_on(client.join("x", &more)).unwrap();
                        assert_eq!(joined, [b"x", more.as_slice()].concat());
                    }
                });
            }
        });
        drop(client);
        assert!(
            serving
                .join()
                .unwrap()
                .contains(ErrorCode::FlounderConnectionLost)
        );
    }
}
