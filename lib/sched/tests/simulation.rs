//! What the scheduler promises, on random sets of tasks in a simulated machine.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod machine;

use machine::{HZ, Load, Machine, SLICE, places};
use proptest::prelude::*;
use random::Random;
use sched::{BETA, Class, MAX_WEIGHT, Promise, RELEASES, Refused, SPECTRUM};

/// Fills the core with promises, up to what is admitted; answers the conforming tasks.
fn promises(machine: &mut Machine<'_>, first: usize, count: usize) -> Vec<usize> {
    let mut admitted = Vec::new();
    for index in first..first + count {
        let period = 4_000 + machine.random.below(96_000);
        let deadline = period - machine.random.below(period / 2);
        let time = (deadline * (1 + machine.random.below(40)) / 100).max(1_000);
        let work = time - machine.random.below(time / 4);
        let load = Load::Periodic {
            work,
            deadline,
            period,
        };
        let from = machine.now + 300_000 + machine.random.below(50_000);
        match machine.promise(index, Class::Hard, [time, deadline, period], load, from) {
            Ok(()) => admitted.push(index),
            Err(refused) => assert_eq!(refused, Refused::Overcommitted),
        }
    }
    admitted
}

/// Somebody who has a promise, does as he likes, and gets another one now and then.
fn rogue(machine: &mut Machine<'_>, index: usize) {
    let random = &mut machine.random;
    let period = 500 + random.below(60_000);
    let time = (100 + random.below(period)).min(period);
    let load = match random.below(3) {
        0 => Load::Spin,
        1 => Load::Blocks {
            work: period,
            sleep: 2 * period,
        },
        _ => Load::Blocks {
            work: 300,
            sleep: 500,
        },
    };
    let class = [Class::Hard, Class::Soft][random.below(2) as usize];
    match random.below(5) {
        0 => machine.forget(index),
        1 => machine.best_effort(index, 1 + period as u16 % MAX_WEIGHT, load),
        _ => {
            let now = machine.now;
            let _ = machine.promise(index, class, [time, period, period], load, now);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("BARRELEYE_LONG").is_some() { 4_000 } else { 150 }))]

    /// Whatever the others do, and whatever is promised and taken back meanwhile.
    #[test]
    fn no_deadline_is_missed(seed in any::<u64>(), latency in 0u64..3, spinners in 0usize..3) {
        let places = places(24);
        let mut machine = Machine::new(&places, seed);
        machine.latency = latency;
        for index in 0..4 {
            let load = match index {
                _ if index < spinners => Load::Spin,
                3 => Load::Blocks { work: 20_000, sleep: 9_500 },
                _ => Load::Blocks { work: 9_000, sleep: 30_000 },
            };
            machine.best_effort(index, 1 + index as u16, load);
        }
        for index in 4..8 {
            rogue(&mut machine, index);
        }
        let mut conforming = promises(&mut machine, 8, 8);
        for round in 1..40 {
            machine.run(round * 50_000);
            rogue(&mut machine, 4 + round as usize % 4);
            if round == 20 {
                conforming.extend(promises(&mut machine, 16, 8));
            }
        }
        for index in conforming {
            let life = &machine.lives[index];
            prop_assert!(life.late == 0, "task {index} was late by {}: {life:?}", life.late);
            prop_assert!(life.jobs > 3, "{life:?}");
        }
        prop_assert!(machine.lost <= 1_000, "{} ticks were lost", machine.lost);
        prop_assert!(machine.most_operations <= 8 * RELEASES as u64);
        prop_assert!(machine.scheduler.promised() + BETA <= SPECTRUM);
    }

    /// Nobody gets more than was promised, however much he wants.
    #[test]
    fn a_hard_promise_is_a_limit(seed in any::<u64>(), spins in any::<bool>()) {
        let places = places(6);
        let mut machine = Machine::new(&places, seed);
        let mut most = Vec::new();
        for index in 0..5 {
            let period = 4_000 + machine.random.below(50_000);
            let time = 100 + machine.random.below(period / 8);
            let load = match spins {
                true => Load::Spin,
                false => Load::Blocks { work: 2 * time, sleep: period },
            };
            machine.promise(index, Class::Hard, [time, period, period], load, 0).unwrap();
            most.push((time, period));
        }
        machine.best_effort(5, 1, Load::Spin);
        let end = 3_000_000;
        machine.run(end);
        for (index, (time, period)) in most.into_iter().enumerate() {
            let had = machine.lives[index].had;
            prop_assert!(had <= (end / period + 2) * time);
            if spins {
                prop_assert!(had + 2 * time >= end / period * time, "{had} of {}", end / period * time);
            }
        }
        let others: u64 = machine.lives[..5].iter().map(|life| life.had).sum();
        prop_assert_eq!(machine.lives[5].had, end - others);
    }

    /// Who always wants the core gets it by weight, beside promises or not.
    #[test]
    fn shares_go_by_weight(seed in any::<u64>(), busy in any::<bool>()) {
        let places = places(12);
        let mut machine = Machine::new(&places, seed);
        let weights: Vec<u16> = (0..6).map(|_| 1 + machine.random.below(16) as u16).collect();
        for (index, weight) in weights.iter().enumerate() {
            machine.best_effort(index, *weight, Load::Spin);
        }
        if busy {
            promises(&mut machine, 6, 6);
        }
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        for checkpoint in 1..10 {
            machine.run(checkpoint * 500_000);
            let all: u64 = machine.lives[..6].iter().map(|life| life.had).sum();
            for (index, weight) in weights.iter().enumerate() {
                let fair = all * u64::from(*weight) / sum;
                let turn = 6 * SLICE * u64::from(*weight) / sum;
                let had = machine.lives[index].had;
                prop_assert!(had.abs_diff(fair) <= turn + 2, "{had} instead of {fair}, turn {turn}");
            }
        }
        if !busy {
            prop_assert_eq!(machine.lost + machine.idle, 0);
        }
    }

    /// Who sleeps and comes back never has more than who stayed, but for one turn.
    #[test]
    fn blocking_does_not_pay(seed in any::<u64>(), work in 1u64..30_000, sleep in 1u64..30_000, soft in any::<bool>()) {
        let places = places(4);
        let mut machine = Machine::new(&places, seed);
        for index in 0..2 {
            machine.best_effort(index, 3, Load::Spin);
        }
        machine.best_effort(2, 3, Load::Blocks { work, sleep });
        if soft {
            machine.promise(3, Class::Hard, [2_000, 5_000, 10_000], Load::Blocks { work: 9_000, sleep: 9_000 }, 0).unwrap();
        }
        let mut before = [0; 3];
        for checkpoint in 1..30 {
            machine.run(checkpoint * 100_000);
            let had = [0, 1, 2].map(|index: usize| machine.lives[index].had);
            prop_assert!(had[2] <= had[0].max(had[1]) + 2 * SLICE, "{had:?}");
            // Nor is who stayed kept from the core afterwards.
            prop_assert!(had[0] > before[0] && had[1] > before[1]);
            before = had;
        }
    }

    /// Soft real time has its promise, and beyond that what best effort of its weight has.
    #[test]
    fn soft_goes_on_as_best_effort(seed in any::<u64>()) {
        let places = places(3);
        let mut machine = Machine::new(&places, seed);
        machine.best_effort(0, 1, Load::Spin);
        machine.best_effort(1, 2, Load::Spin);
        machine.promise(2, Class::Soft, [3_000, 10_000, 10_000], Load::Spin, 0).unwrap();
        let end = 4_000_000;
        machine.run(end);
        let had = [0, 1, 2].map(|index: usize| machine.lives[index].had);
        prop_assert_eq!(had.iter().sum::<u64>(), end);
        let promised = end / 10 * 3;
        // Of the rest: 1 to 2 to 1; the soft one shares only between its jobs, so it is a little behind.
        let quarter = (end - promised) / 4;
        prop_assert!(had[0].abs_diff(quarter) < quarter / 10, "{had:?}, {quarter}");
        prop_assert!(had[1].abs_diff(2 * quarter) < quarter / 5, "{had:?}");
        prop_assert!(had[2].abs_diff(promised + quarter) < quarter / 5, "{had:?}");
    }

    /// Just what fits is admitted, and refusing changes nothing.
    #[test]
    fn what_fits_is_admitted(requests in prop::collection::vec((100u64..50_000, 0u64..100_000, 0u64..1_000, any::<bool>()), 1..60)) {
        let places = places(60);
        let mut machine = Machine::new(&places, 1);
        let mut model = vec![0u128; places.len()];
        for (index, (time, more, later, replace)) in requests.into_iter().enumerate() {
            let deadline = time + more;
            let index = if replace { index / 2 } else { index };
            // In units of 1 / 10^12.
            let rate = (u128::from(time) * 1_000_000).div_ceil(u128::from(deadline));
            let others: u128 = model.iter().sum::<u128>() - model[index];
            let promise = Promise::new(time, deadline, deadline + later, 0, HZ).unwrap();
            let id = machine.id(index);
            let answer = machine.scheduler.set_promise(id, Class::Hard, 0, &promise, 0);
            if others + rate + 100_000 > 1_000_000 {
                prop_assert_eq!(answer, Err(Refused::Overcommitted));
            } else {
                prop_assert_eq!(answer, Ok(()));
                model[index] = rate;
            }
            prop_assert_eq!(u128::from(machine.scheduler.promised()), model.iter().sum::<u128>());
        }
        for index in 0..places.len() {
            machine.forget(index);
        }
        prop_assert_eq!(machine.scheduler.promised(), 0);
    }
}

/// Weight 1, 2 and 4: exactly that, after whole rounds.
#[test]
fn one_two_four() {
    let places = places(3);
    let mut machine = Machine::new(&places, 0);
    for (index, weight) in [1, 2, 4].into_iter().enumerate() {
        machine.best_effort(index, weight, Load::Spin);
    }
    machine.run(30 * SLICE * 7);
    let had: Vec<u64> = machine.lives.iter().map(|life| life.had).collect();
    assert!(had[0].abs_diff(300_000) < 100, "{had:?}");
    assert!(had[1].abs_diff(600_000) < 100, "{had:?}");
    assert!(had[2].abs_diff(1_200_000) < 100, "{had:?}");
}

/// A best-effort task that spins does not overtake a promise with a long period (as it does upstream).
#[test]
fn long_periods_hold() {
    let places = places(2);
    let mut machine = Machine::new(&places, 0);
    machine.best_effort(0, 1, Load::Spin);
    let load = Load::Periodic {
        work: 500_000,
        deadline: 1_000_000,
        period: 1_000_000,
    };
    machine
        .promise(1, Class::Hard, [500_000, 1_000_000, 1_000_000], load, SLICE)
        .unwrap();
    machine.run(10_100_000);
    assert_eq!((machine.lives[1].late, machine.lives[1].jobs), (0, 10));
    assert_eq!(machine.lives[0].had + machine.lives[1].had, machine.now);
}

/// A call makes no more queue operations with 3,000 tasks than with 10.
#[test]
fn work_is_bounded() {
    let most = |count: usize| {
        let places = places(count);
        let mut machine = Machine::new(&places, 7);
        let mut random = Random::new(3);
        for index in 0..count {
            match random.below(3) {
                0 => machine.best_effort(index, 1, Load::Spin),
                _ => {
                    let load = Load::Blocks {
                        work: 100,
                        sleep: 400_000,
                    };
                    let _ =
                        machine.promise(index, Class::Soft, [100, 5_000_000, 10_000_000], load, 0);
                }
            }
        }
        machine.run(300_000);
        machine.most_operations
    };
    let (few, many) = (most(10), most(3_000));
    assert!(few.max(many) <= 8 * RELEASES as u64, "{few}, {many}");
}

/// Time that was not wanted is not saved up: who slept for long shares like the others from then on.
#[test]
fn sleeping_saves_nothing() {
    let places = places(3);
    let mut machine = Machine::new(&places, 0);
    for index in 0..2 {
        machine.best_effort(index, 1, Load::Spin);
    }
    machine.run(1_000_000);
    machine.best_effort(2, 1, Load::Spin);
    let before = machine.lives[0].had;
    machine.run(1_300_000);
    let had = machine.lives[0].had - before;
    assert!(had.abs_diff(100_000) <= 2 * SLICE, "{had}");
}

/// Best effort that wakes late in its slice does not use all of that one and then all of the next.
#[test]
fn a_late_rest_is_not_used_up() {
    let places = places(2);
    let mut machine = Machine::new(&places, 0);
    let (hard, other) = (machine.id(0), machine.id(1));
    let scheduler = &mut machine.scheduler;
    let promise = Promise::new(9_701, 10_901, 30_000, 0, HZ).unwrap();
    let promised = scheduler.set_promise(hard, Class::Hard, 0, &promise, 0);
    assert_eq!(promised, Ok(()));
    scheduler.make_ready(other, 0);
    assert!(scheduler.decide(0).run == Some(other));
    scheduler.block(other, 1);
    let mut now = 9_100;
    let due = now + 10_901;
    scheduler.make_ready(other, now);
    scheduler.make_ready(hard, now);
    let mut work = 9_701;
    while work > 0 {
        let decision = scheduler.decide(now);
        let mut until = decision.until;
        if decision.run == Some(hard) {
            until = until.min(now + work);
            work -= until - now;
        }
        now = until;
    }
    assert!(now <= due, "{now}, due {due}");
}

/// What is taken back can be promised at once, but begins when the old job would have ended.
#[test]
fn what_was_used_early_is_not_promised_twice() {
    let places = places(2);
    let mut machine = Machine::new(&places, 0);
    let (old, new) = (machine.id(0), machine.id(1));
    let scheduler = &mut machine.scheduler;
    let promise = Promise::new(8_900, 10_000, 10_000, 0, HZ).unwrap();
    assert_eq!(
        scheduler.set_promise(old, Class::Hard, 0, &promise, 0),
        Ok(())
    );
    scheduler.make_ready(old, 0);
    assert!(scheduler.decide(0).run == Some(old));
    let refused = scheduler.set_promise(new, Class::Hard, 0, &promise, 8_000);
    assert_eq!(refused, Err(Refused::Overcommitted));
    scheduler.forget(old, 8_000);
    assert_eq!(
        scheduler.set_promise(new, Class::Hard, 0, &promise, 8_000),
        Ok(())
    );
    scheduler.make_ready(new, 8_000);
    assert_eq!(
        scheduler.decide(8_000),
        sched::Decision {
            run: None,
            until: 10_000
        }
    );
    assert!(scheduler.decide(10_000).run == Some(new));
}

/// Who yields lets others go first, and is not kept from the core by it.
#[test]
fn a_turn_ends() {
    let places = places(2);
    let mut machine = Machine::new(&places, 0);
    machine.best_effort(0, 1, Load::Spin);
    machine.best_effort(1, 1, Load::Spin);
    machine.run(5);
    let scheduler = &mut machine.scheduler;
    let first = scheduler.owner().expect("somebody runs");
    scheduler.end_turn(first, 10);
    let second = scheduler.decide(10).run.unwrap();
    assert!(second != first);
    scheduler.end_turn(second, 20);
    assert!(scheduler.decide(20).run == Some(first));
    // Who does not own the time has nothing to end.
    scheduler.end_turn(second, 25);
    assert!(scheduler.owner() == Some(first));
}
