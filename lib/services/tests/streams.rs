//! Streams over connections: stories, and random programs against what a pipe has to be.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use errors::{Error, ErrorCode};
use flounder::{Connections, Limits, Loopback, Single, loopback};
use random::Random;
use services::streams::{Bounds, Content, StreamService, StreamsClient, StreamsServer};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Client = StreamsClient<Loopback<u64, Single, 9>, Single>;
/// A call, and how it ended if it did at once.
type Started<T> = (Task<T>, Option<Result<T, Error>>);
type Task<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// Owner, service and clients in one place.
struct World {
    streams: Rc<RefCell<StreamService>>,
    server: StreamsServer<Rc<RefCell<StreamService>>>,
    connections: Connections<Loopback<u64, Single, 9>>,
}

impl World {
    fn new(bounds: Bounds) -> Self {
        let streams = Rc::new(RefCell::new(StreamService::new(bounds)));
        Self {
            server: StreamsServer(streams.clone()),
            streams,
            connections: Connections::new(16, Limits::default()),
        }
    }

    /// Everything that can be done now.
    fn turn(&mut self) {
        for _ in 0..4 {
            while self.connections.poll(&mut self.server, 16, Waker::noop()) {}
            let finished = self.streams.borrow_mut().take_finished();
            for answer in finished {
                self.connections.finish(&mut self.server, answer.any());
            }
        }
    }

    fn now<T>(&mut self, task: &mut Task<T>) -> Option<Result<T, Error>> {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..4 {
            if let Poll::Ready(result) = task.as_mut().poll(&mut context) {
                return Some(result);
            }
            self.turn();
        }
        None
    }

    fn client(&mut self, pid: u32) -> (u64, Client) {
        let (near, far) = loopback::<u64, Single, 9>(8);
        let number = self.connections.add(far).unwrap();
        self.streams.borrow_mut().opened(number, pid);
        let mut bind: Task<Client> =
            Box::pin(async move { Client::bind(near, Limits::default()).await });
        (number, self.now(&mut bind).unwrap().unwrap())
    }

    fn write(&mut self, client: &Client, end: u32, bytes: &[u8]) -> Started<()> {
        let (client, bytes) = (client.clone(), bytes.to_vec());
        let mut task: Task<()> = Box::pin(async move { client.write(end, &bytes).await });
        let now = self.now(&mut task);
        (task, now)
    }

    fn read(&mut self, client: &Client, end: u32, most: u32) -> Started<Vec<u8>> {
        let client = client.clone();
        let mut task: Task<Vec<u8>> = Box::pin(async move { client.read(end, most).await });
        let now = self.now(&mut task);
        (task, now)
    }
}

fn error<T>(code: ErrorCode) -> Option<Result<T, Error>> {
    Some(Err(Error::new(code)))
}

const SMALL: Bounds = Bounds {
    ends: 8,
    pipe_bytes: 10,
    files: 3,
    file_bytes: 100_000,
};

#[test]
fn who_writes_too_much_waits_and_the_end_comes_last() {
    let mut world = World::new(SMALL);
    let (_, one) = world.client(7);
    let (_, other) = world.client(8);
    let (reader, writer) = world.streams.borrow_mut().pipe().unwrap();
    world.streams.borrow_mut().allow(writer, 7);
    world.streams.borrow_mut().allow(reader, 8);
    let (mut write, now) = world.write(&one, writer, b"hello, pipes");
    assert_eq!(now, None);
    let (_, now) = world.read(&other, reader, 5);
    assert_eq!(now, Some(Ok(b"hello".to_vec())));
    assert_eq!(world.now(&mut write), Some(Ok(())));
    world.streams.borrow_mut().close(writer);
    let (_, now) = world.read(&other, reader, 100);
    assert_eq!(now, Some(Ok(b", pipes".to_vec())));
    for _ in 0..2 {
        let (_, now) = world.read(&other, reader, 100);
        assert_eq!(now, Some(Ok(Vec::new())));
    }
}

#[test]
fn a_reader_waits_for_bytes_or_for_the_end() {
    let mut world = World::new(SMALL);
    let (_, other) = world.client(8);
    let (reader, writer) = world.streams.borrow_mut().pipe().unwrap();
    world.streams.borrow_mut().allow(reader, 8);
    let (mut first, now) = world.read(&other, reader, 5);
    assert_eq!(now, None);
    assert_eq!(world.streams.borrow_mut().put(writer, b"ab").unwrap(), 2);
    assert_eq!(world.now(&mut first), Some(Ok(b"ab".to_vec())));
    let (mut second, now) = world.read(&other, reader, 5);
    assert_eq!(now, None);
    world.streams.borrow_mut().close(writer);
    assert_eq!(world.now(&mut second), Some(Ok(Vec::new())));
}

#[test]
fn writing_fails_when_nobody_reads() {
    let mut world = World::new(SMALL);
    let (_, one) = world.client(7);
    let (reader, writer) = world.streams.borrow_mut().pipe().unwrap();
    world.streams.borrow_mut().allow(writer, 7);
    let (mut write, now) = world.write(&one, writer, b"more than ten bytes");
    assert_eq!(now, None);
    world.streams.borrow_mut().close(reader);
    let broken = || error(ErrorCode::StreamBrokenPipe);
    assert_eq!(world.now(&mut write), broken());
    assert_eq!(world.write(&one, writer, b"x").1, broken());
    assert_eq!(
        world.streams.borrow_mut().put(writer, b"x"),
        Err(Error::new(ErrorCode::StreamBrokenPipe))
    );
}

#[test]
fn only_who_may_uses_a_stream_and_only_its_way() {
    let mut world = World::new(SMALL);
    let (_, one) = world.client(7);
    let (_, other) = world.client(8);
    let (reader, writer) = world.streams.borrow_mut().pipe().unwrap();
    world.streams.borrow_mut().allow(reader, 7);
    world.streams.borrow_mut().allow(writer, 7);
    assert_eq!(
        world.write(&other, writer, b"x").1,
        error(ErrorCode::StreamNotAllowed)
    );
    assert_eq!(
        world.read(&other, reader, 1).1,
        error(ErrorCode::StreamNotAllowed)
    );
    assert_eq!(
        world.write(&one, reader, b"x").1,
        error(ErrorCode::StreamWrongWay)
    );
    assert_eq!(
        world.read(&one, writer, 1).1,
        error(ErrorCode::StreamWrongWay)
    );
    assert_eq!(
        world.read(&one, reader, 0).1,
        error(ErrorCode::StreamEmptyRead)
    );
    assert_eq!(world.read(&one, 99, 1).1, error(ErrorCode::StreamUnknown));
    world.streams.borrow_mut().close(reader);
    assert_eq!(
        world.read(&one, reader, 1).1,
        error(ErrorCode::StreamUnknown)
    );
}

#[test]
fn calls_wait_until_it_is_known_whose_the_end_is() {
    let mut world = World::new(SMALL);
    let (_, one) = world.client(7);
    let (_, other) = world.client(8);
    let (reader, writer) = world.streams.borrow_mut().pipe().unwrap();
    for end in [reader, writer] {
        world.streams.borrow_mut().promise(end);
    }
    let (mut write, now) = world.write(&one, writer, b"early");
    assert_eq!(now, None);
    let (mut theirs, now) = world.write(&other, writer, b"not theirs");
    assert_eq!(now, None);
    let (mut read, now) = world.read(&one, reader, 9);
    assert_eq!(now, None);
    world.streams.borrow_mut().allow(writer, 7);
    assert_eq!(world.now(&mut write), Some(Ok(())));
    assert_eq!(world.now(&mut theirs), error(ErrorCode::StreamNotAllowed));
    assert_eq!(world.now(&mut read), None);
    world.streams.borrow_mut().close(reader);
    assert_eq!(world.now(&mut read), error(ErrorCode::StreamUnknown));
    assert_eq!(world.streams.borrow_mut().take_broken(), []);
    assert!(world.write(&one, writer, b"x").1.unwrap().is_err());
    assert_eq!(world.streams.borrow_mut().take_broken(), [writer]);
}

#[test]
fn files_are_written_appended_read_and_removed() {
    let world = World::new(SMALL);
    let streams = world.streams.clone();
    let mut streams = streams.borrow_mut();
    let code = |result: Result<u32, Error>| result.unwrap_err().code();
    assert_eq!(code(streams.reader("a")), ErrorCode::StreamNoFile);
    assert_eq!(code(streams.writer("a/b", false)), ErrorCode::StreamBadName);
    assert_eq!(code(streams.writer("", false)), ErrorCode::StreamBadName);
    let first = streams.writer("a", false).unwrap();
    // Across blocks.
    let long: Vec<u8> = (0..40_000u32).map(|i| i as u8).collect();
    assert_eq!(streams.put(first, &long), Ok(long.len()));
    let second = streams.writer("a", true).unwrap();
    assert_eq!(streams.put(second, b"end"), Ok(3));
    let reader = streams.reader("a").unwrap();
    let mut all = Vec::new();
    loop {
        let bytes = streams.take(reader, 7_001).unwrap().unwrap();
        if bytes.is_empty() {
            break;
        }
        all.extend(bytes);
    }
    assert_eq!(&all[..40_000], &long);
    assert_eq!(&all[40_000..], b"end");
    assert_eq!(streams.files().collect::<Vec<_>>(), [("a", 40_003)]);
    // Open, it goes on without its name, and its memory comes back with its last end.
    streams.remove("a").unwrap();
    assert_eq!(
        streams.remove("a").unwrap_err().code(),
        ErrorCode::StreamNoFile
    );
    assert_eq!(streams.file_bytes(), 40_003);
    for end in [first, second, reader] {
        streams.close(end);
    }
    assert_eq!((streams.file_bytes(), streams.ends()), (0, 0));
}

#[test]
fn everything_has_a_bound() {
    let world = World::new(SMALL);
    let mut streams = world.streams.borrow_mut();
    let first = streams.writer("1", false).unwrap();
    assert_eq!(streams.put(first, &[0; 100_000]), Ok(100_000));
    assert_eq!(
        streams.put(first, b"x").unwrap_err().code(),
        ErrorCode::StreamNoRoom
    );
    // What is replaced makes room.
    let again = streams.writer("1", false).unwrap();
    assert_eq!(streams.put(again, b"x"), Ok(1));
    streams.writer("2", false).unwrap();
    streams.writer("3", false).unwrap();
    assert_eq!(
        streams.writer("4", false).unwrap_err().code(),
        ErrorCode::StreamTooManyFiles
    );
    for _ in 0..2 {
        streams.pipe().unwrap();
    }
    assert_eq!(streams.pipe().unwrap_err().code(), ErrorCode::StreamTooMany);
    assert_eq!(
        streams.reader("1").unwrap_err().code(),
        ErrorCode::StreamTooMany
    );
}

#[test]
fn what_lies_elsewhere_is_read_in_parts() {
    #[derive(Debug)]
    struct Text;
    impl Content for Text {
        fn read(&self, at: usize, most: usize) -> Vec<u8> {
            b"module".iter().copied().skip(at).take(most).collect()
        }
    }
    let mut streams = StreamService::new(SMALL);
    let end = streams.reader_of(Rc::new(Text)).unwrap();
    assert_eq!(streams.take(end, 4), Ok(Some(b"modu".to_vec())));
    assert_eq!(streams.take(end, 4), Ok(Some(b"le".to_vec())));
    assert_eq!(streams.take(end, 4), Ok(Some(Vec::new())));
    assert_eq!(
        streams.put(end, b"x").unwrap_err().code(),
        ErrorCode::StreamWrongWay
    );
}

/// What is known of one pipe from outside.
struct Model {
    reader: u32,
    writer: u32,
    /// All that was written, in order, and how much of it was read.
    sent: Vec<u8>,
    got: usize,
    has_reader: bool,
    has_writer: bool,
    /// Writes that wait: with the place where each ends in `sent`.
    writes: Vec<(Task<()>, usize)>,
    reads: Vec<Task<Vec<u8>>>,
}

impl Model {
    /// Up to where the pipe has taken.
    fn taken(&self) -> usize {
        self.sent.len().min(self.got + SMALL.pipe_bytes)
    }

    fn has_read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            assert!(!self.has_writer, "the end came though somebody writes");
            assert_eq!(self.got, self.sent.len(), "the end came too early");
        }
        let end = self.got + bytes.len();
        assert_eq!(&self.sent[self.got..end], bytes);
        self.got = end;
    }

    fn check(&mut self, world: &mut World) {
        // Answers of reads come in the order of the reads.
        let mut reads = std::mem::take(&mut self.reads);
        reads.retain_mut(|read| match world.now(read) {
            Some(result) => {
                self.has_read(&result.unwrap());
                false
            }
            None => true,
        });
        self.reads = reads;
        let (taken, has_reader) = (self.taken(), self.has_reader);
        self.writes
            .retain_mut(|(write, end)| match world.now(write) {
                Some(Ok(())) => {
                    assert!(*end <= taken, "answered before it was taken");
                    false
                }
                Some(Err(error)) => {
                    assert!(!has_reader, "{error}");
                    false
                }
                None => true,
            });
        if !self.reads.is_empty() {
            assert!(self.has_writer && self.got == self.sent.len());
        }
        if let Some((_, end)) = self.writes.first() {
            assert!(self.has_reader && *end > self.taken());
        }
    }

    /// The oldest write that waits is given up: what was not taken of it never comes.
    fn cut_first_write(&mut self) {
        let taken = self.taken();
        let (task, end) = self.writes.remove(0);
        drop(task);
        self.sent.drain(taken..end);
        for (_, other) in &mut self.writes {
            *other -= end - taken;
        }
    }
}

#[test]
fn random_programs_see_a_pipe() {
    let programs = if std::env::var_os("BARRELEYE_LONG").is_some() {
        20_000
    } else {
        300
    };
    for seed in 1..=programs {
        random_program(seed);
    }
}

fn random_program(seed: u64) {
    let mut random = Random::new(seed);
    let mut world = World::new(SMALL);
    let (_, one) = world.client(7);
    let (number, other) = world.client(8);
    let (reader, writer) = world.streams.borrow_mut().pipe().unwrap();
    world.streams.borrow_mut().allow(writer, 7);
    world.streams.borrow_mut().allow(reader, 8);
    let mut model = Model {
        reader,
        writer,
        sent: Vec::new(),
        got: 0,
        has_reader: true,
        has_writer: true,
        writes: Vec::new(),
        reads: Vec::new(),
    };
    let mut byte = 0u8;
    for _ in 0..60 {
        let length = random.next() as usize % 25;
        match random.next() % 40 {
            0..12 if model.has_writer && model.has_reader => {
                let bytes: Vec<u8> = (0..length).map(|i| byte.wrapping_add(i as u8)).collect();
                byte = byte.wrapping_add(length as u8);
                model.sent.extend(&bytes);
                let (task, now) = world.write(&one, model.writer, &bytes);
                match now {
                    Some(result) => {
                        result.unwrap();
                        // A read that waited may have taken it.
                        model.check(&mut world);
                        assert_eq!(model.taken(), model.sent.len());
                    }
                    None => model.writes.push((task, model.sent.len())),
                }
            }
            12..24 if model.has_reader => {
                let (task, now) = world.read(&other, model.reader, length as u32 + 1);
                match now {
                    Some(result) => {
                        assert!(model.reads.is_empty());
                        model.has_read(&result.unwrap());
                    }
                    None => model.reads.push(task),
                }
            }
            24..28 if model.has_reader => {
                let taken = world
                    .streams
                    .borrow_mut()
                    .take(model.reader, length)
                    .unwrap();
                if let Some(bytes) = taken {
                    model.has_read(&bytes);
                } else {
                    assert!(model.got == model.sent.len() && model.has_writer);
                }
                world.turn();
            }
            28..32 if model.has_writer && model.has_reader => {
                let bytes = vec![byte; length];
                let taken = world
                    .streams
                    .borrow_mut()
                    .put(model.writer, &bytes)
                    .unwrap();
                assert!(
                    taken == length || model.got + SMALL.pipe_bytes <= model.sent.len() + taken
                );
                model.sent.extend(&bytes[..taken]);
                world.turn();
            }
            32..35 if !model.writes.is_empty() => {
                model.cut_first_write();
                world.turn();
            }
            35 if !model.reads.is_empty() => {
                drop(model.reads.remove(0));
                world.turn();
            }
            36 if model.has_writer && model.writes.is_empty() => {
                world.streams.borrow_mut().close(model.writer);
                model.has_writer = false;
            }
            37 if model.has_reader && model.reads.is_empty() => {
                world.streams.borrow_mut().close(model.reader);
                model.has_reader = false;
            }
            38 if model.has_reader => {
                // Who reads dies; the end stays until the owner closes it.
                model.reads.clear();
                world.connections.close(&mut world.server, number);
                world.streams.borrow_mut().close(model.reader);
                model.has_reader = false;
            }
            _ => {}
        }
        world.turn();
        model.check(&mut world);
    }
    let mut streams = world.streams.borrow_mut();
    streams.close(model.reader);
    streams.close(model.writer);
    assert_eq!(streams.ends(), 0);
}
