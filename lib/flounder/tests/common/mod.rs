//! What the tests share: an interface with everything in it, its service, a transport like LMP that can fail, and a tiny
//! executor that polls only what was woken, so that a lost wake-up is a stall.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::too_many_arguments,
    reason = "each test file uses its own part, and the interface tries long lists"
)]

use errors::{Error, ErrorCode};
use flounder::{
    Answer, Caller, Interest, Limits, Loopback, Message, SendError, Server, Service, Single,
    Transport, interface, loopback,
};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Something structured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    pub number: i64,
    pub kind: Kind,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Kind {
    Empty,
    Pair(u8, u64),
    Named { list: Vec<u16> },
}

/// Everything that an interface can have.
#[interface]
pub trait Trial<C> {
    fn nothing(&mut self) -> Result<(), Error>;
    fn add(&mut self, a: u64, b: u32) -> Result<u64, Error>;
    fn numbers(
        &mut self,
        a: u8,
        b: i16,
        c: bool,
        d: char,
        e: i64,
        f: usize,
        g: u64,
        h: i8,
    ) -> Result<(u8, i16, bool, char, i64, usize, u64, i8), Error>;
    fn pass(&mut self, word: u64, cap: C) -> Result<(C, u64), Error>;
    fn bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error>;
    fn text(&mut self, text: &str) -> Result<String, Error>;
    fn records(&mut self, one: Record, more: Vec<Record>) -> Result<(Record, Vec<Record>), Error>;
    fn caps(
        &mut self,
        first: C,
        maybe: Option<C>,
        many: Vec<C>,
        text: &str,
    ) -> Result<(Vec<C>, Option<C>, C, String), Error>;
    fn fail(&mut self, raw: u64) -> Result<(), Error>;
    #[one_way]
    fn note(&mut self, number: u64);
    #[one_way]
    fn note_bytes(&mut self, bytes: &[u8], cap: C);
    #[later]
    fn wait(&mut self, number: u64) -> Result<(u64, Option<C>), Error>;
}

/// A capability that is counted while it lives.
#[derive(PartialEq, Eq, Debug)]
pub struct Cap {
    pub number: u64,
    alive: Rc<()>,
    /// The memory that it stands for, if it is a frame.
    memory: Option<Vec<u8>>,
}

/// Makes capabilities and counts them.
#[derive(Clone, Default)]
pub struct Caps(Rc<()>);

impl Caps {
    pub fn make(&self, number: u64) -> Cap {
        Cap {
            number,
            alive: self.0.clone(),
            memory: None,
        }
    }

    pub fn frame(&self, memory: &[u8]) -> Cap {
        Cap {
            memory: Some(memory.to_vec()),
            ..self.make(0)
        }
    }

    pub fn alive(&self) -> usize {
        Rc::strong_count(&self.0) - 1
    }
}

/// The service.
#[derive(Default)]
pub struct Book {
    pub notes: Vec<u64>,
    pub calls: usize,
    pub waiting: BTreeMap<u64, Answer<(u64, Option<Cap>), Cap>>,
    pub cancelled: usize,
    pub closed: Vec<u64>,
}

impl Trial<Cap> for Book {
    fn nothing(&mut self) -> Result<(), Error> {
        self.calls += 1;
        Ok(())
    }
    fn add(&mut self, a: u64, b: u32) -> Result<u64, Error> {
        self.calls += 1;
        a.checked_add(u64::from(b))
            .ok_or(Error::new(ErrorCode::CommonInvalidArgs))
    }
    fn numbers(
        &mut self,
        a: u8,
        b: i16,
        c: bool,
        d: char,
        e: i64,
        f: usize,
        g: u64,
        h: i8,
    ) -> Result<(u8, i16, bool, char, i64, usize, u64, i8), Error> {
        Ok((a, b, c, d, e, f, g, h))
    }
    fn pass(&mut self, word: u64, cap: Cap) -> Result<(Cap, u64), Error> {
        Ok((cap, word))
    }
    fn bytes(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(bytes.to_vec())
    }
    fn text(&mut self, text: &str) -> Result<String, Error> {
        Ok(text.to_owned())
    }
    fn records(&mut self, one: Record, more: Vec<Record>) -> Result<(Record, Vec<Record>), Error> {
        Ok((one, more))
    }
    fn caps(
        &mut self,
        first: Cap,
        maybe: Option<Cap>,
        many: Vec<Cap>,
        text: &str,
    ) -> Result<(Vec<Cap>, Option<Cap>, Cap, String), Error> {
        Ok((many, maybe, first, text.to_owned()))
    }
    fn fail(&mut self, raw: u64) -> Result<(), Error> {
        Err(Error::from_raw(raw).unwrap_or(ErrorCode::CommonInvalidArgs.into()))
    }
    fn note(&mut self, number: u64) {
        self.notes.push(number);
    }
    fn note_bytes(&mut self, bytes: &[u8], cap: Cap) {
        self.notes.push(bytes.len() as u64 + cap.number);
    }
    fn wait(&mut self, number: u64, answer: Answer<(u64, Option<Cap>), Cap>) {
        self.waiting.insert(number, answer);
    }
    fn closed(&mut self, connection: u64) {
        self.closed.push(connection);
    }
    fn cancelled(&mut self, caller: Caller) {
        self.cancelled += 1;
        self.waiting.retain(|_, answer| answer.caller() != caller);
    }
}

/// The service and its connection, shared with the test.
pub type Shared<T> = Rc<RefCell<(Server<T>, TrialServer<Book>)>>;

/// Serves until the connection ends, and returns why.
pub async fn serve<T: Transport<Cap = Cap>>(shared: Shared<T>) -> Error {
    std::future::poll_fn(|cx| {
        let (server, book) = &mut *shared.borrow_mut();
        match server.poll(book, 7) {
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
    })
    .await
}

pub fn shared<T: Transport<Cap = Cap>>(transport: T, limits: Limits) -> Shared<T> {
    Rc::new(RefCell::new((
        Server::new(transport, limits, 1),
        TrialServer(Book::default()),
    )))
}

/// Faults of a pair of [`Lmp`] ends.
#[derive(Default)]
pub struct Faults {
    /// Operations until the connection breaks.
    pub left: Cell<Option<u64>>,
    pub broken: Cell<bool>,
    pub operations: Cell<u64>,
    /// The frames in use.
    pub frames: Caps,
    pub packed: Cell<u64>,
    pub unpacked: Cell<u64>,
    /// There is no memory for every so many frames.
    pub scarce: Cell<Option<u64>>,
    wakers: RefCell<Vec<Waker>>,
}

impl Faults {
    fn step(&self) -> Result<(), Error> {
        self.operations.set(self.operations.get() + 1);
        match self.left.get() {
            Some(0) => self.cut(),
            Some(left) => self.left.set(Some(left - 1)),
            None => {}
        }
        match self.broken.get() {
            true => Err(ErrorCode::SysLmpNoTarget.into()),
            false => Ok(()),
        }
    }

    /// Breaks the connection.
    pub fn cut(&self) {
        self.broken.set(true);
        for waker in self.wakers.take() {
            waker.wake();
        }
    }
}

/// No message is packed.
pub const NEVER: usize = usize::MAX;

/// Like LMP: 8 words, two messages in a buffer, full is transient; messages of `FRAME` bytes and more are packed.
pub struct Lmp<const FRAME: usize = NEVER> {
    inner: Loopback<Cap, Single, 8>,
    faults: Rc<Faults>,
}

pub fn ends<const FRAME: usize>() -> (Lmp<FRAME>, Lmp<FRAME>, Rc<Faults>) {
    let (one, other) = loopback(2);
    let faults = Rc::new(Faults::default());
    let end = |inner| Lmp {
        inner,
        faults: faults.clone(),
    };
    (end(one), end(other), faults)
}

pub fn lmp() -> (Lmp, Lmp, Rc<Faults>) {
    ends()
}

impl<const FRAME: usize> Transport for Lmp<FRAME> {
    type Cap = Cap;
    const WORDS: usize = 8;
    const FRAME_BYTES: usize = FRAME;

    fn pack(&mut self, data: &[u8]) -> Option<Cap> {
        let count = self.faults.packed.get() + 1;
        self.faults.packed.set(count);
        match self.faults.scarce.get() {
            Some(every) if count.is_multiple_of(every) => None,
            _ => Some(self.faults.frames.frame(data)),
        }
    }

    fn unpack(&mut self, cap: Cap, length: usize) -> Result<Vec<u8>, Error> {
        self.faults.unpacked.set(self.faults.unpacked.get() + 1);
        let memory = cap.memory.ok_or(ErrorCode::SysCapNotFound)?;
        let data = memory.get(..length).ok_or(ErrorCode::CommonInvalidArgs)?;
        Ok(data.to_vec())
    }

    fn send(&mut self, words: &[u64], cap: Option<Cap>) -> Result<(), SendError<Cap>> {
        self.faults.step().map_err(SendError::Lost)?;
        self.inner.send(words, cap)
    }

    fn receive(&mut self) -> Result<Option<Message<Cap>>, Error> {
        self.faults.step()?;
        self.inner.receive()
    }

    fn watch(&mut self, waker: &Waker, interest: Interest) {
        match self.faults.broken.get() {
            true => waker.wake_by_ref(),
            false => {
                self.faults.wakers.borrow_mut().push(waker.clone());
                self.inner.watch(waker, interest);
            }
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The executor.
#[derive(Default)]
pub struct Tasks {
    tasks: Vec<Option<(Task, Arc<Flag>)>>,
}

impl Tasks {
    /// Adds a task, and returns where its result will be.
    pub fn spawn<R: 'static>(
        &mut self,
        future: impl Future<Output = R> + 'static,
    ) -> Rc<RefCell<Option<R>>> {
        let result = Rc::new(RefCell::new(None));
        let out = result.clone();
        let task = async move {
            let value = future.await;
            assert!(out.replace(Some(value)).is_none(), "a task ends once");
        };
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        self.tasks.push(Some((Box::pin(task), flag)));
        result
    }

    /// Polls woken tasks, in an order that `choose` picks, until none is woken.
    pub fn run(&mut self, mut choose: impl FnMut(usize) -> usize) {
        loop {
            let woken: Vec<usize> = (0..self.tasks.len())
                .filter(|index| {
                    matches!(&self.tasks[*index], Some((_, flag)) if flag.0.load(Ordering::Relaxed))
                })
                .collect();
            if woken.is_empty() {
                return;
            }
            let index = woken[choose(woken.len()) % woken.len()];
            let Some((task, flag)) = &mut self.tasks[index] else {
                continue;
            };
            flag.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(flag.clone());
            if task
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                self.tasks[index] = None;
            }
        }
    }
}

/// Limits for tests: large messages, many calls.
pub fn wide() -> Limits {
    Limits {
        message_bytes: 2 << 20,
        caps: 16,
        queued_bytes: 8 << 20,
        calls: 2048,
    }
}

/// Binds over `client`, serves `server`, and returns what the test got.
pub fn with_client<T, U, R>(
    client: T,
    server: U,
    limits: Limits,
    test: impl AsyncFnOnce(TrialClient<T>) -> R + 'static,
) -> R
where
    T: Transport<Cap = Cap> + 'static,
    U: Transport<Cap = Cap> + 'static,
    R: 'static,
{
    let mut tasks = Tasks::default();
    tasks.spawn(serve(shared(server, limits)));
    let result = tasks.spawn(async move {
        let client = TrialClient::bind(client, limits).await.unwrap();
        test(client).await
    });
    tasks.run(|_| 0);
    let result = result.take();
    result.expect("the test stalled: a wake-up was lost")
}

/// Never used: the bound that a service has.
pub fn is_service<C, S: Service<C>>(_: &S) {}
