//! The calls of a connection that are under way: who waits for which, and what has come.
//!
//! A call has a place in a table; its number is the place and how often the place was used, so that a late answer to a call
//! that was given up is told apart from the answer to a newer one.
//!
//! Invariants: a place is free, or waited for by one future, which alone frees it. Each call is completed at most once.

use crate::body::Body;
use crate::header::CallId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::task::Waker;
use errors::{Error, ErrorCode};

#[derive(Debug)]
enum State<C> {
    Free,
    /// The waker is missing while the call's own task is at work.
    Waiting(Option<Waker>),
    Done(Result<Body<C>, Error>),
}

#[derive(Debug)]
struct Place<C> {
    generation: u64,
    state: State<C>,
}

#[derive(Debug)]
pub(crate) struct Calls<C> {
    places: Vec<Place<C>>,
    free: Vec<usize>,
    most: usize,
    /// Tasks that wait for a place, or for room in the queue, by their tickets. Who was told has no entry, and tells the
    /// next when it has begun or given up.
    room: BTreeMap<u64, Waker>,
    tickets: u64,
    /// The place whose waker the transport has.
    watcher: usize,
}

impl<C> Calls<C> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            most: most.clamp(1, CallId::CALLS_MAX),
            room: BTreeMap::new(),
            tickets: 0,
            watcher: 0,
        }
    }

    /// Calls under way.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether one more call may begin.
    #[inline]
    pub(crate) fn has_place(&self) -> bool {
        !self.free.is_empty() || self.places.len() < self.most
    }

    /// The number that the next call will have, if a place is free for it.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<CallId> {
        let index = match self.free.last() {
            Some(index) => *index,
            None => self.grow()?,
        };
        Some(CallId::new(index, self.places.get(index)?.generation))
    }

    #[cold]
    fn grow(&mut self) -> Option<usize> {
        let index = self.places.len();
        if index >= self.most {
            return None;
        }
        self.free.push(index);
        self.places.push(Place {
            generation: 0,
            state: State::Free,
        });
        Some(index)
    }

    /// The [`next`](Self::next) call was over at once; its number is not used again.
    #[inline]
    pub(crate) fn skip(&mut self, call: CallId) {
        if let Some(place) = self.places.get_mut(call.index()) {
            place.generation = place.generation.wrapping_add(1);
        }
    }

    /// A place for a new call, if one is free: [`next`](Self::next)'s.
    #[inline]
    pub(crate) fn begin(&mut self) -> Option<CallId> {
        let call = self.next()?;
        self.free.pop();
        let place = self.places.get_mut(call.index())?;
        place.state = State::Waiting(None);
        Some(call)
    }

    #[inline]
    fn place(&mut self, call: CallId) -> Option<&mut Place<C>> {
        let place = self.places.get_mut(call.index())?;
        (CallId::new(call.index(), place.generation) == call).then_some(place)
    }

    /// Completes a call and returns whom to wake. A call that nobody waits for any more is ignored.
    ///
    /// # Errors
    /// `FLOUNDER_ERR_RPC_MISMATCH`: there never was such a call, or it has its answer already.
    #[inline]
    pub(crate) fn complete(
        &mut self,
        call: CallId,
        result: Result<Body<C>, Error>,
    ) -> Result<Option<Waker>, Error> {
        let Some(place) = self.places.get_mut(call.index()) else {
            return Err(ErrorCode::FlounderRpcMismatch.into());
        };
        let now = CallId::new(call.index(), place.generation);
        match &mut place.state {
            State::Waiting(waker) if now == call => {
                let waker = waker.take();
                place.state = State::Done(result);
                Ok(waker)
            }
            _ if call.is_before(now) => Ok(None),
            _ => Err(ErrorCode::FlounderRpcMismatch.into()),
        }
    }

    /// Completes all calls with this error.
    pub(crate) fn fail_all(&mut self, error: Error, wake: &mut Vec<Waker>) {
        for place in &mut self.places {
            if let State::Waiting(waker) = &mut place.state {
                wake.extend(waker.take());
                place.state = State::Done(Err(error));
            }
        }
        wake.extend(core::mem::take(&mut self.room).into_values());
    }

    /// The result of a call, if it is there; the place is free then.
    #[inline]
    pub(crate) fn take(&mut self, call: CallId) -> Option<Result<Body<C>, Error>> {
        let place = self.place(call)?;
        if !matches!(place.state, State::Done(_)) {
            return None;
        }
        let state = core::mem::replace(&mut place.state, State::Free);
        self.end(call);
        match state {
            State::Done(result) => Some(result),
            _ => None,
        }
    }

    /// Frees the place of a call.
    #[inline]
    pub(crate) fn end(&mut self, call: CallId) {
        if let Some(place) = self.place(call) {
            place.state = State::Free;
            place.generation = place.generation.wrapping_add(1);
            self.free.push(call.index());
        }
    }

    /// Whether the call has its result.
    pub(crate) fn is_done(&mut self, call: CallId) -> bool {
        matches!(self.place(call), Some(place) if matches!(place.state, State::Done(_)))
    }

    /// Sets whom to wake; the transport has this waker too.
    pub(crate) fn wait(&mut self, call: CallId, waker: &Waker) {
        if let Some(place) = self.place(call)
            && let State::Waiting(old) = &mut place.state
        {
            match old {
                Some(old) => old.clone_from(waker),
                None => *old = Some(waker.clone()),
            }
            self.watcher = call.index();
        }
    }

    /// Forgets whom to wake, because the task is at work.
    pub(crate) fn awake(&mut self, call: CallId) {
        if let Some(place) = self.place(call)
            && let State::Waiting(waker) = &mut place.state
        {
            *waker = None;
        }
    }

    /// The waker of another waiting task, which shall watch the transport from now on. Looks from the last one on.
    pub(crate) fn next_watcher(&mut self) -> Option<&Waker> {
        let count = self.places.len();
        let from = self.watcher;
        let index = (from..count).chain(0..from.min(count)).find(|index| {
            matches!(
                self.places.get(*index).map(|place| &place.state),
                Some(State::Waiting(Some(_)))
            )
        });
        match index {
            Some(index) => {
                self.watcher = index;
                match self.places.get(index).map(|place| &place.state) {
                    Some(State::Waiting(Some(waker))) => Some(waker),
                    _ => None,
                }
            }
            None => self.room.first_key_value().map(|(_, waker)| waker),
        }
    }

    /// Whether anybody waits for room.
    #[inline]
    pub(crate) fn has_line(&self) -> bool {
        !self.room.is_empty()
    }

    /// Waits for room, at the place in the line that the ticket says.
    pub(crate) fn wait_for_room(&mut self, ticket: &mut Option<u64>, waker: &Waker) {
        let ticket = *ticket.get_or_insert_with(|| {
            self.tickets += 1;
            self.tickets
        });
        self.room.insert(ticket, waker.clone());
    }

    /// Leaves the line.
    #[inline]
    pub(crate) fn leave_line(&mut self, ticket: Option<u64>) {
        if let Some(ticket) = ticket {
            self.room.remove(&ticket);
        }
    }

    /// A task to tell that there is room.
    #[inline]
    pub(crate) fn room_for(&mut self) -> Option<Waker> {
        self.room.pop_first().map(|(_, waker)| waker)
    }
}
