//! The memory of a channel to another core, and the channel in it.

use super::memory::lines_of;
use crate::error::Error;
use crate::paging::MappedFrame;
use ump::{Bell, Channel, Side};

/// A channel, and the mapping that it lies in.
#[derive(Debug)]
pub(crate) struct Lines<B> {
    channel: Channel<'static, B>,
    mapped: MappedFrame,
}

impl<B: Bell> Lines<B> {
    /// A channel in this memory, which is zeroed or was another end's.
    pub(crate) fn new(mapped: MappedFrame, side: Side, bell: B) -> Result<Self, Error> {
        // SAFETY: the view is used for nothing else; `close` gives up the channel before it unmaps.
        let lines = unsafe { lines_of(mapped.view()) }.map_err(Error::new)?;
        let channel = Channel::new(lines, side, bell).map_err(Error::new)?;
        Ok(Self { channel, mapped })
    }

    /// The channel.
    pub(crate) const fn channel(&mut self) -> &mut Channel<'static, B> {
        &mut self.channel
    }

    /// Unmaps it.
    pub(crate) fn close(self) -> Result<(), Error> {
        let Self { channel, mapped } = self;
        drop(channel);
        mapped.unmap()
    }
}
