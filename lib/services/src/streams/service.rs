//! The owner's side: ends, who may use them, and the calls of clients.

use super::Streams;
use super::files::Files;
use super::pipe::Pipe;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use errors::{Error, ErrorCode};
use flounder::{Answer, Caller, Finished};

/// Most bytes that one read gives, so that the answer fits a message.
const READ_MOST: usize = 32 << 10;

/// Something that can be read where it lies.
pub trait Content: fmt::Debug {
    /// At most so many bytes from there on; none at the end.
    fn read(&self, at: usize, most: usize) -> Vec<u8>;
}

/// How much there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Ends at once.
    pub ends: usize,
    /// Bytes in a pipe.
    pub pipe_bytes: usize,
    /// Files.
    pub files: usize,
    /// Bytes in all files together.
    pub file_bytes: usize,
}

impl Default for Bounds {
    /// 256 ends, pipes of 64 KiB, 64 files of 4 MiB together.
    fn default() -> Self {
        Self {
            ends: 256,
            pipe_bytes: 64 << 10,
            files: 64,
            file_bytes: 4 << 20,
        }
    }
}

#[derive(Clone, Debug)]
enum What {
    PipeReader(u32),
    PipeWriter(u32),
    FileReader { file: u32, at: usize },
    FileWriter(u32),
    Content { content: Rc<dyn Content>, at: usize },
}

#[derive(Debug)]
struct End {
    what: What,
    users: BTreeSet<u32>,
    /// Who may use it is not known yet: calls wait.
    is_promised: bool,
}

/// A call that came before it was known who may use the end.
#[derive(Debug)]
enum Early {
    Read(u32, u32, Answer<Vec<u8>>),
    Write(u32, Vec<u8>, Answer<()>),
}

impl Early {
    const fn end(&self) -> u32 {
        match self {
            Self::Read(end, ..) | Self::Write(end, ..) => *end,
        }
    }

    fn caller(&self) -> Caller {
        match self {
            Self::Read(.., answer) => answer.caller(),
            Self::Write(.., answer) => answer.caller(),
        }
    }
}

/// What the owner of streams keeps, see the [module](super).
#[derive(Debug)]
pub struct StreamService {
    bounds: Bounds,
    last: u32,
    ends: BTreeMap<u32, End>,
    pipes: BTreeMap<u32, Pipe>,
    files: Files,
    clients: BTreeMap<u64, u32>,
    early: Vec<Early>,
    finished: Vec<Finished>,
    broken: Vec<u32>,
    changes: u64,
}

impl StreamService {
    /// Without streams.
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            last: 0,
            ends: BTreeMap::new(),
            pipes: BTreeMap::new(),
            files: Files::new(bounds.files, bounds.file_bytes),
            clients: BTreeMap::new(),
            early: Vec::new(),
            finished: Vec::new(),
            broken: Vec::new(),
            changes: 0,
        }
    }

    /// A client has come.
    pub fn opened(&mut self, connection: u64, pid: u32) {
        self.clients.insert(connection, pid);
    }

    /// The answers that are ready.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        core::mem::take(&mut self.finished)
    }

    /// Grows whenever something changed that [`take`](Self::take) or [`put`](Self::put) may have waited for.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// A new pipe: its reading and its writing end.
    ///
    /// # Errors
    /// `STREAM_ERR_TOO_MANY`.
    pub fn pipe(&mut self) -> Result<(u32, u32), Error> {
        if self.ends.len() + 2 > self.bounds.ends {
            return Err(ErrorCode::StreamTooMany.into());
        }
        let id = self.last + 1;
        self.pipes.insert(id, Pipe::new(self.bounds.pipe_bytes));
        let reader = self.add(What::PipeReader(id))?;
        let writer = self.add(What::PipeWriter(id))?;
        Ok((reader, writer))
    }

    /// An end that reads a file from its start.
    ///
    /// # Errors
    /// `STREAM_ERR_NO_FILE`, `STREAM_ERR_TOO_MANY`.
    pub fn reader(&mut self, name: &str) -> Result<u32, Error> {
        let file = self.files.find(name)?;
        let end = self.add(What::FileReader { file, at: 0 })?;
        self.files.open(file);
        Ok(end)
    }

    /// An end that reads something else from its start.
    ///
    /// # Errors
    /// `STREAM_ERR_TOO_MANY`.
    pub fn reader_of(&mut self, content: Rc<dyn Content>) -> Result<u32, Error> {
        self.add(What::Content { content, at: 0 })
    }

    /// An end that writes a file, made if there is none: behind what is there, or in its place.
    ///
    /// # Errors
    /// `STREAM_ERR_BAD_NAME`, `STREAM_ERR_TOO_MANY_FILES`, `STREAM_ERR_TOO_MANY`.
    pub fn writer(&mut self, name: &str, append: bool) -> Result<u32, Error> {
        let file = self.files.find_or_make(name)?;
        let end = self.add(What::FileWriter(file))?;
        self.files.open(file);
        if !append {
            self.files.truncate(file);
        }
        Ok(end)
    }

    fn add(&mut self, what: What) -> Result<u32, Error> {
        if self.ends.len() >= self.bounds.ends {
            return Err(ErrorCode::StreamTooMany.into());
        }
        self.last += 1;
        let users = BTreeSet::new();
        let end = End {
            what,
            users,
            is_promised: false,
        };
        self.ends.insert(self.last, end);
        Ok(self.last)
    }

    /// Somebody will be [allowed](Self::allow) to use an end: until then calls wait, whoever makes them. For a process that is being started, whose first
    /// call may come before its number.
    pub fn promise(&mut self, end: u32) {
        if let Some(end) = self.ends.get_mut(&end) {
            end.is_promised = true;
        }
    }

    /// Lets a process use an end.
    pub fn allow(&mut self, number: u32, pid: u32) {
        if let Some(end) = self.ends.get_mut(&number) {
            end.users.insert(pid);
            end.is_promised = false;
        }
        self.settle_early(number);
    }

    /// Does, or refuses, the calls that came too early.
    fn settle_early(&mut self, number: u32) {
        let early = self.early.extract_if(.., |early| early.end() == number);
        for early in early.collect::<Vec<_>>() {
            match early {
                Early::Read(end, most, answer) => self.read(end, most, answer),
                Early::Write(end, bytes, answer) => self.write(end, &bytes, answer),
            }
        }
    }

    /// The writing ends whose users have written though nobody reads any more, since the last call.
    pub fn take_broken(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.broken)
    }

    /// Closes an end. Nothing happens if it is closed already.
    pub fn close(&mut self, number: u32) {
        let Some(end) = self.ends.remove(&number) else {
            return;
        };
        self.changes += 1;
        self.settle_early(number);
        match end.what {
            What::PipeReader(id) | What::PipeWriter(id) => {
                let is_reader = matches!(end.what, What::PipeReader(_));
                let Some(pipe) = self.pipes.get_mut(&id) else {
                    return;
                };
                let count = match is_reader {
                    true => &mut pipe.readers,
                    false => &mut pipe.writers,
                };
                *count = count.saturating_sub(1);
                pipe.forget_end(number, &mut self.finished);
                if pipe.readers == 0 {
                    self.broken.extend(pipe.writing());
                }
                pipe.settle(&mut self.finished);
                if pipe.is_over() {
                    self.pipes.remove(&id);
                }
            }
            What::FileReader { file, .. } | What::FileWriter(file) => self.files.close(file),
            What::Content { .. } => {}
        }
    }

    /// Ends there are.
    pub fn ends(&self) -> usize {
        self.ends.len()
    }

    /// The files' names and bytes, by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        self.files.iter()
    }

    /// Bytes in all files, also in those without a name that are still open.
    pub const fn file_bytes(&self) -> usize {
        self.files.used()
    }

    /// Removes a file. Who has it open keeps it.
    ///
    /// # Errors
    /// `STREAM_ERR_NO_FILE`.
    pub fn remove(&mut self, name: &str) -> Result<(), Error> {
        self.files.remove(name)
    }

    /// What the owner reads: at most so many bytes; `None`: nothing now; nothing of it: the end.
    ///
    /// # Errors
    /// `STREAM_ERR_UNKNOWN`, `STREAM_ERR_WRONG_WAY`.
    pub fn take(&mut self, end: u32, most: usize) -> Result<Option<Vec<u8>>, Error> {
        let most = most.clamp(1, READ_MOST);
        let end = self.ends.get_mut(&end);
        let taken = match &mut end.ok_or(Error::new(ErrorCode::StreamUnknown))?.what {
            What::PipeReader(id) => {
                let pipe = self.pipes.get_mut(id);
                let pipe = pipe.ok_or(Error::new(ErrorCode::StreamUnknown))?;
                let taken = pipe.take(most);
                pipe.settle(&mut self.finished);
                taken
            }
            What::FileReader { file, at } => {
                let bytes = self.files.read(*file, *at, most);
                *at += bytes.len();
                Some(bytes)
            }
            What::Content { content, at } => {
                let bytes = content.read(*at, most);
                *at += bytes.len();
                Some(bytes)
            }
            What::PipeWriter(_) | What::FileWriter(_) => {
                return Err(ErrorCode::StreamWrongWay.into());
            }
        };
        self.changes += u64::from(taken.is_some());
        Ok(taken)
    }

    /// What the owner writes; answers how much was taken: the rest has to wait.
    ///
    /// # Errors
    /// `STREAM_ERR_UNKNOWN`, `STREAM_ERR_WRONG_WAY`, `STREAM_ERR_BROKEN_PIPE`, `STREAM_ERR_NO_ROOM`.
    pub fn put(&mut self, end: u32, bytes: &[u8]) -> Result<usize, Error> {
        let end = self.ends.get(&end);
        let taken = match &end.ok_or(Error::new(ErrorCode::StreamUnknown))?.what {
            What::PipeWriter(id) => {
                let pipe = self.pipes.get_mut(id);
                let pipe = pipe.ok_or(Error::new(ErrorCode::StreamUnknown))?;
                let taken = pipe.put(bytes)?;
                pipe.settle(&mut self.finished);
                taken
            }
            What::FileWriter(file) => {
                self.files.append(*file, bytes)?;
                bytes.len()
            }
            _ => return Err(ErrorCode::StreamWrongWay.into()),
        };
        self.changes += u64::from(taken > 0);
        Ok(taken)
    }

    fn is_promised(&self, number: u32) -> bool {
        self.ends.get(&number).is_some_and(|end| end.is_promised)
    }

    /// The end, if the caller may use it.
    fn usable(&self, number: u32, caller: Caller) -> Result<What, Error> {
        let pid = self.clients.get(&caller.connection);
        let end = self.ends.get(&number).ok_or(ErrorCode::StreamUnknown)?;
        match pid {
            Some(pid) if end.users.contains(pid) => Ok(end.what.clone()),
            _ => Err(ErrorCode::StreamNotAllowed.into()),
        }
    }

    fn forget(&mut self, is_gone: impl Fn(Caller) -> bool) {
        self.early.retain(|early| !is_gone(early.caller()));
        for pipe in self.pipes.values_mut() {
            pipe.forget(&is_gone);
            pipe.settle(&mut self.finished);
        }
        self.changes += 1;
    }
}

impl Streams for StreamService {
    fn read(&mut self, stream: u32, most: u32, answer: Answer<Vec<u8>>) {
        if self.is_promised(stream) {
            self.early.push(Early::Read(stream, most, answer));
            return;
        }
        let most = most as usize;
        let result = match self.usable(stream, answer.caller()) {
            Ok(_) if most == 0 => Err(ErrorCode::StreamEmptyRead.into()),
            Ok(What::PipeReader(id)) => {
                if let Some(pipe) = self.pipes.get_mut(&id) {
                    pipe.read(stream, most.min(READ_MOST), answer);
                    pipe.settle(&mut self.finished);
                    self.changes += 1;
                }
                return;
            }
            Ok(_) => self.take(stream, most).map(Option::unwrap_or_default),
            Err(error) => Err(error),
        };
        self.finished.push(answer.finish(result));
    }

    fn write(&mut self, stream: u32, bytes: &[u8], answer: Answer<()>) {
        if self.is_promised(stream) {
            let bytes = bytes.to_vec();
            self.early.push(Early::Write(stream, bytes, answer));
            return;
        }
        let result = match self.usable(stream, answer.caller()) {
            Ok(What::PipeWriter(id)) => {
                if let Some(pipe) = self.pipes.get_mut(&id) {
                    pipe.write(stream, bytes, answer);
                    if pipe.readers == 0 {
                        self.broken.push(stream);
                    }
                    pipe.settle(&mut self.finished);
                    self.changes += 1;
                }
                return;
            }
            Ok(_) => self.put(stream, bytes).map(drop),
            Err(error) => Err(error),
        };
        self.finished.push(answer.finish(result));
    }

    fn cancelled(&mut self, caller: Caller) {
        self.forget(|other| other == caller);
    }

    fn closed(&mut self, connection: u64) {
        self.clients.remove(&connection);
        self.forget(|other| other.connection == connection);
    }
}

/// The owner and the service's loop share it.
impl Streams for Rc<RefCell<StreamService>> {
    fn read(&mut self, stream: u32, most: u32, answer: Answer<Vec<u8>>) {
        self.borrow_mut().read(stream, most, answer);
    }

    fn write(&mut self, stream: u32, bytes: &[u8], answer: Answer<()>) {
        self.borrow_mut().write(stream, bytes, answer);
    }

    fn cancelled(&mut self, caller: Caller) {
        self.borrow_mut().cancelled(caller);
    }

    fn closed(&mut self, connection: u64) {
        self.borrow_mut().closed(connection);
    }
}
