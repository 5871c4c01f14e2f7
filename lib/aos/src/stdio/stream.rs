//! Streams that a service keeps: its number, and so its connection, is good as long as that service lives.

use crate::binding::bind;
use crate::channel::Channel;
use crate::error::Error;
use crate::event;
use crate::sync::{Mutex, Shared};
use alloc::vec::Vec;
use flounder::Limits;
use services::streams::StreamsClient;

type Streams = StreamsClient<Channel, Shared>;

/// Bytes written by one call.
const WRITE_MAX: usize = 32 << 10;

/// Connections, by the service's number: those of input and output, at most.
static CONNECTIONS: Mutex<Vec<(u32, Streams)>> = Mutex::new(Vec::new());

async fn connect(service: u32) -> Result<Streams, Error> {
    let present = {
        let all = CONNECTIONS.lock();
        all.iter().find(|(number, _)| *number == service).cloned()
    };
    if let Some((_, streams)) = present {
        // One that was lost says so: its service is gone for good.
        return Ok(streams);
    }
    let streams = Streams::bind(bind(service).await?, Limits::default()).await?;
    CONNECTIONS.lock().push((service, streams.clone()));
    Ok(streams)
}

/// Reads at most so many bytes, none at the end.
pub(super) fn read(service: u32, number: u32, most: u32) -> Result<Vec<u8>, Error> {
    let streams = event::block_on(connect(service))?;
    event::call(streams.read(number, most))
}

/// Writes all of it.
pub(super) fn write(service: u32, number: u32, bytes: &[u8]) -> Result<(), Error> {
    let streams = event::block_on(connect(service))?;
    for part in bytes.chunks(WRITE_MAX) {
        event::call(streams.write(number, part))?;
    }
    Ok(())
}
