//! Running a service: its clients come and go, each is served in turn.
//!
//! ```ignore
//! let mut host = Host::new(64, Limits::default())?;
//! let service = host.service();          // to be registered with the name server
//! event::block_on(host.serve(&mut EchoServer(Echo), |_, _| Next::Serve));
//! ```
//!
//! Barrelfish counterpart: the export and connect callbacks of generated stubs, and the loop over the waitset in each service's `main`.

use crate::binding::{Acceptor, Heard};
use crate::cap::AnyCap;
use crate::channel::Channel;
use crate::error::Error;
use crate::event::{self, Sleep};
use crate::proc::Pid;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;
use flounder::{Connections, Finished, Limits, Service};

/// Messages of each client before the next one has its turn.
const BUDGET: usize = 16;
/// New clients in one round.
const ACCEPTED_AT_ONCE: usize = 8;

/// Clients of a service.
#[derive(Debug)]
pub struct Host {
    acceptor: Acceptor,
    connections: Connections<Channel>,
}

/// What a service's own code sees and says between two rounds.
#[derive(Debug, Default)]
pub struct Round {
    /// Clients that have come: their connection's number, and whose it is. A number is never used twice.
    pub opened: Vec<(u64, Pid)>,
    /// Answers that are ready for calls that were left for later.
    pub finished: Vec<Finished<AnyCap>>,
    /// When to come back at the latest though nothing is heard.
    pub deadline: Option<u64>,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// To serve.
    Serve,
    /// The service ends; its clients are told.
    End,
}

impl Host {
    /// Offers a service to at most so many clients at once.
    ///
    /// # Errors
    /// As [`Acceptor::new`].
    pub fn new(most: usize, limits: Limits) -> Result<Self, Error> {
        Ok(Self::with(Acceptor::new()?, most, limits))
    }

    /// With this acceptor.
    pub fn with(acceptor: Acceptor, most: usize, limits: Limits) -> Self {
        Self {
            acceptor,
            connections: Connections::new(most, limits),
        }
    }

    /// The number to bind to.
    pub const fn service(&self) -> u32 {
        self.acceptor.service()
    }

    /// Clients there are.
    pub fn clients(&self) -> usize {
        self.connections.len()
    }

    /// Serves until `between`, which is called after every round, says that it is over.
    pub async fn serve<S: Service<AnyCap>>(
        &mut self,
        service: &mut S,
        mut between: impl FnMut(&mut S, &mut Round) -> Next,
    ) {
        let mut round = Round::default();
        loop {
            let accepted = self.accept(&mut round.opened);
            let connections = &mut self.connections;
            let more =
                poll_fn(|cx| Poll::Ready(connections.poll(service, BUDGET, cx.waker()))).await;
            round.deadline = None;
            let next = between(service, &mut round);
            round.opened.clear();
            for answer in round.finished.drain(..) {
                self.connections.finish(service, answer);
            }
            match next {
                Next::End => return,
                // Others of this domain first.
                Next::Serve if accepted || more => crate::thread::yield_now(),
                Next::Serve => self.rest(round.deadline).await,
            }
        }
    }

    /// Until a client wakes this task, a new one comes, or the time has come.
    async fn rest(&self, deadline: Option<u64>) {
        let mut sleep: Option<Sleep> = deadline.map(event::sleep_until);
        let mut woken = false;
        poll_fn(|cx| {
            if core::mem::replace(&mut woken, true) {
                return Poll::Ready(());
            }
            self.acceptor.watch(cx.waker());
            match &mut sleep {
                Some(sleep) => Pin::new(sleep).poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Takes in new clients. Answers whether there were some.
    fn accept(&mut self, opened: &mut Vec<(u64, Pid)>) -> bool {
        let mut heard_any = false;
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(heard) = self.acceptor.next() else {
                break;
            };
            heard_any = true;
            let Heard::Asked(asked) = heard else {
                continue;
            };
            let pid = asked.pid();
            // Who cannot be taken in is told by the broker.
            if let Ok(channel) = self.acceptor.accept(asked)
                && let Ok(number) = self.connections.add(channel)
            {
                opened.push((number, pid));
            }
        }
        heard_any
    }
}
