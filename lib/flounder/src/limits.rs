//! How much one connection may use.

use crate::body::Body;
use crate::header::Sizes;
use errors::{Error, ErrorCode};

/// Bounds of one connection, for what it sends and what it receives. Messages that are one message of the transport need no
/// memory and are always allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes in the longest message.
    pub message_bytes: usize,
    /// Capabilities in one message.
    pub caps: usize,
    /// Bytes of messages that wait for room in the transport. One message always may.
    pub queued_bytes: usize,
    /// Calls under way, at most [`CallId::CALLS_MAX`](crate::header::CallId::CALLS_MAX).
    pub calls: usize,
}

impl Default for Limits {
    /// Messages of 64 KiB with 8 capabilities, 64 calls.
    fn default() -> Self {
        Self {
            message_bytes: 64 << 10,
            caps: 8,
            queued_bytes: 256 << 10,
            calls: 64,
        }
    }
}

impl Limits {
    /// Bytes in the longest message that any limits should allow.
    pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

    /// Limits for large messages, of up to [`MESSAGE_BYTES_MAX`](Self::MESSAGE_BYTES_MAX).
    pub fn large() -> Self {
        Self {
            message_bytes: Self::MESSAGE_BYTES_MAX,
            ..Self::default()
        }
    }

    /// Whether a message of this body may be sent.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_TX_MSG_SIZE`, `FLOUNDER_ERR_TX_CAPS`.
    #[inline]
    pub(crate) fn check_send<C>(&self, body: &Body<C>) -> Result<(), Error> {
        let Body::Long(long) = body else {
            return Ok(());
        };
        if long.bytes.len() > self.message_bytes {
            return Err(ErrorCode::FlounderTxMsgSize.into());
        }
        if long.caps.len() > self.caps.min(Sizes::CAPS.into()) {
            return Err(ErrorCode::FlounderTxCaps.into());
        }
        Ok(())
    }
}
