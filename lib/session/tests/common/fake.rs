//! The fake system: what there is, what happens, and how all goes on.

use errors::Error;
use flounder::{Connections, Limits, Loopback, Single, loopback};
use services::process::Order;
use services::streams::{Bounds, Content, StreamService, StreamsClient, StreamsServer};
use services::terminal::{Mode, Signal};
use session::{Inherited, Session, SharedStreams, Task};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(super) type Transport = Loopback<u64, Single, 9>;
pub(super) type Client = StreamsClient<Transport, Single>;

/// What happens at the keyboard.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Type(Vec<u8>),
    Key(Signal),
}

pub(super) struct Process {
    pub(super) name: String,
    pub(super) task: Option<Task<u8>>,
    pub(super) is_suspended: bool,
    pub(super) ended: Option<u8>,
}

/// The fake system.
pub struct Fake {
    pub out: RefCell<String>,
    pub(super) events: RefCell<VecDeque<Event>>,
    pub(super) typed: RefCell<VecDeque<u8>>,
    pub(super) signals: RefCell<VecDeque<Signal>>,
    pub mode: Cell<Mode>,
    pub modes: Cell<u32>,
    pub foreground: RefCell<Vec<u32>>,
    pub(super) last: Cell<u32>,
    pub(super) processes: RefCell<BTreeMap<u32, Process>>,
    pub orders: RefCell<Vec<Order>>,
    pub streams: SharedStreams,
    pub(super) server: RefCell<StreamsServer<SharedStreams>>,
    pub(super) connections: RefCell<Connections<Transport>>,
    pub output: RefCell<Inherited>,
    pub input: RefCell<Inherited>,
    pub news: RefCell<Vec<String>>,
    pub concluded: RefCell<Vec<(String, u8)>>,
    pub(super) turns: Cell<u32>,
    /// When all has happened the user gives up, in all ways there are.
    pub gives_up: Cell<bool>,
    /// Reads fail once.
    pub is_lost: Cell<bool>,
}

#[derive(Debug)]
pub(super) struct Module(pub(super) &'static str);

impl Content for Module {
    fn read(&self, at: usize, most: usize) -> Vec<u8> {
        self.0.bytes().skip(at).take(most).collect()
    }
}

/// Handles on the fake, as the session has one.
#[derive(Clone)]
pub struct Handle(pub Rc<Fake>);

impl Handle {
    pub fn new() -> Self {
        let streams: SharedStreams = Rc::new(RefCell::new(StreamService::new(Bounds::default())));
        Self(Rc::new(Fake {
            out: RefCell::default(),
            events: RefCell::default(),
            typed: RefCell::default(),
            signals: RefCell::default(),
            mode: Cell::new(Mode::Cooked),
            modes: Cell::new(0),
            foreground: RefCell::new(vec![9]),
            last: Cell::new(9),
            processes: RefCell::default(),
            orders: RefCell::default(),
            server: RefCell::new(StreamsServer(streams.clone())),
            streams,
            connections: RefCell::new(Connections::new(64, Limits::default())),
            output: RefCell::new(Inherited::Same("terminal".into())),
            input: RefCell::new(Inherited::Same("terminal".into())),
            news: RefCell::default(),
            concluded: RefCell::default(),
            turns: Cell::new(0),
            gives_up: Cell::new(false),
            is_lost: Cell::new(false),
        }))
    }

    pub fn session(&self) -> Session {
        let env = ["HOME=/", "STDIN=terminal", "bad name=1"];
        Session::new(Rc::new(self.clone()), self.0.streams.clone(), env)
    }

    pub fn type_in(&self, text: &str) -> &Self {
        // Keys come one after the other when it matters, else as fast as they can.
        for line in text.split_inclusive('\n') {
            let bytes = line.replace('\n', "\r").into_bytes();
            self.0.events.borrow_mut().push_back(Event::Type(bytes));
        }
        self
    }

    pub fn interrupt(&self) -> &Self {
        self.key(Signal::Interrupt)
    }

    /// Ctrl-Z.
    pub fn stop(&self) -> &Self {
        self.key(Signal::Stop)
    }

    pub(super) fn key(&self, signal: Signal) -> &Self {
        self.0.events.borrow_mut().push_back(Event::Key(signal));
        self
    }

    /// How many processes run.
    pub fn alive(&self) -> usize {
        let processes = self.0.processes.borrow();
        processes.values().filter(|one| one.ended.is_none()).count()
    }

    /// How many of them stand still.
    pub fn stopped(&self) -> usize {
        let processes = self.0.processes.borrow();
        let stopped = |one: &&Process| one.ended.is_none() && one.is_suspended;
        processes.values().filter(stopped).count()
    }

    pub(super) fn client(&self, pid: u32) -> Task<Result<Client, Error>> {
        let (near, far) = loopback::<u64, Single, 9>(8);
        let number = self.0.connections.borrow_mut().add(far).unwrap();
        self.0.streams.borrow_mut().opened(number, pid);
        Box::pin(async move { Client::bind(near, Limits::default()).await })
    }

    /// Lets all processes do something.
    pub(super) fn step(&self) {
        let pids: Vec<u32> = self.0.processes.borrow().keys().copied().collect();
        let mut context = Context::from_waker(Waker::noop());
        for pid in pids {
            let task = {
                let mut processes = self.0.processes.borrow_mut();
                let one = processes.get_mut(&pid).unwrap();
                match one.is_suspended {
                    true => None,
                    false => one.task.take(),
                }
            };
            let Some(mut task) = task else { continue };
            let polled = task.as_mut().poll(&mut context);
            let mut processes = self.0.processes.borrow_mut();
            let one = processes.get_mut(&pid).unwrap();
            match polled {
                // It may have been killed meanwhile.
                _ if one.ended.is_some() => {}
                Poll::Pending => one.task = Some(task),
                Poll::Ready(status) => {
                    one.ended = Some(status);
                    self.0.foreground.borrow_mut().retain(|other| *other != pid);
                }
            }
        }
    }

    pub(super) fn next_event(&self) -> bool {
        let event = self.0.events.borrow_mut().pop_front();
        match event {
            Some(Event::Type(bytes)) => self.0.typed.borrow_mut().extend(bytes),
            Some(Event::Key(signal)) => self.0.signals.borrow_mut().push_back(signal),
            None if self.0.gives_up.get() => {
                self.interrupt().interrupt().type_in("\x03").type_in("\x04");
                self.type_in("'\n")
                    .type_in("\x03")
                    .type_in("\x04")
                    .type_in("\x04");
            }
            None => return false,
        }
        true
    }

    /// What is typed, for who has the foreground.
    pub(super) fn typed(&self, pid: u32) -> Task<Vec<u8>> {
        let this = self.clone();
        Box::pin(poll_fn(move |_| {
            let mut typed = this.0.typed.borrow_mut();
            let is_mine = this.0.foreground.borrow().last() == Some(&pid);
            if typed.is_empty() || !is_mine {
                return Poll::Pending;
            }
            let end = typed.iter().position(|byte| *byte == b'\r');
            let end = end.map_or(typed.len(), |end| end + 1);
            let bytes: Vec<u8> = typed.drain(..end).collect();
            Poll::Ready(match this.0.mode.get() {
                Mode::Raw => bytes,
                Mode::Cooked if bytes == [4] => Vec::new(),
                Mode::Cooked => bytes
                    .iter()
                    .map(|b| if *b == b'\r' { b'\n' } else { *b })
                    .collect(),
            })
        }))
    }
}
