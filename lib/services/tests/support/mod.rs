//! A service with its clients in one place: what its domain does, over connections within the test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use errors::{Error, ErrorCode};
use flounder::{Finished, Limits, Loopback, Server, Service, Single, loopback};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The connections.
pub type Transport<C> = Loopback<C, Single, 9>;

/// What the domain around a service does.
pub trait Domain: Service<Self::Cap> {
    /// The capability type.
    type Cap: 'static;
    /// Its clients.
    type Client;

    /// A client on this connection.
    fn bind(
        transport: Transport<Self::Cap>,
        limits: Limits,
    ) -> impl Future<Output = Result<Self::Client, Error>>;

    /// A connection was made.
    fn opened(&mut self, connection: u64, pid: u32) -> Result<(), Error>;

    /// What is done between two rounds; gives the answers that are ready.
    fn between(&mut self, now: &mut u64) -> Vec<Finished<Self::Cap>>;
}

/// A service and its connections.
pub struct World<S: Domain> {
    pub service: S,
    pub now: u64,
    servers: Vec<Server<Transport<S::Cap>>>,
}

impl<S: Domain> World<S> {
    pub fn of(service: S) -> Self {
        Self {
            service,
            now: 0,
            servers: Vec::new(),
        }
    }

    fn between(&mut self) {
        for finished in self.service.between(&mut self.now) {
            let number = finished.caller().connection;
            let mut servers = self.servers.iter_mut();
            if let Some(server) = servers.find(|server| server.number() == number) {
                server.finish(finished).unwrap();
            }
        }
    }

    /// What the domain does in a round.
    pub fn round(&mut self) {
        self.between();
        for server in &mut self.servers {
            let _ = server.poll(&mut self.service, 16);
        }
        self.between();
    }

    /// A connection of that process; they are numbered from 1 on.
    pub fn client(&mut self, pid: u32) -> S::Client {
        let (client, server) = loopback::<S::Cap, Single, 9>(8);
        let number = self.servers.len() as u64 + 1;
        let limits = Limits::default();
        self.servers.push(Server::new(server, limits, number));
        self.service.opened(number, pid).unwrap();
        self.ask(S::bind(client, limits)).unwrap()
    }

    /// The client of that connection has gone.
    pub fn close(&mut self, number: u64) {
        self.service.closed(number);
        for _ in 0..15 {
            self.round();
        }
    }

    /// The result, which must come.
    pub fn ask<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        for _ in 0..100 {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            self.round();
        }
        panic!("no answer");
    }
}

#[track_caller]
pub fn refused<V: std::fmt::Debug>(result: Result<V, Error>, code: ErrorCode) {
    assert!(result.unwrap_err().contains(code));
}
