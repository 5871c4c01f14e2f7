//! Channels to other cores: lines of words in memory that two monitors share, and a bell to wake each other by.
//!
//! Crate `ump` has the rings; here are the memory and the bell. A core is woken by interrupt
//! [`NOTIFICATION`], whoever it is that has something for it: so who hears its [`Doorbell`] looks at all its channels.
//!
//! Barrelfish counterpart: `ump_chan`, `ipi_notify`.

use crate::arch::lines::Lines;
use crate::cap::CapRef;
use crate::cap::cores::notify;
use crate::cap::irq::{Trigger, irq_ack, irq_connect, irq_dest_alloc};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::lmp::{Endpoint, endpoint_create};
use crate::paging::MappedFrame;
use crate::slot::slot_alloc;
use intermon::Message;
use kpi::invocation::NOTIFICATION;
use kpi::rights::PageFlags;
use ump::{Interest, Line};
pub use ump::{SendError, Side};

/// Bytes of the memory of a channel: 63 lines each way.
pub const CHANNEL_BYTES: u64 = 8192;
/// Words of the doorbell's buffer: interrupts are empty messages, and one at a time comes.
const DOORBELL_WORDS: u32 = 16;

/// The bell of another core.
#[derive(Clone, Copy, Debug)]
struct Bell {
    hardware_id: u64,
}

impl ump::Bell for Bell {
    fn ring(&mut self) {
        // It can only be refused for what is no core's identity: then nobody is there to be woken.
        let _ = notify(self.hardware_id);
    }
}

/// One end of a channel between monitors.
#[derive(Debug)]
pub struct Channel {
    lines: Lines<Bell>,
}

impl Channel {
    /// An end over a frame of [`CHANNEL_BYTES`], zeroed before the first of the two. `hardware_id` is the other side's core.
    ///
    /// # Errors
    /// `LIB_ERR_UMP_CHAN_INIT` on top of why the frame could not be mapped.
    pub fn new(frame: CapRef, side: Side, hardware_id: u64) -> Result<Self, Error> {
        let mapped = MappedFrame::part(frame, CHANNEL_BYTES, PageFlags::READ_WRITE);
        let lines = mapped.and_then(|mapped| Lines::new(mapped, side, Bell { hardware_id }));
        let lines = lines.push_err(ErrorCode::LibUmpChanInit)?;
        Ok(Self { lines })
    }

    /// Unmaps it; the frame stays. (Dropping keeps it mapped.)
    ///
    /// # Errors
    /// As [`MappedFrame::unmap`].
    pub fn close(self) -> Result<(), Error> {
        self.lines.close()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`SendError::Full`]; [`SendError::Broken`]: the other side does not keep to the rules.
    pub fn send(&mut self, message: Message) -> Result<(), SendError> {
        let (words, count) = message.encode();
        let words = words.get(..count).unwrap_or(&words);
        // No message is longer than a line.
        Line::of_words(words, None).map_or(Ok(()), |line| self.lines.channel().send(&line))
    }

    /// The next message, if there is one. What is none is passed over.
    ///
    /// # Errors
    /// `LIB_ERR_UMP_CHAN_RECV`: the other side does not keep to the rules.
    pub fn receive(&mut self) -> Result<Option<Message>, Error> {
        while let Some(line) = self.lines.channel().receive()? {
            if let Some(message) = line.words().and_then(Message::decode) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Asks for the doorbell to be rung when something comes, and when there is room to send if that `wants_room`. `false`: that is so already.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn ask_wake(&mut self, wants_room: bool) -> Result<bool, Error> {
        let interest = match wants_room {
            // What comes is read only when what is to be sent is.
            true => Interest::SEND,
            false => Interest::RECEIVE,
        };
        Ok(self.lines.channel().ask_wake(interest)?)
    }
}

/// Where other cores ring: this core's [`NOTIFICATION`].
#[derive(Debug)]
pub struct Doorbell {
    interrupt: CapRef,
    endpoint: Endpoint,
}

impl Doorbell {
    /// Connects it. Who had it before hears nothing any more.
    ///
    /// # Errors
    /// No slot or endpoint; the kernel's.
    pub fn new() -> Result<Self, Error> {
        let endpoint = endpoint_create(DOORBELL_WORDS)?;
        let interrupt = slot_alloc()?;
        irq_dest_alloc(interrupt, NOTIFICATION.into())?;
        irq_connect(interrupt, endpoint.cap(), Trigger::Edge)?;
        Ok(Self {
            interrupt,
            endpoint,
        })
    }

    /// Whether it was rung since the last time; it can be rung again from here on.
    pub fn answer(&self) -> bool {
        let mut is_rung = false;
        while self.endpoint.receive().is_some() {
            is_rung = true;
        }
        if is_rung {
            // Its receiver is this domain.
            let _ = irq_ack(self.interrupt);
        }
        is_rung
    }
}
