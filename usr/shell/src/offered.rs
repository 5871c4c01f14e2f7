//! The streams that this shell keeps for the programs it starts.

use alloc::boxed::Box;
use alloc::rc::Rc;
use aos::Error;
use aos::cap::AnyCap;
use aos::flounder::{Finished, Limits};
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::service::{Host, Next};
use core::cell::RefCell;
use core::fmt;
use core::task::Context;
use services::streams::{Bounds, Content, StreamService, StreamsServer};
use session::{SharedStreams, Task};

/// How much there is: all of it, and what clients may have waiting, fits the memory that a program has.
const BOUNDS: Bounds = Bounds {
    ends: 128,
    pipe_bytes: 64 << 10,
    files: 64,
    file_bytes: 3 << 20,
};
/// Most connections at once: two of each process that may run.
const CONNECTIONS: usize = 96;
/// How much each may use: a write of the longest at most, twice.
const LIMITS: Limits = Limits {
    message_bytes: 36 << 10,
    caps: 0,
    queued_bytes: 36 << 10,
    calls: 2,
};

/// The service.
pub struct Offered {
    pub streams: SharedStreams,
    number: u32,
    serving: RefCell<Task<()>>,
}

impl Offered {
    /// Without streams.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn new() -> Result<Self, Error> {
        let streams = Rc::new(RefCell::new(StreamService::new(BOUNDS)));
        let mut host = Host::new(CONNECTIONS, LIMITS)?;
        let number = host.service();
        let mut server = StreamsServer(Rc::clone(&streams));
        let serving = Box::pin(async move {
            host.serve(&mut server, |server, round| {
                let mut streams = server.0.borrow_mut();
                for (connection, pid) in &round.opened {
                    streams.opened(*connection, *pid);
                }
                let finished = streams.take_finished();
                round
                    .finished
                    .extend(finished.into_iter().map(Finished::any));
                Next::Serve
            })
            .await;
        });
        Ok(Self {
            streams,
            number,
            serving: RefCell::new(serving),
        })
    }

    /// One round of it.
    pub fn serve(&self, context: &mut Context<'_>) {
        // It never ends.
        let _ = self.serving.borrow_mut().as_mut().poll(context);
    }

    /// How a program finds a stream.
    pub fn word(&self, end: u32) -> alloc::string::String {
        alloc::format!("stream:{}:{end}", self.number)
    }
}

/// A file of the boot image, read where it lies.
pub struct Module {
    mapped: Option<MappedFrame>,
    bytes: usize,
    /// Goes last.
    _cap: AnyCap,
}

impl Module {
    /// Maps it to read.
    ///
    /// # Errors
    /// As [`MappedFrame::part`].
    pub fn new(cap: AnyCap, bytes: u64) -> Result<Self, Error> {
        let mapped = MappedFrame::part(cap.slot(), bytes, PageFlags::READ)?;
        Ok(Self {
            mapped: Some(mapped),
            bytes: bytes as usize,
            _cap: cap,
        })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // What cannot be unmapped only costs addresses.
        let _ = self.mapped.take().map(MappedFrame::unmap);
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("bytes", &self.bytes)
            .finish()
    }
}

impl Content for Module {
    fn read(&self, at: usize, most: usize) -> alloc::vec::Vec<u8> {
        let count = most.min(self.bytes.saturating_sub(at));
        let mut bytes = alloc::vec![0; count];
        if let Some(mapped) = self.mapped.as_ref().filter(|_| count > 0) {
            // In range.
            let _ = mapped.view().read(at, &mut bytes);
        }
        bytes
    }
}
