//! A system around a session, on the host: programs are futures, which use the session's streams by connections as real ones do; what is typed comes when
//! nothing else happens any more, so that each run is the same.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its own part, and a test may panic"
)]

use errors::{Error, ErrorCode};
use flounder::{Connections, Limits, Loopback, Single, loopback};
use services::process::{Ended, Order};
use services::streams::{Bounds, Content, StreamService, StreamsClient, StreamsServer};
use services::terminal::{Mode, Signal, Typed};
use session::{Asked, End, Inherited, Os, Said, Session, SharedStreams, Task};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{pending, poll_fn, ready};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Transport = Loopback<u64, Single, 9>;
type Client = StreamsClient<Transport, Single>;

/// What happens at the keyboard.
#[derive(Clone, Debug)]
pub enum Event {
    Type(Vec<u8>),
    Key(Signal),
}

struct Process {
    name: String,
    task: Option<Task<u8>>,
    is_suspended: bool,
    ended: Option<u8>,
}

/// The fake system.
pub struct Fake {
    pub out: RefCell<String>,
    events: RefCell<VecDeque<Event>>,
    typed: RefCell<VecDeque<u8>>,
    signals: RefCell<VecDeque<Signal>>,
    pub mode: Cell<Mode>,
    pub modes: Cell<u32>,
    pub foreground: RefCell<Vec<u32>>,
    last: Cell<u32>,
    processes: RefCell<BTreeMap<u32, Process>>,
    pub orders: RefCell<Vec<Order>>,
    pub streams: SharedStreams,
    server: RefCell<StreamsServer<SharedStreams>>,
    connections: RefCell<Connections<Transport>>,
    pub output: RefCell<Inherited>,
    pub input: RefCell<Inherited>,
    pub news: RefCell<Vec<String>>,
    pub concluded: RefCell<Vec<(String, u8)>>,
    turns: Cell<u32>,
    /// When all has happened the user gives up, in all ways there are.
    pub gives_up: Cell<bool>,
    /// Reads fail once.
    pub is_lost: Cell<bool>,
}

#[derive(Debug)]
struct Module(&'static str);

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

    fn key(&self, signal: Signal) -> &Self {
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

    fn client(&self, pid: u32) -> Task<Result<Client, Error>> {
        let (near, far) = loopback::<u64, Single, 9>(8);
        let number = self.0.connections.borrow_mut().add(far).unwrap();
        self.0.streams.borrow_mut().opened(number, pid);
        Box::pin(async move { Client::bind(near, Limits::default()).await })
    }

    /// Lets all processes do something.
    fn step(&self) {
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

    fn next_event(&self) -> bool {
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
    fn typed(&self, pid: u32) -> Task<Vec<u8>> {
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

    fn program(&self, pid: u32, order: &Order) -> Option<Task<u8>> {
        let io = ProcessIo {
            os: self.clone(),
            pid,
            env: order.env.clone(),
        };
        let args = order.args.clone();
        let name = args.first().unwrap().clone();
        Some(match name.as_str() {
            "hello" => {
                Box::pin(
                    async move { io.print(&format!("hello, {}\n", args[1..].join(" "))).await },
                )
            }
            "status" => Box::pin(async move { args[1].parse().unwrap() }),
            "spin" => Box::pin(pending()),
            "yes" => Box::pin(async move {
                // For ever, but for who counts.
                for _ in 0..2_000 {
                    // A program does not hear of a closed pipe.
                    io.print("yes\n").await;
                    let mut is_over = false;
                    let pause = |_: &mut Context<'_>| match std::mem::replace(&mut is_over, true) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    };
                    poll_fn(pause).await;
                }
                pending().await
            }),
            "upper" => Box::pin(async move {
                loop {
                    let bytes = io.read().await;
                    if bytes.is_empty() {
                        return 0;
                    }
                    io.print(&String::from_utf8(bytes).unwrap().to_uppercase())
                        .await;
                }
            }),
            "env" => Box::pin(async move {
                let env = io.env.join(" ");
                io.print(&format!("{env}\n")).await
            }),
            "shell" => Box::pin(async move { io.print(&format!("{args:?}\n")).await }),
            _ => return None,
        })
    }
}

/// What a process uses.
struct ProcessIo {
    os: Handle,
    pid: u32,
    env: Vec<String>,
}

impl ProcessIo {
    fn word(&self, name: &str) -> String {
        let value = self.env.iter().filter_map(|text| text.split_once('='));
        let mut value = value.filter(|(other, _)| *other == name);
        value
            .next()
            .map_or(String::new(), |(_, value)| value.into())
    }

    async fn print(&self, text: &str) -> u8 {
        let word = self.word("STDOUT");
        match word.strip_prefix("stream:1:") {
            Some(end) => {
                let client = self.os.client(self.pid).await.unwrap();
                match client.write(end.parse().unwrap(), text.as_bytes()).await {
                    Ok(()) => 0,
                    Err(_) => 3,
                }
            }
            None => {
                assert_eq!(word, "terminal");
                self.os.0.out.borrow_mut().push_str(text);
                0
            }
        }
    }

    async fn read(&self) -> Vec<u8> {
        match self.word("STDIN").strip_prefix("stream:1:") {
            Some(end) => {
                let client = self.os.client(self.pid).await.unwrap();
                client.read(end.parse().unwrap(), 100).await.unwrap()
            }
            None => self.os.typed(self.pid).await,
        }
    }
}

fn done<T: 'static>(result: Result<T, Error>) -> Asked<T> {
    Box::pin(ready(result))
}

fn unknown() -> Error {
    Error::new(ErrorCode::SpawnDomainNotfound)
}

impl Os for Handle {
    fn block_on(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let mut quiet = 0;
        loop {
            self.0.turns.set(self.0.turns.get() + 1);
            let before = (
                self.0.streams.borrow().changes(),
                self.0.out.borrow().len(),
                self.alive(),
            );
            if poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return;
            }
            self.step();
            let after = (
                self.0.streams.borrow().changes(),
                self.0.out.borrow().len(),
                self.alive(),
            );
            quiet = if before == after { quiet + 1 } else { 0 };
            if self.0.turns.get().is_multiple_of(500) {
                // Somebody goes on for ever; the user does something all the same.
                self.next_event();
            }
            if quiet > 8 {
                quiet = 0;
                assert!(
                    self.next_event(),
                    "it hangs; so far:\n{}",
                    self.0.out.borrow()
                );
            }
        }
    }

    fn serve(&self, _: &mut Context<'_>) {
        let mut server = self.0.server.borrow_mut();
        let mut connections = self.0.connections.borrow_mut();
        while connections.poll(&mut *server, 16, Waker::noop()) {}
        let finished = self.0.streams.borrow_mut().take_finished();
        for answer in finished {
            connections.finish(&mut *server, answer.any());
        }
    }

    fn stream(&self, end: u32) -> String {
        format!("stream:1:{end}")
    }

    fn input(&self) -> Inherited {
        self.0.input.borrow().clone()
    }

    fn output(&self) -> Inherited {
        self.0.output.borrow().clone()
    }

    fn micros(&self) -> u64 {
        1
    }

    fn pid(&self) -> u32 {
        9
    }

    fn name(&self) -> String {
        "shell".into()
    }

    fn news(&self) -> Vec<String> {
        self.0.news.take()
    }

    fn read(&self, _: u32) -> Asked<Typed> {
        if self.0.is_lost.take() {
            let news = "the terminal was started again".into();
            self.0.news.borrow_mut().push(news);
            return done(Err(Error::new(ErrorCode::FlounderConnectionLost)));
        }
        let typed = self.typed(9);
        Box::pin(async move {
            let bytes = typed.await;
            let end = bytes.is_empty();
            Ok(Typed { bytes, end })
        })
    }

    fn write(&self, bytes: Vec<u8>) -> Asked<()> {
        self.0
            .out
            .borrow_mut()
            .push_str(&String::from_utf8(bytes).unwrap());
        done(Ok(()))
    }

    fn set_mode(&self, mode: Mode) -> Asked<()> {
        assert_ne!(self.0.mode.replace(mode), mode, "the mode is what it was");
        done(Ok(()))
    }

    fn lend(&self, pid: u32) -> Asked<()> {
        self.0.foreground.borrow_mut().push(pid);
        done(Ok(()))
    }

    fn take_back(&self) -> Asked<()> {
        self.0.foreground.borrow_mut().truncate(1);
        done(Ok(()))
    }

    fn interrupted(&self) -> Task<Signal> {
        let this = self.clone();
        Box::pin(poll_fn(move |_| {
            let signal = this.0.signals.borrow_mut().pop_front();
            signal.map_or(Poll::Pending, Poll::Ready)
        }))
    }

    fn spawn(&self, order: Order) -> Asked<u32> {
        let pid = self.0.last.get() + 1;
        let Some(task) = self.program(pid, &order) else {
            return done(Err(Error::new(ErrorCode::SpawnFindModule)));
        };
        self.0.last.set(pid);
        let name = order.args.first().unwrap().clone();
        self.0.orders.borrow_mut().push(order);
        let process = Process {
            name,
            task: Some(task),
            is_suspended: false,
            ended: None,
        };
        self.0.processes.borrow_mut().insert(pid, process);
        // It runs before the answer is there.
        self.step();
        done(Ok(pid))
    }

    fn kill(&self, pid: u32) -> Asked<()> {
        let mut processes = self.0.processes.borrow_mut();
        done(match processes.get_mut(&pid) {
            Some(one) if one.ended.is_none() => {
                one.ended = Some(128);
                one.task = None;
                Ok(())
            }
            _ => Err(unknown()),
        })
    }

    fn suspend(&self, pid: u32) -> Asked<()> {
        done(self.0.set_suspended(pid, true))
    }

    fn resume(&self, pid: u32) -> Asked<()> {
        done(self.0.set_suspended(pid, false))
    }

    fn wait(&self, pid: u32) -> Asked<Ended> {
        let this = self.clone();
        Box::pin(poll_fn(move |_| {
            let processes = this.0.processes.borrow();
            match processes.get(&pid).map(|one| one.ended) {
                None => Poll::Ready(Err(unknown())),
                Some(None) => Poll::Pending,
                Some(Some(status)) => {
                    let why = if status == 129 { "null pointer" } else { "" };
                    let why = why.into();
                    Poll::Ready(Ok(Ended { pid, status, why }))
                }
            }
        }))
    }

    fn essential(&self, pid: u32) -> Asked<Option<String>> {
        done(Ok((pid == 2).then(|| "is the name server".into())))
    }

    fn modules(&self) -> Asked<Vec<(String, u64)>> {
        done(Ok(vec![
            ("hello".into(), 100),
            ("menu.lst".into(), 7),
            ("spin".into(), 1),
        ]))
    }

    fn module(&self, name: &str) -> Asked<Rc<dyn Content>> {
        done(match name {
            "menu.lst" => Ok(Rc::new(Module("a menu\n"))),
            _ => Err(Error::new(ErrorCode::SpawnFindModule)),
        })
    }

    fn names(&self) -> Asked<Vec<String>> {
        done(Ok(vec![
            "service/process".into(),
            "service/terminal".into(),
        ]))
    }

    fn services(&self) -> Asked<Vec<String>> {
        done(Ok(vec!["serial".into()]))
    }

    fn tell(&self, command: &'static str, args: Vec<String>) -> Task<Said> {
        let said = match command {
            "led" => ("led: this board has no light\n".into(), 1),
            _ => (format!("{command} {args:?}\n"), 0),
        };
        Box::pin(ready(said))
    }

    fn concluded(&self, line: &str, status: u8) -> Task<()> {
        self.0.concluded.borrow_mut().push((line.into(), status));
        Box::pin(ready(()))
    }
}

impl Fake {
    fn set_suspended(&self, pid: u32, is_suspended: bool) -> Result<(), Error> {
        let mut processes = self.processes.borrow_mut();
        match processes.get_mut(&pid) {
            Some(one) if one.ended.is_none() => {
                one.is_suspended = is_suspended;
                Ok(())
            }
            _ => Err(unknown()),
        }
    }
}

/// Types lines at the prompt, then Ctrl-D until it ends; gives how it ended and what the screen got, without the editor's sequences.
pub fn typed(text: &str) -> (End, String) {
    let handle = Handle::new();
    handle.type_in(text);
    finish(&handle)
}

pub fn finish(handle: &Handle) -> (End, String) {
    handle.type_in("\x04").type_in("\x04");
    let mut session = handle.session();
    let end = session.interact();
    drop(session);
    assert_eq!(handle.0.streams.borrow().ends(), 0, "streams are left open");
    assert_eq!(handle.0.mode.get(), Mode::Cooked);
    (end, plain(&handle.0.out.borrow()))
}

/// Without escape sequences.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                if chars.next() == Some('[') {
                    while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
                }
            }
            '\x07' => out.push('!'),
            c => out.push(c),
        }
    }
    out
}

/// What a line prints, when its echo and the prompts are taken away.
pub fn said(lines: &str) -> String {
    let (_, out) = typed(&format!("{lines}\n"));
    let echoes: Vec<String> = lines
        .lines()
        .map(|line| format!("barreleye> {line}"))
        .collect();
    let kept = out
        .lines()
        .filter(|line| *line != "barreleye> " && !echoes.iter().any(|echo| echo == line));
    kept.map(|line| format!("{line}\n")).collect()
}
