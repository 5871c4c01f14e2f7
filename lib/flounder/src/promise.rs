//! That a call which is left for later gets an answer: who drops it unfinished is noticed, and the client is told.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many promises were broken that nobody has looked at: of one connection, or of all of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Broken(Arc<AtomicUsize>);

impl Broken {
    /// Whether there are some.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    /// Whether there were some; now all are looked at.
    pub(crate) fn take(&self) -> bool {
        self.is_any() && self.0.swap(0, Ordering::AcqRel) > 0
    }
}

/// What an unfinished answer holds. Dropped, it is broken.
#[derive(Debug)]
pub struct Promise {
    is_broken: Arc<AtomicBool>,
    all: Broken,
    is_kept: bool,
}

/// What the connection keeps of it.
#[derive(Clone, Debug)]
pub(crate) struct Promised(Arc<AtomicBool>);

impl Promise {
    pub(crate) fn new(all: &Broken) -> (Self, Promised) {
        let is_broken = Arc::new(AtomicBool::new(false));
        let promised = Promised(is_broken.clone());
        let promise = Self {
            is_broken,
            all: all.clone(),
            is_kept: false,
        };
        (promise, promised)
    }

    /// There is an answer.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.is_kept {
            self.is_broken.store(true, Ordering::Release);
            self.all.0.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Promised {
    pub(crate) fn is_broken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
