//! Making, running, ending and joining threads.

use crate::list::List;
use crate::place::{Handle, Id, Key, MAX_PLACES, NOWHERE, Name, Place, State};

/// Buckets of keys.
pub(crate) const BUCKETS: usize = 64;

/// Every place is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// What a join found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Join {
    /// The thread had ended; its place is free now. Its data.
    Done(usize),
    /// It has not ended: the caller is blocked until it has, nobody runs. Then it joins again.
    Blocked,
}

/// Why a join makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinError {
    /// There is no such thread.
    Gone,
    /// It was detached.
    Detached,
    /// Another waits for it.
    Twice,
    /// It would wait for itself.
    Itself,
}

/// What becomes of a thread that ended or was detached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Its place is free; whoever keeps its data may use that again. The data.
    Free(usize),
    /// Its data stay until it is joined or ends.
    Kept,
}

/// The threads of a domain, in at most `N` places. Thread 0 is there from the beginning, and runs.
#[derive(Clone, Debug)]
pub struct Threads<const N: usize> {
    pub(crate) places: [Place; N],
    pub(crate) buckets: [List; BUCKETS],
    pub(crate) sleepers: List,
    first_ready: u16,
    last_ready: u16,
    first_free: u16,
    /// Places from here on were never used.
    fresh: u16,
    pub(crate) current: u16,
    live: u16,
}

impl<const N: usize> Default for Threads<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Threads<N> {
    /// A book in which the main thread runs, alone.
    pub const fn new() -> Self {
        let mut threads = Self::unstarted();
        threads.start();
        threads
    }

    /// All zeroes, for a `static`: nothing but [`Threads::start`] may be called.
    pub const fn unstarted() -> Self {
        const { assert!(N > 0 && N <= MAX_PLACES) };
        Self {
            places: [Place::EMPTY; N],
            buckets: [List::ZERO; BUCKETS],
            sleepers: List::ZERO,
            first_ready: 0,
            last_ready: 0,
            first_free: 0,
            fresh: 0,
            current: 0,
            live: 0,
        }
    }

    /// The main thread runs, alone.
    pub const fn start(&mut self) {
        self.buckets = [List::EMPTY; BUCKETS];
        self.sleepers = List::EMPTY;
        (self.first_ready, self.last_ready) = (NOWHERE, NOWHERE);
        (self.first_free, self.fresh) = (NOWHERE, 1);
        (self.current, self.live) = (0, 1);
        if let Some((main, _)) = self.places.split_first_mut() {
            main.state = State::Running;
        }
    }

    #[inline]
    pub(crate) fn place(&self, id: Id) -> Option<&Place> {
        self.places.get(usize::from(id.0))
    }

    #[inline]
    pub(crate) fn place_mut(&mut self, id: u16) -> Option<&mut Place> {
        self.places.get_mut(usize::from(id))
    }

    /// Who runs; `None` when nobody does.
    #[inline]
    pub fn current(&self) -> Option<Id> {
        (self.current != NOWHERE).then_some(Id(self.current))
    }

    /// How many threads there are, ended ones that were not joined included.
    pub const fn live(&self) -> usize {
        self.live as usize
    }

    /// What the caller keeps for a thread.
    #[inline]
    pub fn data(&self, id: Id) -> usize {
        self.place(id).map_or(0, |place| place.data)
    }

    /// Sets what the caller keeps for a thread.
    pub fn set_data(&mut self, id: Id, data: usize) {
        if let Some(place) = self.place_mut(id.0) {
            place.data = data;
        }
    }

    /// A thread's name.
    pub fn name(&self, id: Id) -> Name {
        self.place(id).map_or(Name::EMPTY, |place| place.name)
    }

    /// Gives a thread a name.
    pub fn set_name(&mut self, id: Id, name: Name) {
        if let Some(place) = self.place_mut(id.0) {
            place.name = name;
        }
    }

    /// What a thread does.
    pub fn state(&self, id: Id) -> State {
        self.place(id).map_or(State::Free, |place| place.state)
    }

    /// What a thread waits for, if it does.
    pub fn waits_for(&self, id: Id) -> Option<Key> {
        let place = self.place(id)?;
        (place.state == State::Blocked).then_some(place.key)
    }

    /// All threads.
    pub fn ids(&self) -> impl Iterator<Item = Id> + '_ {
        let used = self.places.iter().take(usize::from(self.fresh));
        let taken = used.enumerate().filter(|(_, p)| p.state != State::Free);
        taken.map(|(index, _)| Id(index as u16))
    }

    /// A thread as others name it.
    #[inline]
    pub fn handle(&self, id: Id) -> Handle {
        let generation = self.place(id).map_or(0, |place| place.generation);
        Handle { id, generation }
    }

    /// The place of a thread that still has it.
    pub fn resolve(&self, handle: Handle) -> Option<Id> {
        let place = self.place(handle.id)?;
        let same = place.generation == handle.generation && place.state != State::Free;
        same.then_some(handle.id)
    }

    /// Makes a thread, which is ready.
    ///
    /// # Errors
    /// [`Full`].
    pub fn spawn(&mut self, name: Name, data: usize) -> Result<Handle, Full> {
        let id = match self.first_free {
            NOWHERE => self.fresh,
            id => id,
        };
        let Some(place) = self.places.get_mut(usize::from(id)) else {
            return Err(Full);
        };
        if id == self.fresh {
            self.fresh += 1;
        } else {
            self.first_free = place.next_ready;
        }
        let generation = place.generation;
        place.data = data;
        place.name = name;
        place.detached = false;
        place.joined = false;
        place.token = false;
        place.woken = false;
        self.live += 1;
        self.make_ready(id);
        Ok(Handle {
            id: Id(id),
            generation,
        })
    }

    /// Puts a thread at the end of the ready queue.
    pub(crate) fn make_ready(&mut self, id: u16) {
        let last = core::mem::replace(&mut self.last_ready, id);
        match self.place_mut(last) {
            Some(place) => place.next_ready = id,
            None => self.first_ready = id,
        }
        if let Some(place) = self.place_mut(id) {
            place.next_ready = NOWHERE;
            place.state = State::Ready;
        }
    }

    /// Whether somebody could run beside who does.
    pub const fn has_ready(&self) -> bool {
        self.first_ready != NOWHERE
    }

    /// Lets the first of the ready queue run, when nobody does.
    #[inline]
    pub fn run_next(&mut self) -> Option<Id> {
        let id = self.first_ready;
        let place = self.places.get_mut(usize::from(id))?;
        place.state = State::Running;
        self.first_ready = place.next_ready;
        if self.first_ready == NOWHERE {
            self.last_ready = NOWHERE;
        }
        self.current = id;
        Some(Id(id))
    }

    /// Puts who runs at the end of the ready queue and lets the first of it run: who ran, and who runs now. `None`, and
    /// nothing changes, when nobody else is ready.
    #[inline]
    pub fn rotate(&mut self) -> Option<(Id, Id)> {
        let (from, to) = (self.current, self.first_ready);
        // Both are places; if the queue has one, `last` is that one.
        let next = self.places.get_mut(usize::from(to))?;
        next.state = State::Running;
        let second = next.next_ready;
        let place = self.places.get_mut(usize::from(from))?;
        place.state = State::Ready;
        place.next_ready = NOWHERE;
        if second == NOWHERE {
            self.first_ready = from;
        } else {
            self.first_ready = second;
            if let Some(last) = self.places.get_mut(usize::from(self.last_ready)) {
                last.next_ready = from;
            }
        }
        self.last_ready = from;
        self.current = to;
        Some((Id(from), Id(to)))
    }

    /// Who runs gives the core away for good, or until it is woken: nobody runs.
    pub(crate) const fn leave(&mut self) {
        self.current = NOWHERE;
    }

    /// Ends who runs. Nobody runs afterwards.
    pub fn exit(&mut self) -> Ended {
        let id = self.current;
        self.leave();
        let Some(place) = self.place_mut(id) else {
            return Ended::Kept;
        };
        place.state = State::Ended;
        if place.detached {
            return self.free(id);
        }
        if place.joined {
            let joiner = place.joiner;
            self.make_ready(joiner);
        }
        Ended::Kept
    }

    /// Whether nobody will join who runs.
    pub fn is_detached(&self) -> bool {
        self.place(Id(self.current))
            .is_some_and(|place| place.detached)
    }

    /// Nobody will join the thread.
    ///
    /// # Errors
    /// [`JoinError::Gone`], [`JoinError::Detached`] before, [`JoinError::Twice`]: somebody joins it.
    pub fn detach(&mut self, handle: Handle) -> Result<Ended, JoinError> {
        let id = self.resolve(handle).ok_or(JoinError::Gone)?;
        let place = self.place_mut(id.0).ok_or(JoinError::Gone)?;
        match (place.detached, place.joined, place.state) {
            (true, ..) => Err(JoinError::Detached),
            (_, true, _) => Err(JoinError::Twice),
            (.., State::Ended) => Ok(self.free(id.0)),
            _ => {
                place.detached = true;
                Ok(Ended::Kept)
            }
        }
    }

    /// Waits for the end of a thread: see [`Join`]. Only who runs may call it.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(&mut self, handle: Handle) -> Result<Join, JoinError> {
        let id = self.resolve(handle).ok_or(JoinError::Gone)?;
        if id.0 == self.current {
            return Err(JoinError::Itself);
        }
        let me = self.current;
        let place = self.place_mut(id.0).ok_or(JoinError::Gone)?;
        if place.detached {
            return Err(JoinError::Detached);
        }
        if place.state == State::Ended {
            let data = place.data;
            self.free(id.0);
            return Ok(Join::Done(data));
        }
        if place.joined {
            return Err(JoinError::Twice);
        }
        place.joined = true;
        place.joiner = me;
        // No queue: nobody else waits for this.
        if let Some(place) = self.place_mut(me) {
            place.key = Key::end_of(id);
            place.state = State::Blocked;
        }
        self.leave();
        Ok(Join::Blocked)
    }

    fn free(&mut self, id: u16) -> Ended {
        let first_free = self.first_free;
        let Some(place) = self.place_mut(id) else {
            return Ended::Kept;
        };
        place.state = State::Free;
        place.next_ready = first_free;
        place.generation = place.generation.wrapping_add(1);
        let data = place.data;
        self.first_free = id;
        self.live -= 1;
        Ended::Free(data)
    }

    /// What is wrong with the book, if anything: for tests.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), &'static str> {
        let mut ready = [0u8; N];
        let mut walk = self.first_ready;
        let mut last = NOWHERE;
        while let Some(place) = self.places.get(usize::from(walk)) {
            let seen = ready.get_mut(usize::from(walk)).ok_or("a wild link")?;
            *seen += 1;
            if *seen > 1 {
                return Err("twice in the ready queue");
            }
            last = walk;
            walk = place.next_ready;
        }
        if last != self.last_ready {
            return Err("the ready queue's end");
        }
        self.check_waiting()?;
        for (index, place) in self.places.iter().enumerate() {
            if (place.state == State::Ready) != (ready.get(index) == Some(&1)) {
                return Err("ready and in the queue differ");
            }
            if (place.state == State::Running) != (index == usize::from(self.current)) {
                return Err("running and current differ");
            }
            if place.timed && place.state != State::Blocked {
                return Err("a deadline without waiting");
            }
            if matches!(place.state, State::Free | State::Ended) && place.queued {
                return Err("a waiter that is not there");
            }
            if place.queued && place.woken {
                return Err("woken and waiting");
            }
        }
        let live = self.places.iter().filter(|p| p.state != State::Free);
        match live.count() == usize::from(self.live) {
            true => Ok(()),
            false => Err("the number of threads"),
        }
    }
}
