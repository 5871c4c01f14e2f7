//! Ctrl-C and its like, as something to wait for.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Remembers whether hake was asked to stop.
#[derive(Debug)]
pub struct Signals {
    raised: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    /// From here on SIGINT, SIGTERM and SIGHUP do not end hake at once; who waits sees them and tidies up.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn catch() -> Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        let (wake, sender) = UnixStream::pair().context("no socket pair for signals")?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&raised))
                .context("a signal cannot be caught")?;
            let sender = sender.try_clone().context("no socket for signals")?;
            signal_hook::low_level::pipe::register(signal, sender)
                .context("a signal cannot be caught")?;
        }
        Ok(Self { raised, wake })
    }

    /// Whether hake was asked to stop.
    #[must_use]
    pub fn raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Becomes readable when a signal comes.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
