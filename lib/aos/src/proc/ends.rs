//! Ends of children: the endpoint where they come, and those that nobody has asked for yet.

use super::Pid;
use crate::error::Error;
use crate::lmp::{Endpoint, endpoint_create};
use crate::sync::{Mutex, Once};
use alloc::vec::Vec;
use initproto::{End, Message};

/// Words of the buffer for ends: 36 of the longest.
const NOTICE_WORDS: u32 = 288;
/// Ends that nobody has asked for yet and that are kept.
const KEPT: usize = 64;

/// What is known of this program's children.
pub(super) struct Children {
    /// Those whose end nobody was told of.
    pub(super) awaited: Vec<Pid>,
    /// Ends that have come.
    pub(super) ends: Vec<(Pid, End)>,
}

pub(super) static CHILDREN: Mutex<Children> = Mutex::new(Children {
    awaited: Vec::new(),
    ends: Vec::new(),
});
/// Where ends come.
pub(super) static NOTICES: Once<Endpoint> = Once::new();

impl Children {
    pub(super) fn read(&mut self, endpoint: &Endpoint) {
        while let Some(message) = endpoint.receive() {
            let Some(Message::Ended { pid, end }) = Message::decode(message.words()) else {
                continue;
            };
            if self.ends.len() >= KEPT {
                // Nobody has asked for it.
                let (oldest, _) = self.ends.remove(0);
                self.awaited.retain(|other| *other != oldest);
            }
            self.ends.push((pid, end));
        }
    }
}

pub(super) fn notices() -> Result<&'static Endpoint, Error> {
    let endpoint = NOTICES.try_call_once(|| endpoint_create(NOTICE_WORDS))?;
    // So that there is room for another.
    CHILDREN.lock().read(endpoint);
    Ok(endpoint)
}

/// The end of a child, if it has come.
pub(super) fn take(pid: Pid) -> Option<End> {
    let mut children = CHILDREN.lock();
    children.read(NOTICES.get()?);
    let index = children.ends.iter().position(|(other, _)| *other == pid)?;
    let (_, end) = children.ends.remove(index);
    children.awaited.retain(|other| *other != pid);
    Some(end)
}
