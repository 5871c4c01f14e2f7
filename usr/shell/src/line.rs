//! What the shell itself reads and writes: the terminal, or streams of whoever started it.

use crate::servers::{News, PATIENCE, is_lost};
use alloc::rc::Rc;
use alloc::vec::Vec;
use aos::binding::bind;
use aos::channel::Channel;
use aos::event::sleep_until;
use aos::flounder::Limits;
use aos::stdio::{self, Terminal, Way};
use aos::sync::Shared;
use aos::{Error, time};
use core::cell::{Cell, RefCell};
use core::future::pending;
use core::time::Duration;
use services::streams::StreamsClient;
use services::terminal::{Mode, Signal, Typed, WRITE_MAX};

type Streams = StreamsClient<Channel, Shared>;

/// The time between two tries to find the terminal.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes of one write to a stream.
const STREAM_BYTES: usize = 16 << 10;

/// Input and output.
pub struct Line {
    pub input: Way,
    pub output: Way,
    terminal: RefCell<Option<Terminal>>,
    streams: RefCell<Vec<(u32, Streams)>>,
    mode: Cell<Mode>,
    news: News,
}

/// What the environment says; without a word, the terminal.
fn or_terminal(way: Way) -> Way {
    match way {
        Way::Bootstrap => Way::Terminal,
        way => way,
    }
}

impl Line {
    /// As the environment says.
    pub fn new(news: &News) -> Self {
        Self {
            input: or_terminal(stdio::input()),
            output: or_terminal(stdio::output()),
            terminal: RefCell::default(),
            streams: RefCell::default(),
            mode: Cell::new(Mode::Cooked),
            news: news.clone(),
        }
    }

    /// The terminal; of a new one, the foreground is claimed and the mode set.
    async fn terminal(&self) -> Result<Terminal, Error> {
        let present = self.terminal.borrow().clone();
        let was_there = present.is_some();
        if let Some(terminal) = present.filter(|one| one.connection().lost().is_none()) {
            return Ok(terminal);
        }
        let deadline = time::after(PATIENCE);
        loop {
            match self.try_terminal().await {
                Ok(terminal) => {
                    let is_news = match &*self.terminal.borrow() {
                        Some(other) => other.connection().lost().is_some(),
                        None => true,
                    };
                    if was_there && is_news {
                        let text = "the terminal was started again".into();
                        self.news.borrow_mut().push(text);
                    }
                    *self.terminal.borrow_mut() = Some(terminal.clone());
                    return Ok(terminal);
                }
                Err(error) if time::now() >= deadline => return Err(error),
                Err(_) => sleep_until(time::after(PAUSE)).await,
            }
        }
    }

    async fn try_terminal(&self) -> Result<Terminal, Error> {
        let terminal = stdio::connect().await?;
        if self.input == Way::Terminal {
            // In the background it gets it when it is lent.
            let _ = terminal.claim().await;
        }
        terminal.set_mode(self.mode.get()).await?;
        Ok(terminal)
    }

    async fn stream(&self, service: u32) -> Result<Streams, Error> {
        let present = {
            let all = self.streams.borrow();
            all.iter()
                .find(|(number, _)| *number == service)
                .map(|(_, client)| client.clone())
        };
        if let Some(client) = present {
            return Ok(client);
        }
        let client = Streams::bind(bind(service).await?, Limits::default()).await?;
        self.streams.borrow_mut().push((service, client.clone()));
        Ok(client)
    }

    /// What is typed: keys if they are raw, at most a line else.
    pub async fn read(self: Rc<Self>, most: u32) -> Result<Typed, Error> {
        match self.input {
            Way::Stream { service, number } => {
                let bytes = self.stream(service).await?.read(number, most).await?;
                let end = bytes.is_empty();
                Ok(Typed { bytes, end })
            }
            _ => {
                let result = self.terminal().await?.read(most, false).await;
                if result.as_ref().is_err_and(|error| is_lost(*error)) {
                    self.terminal().await?;
                }
                result
            }
        }
    }

    /// Prints all of it.
    pub async fn write(self: Rc<Self>, bytes: Vec<u8>) -> Result<(), Error> {
        match self.output {
            Way::Stream { service, number } => {
                let client = self.stream(service).await?;
                for part in bytes.chunks(STREAM_BYTES) {
                    client.write(number, part).await?;
                }
                Ok(())
            }
            _ => {
                let bytes = match self.mode.get() {
                    Mode::Raw => with_returns(&bytes),
                    Mode::Cooked => bytes,
                };
                for part in bytes.chunks(WRITE_MAX) {
                    match self.terminal().await?.write(part).await {
                        Err(error) if is_lost(error) => self.terminal().await?.write(part).await?,
                        result => result?,
                    }
                }
                Ok(())
            }
        }
    }

    /// How it reads and writes from now on.
    pub async fn set_mode(self: Rc<Self>, mode: Mode) -> Result<(), Error> {
        self.mode.set(mode);
        if self.input != Way::Terminal {
            return Ok(());
        }
        match self.terminal().await?.set_mode(mode).await {
            // A new connection has it already.
            Err(error) if is_lost(error) => self.terminal().await.map(drop),
            result => result,
        }
    }

    /// Lends the foreground.
    pub async fn lend(self: Rc<Self>, pid: u32) -> Result<(), Error> {
        self.terminal().await?.lend(pid).await
    }

    /// Takes it back.
    pub async fn take_back(self: Rc<Self>) -> Result<(), Error> {
        self.terminal().await?.take_back().await
    }

    /// Until Ctrl-C or Ctrl-Z is typed.
    pub async fn interrupted(self: Rc<Self>) -> Signal {
        if self.input != Way::Terminal {
            return pending().await;
        }
        loop {
            let Ok(terminal) = self.terminal().await else {
                return pending().await;
            };
            match terminal.interrupted().await {
                Ok(signal) => return signal,
                Err(error) if is_lost(error) => {}
                Err(_) => return pending().await,
            }
        }
    }
}

/// Each line feed with its carriage return.
fn with_returns(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in bytes.split_inclusive(|byte| *byte == b'\n') {
        match part.split_last() {
            Some((b'\n', rest)) => {
                out.extend_from_slice(rest);
                out.extend_from_slice(b"\r\n");
            }
            _ => out.extend_from_slice(part),
        }
    }
    out
}
