//! Waiting and waking.
//!
//! Keys are spread over buckets, each a list in the order of arrival; who waits for one key is the subsequence with that key, so
//! the order is kept for each key. Times are counter values; 0 is not a deadline.

use crate::list::{List, Sleepers, Waiters};
use crate::place::{Handle, Id, Key, NOWHERE, State, Wake};
use crate::table::{BUCKETS, Threads};

/// What a commit did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Committed {
    /// The caller goes on at once.
    Done(Wake),
    /// The caller is blocked, nobody runs.
    Blocked,
}

/// What became of the wait of a thread that an exception interrupted; to be handed back when the exception is over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Interrupted(Option<Wake>);

impl Interrupted {
    /// No wait was interrupted.
    pub const NONE: Self = Self(None);
}

const fn bucket_of(key: Key) -> usize {
    (key.0 >> 2 ^ key.0 >> 8 ^ key.0 >> 14) % BUCKETS
}

impl<const N: usize> Threads<N> {
    fn bucket(&self, key: Key) -> List {
        let list = self.buckets.get(bucket_of(key));
        list.copied().unwrap_or(List::EMPTY)
    }

    /// The first in the queue of `key`.
    fn first_waiter(&self, key: Key) -> Option<u16> {
        let mut walk = self.bucket(key).first;
        loop {
            let place = self.places.get(usize::from(walk))?;
            if place.key == key {
                return Some(walk);
            }
            walk = place.waiters.next;
        }
    }

    /// Takes a thread out of the queue of its key.
    fn unqueue(&mut self, id: u16) {
        let Some(place) = self.place_mut(id).filter(|place| place.queued) else {
            return;
        };
        place.queued = false;
        let key = place.key;
        if let Some(list) = self.buckets.get_mut(bucket_of(key)) {
            list.remove::<Waiters>(&mut self.places, id);
        }
    }

    /// Takes a thread out of the sleepers.
    fn untime(&mut self, id: u16) {
        let Some(place) = self.place_mut(id).filter(|place| place.timed) else {
            return;
        };
        place.timed = false;
        self.sleepers.remove::<Sleepers>(&mut self.places, id);
    }

    /// Who runs joins the queue of `key` ([`Key::TIME`]: of nothing).
    pub fn prepare(&mut self, key: Key) {
        let id = self.current;
        self.unqueue(id);
        let Some(place) = self.place_mut(id) else {
            return;
        };
        place.key = key;
        place.woken = false;
        if key == Key::TIME {
            return;
        }
        place.queued = true;
        if let Some(list) = self.buckets.get_mut(bucket_of(key)) {
            list.append::<Waiters>(&mut self.places, id);
        }
    }

    /// Who runs leaves the queue.
    pub fn cancel(&mut self) -> Wake {
        self.unqueue(self.current);
        self.take_wake()
    }

    /// Why who runs was woken; asked once for each wait.
    pub fn take_wake(&mut self) -> Wake {
        let place = self.place_mut(self.current);
        place
            .and_then(|place| place.take_wake())
            .unwrap_or(Wake::Spurious)
    }

    /// Blocks who runs until it is woken or the time is `deadline`, unless it was woken since it prepared.
    pub fn commit(&mut self, deadline: Option<u64>) -> Committed {
        let id = self.current;
        let Some(place) = self.place_mut(id) else {
            return Committed::Done(Wake::Spurious);
        };
        if let Some(wake) = place.take_wake() {
            return Committed::Done(wake);
        }
        place.state = State::Blocked;
        if let Some(deadline) = deadline {
            place.deadline = deadline;
            place.timed = true;
            self.insert_sleeper(id, deadline);
        }
        self.leave();
        Committed::Blocked
    }

    /// Keeps the sleepers in the order of their deadlines, equal ones in the order of arrival. Looks from the end: most who come
    /// sleep longer than those who are there.
    fn insert_sleeper(&mut self, id: u16, deadline: u64) {
        let mut previous = self.sleepers.last;
        while let Some(place) = self.places.get(usize::from(previous)) {
            if place.deadline <= deadline {
                break;
            }
            previous = place.sleepers.previous;
        }
        let sleepers = &mut self.sleepers;
        sleepers.insert::<Sleepers>(&mut self.places, id, previous);
    }

    /// Ends the wait of a thread: ready if it was blocked.
    fn end_wait(&mut self, id: u16, wake: Wake) {
        self.unqueue(id);
        self.untime(id);
        let Some(place) = self.place_mut(id) else {
            return;
        };
        place.set_wake(Some(wake));
        if place.state == State::Blocked {
            self.make_ready(id);
        }
    }

    /// Wakes who waits longest for `key`.
    pub fn wake(&mut self, key: Key) -> Option<Id> {
        let id = self.first_waiter(key)?;
        self.end_wait(id, Wake::Granted);
        Some(Id(id))
    }

    /// Wakes the only one who waits for `key` and lets it run, if nobody runs, is ready or sleeps: what [`Threads::wake_all`] and
    /// [`Threads::run_next`] would do in this case, the usual one of a server.
    #[inline]
    pub fn wake_alone(&mut self, key: Key) -> Option<Id> {
        let is_quiet = self.current == NOWHERE && !self.has_ready() && self.sleepers.is_empty();
        let list = self.buckets.get_mut(bucket_of(key))?;
        let id = list.first;
        let place = self.places.get_mut(usize::from(id))?;
        if !is_quiet || list.last != id || place.key != key {
            return None;
        }
        // It has no neighbours in the queue.
        *list = List::EMPTY;
        place.queued = false;
        place.set_wake(Some(Wake::Granted));
        place.state = State::Running;
        self.current = id;
        Some(Id(id))
    }

    /// Wakes all who wait for `key`; how many.
    pub fn wake_all(&mut self, key: Key) -> usize {
        core::iter::from_fn(|| self.wake(key)).count()
    }

    /// Whether anybody is in the queue of `key`.
    pub fn has_waiter(&self, key: Key) -> bool {
        self.first_waiter(key).is_some()
    }

    /// The earliest deadline.
    #[inline]
    pub fn next_deadline(&self) -> Option<u64> {
        let first = self.places.get(usize::from(self.sleepers.first))?;
        Some(first.deadline)
    }

    /// Wakes those whose deadline is `now` or earlier; how many.
    pub fn expire(&mut self, now: u64) -> usize {
        let mut count = 0;
        while self.next_deadline().is_some_and(|first| first <= now) {
            self.end_wait(self.sleepers.first, Wake::TimedOut);
            count += 1;
        }
        count
    }

    /// Who runs wants to wait until it is unparked. `false`: it was already, go on; `true`: it is prepared, commit.
    pub fn park(&mut self) -> bool {
        let id = self.current;
        let Some(place) = self.place_mut(id) else {
            return false;
        };
        if core::mem::take(&mut place.token) {
            return false;
        }
        self.prepare(Key::parked(Id(id)));
        true
    }

    /// Wakes a thread that is parked, or makes its next park return at once.
    pub fn unpark(&mut self, handle: Handle) {
        let Some(id) = self.resolve(handle) else {
            return;
        };
        if self.wake(Key::parked(id)).is_none()
            && let Some(place) = self.place_mut(id.0)
        {
            place.token = true;
        }
    }

    /// An exception interrupts who runs, and its handler may wait itself: a wait that is prepared ends, unless it was granted.
    pub fn interrupt(&mut self) -> Interrupted {
        let id = self.current;
        let queued = self.place(Id(id)).is_some_and(|place| place.queued);
        self.unqueue(id);
        let wake = self.place_mut(id).and_then(|place| place.take_wake());
        Interrupted(wake.or(queued.then_some(Wake::Spurious)))
    }

    /// The exception is over.
    pub fn restore(&mut self, interrupted: Interrupted) {
        if let Some(place) = self.place_mut(self.current) {
            place.set_wake(interrupted.0);
        }
    }

    /// Whether nobody can ever run again: nobody does or could, no deadline comes, and nobody waits for something outside.
    pub fn is_stuck(&self) -> bool {
        self.current == NOWHERE
            && !self.has_ready()
            && self.sleepers.is_empty()
            && !self.has_waiter(Key::OUTSIDE)
    }

    pub(crate) fn check_waiting(&self) -> Result<(), &'static str> {
        let mut queued = 0;
        for (index, list) in self.buckets.iter().enumerate() {
            let (mut walk, mut previous) = (list.first, NOWHERE);
            while let Some(place) = self.places.get(usize::from(walk)) {
                queued += 1;
                if !place.queued || bucket_of(place.key) != index {
                    return Err("in a bucket without waiting for it");
                }
                if place.waiters.previous != previous || queued > N {
                    return Err("links of the waiters");
                }
                (previous, walk) = (walk, place.waiters.next);
            }
            if list.last != previous {
                return Err("a bucket's end");
            }
        }
        if queued != self.places.iter().filter(|place| place.queued).count() {
            return Err("waiting without being in a bucket");
        }
        let (mut walk, mut previous, mut timed, mut before) = (self.sleepers.first, NOWHERE, 0, 0);
        while let Some(place) = self.places.get(usize::from(walk)) {
            timed += 1;
            if !place.timed || place.deadline < before {
                return Err("the order of the sleepers");
            }
            if place.sleepers.previous != previous || timed > N {
                return Err("links of the sleepers");
            }
            before = place.deadline;
            (previous, walk) = (walk, place.sleepers.next);
        }
        let marked = self.places.iter().filter(|place| place.timed).count();
        match self.sleepers.last == previous && timed == marked {
            true => Ok(()),
            false => Err("the sleepers' end"),
        }
    }
}
