//! Long messages in slices through shared memory: with and without memory, and when a slice has to wait.

#[cfg(test)]
mod common;

#[cfg(test)]
mod tests {
    use crate::common::*;
    use errors::{Error, ErrorCode};
    use flounder::{Interest, Loopback, Message, SendError, Single, Transport, loopback};
    use proptest::prelude::*;
    use std::cell::{Cell as Value, RefCell};
    use std::rc::Rc;
    use std::task::Waker;

    /// Bytes of a slice: whole words.
    const SLICE: usize = 64;

    /// One direction.
    #[derive(Default)]
    struct Half {
        memory: RefCell<Vec<u8>>,
        sent: Value<u64>,
        taken: Value<u64>,
        sender: RefCell<Option<Waker>>,
    }

    struct End {
        inner: Loopback<Cap, Single, 9>,
        mine: Rc<Half>,
        theirs: Rc<Half>,
        /// So many messages long there is no memory.
        without: u32,
        slices: Rc<Value<u64>>,
    }

    impl Transport for End {
        type Cap = Cap;
        const WORDS: usize = 9;
        const SLICE_BYTES: usize = 24;

        fn send(&mut self, words: &[u64], cap: Option<Cap>) -> Result<(), SendError<Cap>> {
            self.inner.send(words, cap)
        }

        fn receive(&mut self) -> Result<Option<Message<Cap>>, Error> {
            self.inner.receive()
        }

        fn send_slice(&mut self, head: u64, data: &[u8]) -> Result<usize, SendError<Cap>> {
            if self.without > 0 {
                self.without -= 1;
                return Ok(0);
            }
            if self.mine.sent.get() != self.mine.taken.get() {
                return Err(SendError::Full(None));
            }
            let count = data.len().min(SLICE);
            *self.mine.memory.borrow_mut() = data[..count].to_vec();
            self.inner.send(&[head, count as u64], None)?;
            self.mine.sent.set(self.mine.sent.get() + 1);
            self.slices.set(self.slices.get() + 1);
            Ok(count)
        }

        fn receive_slice(&mut self, bytes: usize, into: &mut Vec<u8>) -> Result<(), Error> {
            assert!(into.capacity() - into.len() >= bytes);
            let memory = self.theirs.memory.borrow();
            let slice = memory.get(..bytes).ok_or(ErrorCode::CommonInvalidArgs)?;
            into.extend_from_slice(slice);
            self.theirs.taken.set(self.theirs.taken.get() + 1);
            if let Some(waker) = self.theirs.sender.take() {
                waker.wake();
            }
            Ok(())
        }

        fn watch(&mut self, waker: &Waker, interest: Interest) {
            if interest.send && self.mine.sent.get() != self.mine.taken.get() {
                *self.mine.sender.borrow_mut() = Some(waker.clone());
                let interest = Interest {
                    send: false,
                    ..interest
                };
                return self.inner.watch(waker, interest);
            }
            self.inner.watch(waker, interest);
        }
    }

    fn ends(capacity: usize, without: [u32; 2]) -> (End, End, Rc<Value<u64>>) {
        let (one, other) = loopback(capacity);
        let halves: [Rc<Half>; 2] = Default::default();
        let slices = Rc::new(Value::new(0));
        let end = |inner, mine: &Rc<Half>, theirs: &Rc<Half>, without| End {
            inner,
            mine: mine.clone(),
            theirs: theirs.clone(),
            without,
            slices: slices.clone(),
        };
        let [first, second] = &halves;
        let one = end(one, first, second, without[0]);
        let other = end(other, second, first, without[1]);
        (one, other, slices)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_goes_in_comes_out(
            all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 1..12),
            capacity in 1..6_usize,
            without in any::<[u8; 2]>(),
        ) {
            let (client, server, slices) = ends(capacity, without.map(|count| u32::from(count % 40)));
            let long = all.iter().any(|bytes| bytes.len() > 1500);
            let back = with_client(client, server, wide(), async move |client| {
                let mut back = Vec::new();
                for bytes in &all {
                    // Others are under way at the same time.
                    let mut one = std::pin::pin!(client.bytes(bytes));
                    let mut other = std::pin::pin!(client.bytes(&bytes[..bytes.len() / 2]));
                    let mut results = [None, None];
                    std::future::poll_fn(|cx| {
                        use std::future::Future;
                        use std::task::Poll;
                        for (at, call) in [&mut one, &mut other].into_iter().enumerate() {
                            if results[at].is_none()
                                && let Poll::Ready(result) = call.as_mut().poll(cx)
                            {
                                results[at] = Some(result);
                            }
                        }
                        match results.iter().all(Option::is_some) {
                            true => Poll::Ready(()),
                            false => Poll::Pending,
                        }
                    })
                    .await;
                    let [one, other] = results.map(|result| result.unwrap().unwrap());
                    assert_eq!(&other[..], &bytes[..bytes.len() / 2]);
                    back.push(one == *bytes);
                }
                back
            });
            prop_assert!(back.iter().all(|same| *same));
            prop_assert!(!long || slices.get() > 0);
        }
    }
}
