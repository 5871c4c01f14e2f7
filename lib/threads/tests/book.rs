//! Random programs of calls, each compared to a model that keeps queues as plain lists.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use threads::{
    Committed, Ended, Full, Handle, Id, Join, JoinError, Key, Name, State, Threads, Wake,
};

const PLACES: usize = 6;
/// Some share a bucket.
const KEYS: [Key; 4] = [
    Key(0x10_0000),
    Key(0x10_0004),
    Key(0x10_0000 + (1 << 20)),
    Key::OUTSIDE,
];

#[derive(Clone, Debug)]
enum Step {
    Spawn,
    Rotate,
    Next,
    Prepare(usize),
    Commit(Option<u64>),
    Cancel,
    Wake(usize),
    WakeAll(usize),
    Expire(u64),
    Park,
    Unpark(usize),
    Exit,
    Join(usize),
    Detach(usize),
    Exception,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let key = || 0..KEYS.len();
    let thread = || 0..PLACES + 2;
    prop_oneof![
        4 => Just(Spawn),
        4 => Just(Rotate),
        6 => Just(Next),
        6 => key().prop_map(Prepare),
        6 => proptest::option::of(1..50u64).prop_map(Commit),
        1 => Just(Cancel),
        4 => key().prop_map(Wake),
        1 => key().prop_map(WakeAll),
        3 => (1..60u64).prop_map(Expire),
        2 => Just(Park),
        2 => thread().prop_map(Unpark),
        2 => Just(Exit),
        3 => thread().prop_map(Join),
        2 => thread().prop_map(Detach),
        1 => Just(Exception),
    ]
}

#[derive(Clone, Debug, Default)]
struct Thread {
    data: usize,
    queued: Option<usize>,
    blocked: bool,
    deadline: Option<u64>,
    woken: Option<Wake>,
    ended: bool,
    detached: bool,
    token: bool,
    joiner: Option<usize>,
    handle: Option<Handle>,
}

/// The model: threads by number of creation.
#[derive(Default)]
struct Model {
    threads: BTreeMap<usize, Thread>,
    ready: VecDeque<usize>,
    current: Option<usize>,
    /// Who waits for a key, in order.
    queues: BTreeMap<usize, VecDeque<usize>>,
    /// Deadlines, in order; equal ones in the order of arrival.
    sleepers: Vec<(u64, usize)>,
    made: usize,
}

impl Model {
    fn unqueue(&mut self, who: usize) {
        if let Some(key) = self.threads.get_mut(&who).unwrap().queued.take() {
            self.queues.get_mut(&key).unwrap().retain(|w| *w != who);
        }
    }

    fn end_wait(&mut self, who: usize, wake: Wake) {
        self.unqueue(who);
        self.sleepers.retain(|(_, w)| *w != who);
        let thread = self.threads.get_mut(&who).unwrap();
        thread.woken = Some(wake);
        thread.deadline = None;
        if std::mem::take(&mut thread.blocked) {
            self.ready.push_back(who);
        }
    }

    fn wake(&mut self, key: usize) -> Option<usize> {
        let who = *self.queues.get(&key)?.front()?;
        self.end_wait(who, Wake::Granted);
        Some(who)
    }

    fn prepare(&mut self, who: usize, key: usize) {
        self.unqueue(who);
        let thread = self.threads.get_mut(&who).unwrap();
        (thread.queued, thread.woken) = (Some(key), None);
        self.queues.entry(key).or_default().push_back(who);
    }

    /// The thread with a number of the test's choice.
    fn pick(&self, number: usize) -> Option<usize> {
        self.threads.keys().copied().nth(number)
    }
}

/// The model's numbers of keys that belong to threads lie behind those of [`KEYS`].
fn park_key(who: usize) -> usize {
    100 + who
}

fn run(steps: &[Step]) {
    let mut book = Threads::<PLACES>::new();
    let mut model = Model::default();
    let main = Thread {
        handle: Some(book.handle(Id::MAIN)),
        ..Thread::default()
    };
    model.threads.insert(0, main);
    model.current = Some(0);
    model.made = 1;
    let number_of = |book: &Threads<PLACES>, id: Id| book.data(id);
    for step in steps {
        let current = model.current;
        match (step, current) {
            (Step::Spawn, _) => {
                let number = model.made;
                let name = format!("thread {number}");
                match book.spawn(Name::new(&name), number) {
                    Ok(handle) => {
                        assert!(model.threads.len() < PLACES);
                        let thread = Thread {
                            data: number,
                            handle: Some(handle),
                            ..Thread::default()
                        };
                        model.threads.insert(number, thread);
                        model.ready.push_back(number);
                        model.made += 1;
                        assert_eq!(book.name(handle.id()), Name::new(&name));
                    }
                    Err(Full) => assert_eq!(model.threads.len(), PLACES),
                }
            }
            (Step::Rotate, Some(from)) => {
                let rotated = book.rotate();
                let next = model.ready.pop_front();
                if let Some(next) = next {
                    model.ready.push_back(from);
                    model.current = Some(next);
                }
                let expected = next.map(|next| (from, next));
                assert_eq!(
                    rotated.map(|(a, b)| (number_of(&book, a), number_of(&book, b))),
                    expected
                );
            }
            (Step::Next, None) => {
                let next = book.run_next();
                model.current = model.ready.pop_front();
                assert_eq!(next.map(|id| number_of(&book, id)), model.current);
                if next.is_none() && model.sleepers.is_empty() {
                    let outside = model.queues.get(&3).is_some_and(|queue| !queue.is_empty());
                    assert_eq!(book.is_stuck(), !outside);
                }
            }
            (Step::Prepare(key), Some(who)) => {
                book.prepare(KEYS[*key]);
                model.prepare(who, *key);
            }
            (Step::Commit(deadline), Some(who)) => {
                let thread = model.threads.get_mut(&who).unwrap();
                let expected = match thread.woken.take() {
                    Some(wake) => Committed::Done(wake),
                    None => {
                        (thread.blocked, thread.deadline) = (true, *deadline);
                        model.current = None;
                        if let Some(deadline) = *deadline {
                            let at = model.sleepers.partition_point(|(d, _)| *d <= deadline);
                            model.sleepers.insert(at, (deadline, who));
                        }
                        Committed::Blocked
                    }
                };
                assert_eq!(book.commit(*deadline), expected);
            }
            (Step::Cancel, Some(who)) => {
                model.unqueue(who);
                let wake = model.threads.get_mut(&who).unwrap().woken.take();
                assert_eq!(book.cancel(), wake.unwrap_or(Wake::Spurious));
            }
            (Step::Wake(key), _) => {
                let woken = book.wake(KEYS[*key]).map(|id| number_of(&book, id));
                assert_eq!(woken, model.wake(*key), "the first who came");
            }
            (Step::WakeAll(key), _) => {
                let count = std::iter::from_fn(|| model.wake(*key)).count();
                short_cut(&book, KEYS[*key]);
                assert_eq!(book.wake_all(KEYS[*key]), count);
                assert!(!book.has_waiter(KEYS[*key]));
            }
            (Step::Expire(now), _) => {
                let mut count = 0;
                while let Some((_, who)) = model.sleepers.first().copied().filter(|s| s.0 <= *now) {
                    model.end_wait(who, Wake::TimedOut);
                    count += 1;
                }
                assert_eq!(book.expire(*now), count);
            }
            (Step::Park, Some(who)) => {
                let thread = model.threads.get_mut(&who).unwrap();
                let waits = !std::mem::take(&mut thread.token);
                if waits {
                    model.prepare(who, park_key(who));
                }
                assert_eq!(book.park(), waits);
            }
            (Step::Unpark(number), _) => {
                let Some(who) = model.pick(*number) else {
                    continue;
                };
                book.unpark(model.threads[&who].handle.unwrap());
                if model.wake(park_key(who)).is_none() {
                    model.threads.get_mut(&who).unwrap().token = true;
                }
            }
            (Step::Exit, Some(who)) if who != 0 => {
                // A thread ends outside of any wait.
                model.unqueue(who);
                book.cancel();
                let thread = model.threads.get_mut(&who).unwrap();
                let data = thread.data;
                let joiner = thread.joiner;
                thread.ended = true;
                let expected = match thread.detached {
                    true => {
                        model.threads.remove(&who);
                        Ended::Free(data)
                    }
                    false => {
                        if let Some(joiner) = joiner {
                            model.threads.get_mut(&joiner).unwrap().blocked = false;
                            model.ready.push_back(joiner);
                        }
                        Ended::Kept
                    }
                };
                model.current = None;
                assert_eq!(book.exit(), expected);
            }
            (Step::Join(number), Some(me)) => {
                // A thread joins outside of any wait.
                model.unqueue(me);
                model.threads.get_mut(&me).unwrap().woken = None;
                book.cancel();
                let Some(who) = model.pick(*number) else {
                    continue;
                };
                let thread = model.threads[&who].clone();
                let expected = match () {
                    () if who == me => Err(JoinError::Itself),
                    () if thread.detached => Err(JoinError::Detached),
                    () if thread.ended => {
                        model.threads.remove(&who);
                        Ok(Join::Done(thread.data))
                    }
                    () if thread.joiner.is_some() => Err(JoinError::Twice),
                    () => {
                        model.threads.get_mut(&who).unwrap().joiner = Some(me);
                        model.threads.get_mut(&me).unwrap().blocked = true;
                        model.current = None;
                        Ok(Join::Blocked)
                    }
                };
                let handle = thread.handle.unwrap();
                assert_eq!(book.join(handle), expected);
                if expected == Ok(Join::Done(thread.data)) {
                    assert_eq!(book.join(handle), Err(JoinError::Gone), "a stale handle");
                    assert_eq!(book.detach(handle), Err(JoinError::Gone));
                }
            }
            (Step::Detach(number), _) => {
                let Some(who) = model.pick(*number).filter(|who| *who != 0) else {
                    continue;
                };
                let handle = model.threads[&who].handle.unwrap();
                match book.detach(handle) {
                    Ok(Ended::Free(data)) => {
                        let thread = model.threads.remove(&who).unwrap();
                        assert!(thread.ended && !thread.detached && thread.data == data);
                    }
                    Ok(Ended::Kept) => {
                        let thread = model.threads.get_mut(&who).unwrap();
                        assert!(!thread.ended && !thread.detached);
                        thread.detached = true;
                    }
                    Err(JoinError::Detached) => assert!(model.threads[&who].detached),
                    Err(error) => assert_eq!(error, JoinError::Twice),
                }
            }
            (Step::Exception, Some(who)) => {
                // A handler that waits for something itself, and is woken at once.
                let thread = model.threads.get_mut(&who).unwrap();
                let spurious = thread.queued.map(|_| Wake::Spurious);
                let kept = thread.woken.take().or(spurious);
                model.unqueue(who);
                let interrupted = book.interrupt();
                book.prepare(Key(0x30_0000));
                assert!(book.wake(Key(0x30_0000)).is_some());
                assert_eq!(book.commit(None), Committed::Done(Wake::Granted));
                book.restore(interrupted);
                model.threads.get_mut(&who).unwrap().woken = kept;
            }
            _ => {}
        }
        book.check().unwrap();
        compare(&book, &model);
    }
}

/// Where there is a short cut, it does what the long way does.
fn short_cut(book: &Threads<PLACES>, key: Key) {
    let (mut short, mut long) = (book.clone(), book.clone());
    match short.wake_alone(key) {
        Some(id) => {
            assert_eq!(book.current(), None);
            assert_eq!(long.wake_all(key), 1);
            assert_eq!(long.run_next(), Some(id));
            assert_eq!(short.check(), Ok(()));
            let states = |book: &Threads<PLACES>| -> Vec<_> {
                book.ids()
                    .map(|id| (id, book.state(id), book.waits_for(id)))
                    .collect()
            };
            assert_eq!(states(&short), states(&long));
            assert_eq!(short.take_wake(), long.take_wake());
        }
        None => assert_eq!(format!("{short:?}"), format!("{book:?}")),
    }
}

fn compare(book: &Threads<PLACES>, model: &Model) {
    assert_eq!(book.live(), model.threads.len());
    assert_eq!(book.current().map(|id| book.data(id)), model.current);
    assert_eq!(book.has_ready(), !model.ready.is_empty());
    assert_eq!(
        book.next_deadline(),
        model.sleepers.first().map(|(deadline, _)| *deadline)
    );
    for (number, thread) in &model.threads {
        let id = book.resolve(thread.handle.unwrap()).unwrap();
        let expected = match () {
            () if thread.ended => State::Ended,
            () if thread.blocked => State::Blocked,
            () if model.current == Some(*number) => State::Running,
            () => State::Ready,
        };
        assert_eq!(book.state(id), expected);
    }
    for (number, key) in KEYS.iter().enumerate() {
        let waited = model.queues.get(&number).is_some_and(|q| !q.is_empty());
        assert_eq!(book.has_waiter(*key), waited);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default() })]

    #[test]
    fn any_program_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..300)) {
        run(&steps);
    }
}

#[test]
fn who_is_ready_runs_within_one_round() {
    let mut book = Threads::<16>::new();
    for number in 1..16 {
        book.spawn(Name::EMPTY, number).unwrap();
    }
    assert_eq!(book.spawn(Name::EMPTY, 16), Err(Full));
    for round in 0..3 {
        for number in 1..16 {
            let (_, to) = book.rotate().unwrap();
            assert_eq!(book.data(to), number, "round {round}");
        }
        book.rotate().unwrap();
    }
}

#[test]
fn the_only_one_that_waits_runs_by_the_short_cut() {
    let mut book = Threads::<PLACES>::new();
    book.prepare(Key::OUTSIDE);
    assert_eq!(book.wake_alone(Key::OUTSIDE), None);
    assert_eq!(book.commit(None), Committed::Blocked);
    assert_eq!(book.wake_alone(KEYS[0]), None);
    short_cut(&book, Key::OUTSIDE);
    assert_eq!(book.wake_alone(Key::OUTSIDE), Some(Id::MAIN));
    assert_eq!(book.current(), Some(Id::MAIN));
    assert_eq!(book.take_wake(), Wake::Granted);
}

#[test]
fn everybody_waiting_is_noticed() {
    let mut book = Threads::<4>::new();
    book.spawn(Name::EMPTY, 1).unwrap();
    for key in [0x5000, 0x6000] {
        book.prepare(Key(key));
        assert_eq!(book.commit(None), Committed::Blocked);
        let stuck = book.is_stuck();
        assert_eq!(book.run_next().is_none(), stuck);
    }
    assert!(book.is_stuck());
    // A deadline, a message may come: then not.
    book.wake(Key(0x5000)).unwrap();
    assert!(!book.is_stuck());
    book.run_next().unwrap();
    book.prepare(Key::TIME);
    book.commit(Some(9));
    assert!(!book.is_stuck());
    book.expire(9);
    book.run_next().unwrap();
    book.prepare(Key::OUTSIDE);
    book.commit(None);
    assert!(!book.is_stuck());
}
