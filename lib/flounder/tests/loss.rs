//! The connection is lost at every step: each call ends once, with its answer or with the loss, and nothing is kept.

#[cfg(test)]
mod common;

#[cfg(test)]
mod tests {
    use crate::common::*;
    use errors::{Error, ErrorCode};
    use flounder::{Limits, Transport};
    use std::rc::Rc;

    type Outcome = Result<u64, Error>;

    /// Runs eight calls of all kinds at once; returns their results and how many operations there were.
    fn run<const FRAME: usize>(broken_at: Option<u64>, limits: Limits) -> (Vec<Outcome>, u64) {
        let (end, server, faults) = ends::<FRAME>();
        let made = Caps::default();
        let book = shared(server, limits);
        let mut tasks = Tasks::default();
        let served = tasks.spawn(serve(book.clone()));
        faults.left.set(broken_at);
        let bound = tasks.spawn(TrialClient::<Lmp<FRAME>>::bind(end, limits));
        tasks.run(|_| 0);
        let mut outcomes = Vec::new();
        match bound.take().expect("the bind did not end") {
            Err(error) => outcomes.push(Err(error)),
            Ok(client) => {
                let client = Rc::new(client);
                let caps = made.clone();
                let mut results = Vec::new();
                for number in 0..8_u64 {
                    let (client, caps) = (client.clone(), caps.clone());
                    results.push(tasks.spawn(async move {
                        match number % 5 {
                            0 => client.add(number, 1).await,
                            1 => client
                                .bytes(&[3; 500])
                                .await
                                .map(|bytes| bytes.len() as u64),
                            2 => client.note_bytes(&[4; 90], caps.make(2)).await.map(|()| 7),
                            3 => client.wait(number).await.map(|(number, _)| number),
                            _ => {
                                let many = vec![caps.make(1), caps.make(2), caps.make(3)];
                                let got = client.caps(caps.make(4), None, many, "text").await;
                                got.map(|(many, ..)| many.len() as u64)
                            }
                        }
                    }));
                }
                tasks.run(|_| 0);
                let waiting = std::mem::take(&mut book.borrow_mut().1.0.waiting);
                for (number, answer) in waiting {
                    let finished = answer.finish(Ok((number, Some(made.make(9)))));
                    let _ = book.borrow_mut().0.finish(finished);
                    tasks.run(|_| 0);
                }
                for (number, result) in results.iter().enumerate() {
                    let result = result.take();
                    outcomes.push(result.unwrap_or_else(|| {
                        panic!("call {number} did not end, broken at {broken_at:?}")
                    }));
                }
                if let Some(error) = client.connection().lost() {
                    assert!(error.contains(ErrorCode::FlounderConnectionLost));
                }
                assert_eq!(client.connection().calls(), 0);
            }
        }
        let operations = faults.operations.get();
        faults.cut();
        tasks.run(|_| 0);
        assert!(served.take().is_some(), "the server did not see the loss");
        drop((tasks, book));
        assert_eq!(made.alive(), 0, "broken at {broken_at:?}");
        assert_eq!(faults.frames.alive(), 0, "broken at {broken_at:?}");
        (outcomes, operations)
    }

    #[test]
    fn every_call_ends_wherever_the_connection_breaks() {
        break_everywhere::<NEVER>(50);
    }

    #[test]
    fn every_call_ends_wherever_it_breaks_when_data_is_packed() {
        break_everywhere::<60>(40);
    }

    fn break_everywhere<const FRAME: usize>(least: u64) {
        for limits in [
            wide(),
            Limits {
                calls: 2,
                queued_bytes: 100,
                ..wide()
            },
        ] {
            let (whole, operations) = run::<FRAME>(None, limits);
            let expected = [1, 500, 7, 3, 3, 6, 500, 7].map(Ok);
            assert_eq!(whole, expected);
            assert!(operations > least);
            for at in 0..operations {
                let (outcomes, _) = run::<FRAME>(Some(at), limits);
                for (outcome, expected) in outcomes.iter().zip(&whole) {
                    match outcome {
                        Ok(_) => assert_eq!(outcome, expected),
                        Err(error) => {
                            assert!(error.contains(ErrorCode::FlounderConnectionLost));
                            assert!(error.contains(ErrorCode::SysLmpNoTarget));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn calls_after_the_loss_end_with_it_at_once() {
        let (end, server, _) = lmp();
        let (mine, theirs) = (Rc::new(std::cell::Cell::new(0)), shared(server, wide()));
        let count = mine.clone();
        let mut tasks = Tasks::default();
        tasks.spawn(serve(theirs));
        tasks.spawn(async move {
            let client = TrialClient::<Lmp>::bind(end, wide()).await.unwrap();
            client
                .connection()
                .close(ErrorCode::FlounderInvalidState.into());
            for _ in 0..3 {
                let error = client.add(1, 2).await.unwrap_err();
                assert_eq!(error.code(), ErrorCode::FlounderConnectionLost);
                count.set(count.get() + 1);
            }
        });
        tasks.run(|_| 0);
        assert_eq!(mine.get(), 3);
    }

    #[test]
    fn an_answer_that_came_before_the_loss_counts() {
        let (end, mut server) = flounder::loopback::<Cap, flounder::Single, 9>(4);
        let mut tasks = Tasks::default();
        let bound = tasks.spawn(TrialClient::<_>::bind(end, wide()));
        tasks.run(|_| 0);
        server.receive().unwrap();
        server.send(&[4], None).unwrap();
        tasks.run(|_| 0);
        let client = bound.take().unwrap().unwrap();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut answered = Box::pin(client.add(1, 2));
        let mut unanswered = Box::pin(client.add(3, 4));
        assert!(answered.as_mut().poll(&mut cx).is_pending());
        assert!(unanswered.as_mut().poll(&mut cx).is_pending());
        let call = server.receive().unwrap().unwrap().words()[0] >> 19 << 19;
        server.send(&[call | 4, 3], None).unwrap();
        drop(server);
        // The next call finds that the server is gone, by any way.
        assert!(client.add(5, 6).now().unwrap().is_err());
        assert_eq!(
            answered.as_mut().poll(&mut cx),
            std::task::Poll::Ready(Ok(3))
        );
        let std::task::Poll::Ready(lost) = unanswered.as_mut().poll(&mut cx) else {
            panic!("the call did not end");
        };
        assert!(
            lost.unwrap_err()
                .contains(ErrorCode::FlounderConnectionLost)
        );
    }

    #[test]
    fn packed_messages_given_up_take_their_memory_along() {
        let (end, mut server, faults) = ends::<100>();
        let made = Caps::default();
        let mut tasks = Tasks::default();
        let bound = tasks.spawn(TrialClient::<Lmp<100>>::bind(end, wide()));
        tasks.run(|_| 0);
        server.receive().unwrap();
        server.send(&[4], None).unwrap();
        tasks.run(|_| 0);
        let client = bound.take().unwrap().unwrap();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        // Two messages fill the buffer; the third is packed and cannot be sent; the fourth waits behind it.
        let mut calls: Vec<_> = (0..2).map(|_| Box::pin(client.nothing())).collect();
        for call in &mut calls {
            assert!(call.as_mut().poll(&mut cx).is_pending());
        }
        let mut packed = Box::pin(client.bytes(&[1; 1000]));
        let mut behind = Box::pin(client.note_bytes(&[1; 1000], made.make(1)));
        assert!(packed.as_mut().poll(&mut cx).is_pending());
        assert!(behind.as_mut().poll(&mut cx).is_pending());
        assert_eq!((faults.packed.get(), faults.frames.alive()), (1, 1));
        drop(packed);
        // Its frame went with it, and the next message was packed. Of that only the first part comes, without its capability.
        assert_eq!((faults.packed.get(), faults.frames.alive()), (2, 1));
        server.receive().unwrap();
        server.receive().unwrap();
        server.send(&[5 | 1 << 19, 1], None).unwrap();
        assert!(behind.as_mut().poll(&mut cx).is_ready());
        drop(server);
        drop((behind, calls));
        drop((client, tasks));
        assert_eq!((faults.frames.alive(), made.alive()), (0, 0));
    }

    #[test]
    fn half_sent_messages_are_aborted_when_their_call_is_given_up() {
        let (end, mut server, _) = lmp();
        let mut tasks = Tasks::default();
        let bound = tasks.spawn(TrialClient::<Lmp>::bind(end, wide()));
        tasks.run(|_| 0);
        server.receive().unwrap();
        server.send(&[4], None).unwrap();
        tasks.run(|_| 0);
        let client = bound.take().unwrap().unwrap();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut large = Box::pin(client.bytes(&[1; 1000]));
        let mut small = Box::pin(client.nothing());
        assert!(large.as_mut().poll(&mut cx).is_pending());
        assert!(small.as_mut().poll(&mut cx).is_pending());
        drop(large);
        let mut kinds = Vec::new();
        for _ in 0..10 {
            while let Some(message) = server.receive().unwrap() {
                kinds.push(message.words()[0] & 0xf);
            }
            assert!(small.as_mut().poll(&mut cx).is_pending());
        }
        // Two fragments were in the buffer, the other 16 never come; then the other call.
        assert_eq!(kinds, [2, 6, 7, 2]);
    }
}
