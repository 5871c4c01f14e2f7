//! Numbers without a pattern, the same in each run.

/// The next one is made of this one.
pub struct Random(pub u64);

impl Random {
    /// A number below `end`, which is not 0.
    pub const fn below(&mut self, end: usize) -> usize {
        // Knuth's multiplier; the upper bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}
