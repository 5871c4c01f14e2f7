//! What a call costs in instructions of the stubs alone: client, server and dispatch, without a transport's own work.
//!
//! `valgrind --tool=callgrind target/release/examples/cost 1000 now`, and again with 2000: the difference is 1,000 calls.
//! `now` and `null` go by the fast path, `poll` by the futures, `short` carries 20 bytes, `bytes` 64.

use errors::Error;
use flounder::{
    Interest, Limits, Message, SendError, Server, Single, Transport, interface, transport,
};
use std::cell::RefCell;
use std::hint::black_box;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

#[interface]
trait Sum<C> {
    fn sum(&mut self, a: u64, b: u64, c: u64, d: u64, cap: C) -> Result<(u64, C), Error>;
    fn null(&mut self) -> Result<(), Error>;
    fn bytes(&mut self, bytes: &[u8]) -> Result<u64, Error>;
}

struct Adder;

impl<C> Sum<C> for Adder {
    fn sum(&mut self, a: u64, b: u64, c: u64, d: u64, cap: C) -> Result<(u64, C), Error> {
        Ok((a + b + c + d, cap))
    }
    fn null(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn bytes(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        Ok(bytes.len() as u64)
    }
}

/// Room for one message in each direction.
#[derive(Default)]
struct Queues {
    to_server: Option<Message<u32>>,
    to_client: Option<Message<u32>>,
}

/// The server's end.
struct Near(Rc<RefCell<Queues>>);

impl Transport for Near {
    type Cap = u32;
    const WORDS: usize = transport::MESSAGE_WORDS;
    fn send(&mut self, words: &[u64], cap: Option<u32>) -> Result<(), SendError<u32>> {
        let full = &mut self.0.borrow_mut().to_client;
        if full.is_some() {
            return Err(SendError::Full(cap));
        }
        *full = Some(Message::new(words, cap));
        Ok(())
    }
    fn receive(&mut self) -> Result<Option<Message<u32>>, Error> {
        Ok(self.0.borrow_mut().to_server.take())
    }
    fn watch(&mut self, _: &Waker, _: Interest) {}
}

/// The client's end, which runs the server when it sends.
struct Far {
    queues: Rc<RefCell<Queues>>,
    server: Server<Near>,
    service: SumServer<Adder>,
}

impl Transport for Far {
    type Cap = u32;
    const WORDS: usize = transport::MESSAGE_WORDS;
    fn send(&mut self, words: &[u64], cap: Option<u32>) -> Result<(), SendError<u32>> {
        self.queues.borrow_mut().to_server = Some(Message::new(words, cap));
        self.server
            .poll(&mut self.service, 1)
            .map(|_| ())
            .map_err(SendError::Lost)
    }
    fn receive(&mut self) -> Result<Option<Message<u32>>, Error> {
        Ok(self.queues.borrow_mut().to_client.take())
    }
    fn exchange(&mut self, message: &mut Message<u32>) -> Result<bool, SendError<u32>> {
        let cap = message.cap.take();
        self.send(message.words(), cap)?;
        self.receive_into(message).map_err(SendError::Lost)
    }
    fn watch(&mut self, _: &Waker, _: Interest) {}
}

fn wait<V>(future: impl Future<Output = Result<V, Error>>) -> Result<V, Error> {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return value;
        }
    }
}

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u64 = arguments
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(1000);
    let how = arguments.next().unwrap_or_default();
    let queues = Rc::new(RefCell::new(Queues::default()));
    let far = Far {
        queues: queues.clone(),
        server: Server::new(Near(queues), Limits::default(), 1),
        service: SumServer(Adder),
    };
    let client = wait(SumClient::<_, Single>::bind(far, Limits::default()))?;
    let data = [7; 64];
    for round in 0..rounds {
        match how.as_str() {
            "poll" => drop(black_box(wait(client.sum(round, 2, 3, 4, 5))?)),
            "null" => drop(black_box(client.null().now().transpose()?)),
            "short" => drop(black_box(
                client.bytes(black_box(&data[..20])).now().transpose()?,
            )),
            "bytes" => drop(black_box(wait(client.bytes(black_box(&data)))?)),
            _ => drop(black_box(client.sum(round, 2, 3, 4, 5).now().transpose()?)),
        }
    }
    Ok(())
}
