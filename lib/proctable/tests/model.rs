//! Random use of the table, compared with a map and a list.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proctable::{Pid, Table, TableError};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CAPACITY: usize = 6;
const REMEMBERED: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    /// Reserves a number and adds a process of that name.
    Start(u8),
    /// Reserves one, which is not used.
    Fail,
    /// Ends the one at that place.
    End(usize),
    /// Looks for a number.
    Look(Pid),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8).prop_map(Step::Start),
        1 => Just(Step::Fail),
        3 => (0..CAPACITY).prop_map(Step::End),
        2 => (0..40u32).prop_map(Step::Look),
    ]
}

/// What the table should be.
#[derive(Default)]
struct Model {
    running: BTreeMap<Pid, (u8, u32)>,
    ended: Vec<(Pid, u32)>,
    /// Every number that was given, in order.
    given: Vec<Pid>,
}

impl Model {
    fn reserve(&mut self, pid: Pid, pids: &std::ops::RangeInclusive<Pid>) {
        assert!(pids.contains(&pid));
        assert!(!self.running.contains_key(&pid), "{pid} runs");
        assert!(
            self.ended.iter().all(|(other, _)| *other != pid),
            "{pid} is remembered"
        );
        // All that could be given came between.
        let all = pids.clone().count() - CAPACITY - REMEMBERED;
        let recent = self.given.iter().rev().take(all.saturating_sub(1));
        assert!(
            recent.clone().all(|other| *other != pid),
            "{pid} comes back too soon: {:?}",
            self.given
        );
        self.given.push(pid);
    }
}

fn play(steps: &[Step], pids: std::ops::RangeInclusive<Pid>) {
    let mut table: Table<u8, u32, u32> = Table::new(CAPACITY, REMEMBERED, pids.clone());
    let mut model = Model::default();
    for (time, step) in steps.iter().enumerate() {
        let time = time as u32;
        match step {
            Step::Start(name) => match table.reserve() {
                Ok(reserved) => {
                    let pid = reserved.pid();
                    model.reserve(pid, &pids);
                    assert_eq!(table.add(reserved, *name, time), Ok(pid));
                    model.running.insert(pid, (*name, time));
                }
                Err(error) => {
                    assert_eq!(error, TableError::Full);
                    assert_eq!(model.running.len(), CAPACITY);
                }
            },
            Step::Fail => {
                if let Ok(reserved) = table.reserve() {
                    model.reserve(reserved.pid(), &pids);
                }
            }
            Step::End(index) => {
                let found = model.running.iter().nth(*index).map(|(pid, _)| *pid);
                let Some(pid) = found else { continue };
                let (name, value) = model.running.remove(&pid).unwrap();
                let gone = table.remove(pid, time).unwrap();
                assert_eq!((gone.pid, gone.name, gone.value), (pid, name, value));
                assert!(table.remove(pid, time).is_none());
                model.ended.push((pid, time));
                if model.ended.len() > REMEMBERED {
                    model.ended.remove(0);
                }
            }
            Step::Look(pid) => {
                let expected = model.running.get(pid).map(|(_, value)| value);
                assert_eq!(table.get(*pid), expected);
                assert_eq!(table.get_mut(*pid).map(|value| *value).as_ref(), expected);
                let above = model.running.range(pid + 1..).next().map(|(pid, _)| *pid);
                assert_eq!(table.after(*pid).map(|process| process.pid), above);
                let end = model.ended.iter().rev().find(|(other, _)| other == pid);
                assert_eq!(table.end_of(*pid), end.map(|(_, end)| end));
            }
        }
        let all: Vec<_> = table.iter().map(|p| (p.pid, (p.name, p.value))).collect();
        assert!(
            all.iter()
                .copied()
                .eq(model.running.iter().map(|(pid, rest)| (*pid, *rest)))
        );
        assert_eq!(table.len(), model.running.len());
        assert_eq!(table.is_empty(), model.running.is_empty());
        assert_eq!(table.is_full(), model.running.len() == CAPACITY);
        assert!(
            table
                .values_mut()
                .map(|value| *value)
                .eq(all.iter().map(|(_, (_, value))| *value))
        );
        for name in 0..3 {
            let by_name: Vec<Pid> = table.by_name(&name).map(|p| p.pid).collect();
            let expected = model.running.iter().filter(|(_, rest)| rest.0 == name);
            assert!(by_name.into_iter().eq(expected.map(|(pid, _)| *pid)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_what_the_model_says(steps in prop::collection::vec(step(), 0..200)) {
        play(&steps, 2..=Pid::MAX);
    }

    #[test]
    fn numbers_come_back_as_late_as_they_can(steps in prop::collection::vec(step(), 0..300)) {
        play(&steps, 3..=20);
        play(&steps, Pid::MAX - 16..=Pid::MAX);
    }
}

#[test]
fn a_range_without_a_free_number_says_so() {
    let mut table: Table<(), (), ()> = Table::new(8, 8, 1..=3);
    for _ in 0..3 {
        let reserved = table.reserve().unwrap();
        table.add(reserved, (), ()).unwrap();
    }
    assert_eq!(table.reserve(), Err(TableError::NoNumber));
    table.remove(2, ()).unwrap();
    // It is remembered.
    assert_eq!(table.reserve(), Err(TableError::NoNumber));
    let mut forgetful: Table<(), (), ()> = Table::new(1, 0, 7..=7);
    let reserved = forgetful.reserve().unwrap();
    assert_eq!(forgetful.add(reserved, (), ()), Ok(7));
    assert_eq!(forgetful.reserve(), Err(TableError::Full));
    forgetful.remove(7, ()).unwrap();
    assert_eq!(forgetful.end_of(7), None);
    assert_eq!(forgetful.reserve().unwrap().pid(), 7);
    #[expect(
        clippy::reversed_empty_ranges,
        reason = "no number at all is what is tried"
    )]
    let mut empty: Table<(), (), ()> = Table::new(1, 1, 2..=1);
    assert_eq!(empty.reserve(), Err(TableError::NoNumber));
}

#[test]
fn two_reservations_for_one_place() {
    let mut table: Table<(), u8, ()> = Table::new(1, 1, 2..=9);
    let (first, second) = (table.reserve().unwrap(), table.reserve().unwrap());
    assert_eq!(table.add(second, (), 2), Ok(3));
    assert_eq!(table.add(first, (), 1), Err(1));
}
