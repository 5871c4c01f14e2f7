//! How long the entries take. Only kernels built with `check` measure; for the others [`Kernel::timed`] just runs the entry.

use super::Kernel;

/// Measures entries in cycles, which under QEMU's `-icount` are instructions. The vectors' own (about 80) are not in it, and
/// neither is waiting in idle.
#[cfg(feature = "check")]
#[derive(Default)]
pub struct EntryClock {
    started: u64,
    /// The longest entry so far.
    pub longest: u64,
    /// The words of the system call that this entry is; 0 if it is none.
    pub(super) call: [u64; 12],
}

#[cfg(feature = "check")]
impl EntryClock {
    /// No entry may take longer. (Where a cycle is no instruction, nobody knows.)
    const MOST: u64 = 20_000;

    pub(super) fn start(&mut self) {
        self.call = [0; 12];
        self.started = hal::cpu::cycles();
    }

    pub(super) fn stop(&mut self) -> u64 {
        let took = hal::cpu::cycles().wrapping_sub(self.started);
        self.longest = self.longest.max(took);
        took
    }
}

impl Kernel {
    /// Runs an entry; kernels built with `check` note how long it took.
    #[inline(always)]
    pub(super) fn timed<T>(&mut self, entry: impl FnOnce(&mut Self) -> T) -> T {
        #[cfg(feature = "check")]
        self.clock.start();
        self.timed_on(entry)
    }

    /// The same for the second part of an entry.
    #[inline(always)]
    pub(super) fn timed_on<T>(&mut self, entry: impl FnOnce(&mut Self) -> T) -> T {
        let result = entry(self);
        #[cfg(feature = "check")]
        {
            let longest = self.clock.longest;
            let took = self.clock.stop();
            if took > EntryClock::MOST && took > longest {
                crate::say!(
                    self.env.console,
                    "an entry took {took} cycles; system call:"
                );
                for word in self.clock.call {
                    crate::say!(self.env.console, "  {word:#x}");
                }
            }
        }
        result
    }
}
