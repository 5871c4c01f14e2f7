//! The terminal's service with its clients, over a transport within the test.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use errors::{Error, ErrorCode};
use flounder::{Limits, Loopback, Server, Single, loopback};
use services::terminal::{
    LIMITS, Mode, Signal, TerminalClient, TerminalServer, TerminalService, Typed,
};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

type Client = TerminalClient<Loopback<u8>, Single>;
type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

const SHELL: u32 = 7;
const CHILD: u32 = 8;
const OTHER: u32 = 9;

/// A terminal, and what its line shows.
struct World {
    service: TerminalServer<TerminalService>,
    servers: Vec<Server<Loopback<u8>>>,
    shown: Vec<u8>,
    /// The line takes what there is.
    sends: bool,
    last: u64,
}

impl World {
    fn new(limits: terminal::Limits) -> Self {
        Self {
            service: TerminalServer(TerminalService::new(limits)),
            servers: Vec::new(),
            shown: Vec::new(),
            sends: true,
            last: 0,
        }
    }

    fn turn(&mut self) {
        let Self {
            service, servers, ..
        } = self;
        let mut gone = Vec::new();
        servers.retain_mut(|server| match server.poll(service, 16) {
            Ok(_) => true,
            Err(_) => {
                gone.push(server.number());
                false
            }
        });
        for number in gone {
            use services::terminal::Terminal as _;
            service.0.closed(number);
        }
        if self.sends {
            self.shown.extend(self.service.0.take_output(64));
        }
        for finished in self.service.0.take_finished() {
            let number = finished.caller().connection;
            let server = self
                .servers
                .iter_mut()
                .find(|server| server.number() == number);
            let _ = server.unwrap().finish(finished.any());
        }
        self.service.0.check_invariants().unwrap();
    }

    fn connect(&mut self, pid: u32) -> Client {
        let (client, server) = loopback::<u8, Single, 9>(32);
        self.last += 1;
        self.servers.push(Server::new(server, LIMITS, self.last));
        // One too many is told so by what it asks.
        let _ = self.service.0.opened(self.last, pid);
        let mut binding = Box::pin(Client::bind(client, Limits::default()));
        loop {
            if let Poll::Ready(client) = poll(binding.as_mut()) {
                return client.unwrap();
            }
            self.turn();
        }
    }

    /// The result of a call that is answered without anything else happening.
    fn now<T>(&mut self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut call = Box::pin(call);
        self.soon(&mut call).expect("an answer")
    }

    /// The result, if there is one by now.
    fn soon<F: Future + ?Sized>(&mut self, call: &mut Pin<Box<F>>) -> Option<F::Output> {
        // The line takes 64 bytes a turn, and a terminal keeps some thousands.
        for _ in 0..1000 {
            if let Poll::Ready(result) = poll(call.as_mut()) {
                return Some(result);
            }
            self.turn();
        }
        None
    }

    fn type_keys(&mut self, keys: &str) {
        self.service.0.input(keys.as_bytes());
        for _ in 0..8 {
            self.turn();
        }
    }

    fn shown(&mut self) -> String {
        for _ in 0..100 {
            self.turn();
        }
        String::from_utf8(std::mem::take(&mut self.shown)).unwrap()
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn world() -> World {
    World::new(terminal::Limits::default())
}

fn typed(bytes: &str) -> Typed {
    Typed {
        bytes: bytes.into(),
        end: false,
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>, code: ErrorCode) {
    let error = result.expect_err("a refusal");
    assert!(error.contains(code), "{error:?}");
}

#[test]
fn a_line_reaches_who_has_the_foreground_and_comes_back_with_it() {
    let mut world = world();
    let (shell, child) = (world.connect(SHELL), world.connect(CHILD));
    world.now(shell.claim()).unwrap();
    let mut read: Later<Typed> = Box::pin(child.read(100, false));
    world.type_keys("for the shell\r");
    assert!(world.soon(&mut read).is_none());
    assert_eq!(
        world.now(shell.read(100, false)),
        Ok(typed("for the shell\n"))
    );
    world.now(shell.lend(CHILD)).unwrap();
    world.type_keys("for thex\x7f child\r");
    assert_eq!(world.soon(&mut read), Some(Ok(typed("for the child\n"))));
    world.now(shell.take_back()).unwrap();
    refused(world.now(child.take_back()), ErrorCode::TerminalNotLent);
    refused(
        world.now(child.discard_input()),
        ErrorCode::TerminalNotForeground,
    );
    world.type_keys("\x04");
    let end = world.now(shell.read(1, false)).unwrap();
    assert_eq!((end.bytes.len(), end.end), (0, true));
    assert_eq!(
        world.shown(),
        "for the shell\r\nfor thex\x08 \x08 child\r\n"
    );
}

#[test]
fn a_process_is_one_client_however_many_connections_it_has() {
    let mut world = world();
    let (first, second) = (world.connect(SHELL), world.connect(SHELL));
    let other = world.connect(OTHER);
    assert_eq!(world.service.0.clients(), 2);
    world.now(first.claim()).unwrap();
    refused(world.now(other.claim()), ErrorCode::TerminalNotForeground);
    refused(world.now(second.claim()), ErrorCode::TerminalHasForeground);
    world.now(second.set_mode(Mode::Raw)).unwrap();
    world.type_keys("x");
    assert_eq!(world.now(first.read(1, false)), Ok(typed("x")));
    drop(first);
    world.turn();
    world.type_keys("y");
    assert_eq!(world.now(second.read(1, false)), Ok(typed("y")));
    drop(second);
    world.turn();
    assert_eq!(world.service.0.foreground(), None);
    world.now(other.claim()).unwrap();
}

#[test]
fn the_foreground_is_lent_to_who_comes_later_or_never() {
    let mut world = world();
    let shell = world.connect(SHELL);
    refused(
        world.now(shell.lend(CHILD)),
        ErrorCode::TerminalNotForeground,
    );
    assert_eq!(world.service.0.clients(), 1);
    world.now(shell.claim()).unwrap();
    world.now(shell.lend(CHILD)).unwrap();
    world.type_keys("typed ahead\r");
    let child = world.connect(CHILD);
    assert_eq!(world.now(child.read(100, true)), Ok(typed("typed ahead\n")));
    // Its end gives it back.
    drop(child);
    world.turn();
    assert_eq!(world.service.0.foreground(), Some(SHELL));
    // One that never comes.
    world.now(shell.lend(OTHER)).unwrap();
    assert_eq!(world.service.0.clients(), 2);
    world.now(shell.take_back()).unwrap();
    assert_eq!(world.service.0.clients(), 1);
    world.now(shell.lend(OTHER)).unwrap();
    drop(shell);
    world.turn();
    assert_eq!(world.service.0.foreground(), Some(OTHER));
}

#[test]
fn long_writes_go_on_as_there_is_room_and_in_their_order() {
    let mut world = world();
    let (one, two) = (world.connect(CHILD), world.connect(OTHER));
    world.sends = false;
    let text: String = (0..200).map(|line| format!("line {line}\n")).collect();
    let mut writes: Vec<Later<()>> = text
        .as_bytes()
        .chunks(1500)
        .map(|part| Box::pin(one.write(part)) as Later<()>)
        .collect();
    let big = "b".repeat(4000);
    writes.push(Box::pin(one.write(big.as_bytes())));
    writes.push(Box::pin(one.write(big.as_bytes())));
    let mut done = Vec::new();
    for write in &mut writes {
        done.push(world.soon(write).is_some());
    }
    // Two of them were taken, and nothing was sent.
    assert_eq!(done, [false; 4]);
    // Others have room.
    let mut others: Later<()> = Box::pin(two.write(b"two\n"));
    assert!(world.soon(&mut others).is_none());
    world.sends = true;
    assert_eq!(world.soon(&mut others), Some(Ok(())));
    for write in &mut writes {
        assert_eq!(world.soon(write), Some(Ok(())));
    }
    let shown = world.shown();
    let lines = shown.replace("\r\n", "\n");
    assert_eq!(lines.replacen("two\n", "", 1), format!("{text}{big}{big}"));
    refused(
        world.now(one.write(&[b'x'; 5000])),
        ErrorCode::FlounderConnectionLost,
    );
}

#[test]
fn a_line_is_asked_for_when_the_foreground_reads() {
    let mut world = world();
    let (shell, child) = (world.connect(SHELL), world.connect(CHILD));
    world.now(shell.claim()).unwrap();
    let mut waits: Later<Typed> = Box::pin(child.read(1, false));
    assert!(world.soon(&mut waits).is_none());
    assert!(!world.service.0.wants_input());
    world.now(shell.lend(CHILD)).unwrap();
    assert!(world.service.0.wants_input());
    world.type_keys("x\r");
    assert_eq!(world.soon(&mut waits), Some(Ok(typed("x"))));
    assert!(!world.service.0.wants_input());
}

#[test]
fn what_is_said_to_be_written_was_sent() {
    let mut world = world();
    let (one, two) = (world.connect(CHILD), world.connect(OTHER));
    world.sends = false;
    let mut first: Later<()> = Box::pin(one.write(b"first\n"));
    let mut second: Later<()> = Box::pin(one.write(b"second\n"));
    let mut other: Later<()> = Box::pin(two.write(b"other\n"));
    for write in [&mut first, &mut second, &mut other] {
        assert!(world.soon(write).is_none());
    }
    // A part of it is not enough.
    assert_eq!(world.service.0.take_output(5), b"first");
    assert!(world.soon(&mut first).is_none());
    world.sends = true;
    for write in [&mut first, &mut second, &mut other] {
        assert_eq!(world.soon(write), Some(Ok(())));
    }
    assert!(world.shown().contains("second\r\n"));
    // Nothing is written at once.
    world.sends = false;
    assert_eq!(world.now(one.write(b"")), Ok(()));
}

#[test]
fn too_many_writes_are_refused_and_cancelled_ones_are_gone() {
    let mut world = world();
    let one = world.connect(CHILD);
    world.sends = false;
    let block = [b'a'; 4096];
    let mut writes: Vec<Later<()>> = (0..10)
        .map(|_| Box::pin(one.write(&block)) as Later<()>)
        .collect();
    let mut results: Vec<_> = writes.iter_mut().map(|write| world.soon(write)).collect();
    refused(
        results.pop().flatten().expect("an answer"),
        ErrorCode::TerminalTooManyWrites,
    );
    assert!(results.iter().all(Option::is_none));
    // The waiting ones are given up, and one that comes then is next.
    writes.clear();
    for _ in 0..8 {
        world.turn();
    }
    let mut last: Later<()> = Box::pin(one.write(b"last\n"));
    assert!(world.soon(&mut last).is_none());
    world.sends = true;
    assert_eq!(world.soon(&mut last), Some(Ok(())));
    assert_eq!(world.shown(), format!("{}last\r\n", "a".repeat(4096)));
}

#[test]
fn control_c_is_told_to_who_waits_for_it() {
    let mut world = world();
    let (shell, child) = (world.connect(SHELL), world.connect(CHILD));
    world.now(shell.claim()).unwrap();
    let mut interrupted: Later<Signal> = Box::pin(shell.interrupted());
    assert!(world.soon(&mut interrupted).is_none());
    world.now(shell.lend(CHILD)).unwrap();
    world.type_keys("half\x03");
    assert_eq!(world.soon(&mut interrupted), Some(Ok(Signal::Interrupt)));
    // Between two calls.
    world.type_keys("\x03");
    assert_eq!(world.now(shell.interrupted()), Ok(Signal::Interrupt));
    // Of both, Ctrl-C counts; a single Ctrl-Z is told as such.
    world.type_keys("\x1a\x03\x1a");
    assert_eq!(world.now(shell.interrupted()), Ok(Signal::Interrupt));
    world.type_keys("\x1a");
    assert_eq!(world.now(shell.interrupted()), Ok(Signal::Stop));
    // Given up: nobody takes it, the input is gone all the same.
    let mut interrupted: Later<Signal> = Box::pin(shell.interrupted());
    assert!(world.soon(&mut interrupted).is_none());
    drop(interrupted);
    world.turn();
    world.type_keys("gone\x03");
    let mut interrupted: Later<Signal> = Box::pin(shell.interrupted());
    assert!(world.soon(&mut interrupted).is_none());
    let mut read: Later<Typed> = Box::pin(child.read(9, false));
    assert!(world.soon(&mut read).is_none());
    // The nearest that takes it.
    let mut own: Later<Signal> = Box::pin(child.interrupted());
    assert!(world.soon(&mut own).is_none());
    world.type_keys("\x03");
    assert_eq!(world.soon(&mut own), Some(Ok(Signal::Interrupt)));
    assert!(world.soon(&mut interrupted).is_none());
}

#[test]
fn reads_are_given_up_and_end_with_their_client() {
    let mut world = world();
    let (shell, child) = (world.connect(SHELL), world.connect(CHILD));
    world.now(child.claim()).unwrap();
    let mut first: Later<Typed> = Box::pin(child.read(10, false));
    assert!(world.soon(&mut first).is_none());
    drop(first);
    world.turn();
    world.type_keys("one\r");
    assert_eq!(world.now(child.read(10, false)), Ok(typed("one\n")));
    let mut second: Later<Typed> = Box::pin(child.read(10, false));
    assert!(world.soon(&mut second).is_none());
    drop(second);
    // As its process dies.
    drop(child);
    world.turn();
    world.now(shell.claim()).unwrap();
    world.type_keys("two\r");
    assert_eq!(world.now(shell.read(10, false)), Ok(typed("two\n")));
    refused(
        world.now(shell.read(0, false)),
        ErrorCode::TerminalEmptyRead,
    );
    let mut reads: Vec<Later<Typed>> = (0..9)
        .map(|_| Box::pin(shell.read(10, false)) as Later<Typed>)
        .collect();
    let results: Vec<_> = reads.iter_mut().map(|read| world.soon(read)).collect();
    refused(
        results.last().cloned().flatten().expect("an answer"),
        ErrorCode::TerminalTooManyReads,
    );
}

#[test]
fn who_is_one_too_many_is_told_so() {
    let mut world = World::new(terminal::Limits {
        clients: 1,
        ..terminal::Limits::default()
    });
    let shell = world.connect(SHELL);
    let other = world.connect(OTHER);
    refused(
        world.now(other.write(b"x")),
        ErrorCode::TerminalUnknownClient,
    );
    world.now(shell.claim()).unwrap();
    refused(
        world.now(shell.lend(OTHER)),
        ErrorCode::TerminalTooManyClients,
    );
}
