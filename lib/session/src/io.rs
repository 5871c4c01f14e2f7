//! Input and output of a command that runs in the shell.

use crate::os::Os;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::Poll;
use errors::{Error, ErrorCode};
use services::streams::StreamService;

/// The session's streams, which its service shares.
pub type SharedStreams = Rc<RefCell<StreamService>>;

/// Bytes of one read.
const READ_BYTES: u32 = 4096;

/// What all that runs in the shell shares.
pub(crate) struct Shared {
    pub(crate) os: Rc<dyn Os>,
    pub(crate) streams: SharedStreams,
    /// Something was printed where the prompt may be.
    pub(crate) is_disturbed: Cell<bool>,
}

/// Where a command reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Where the shell reads.
    Inherited,
    /// An end of a stream.
    End(u32),
    /// Nothing: the end, at once.
    Nothing,
}

/// Where it prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sink {
    /// Where the shell prints.
    Inherited,
    /// An end of a stream.
    End(u32),
}

/// Whether a command may read what is typed: while it is in the foreground. Its table opens and closes it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Rc<Cell<bool>>);

impl Gate {
    pub(crate) fn set(&self, is_open: bool) {
        self.0.set(is_open);
    }
}

/// Both, with what is around.
#[derive(Clone)]
pub(crate) struct Io {
    pub(crate) shared: Rc<Shared>,
    pub(crate) input: Source,
    pub(crate) output: Sink,
    pub(crate) gate: Gate,
}

impl Shared {
    /// Some bytes of an end; none at its end.
    pub(crate) async fn take(&self, end: u32) -> Result<Vec<u8>, Error> {
        // No waker: who polls does so again after each change of a stream.
        poll_fn(|_| {
            let taken = self.streams.borrow_mut().take(end, READ_BYTES as usize);
            match taken {
                Ok(Some(bytes)) => Poll::Ready(Ok(bytes)),
                Ok(None) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// Writes all of it.
    async fn put(&self, end: u32, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        poll_fn(|_| {
            while !rest.is_empty() {
                let taken = match self.streams.borrow_mut().put(end, rest) {
                    Ok(0) => return Poll::Pending,
                    Ok(taken) => taken,
                    Err(error) => return Poll::Ready(Err(error)),
                };
                rest = rest.get(taken..).unwrap_or_default();
            }
            Poll::Ready(Ok(()))
        })
        .await
    }
}

impl Io {
    /// Some bytes; none at the end.
    pub(crate) async fn read(&self) -> Result<Vec<u8>, Error> {
        match self.input {
            Source::Nothing => Ok(Vec::new()),
            Source::End(end) => self.shared.take(end).await,
            Source::Inherited => self.read_typed().await,
        }
    }

    /// What is typed. Who loses the foreground gives the read up, or the next key would be its.
    async fn read_typed(&self) -> Result<Vec<u8>, Error> {
        let mut reading = None;
        poll_fn(|context| {
            if !self.gate.0.get() {
                reading = None;
                return Poll::Pending;
            }
            let reading = reading.get_or_insert_with(|| self.shared.os.read(READ_BYTES));
            let typed = reading.as_mut().poll(context);
            typed.map(|typed| typed.map(|typed| typed.bytes))
        })
        .await
    }

    /// Prints.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        match self.output {
            Sink::End(end) => self.shared.put(end, bytes).await,
            Sink::Inherited => {
                self.shared.is_disturbed.set(true);
                self.shared.os.write(bytes.to_vec()).await
            }
        }
    }

    /// Says what is wrong: to the user, wherever the output goes.
    pub(crate) async fn complain(&self, text: &str) {
        self.shared.is_disturbed.set(true);
        let line = alloc::format!("{text}\n");
        // If the user cannot be told, nobody can.
        let _ = self.shared.os.write(line.into_bytes()).await;
    }

    /// Prints a text; answers with a status.
    pub(crate) async fn print(&self, name: &str, text: String) -> u8 {
        match self.write(text.as_bytes()).await {
            Ok(()) => 0,
            // Who reads no more wants no more, and no complaint.
            Err(error) if error.contains(ErrorCode::StreamBrokenPipe) => 1,
            Err(error) => self.failed(name, error).await,
        }
    }

    /// An error, in the shell's words.
    pub(crate) async fn failed(&self, name: &str, error: Error) -> u8 {
        self.complain(&alloc::format!("{name}: {}", reason(error)))
            .await;
        1
    }
}

/// An error without the names of its codes where that is all there is to say.
pub(crate) fn reason(error: Error) -> String {
    error.to_string()
}
