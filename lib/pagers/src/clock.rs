//! The clock: a hand goes around the slots, and takes the first whose page was not used since it came by last.

/// What the hand finds at a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Its page was used since; that is forgotten now, which is its second chance.
    Used,
    /// Its page was not.
    Idle,
}

/// The hand.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    hand: usize,
}

impl Clock {
    /// At the first slot.
    #[must_use]
    pub const fn new() -> Self {
        Self { hand: 0 }
    }

    /// The slot to make free of so many, none of which is free. `look` tells what is at one; the first that is idle is taken, which at the latest
    /// is in the second round. `None`: there are no slots, or `look` failed to make pages idle.
    ///
    /// # Errors
    /// Those of `look`.
    pub fn choose<E>(
        &mut self,
        slots: usize,
        mut look: impl FnMut(usize) -> Result<Seen, E>,
    ) -> Result<Option<usize>, E> {
        for _ in 0..slots.saturating_mul(2) {
            let slot = self.hand % slots;
            let seen = look(slot)?;
            self.hand = (slot + 1) % slots;
            if seen == Seen::Idle {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_used_get_a_second_chance() {
        let mut used = [true, true, false, true];
        let mut clock = Clock::new();
        let mut choose = |used: &mut [bool]| {
            clock
                .choose(used.len(), |slot| {
                    Ok::<_, ()>(match core::mem::take(&mut used[slot]) {
                        true => Seen::Used,
                        false => Seen::Idle,
                    })
                })
                .unwrap()
        };
        assert_eq!(choose(&mut used), Some(2));
        assert_eq!(used, [false, false, false, true]);
        // Slot 2 has a new page, which is used. So was 0 meanwhile.
        used = [true, false, true, true];
        assert_eq!(choose(&mut used), Some(1));
        assert_eq!(used, [false, false, true, false]);
        // All used: the one where the hand is, in the second round.
        used = [true; 4];
        assert_eq!(choose(&mut used), Some(2));
        assert_eq!(choose(&mut []), None);
    }

    #[test]
    fn an_error_stops_the_hand() {
        let mut clock = Clock::new();
        let look = |slot| if slot == 1 { Err("no") } else { Ok(Seen::Used) };
        assert_eq!(clock.choose(3, look), Err("no"));
        assert_eq!(clock.choose(3, |_| Ok::<_, ()>(Seen::Idle)), Ok(Some(1)));
    }
}
