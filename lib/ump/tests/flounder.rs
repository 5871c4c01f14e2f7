//! Interfaces of `lib/flounder` over a channel, from thread to thread: this is all that a transport takes. (On the board a bell is a notification, and a token
//! is joined with the capability that the monitors bring; here the capability is the token.)
#![cfg(test)]

use errors::{Error, ErrorCode};
use flounder::{Interest, Limits, Message, Server, Single, Transport, interface};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use ump::{Channel, LINE_WORDS, Line, Side, Slot};

struct Ump<'m, B>(Channel<'m, B>);

impl<B: ump::Bell> Ump<'_, B> {
    fn put(
        &mut self,
        words: &[u64],
        cap: Option<u32>,
        send: fn(&mut Channel<'_, B>, &Line) -> Result<(), ump::SendError>,
    ) -> Result<(), flounder::SendError<u32>> {
        let line = Line::of_words(words, cap)
            .ok_or(ErrorCode::FlounderTxMsgSize)
            .map_err(|code| flounder::SendError::Refused(code.into()))?;
        send(&mut self.0, &line).map_err(|error| match error {
            ump::SendError::Full => flounder::SendError::Full(cap),
            other => flounder::SendError::Lost(other.into()),
        })
    }
}

impl<B: ump::Bell> Transport for Ump<'_, B> {
    type Cap = u32;
    const WORDS: usize = LINE_WORDS;

    fn send(&mut self, words: &[u64], cap: Option<u32>) -> Result<(), flounder::SendError<u32>> {
        self.put(words, cap, |channel, line| channel.send(line))
    }

    fn send_part(
        &mut self,
        words: &[u64],
        cap: Option<u32>,
    ) -> Result<(), flounder::SendError<u32>> {
        let sent = self.put(words, cap, |channel, line| channel.stage(line));
        if sent.is_err() {
            self.0.publish();
        }
        sent
    }

    fn receive(&mut self) -> Result<Option<Message<u32>>, Error> {
        let Some(line) = self.0.receive()? else {
            return Ok(None);
        };
        let words = line.words().ok_or(ErrorCode::FlounderRxInvalidLength)?;
        Ok(Some(Message::new(words, line.token())))
    }

    fn watch(&mut self, waker: &Waker, interest: Interest) {
        let interest = ump::Interest {
            receive: interest.receive,
            send: interest.send,
        };
        if self.0.ask_wake(interest) != Ok(true) {
            waker.wake_by_ref();
        }
    }
}

#[interface]
trait Echo<C> {
    fn turn(&mut self, a: u64, b: u64, cap: C) -> Result<(u64, u64, C), Error>;
    fn reverse(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error>;
    fn stop(&mut self) -> Result<(), Error>;
}

#[derive(Default)]
struct Mirror {
    stopped: bool,
}

impl<C> Echo<C> for Mirror {
    fn turn(&mut self, a: u64, b: u64, cap: C) -> Result<(u64, u64, C), Error> {
        Ok((b, a, cap))
    }
    fn reverse(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(bytes.iter().rev().copied().collect())
    }
    fn stop(&mut self) -> Result<(), Error> {
        self.stopped = true;
        Ok(())
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn own_waker() -> Waker {
    Waker::from(Arc::new(Parked(thread::current())))
}

fn wait<V>(future: impl Future<Output = V>) -> V {
    let (mut future, waker) = (pin!(future), own_waker());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn an_interface_works_from_core_to_core() {
    let memory: Vec<Slot> = (0..32).map(|_| Slot::default()).collect();
    let (memory, threads) = (&memory[..], &[OnceLock::new(), OnceLock::<Thread>::new()]);
    let end = |side: Side| {
        threads[side as usize].set(thread::current()).unwrap();
        let bell = move || threads[1 - side as usize].wait().unpark();
        Ump(Channel::new(memory, side, bell).unwrap())
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut server = Server::new(end(Side::Server), Limits::large(), 1);
            let mut service = EchoServer(Mirror::default());
            let waker = own_waker();
            loop {
                server.poll(&mut service, 16).unwrap();
                if service.0.stopped && server.queued() == 0 {
                    return;
                }
                server.watch(&waker);
                thread::park();
            }
        });
        let client = EchoClient::<_, Single>::bind(end(Side::Client), Limits::large());
        let client = wait(client).unwrap();
        for round in 0..2_000 {
            let turned = wait(client.turn(round, 1, round as u32)).unwrap();
            assert_eq!(turned, (1, round, round as u32));
        }
        for length in [0, 1, 8, 47, 48, 56, 57, 1_000, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut turned = wait(client.reverse(&bytes)).unwrap();
            turned.reverse();
            assert_eq!(turned, bytes);
        }
        wait(client.stop()).unwrap();
    });
}
