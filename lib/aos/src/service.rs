//! Running a service: its clients come and go, each is served in turn.
//!
//! ```ignore
//! let mut host = Host::new(64, Limits::default())?;
//! let service = host.service();          // to be registered with the name server
//! host.run(&mut EchoServer(Echo), |_, _| Next::Serve);
//! ```
//!
//! Barrelfish counterpart: the export and connect callbacks of generated stubs, and the loop over the waitset in each service's `main`.

use crate::binding::{Acceptor, Heard};
use crate::cap::AnyCap;
use crate::channel::Channel;
use crate::error::Error;
use crate::event::{self, Sleep};
use crate::names;
use crate::proc::Pid;
use crate::sync::Shared;
use crate::time;
use ::names::{Name, Properties, RegisterOptions};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use flounder::{Connections, Finished, Limits, Loopback, Service, loopback};

/// Messages of each client before the next one has its turn.
const BUDGET: usize = 16;
/// New clients in one round.
const ACCEPTED_AT_ONCE: usize = 8;

/// How long a service whose name server is gone waits before it tries to register again.
const REGISTER_AGAIN: Duration = Duration::from_millis(5);

/// Says that there is something to do for a part of the loop, and wakes the loop.
struct Bell {
    is_rung: AtomicBool,
    service: Waker,
}

impl Bell {
    /// Rung, and as a waker.
    fn new(service: &Waker) -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self {
            is_rung: AtomicBool::new(true),
            service: service.clone(),
        });
        (bell.clone(), Waker::from(bell))
    }

    fn is_rung(&self) -> bool {
        self.is_rung.load(Ordering::Acquire)
    }

    fn take(&self) -> bool {
        self.is_rung.swap(false, Ordering::Acquire)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        self.service.wake_by_ref();
    }
}

/// What is looked at only when it has rung.
struct Bells {
    service: Waker,
    /// New clients.
    door: (Arc<Bell>, Waker),
    /// Signs of life.
    pulse: (Arc<Bell>, Waker),
}

impl Bells {
    fn new(service: &Waker) -> Self {
        Self {
            service: service.clone(),
            door: Bell::new(service),
            pulse: Bell::new(service),
        }
    }
}

/// A task that never ends.
type Task = Pin<Box<dyn Future<Output = Infallible>>>;
/// What a service waits for besides its clients.
type Beside = Box<dyn FnMut(&mut Context<'_>) -> Poll<()>>;

/// The end of a connection whose other end is in the same domain.
pub type Local = Loopback<AnyCap, Shared>;

/// Messages that wait in each direction of such a connection.
const LOCAL_MESSAGES: usize = 16;
/// Such connections that a service may have.
const LOCAL_MOST: usize = 8;

/// Clients of a service.
pub struct Host {
    acceptor: Acceptor,
    connections: Connections<Channel>,
    /// Those in this domain.
    local: Connections<Local>,
    /// Of those, who has come since the last round.
    come: Vec<(u64, Pid)>,
    /// What it is registered as.
    names: Vec<(Name, Properties)>,
    /// Gives signs of life.
    pulse: Option<Task>,
    beside: Option<Beside>,
    /// Of the task that serves.
    bells: Bells,
    /// Whose message came last.
    last: u64,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("service", &self.service())
            .field("clients", &self.clients())
            .finish_non_exhaustive()
    }
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

/// Why the short way of serving ended.
enum Ahead {
    /// The service's own code ends it.
    End,
    /// A round of all clients is due.
    Round,
    /// Something else is to be waited for, or was woken.
    Rest,
}

impl Host {
    /// Offers a service to at most so many clients at once.
    ///
    /// # Errors
    /// As [`Acceptor::new`].
    pub fn new(most: usize, limits: Limits) -> Result<Self, Error> {
        Ok(Self::with(Acceptor::new()?, most, limits))
    }

    /// All clients together hold at most so many bytes here: [`Connections::within`].
    #[must_use]
    pub fn within(mut self, bytes: usize) -> Self {
        self.connections = self.connections.within(bytes);
        self
    }

    /// With this acceptor.
    pub fn with(acceptor: Acceptor, most: usize, limits: Limits) -> Self {
        Self {
            acceptor,
            connections: Connections::new(most, limits),
            local: Connections::new(LOCAL_MOST, limits).apart(),
            come: Vec::new(),
            names: Vec::new(),
            pulse: None,
            beside: None,
            bells: Bells::new(Waker::noop()),
            last: 0,
        }
    }

    /// A connection for a client in this domain, which need not ask the broker for it: as [`flounder::loopback`] has it. The service hears of it as of others.
    /// `None` when there are as many as there may be.
    pub fn connect_locally(&mut self, own: Pid) -> Option<Local> {
        let (client, server) = loopback(LOCAL_MESSAGES);
        let number = self.local.add(server).ok()?;
        self.come.push((number, own));
        Some(client)
    }

    /// What the service waits for besides its clients, interrupts for example: this is called before each rest and whenever it wakes the task. When it
    /// answers that it is ready, the service's own code has its turn, and does what there is to do, so that it is not ready any more.
    pub fn set_beside(&mut self, beside: impl FnMut(&mut Context<'_>) -> Poll<()> + 'static) {
        self.beside = Some(Box::new(beside));
    }

    /// Registers it with the name server, now and whenever that is started again. Signs of life are given between rounds: who hangs in a
    /// call gives none.
    ///
    /// # Errors
    /// As [`names::nameservice_register`].
    pub fn register(&mut self, name: &str, properties: &str) -> Result<(), Error> {
        let client = names::register(name, self.service(), properties)?;
        let entry = (names::name(name)?, names::properties(properties)?);
        self.names.push(entry);
        // Those registered before may have been so by another connection.
        let by = (self.names.len() == 1).then_some(client);
        self.pulse = Some(Box::pin(stay(by, self.names.clone(), self.service())));
        self.bells = Bells::new(Waker::noop());
        Ok(())
    }

    /// As [`Host::register`], for who may be there before the name server is: as soon as that is there. That the name is taken is not told; it is
    /// tried again.
    ///
    /// # Errors
    /// As [`names::name`], [`names::properties`].
    pub fn register_later(&mut self, name: &str, properties: &str) -> Result<(), Error> {
        let entry = (names::name(name)?, names::properties(properties)?);
        self.names.push(entry);
        self.pulse = Some(Box::pin(stay(None, self.names.clone(), self.service())));
        Ok(())
    }

    /// The number to bind to.
    pub const fn service(&self) -> u32 {
        self.acceptor.service()
    }

    /// Clients there are.
    pub fn clients(&self) -> usize {
        self.connections.len()
    }

    /// [Serves](Self::serve) on the calling thread, which does nothing else meanwhile. Calls are answered faster so.
    pub fn run<S: Service<AnyCap>>(
        &mut self,
        service: &mut S,
        between: impl FnMut(&mut S, &mut Round) -> Next,
    ) {
        event::block_on(self.serve_by::<S, true>(service, between));
    }

    /// Serves until `between` says that it is over. That is called before the messages of a round, so that it knows of each client before its first
    /// message comes, and again before the service rests.
    pub async fn serve<S: Service<AnyCap>>(
        &mut self,
        service: &mut S,
        between: impl FnMut(&mut S, &mut Round) -> Next,
    ) {
        self.serve_by::<S, false>(service, between).await;
    }

    /// `ALONE`: this future is all that the thread runs, so it may wait in it.
    async fn serve_by<S: Service<AnyCap>, const ALONE: bool>(
        &mut self,
        service: &mut S,
        mut between: impl FnMut(&mut S, &mut Round) -> Next,
    ) {
        let mut round = Round::default();
        let mut clients = 0;
        loop {
            if self.clients() < clients {
                // They are told at once, however busy the service is.
                crate::channel::settle_all();
            }
            clients = self.clients();
            // However busy it is: who gives no sign of life is removed from the names.
            beat(&mut self.pulse, &self.bells);
            let accepted = poll_fn(|cx| Poll::Ready(self.accept(&mut round.opened, cx))).await;
            round.opened.append(&mut self.come);
            if self.settle(service, &mut round, &mut between) == Next::End {
                return;
            }
            let (connections, local) = (&mut self.connections, &mut self.local);
            let more = poll_fn(|cx| {
                let more = connections.poll(service, BUDGET, cx.waker());
                // Most services have none.
                let own = !local.is_empty() && local.poll(service, BUDGET, cx.waker());
                Poll::Ready(more || own)
            });
            let more = more.await;
            if accepted || more {
                // Others of this domain first.
                crate::thread::yield_now();
                continue;
            }
            if self.settle(service, &mut round, &mut between) == Next::End {
                return;
            }
            if self.connections.has_broken() || self.local.has_broken() {
                continue;
            }
            if ALONE {
                match self.serve_ahead(service, &mut round, &mut between) {
                    Ahead::End => return,
                    Ahead::Round => continue,
                    Ahead::Rest => {}
                }
            }
            self.rest(round.deadline).await;
        }
    }

    /// The short way of who is alone, after a round that left nothing to do: waits for a message, and serves who has sent it, as long as it is one of a client
    /// and nothing else is to be done. The executor, the round of all clients and who watches what are left out: they stay as they are.
    fn serve_ahead<S: Service<AnyCap>>(
        &mut self,
        service: &mut S,
        round: &mut Round,
        between: &mut impl FnMut(&mut S, &mut Round) -> Next,
    ) -> Ahead {
        if self.beside.is_some() || !self.local.is_empty() {
            // What that waits for may have changed by what was served; and clients in this program send no messages.
            return Ahead::Rest;
        }
        // Signs of life are given by who rests; they may be due since this round began.
        while !self.bells.pulse.0.is_rung()
            && let Some(endpoint) = event::next_message(round.deadline)
        {
            let is_meant = |channel: &Channel| channel.receives_at(endpoint);
            let Some(client) = self.connections.find(self.last, is_meant) else {
                event::arrived(endpoint);
                return Ahead::Rest;
            };
            self.last = client;
            // What has to know the time learns it.
            if self.settle(service, round, between) == Next::End {
                return Ahead::End;
            }
            if !self.connections.poll_only(service, client) || self.connections.has_broken() {
                return Ahead::Round;
            }
            if self.settle(service, round, between) == Next::End {
                return Ahead::End;
            }
        }
        Ahead::Rest
    }

    /// The service's own code, and the answers that it has.
    fn settle<S: Service<AnyCap>>(
        &mut self,
        service: &mut S,
        round: &mut Round,
        between: &mut impl FnMut(&mut S, &mut Round) -> Next,
    ) -> Next {
        round.deadline = None;
        let next = between(service, round);
        round.opened.clear();
        for answer in round.finished.drain(..) {
            match Connections::<Local>::is_apart(answer.caller().connection) {
                true => self.local.finish(service, answer),
                false => self.connections.finish(service, answer),
            }
        }
        next
    }

    /// Until a client wakes this task, a new one comes, or the time has come.
    async fn rest(&mut self, deadline: Option<u64>) {
        let beside = &mut self.beside;
        let mut sleep: Option<Sleep> = deadline.map(event::sleep_until);
        let mut woken = false;
        poll_fn(|cx| {
            if core::mem::replace(&mut woken, true) {
                return Poll::Ready(());
            }
            beat(&mut self.pulse, &self.bells);
            if beside.as_mut().is_some_and(|beside| beside(cx).is_ready()) {
                return Poll::Ready(());
            }
            match &mut sleep {
                Some(sleep) => Pin::new(sleep).poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
    }

    /// Takes in new clients. Answers whether there were some.
    fn accept(&mut self, opened: &mut Vec<(u64, Pid)>, cx: &Context<'_>) -> bool {
        if !self.bells.service.will_wake(cx.waker()) {
            // Another task serves than before.
            self.bells = Bells::new(cx.waker());
        }
        if !self.bells.door.0.take() {
            return false;
        }
        let mut heard_any = false;
        for _ in 0..ACCEPTED_AT_ONCE {
            let Some(heard) = self.acceptor.hear() else {
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
        // At once, if there are more.
        self.acceptor.watch(&self.bells.door.1);
        heard_any
    }
}

/// Gives a sign of life, if it was asked for.
fn beat(pulse: &mut Option<Task>, bells: &Bells) {
    let (bell, waker) = &bells.pulse;
    if let Some(pulse) = pulse
        && bell.take()
    {
        let _ = pulse.as_mut().poll(&mut Context::from_waker(waker));
    }
}

/// Answers the name server's questions for signs of life; registers again when that is a new one. All names are registered by the connection
/// that is given, if one is.
async fn stay(
    by: Option<names::Client>,
    names: Vec<(Name, Properties)>,
    service: u32,
) -> Infallible {
    if let Some(client) = by {
        let _ = live(&client).await;
    }
    loop {
        // It ends with an error only: the connection is lost, or a name taken.
        let _ = keep(&names, service).await;
        event::sleep_until(time::after(REGISTER_AGAIN)).await;
    }
}

async fn live(client: &names::Client) -> Result<Infallible, Error> {
    loop {
        client.alive().await?;
    }
}

async fn keep(names: &[(Name, Properties)], service: u32) -> Result<Infallible, Error> {
    let client = names::connect().await?;
    for (name, properties) in names {
        let options = RegisterOptions { replace: true };
        let (name, properties) = (name.clone(), properties.clone());
        client.register(name, service, properties, options).await?;
    }
    live(&client).await
}
