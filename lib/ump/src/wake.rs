//! Waking the other side, and being woken.

/// How to wake the other side: a notification by the kernel, say.
///
/// The wake-up must not get lost if the other side is only about to sleep: it then has to find it when it does. (An endpoint's buffer does so, and so does
/// a semaphore.) A wake-up for nothing is harmless. It comes after everything it is about is written.
pub trait Bell {
    /// Wakes the other side.
    fn ring(&mut self);
}

impl<F: FnMut()> Bell for F {
    #[inline]
    fn ring(&mut self) {
        self();
    }
}

/// What to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    /// A line to receive.
    pub receive: bool,
    /// Room to send.
    pub send: bool,
}

impl Interest {
    /// A line to receive.
    pub const RECEIVE: Self = Self {
        receive: true,
        send: false,
    };
    /// Room to send.
    pub const SEND: Self = Self {
        receive: false,
        send: true,
    };
    /// Either.
    pub const BOTH: Self = Self {
        receive: true,
        send: true,
    };
}
