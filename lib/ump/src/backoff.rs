//! How long to look again before sleeping.
//!
//! A message that comes at once is found by looking again, for the price of a load from the cache. One that comes late is better slept for, at the
//! price of a wake-up. Who looks for about as long as a wake-up costs never pays more than twice what a clairvoyant would (Karlin et al.,
//! "Empirical studies of competitive spinning", 1991). Between the two, others of this core get a turn.

/// What to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Look again.
    Spin,
    /// Let other threads run, then look again.
    Yield,
    /// [Ask to be woken](crate::Channel::ask_wake), and sleep if that says so.
    Sleep,
}

/// Looks again so many times, then yields so many times, then sleeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    spins: u32,
    yields: u32,
    spun: u32,
    yielded: u32,
}

impl Backoff {
    /// The numbers of tries; either may be 0.
    #[must_use]
    pub const fn new(spins: u32, yields: u32) -> Self {
        Self {
            spins,
            yields,
            spun: 0,
            yielded: 0,
        }
    }

    /// Nothing was there: what now?
    #[inline]
    pub const fn step(&mut self) -> Step {
        if self.spun < self.spins {
            self.spun += 1;
            Step::Spin
        } else if self.yielded < self.yields {
            self.yielded += 1;
            Step::Yield
        } else {
            Step::Sleep
        }
    }

    /// Something was there.
    #[inline]
    pub const fn reset(&mut self) {
        self.spun = 0;
        self.yielded = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Step};

    #[test]
    fn it_spins_then_yields_then_sleeps_until_something_comes() {
        let mut backoff = Backoff::new(2, 1);
        for _ in 0..2 {
            assert_eq!(
                [(); 5].map(|()| backoff.step()),
                [
                    Step::Spin,
                    Step::Spin,
                    Step::Yield,
                    Step::Sleep,
                    Step::Sleep
                ]
            );
            backoff.reset();
        }
        assert_eq!(Backoff::new(0, 0).step(), Step::Sleep);
    }
}
