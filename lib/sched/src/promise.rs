//! What a real-time task asks for: so much time, in each period, by a deadline.

use crate::SPECTRUM;

/// Longest period, deadline and wait for the first release, in microseconds: ten seconds.
pub const LONGEST_US: u64 = 10_000_000;
/// Least time that can be asked for, in microseconds: below, switching would take as much as the task.
pub const SHORTEST_US: u64 = 100;

/// Why a promise is not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The times make no sense: see [`Promise::new`].
    Invalid,
    /// The core has not so much time left to promise.
    Overcommitted,
}

/// A checked request, in ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    /// Time in each period.
    pub(crate) time: u64,
    /// By then, from a release on.
    pub(crate) deadline: u64,
    /// From release to release, at least.
    pub(crate) period: u64,
    /// The first release, from now on.
    pub(crate) first: u64,
    /// Part of the core, rounded up, in millionths.
    pub(crate) rate: u32,
}

impl Promise {
    /// `time` in each `period`, given by `deadline` after the period's begin, the first of which is `first` from now; all in
    /// microseconds. `frequency` is ticks a second.
    ///
    /// What it takes of the core is `time / deadline`: a deadline before the period's end has its price.
    ///
    /// # Errors
    /// `Invalid` unless 100 us <= `time` <= `deadline` <= `period` <= 10 s, and `first` <= 10 s.
    pub fn new(
        time: u64,
        deadline: u64,
        period: u64,
        first: u64,
        frequency: u64,
    ) -> Result<Self, Refused> {
        let ordered = SHORTEST_US <= time && time <= deadline && deadline <= period;
        if !ordered || period > LONGEST_US || first > LONGEST_US {
            return Err(Refused::Invalid);
        }
        // At most 10^7 microseconds, and clocks up to 10^12 Hz: fits.
        let ticks = |us: u64| us.saturating_mul(frequency) / 1_000_000;
        let rate = (time * u64::from(SPECTRUM)).div_ceil(deadline);
        Ok(Self {
            time: ticks(time).max(1),
            deadline: ticks(deadline).max(1),
            period: ticks(period).max(1),
            first: ticks(first),
            rate: rate as u32,
        })
    }

    /// Part of the core that it takes, in millionths.
    pub fn rate(&self) -> u32 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_must_make_sense() {
        let hz = 62_500_000;
        let good = Promise::new(250, 1_000, 2_000, 0, hz);
        assert_eq!(good.map(|promise| promise.rate()), Ok(250_000));
        assert_eq!(good.map(|promise| promise.time), Ok(15_625));
        assert!(Promise::new(100, 100, 100, 10_000_000, hz).is_ok());
        for [time, deadline, period, first] in [
            [99, 1_000, 2_000, 0],
            [1_001, 1_000, 2_000, 0],
            [250, 2_001, 2_000, 0],
            [250, 1_000, 10_000_001, 0],
            [250, 1_000, 2_000, 10_000_001],
            [u64::MAX, u64::MAX, u64::MAX, 0],
            [0, 0, 0, 0],
        ] {
            let refused = Promise::new(time, deadline, period, first, hz);
            assert_eq!(refused, Err(Refused::Invalid));
        }
    }
}
