//! Every order of events of small channels, by `loom`: first that the ring is right in all of them, then that each [`Flaw`] is found.
//!
//! `loom` runs a program again and again, each time with other choices of who goes on and of what a load returns, until it has tried all
//! that the memory model of C11 allows. It fails on a wrong value, on accesses to data in no order, and when all threads sleep.
//!
//! A thread that could go on is interrupted a limited number of times in each run. With `BARRELEYE_LONG` (`./hake.sh test --long`) there is no limit, but for the
//! longest program.
#![cfg(test)]

mod fence;
mod memory;
mod scenarios;

use memory::{Modelled, SOUND, WIDE};
use ump::Flaw;

/// Tries all orders of this program, with at most so many interruptions of a thread that could go on; none means any number.
fn try_all(program: impl Fn() + Send + Sync + 'static, interruptions: Option<usize>) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    builder.preemption_bound = interruptions;
    builder.check(program);
}

/// Each program, the bits of its count, and how many interruptions are tried, in short and in long runs.
macro_rules! sound {
    ($($name:ident: $bits:expr, $short:expr, $long:expr;)*) => {$(
        #[test]
        fn $name() {
            let long = std::env::var_os("BARRELEYE_LONG").is_some();
            let interruptions = if long { $long } else { Some($short) };
            try_all(scenarios::$name::<Modelled<SOUND, { $bits }>>, interruptions);
        }
    )*};
}

sound! {
    stream: WIDE, 4, None;
    ping_pong: WIDE, 4, None;
    batch: WIDE, 4, None;
    sleeping_receiver: WIDE, 4, None;
    sleeping_sender: WIDE, 4, None;
    both_sleep: WIDE, 4, None;
    sleeping_call: WIDE, 4, None;
    crossing: WIDE, 4, None;
    old_acknowledgement: 2, 1, Some(3);
}

/// What `loom` says about this program; `None` if nothing.
fn complaint(program: impl Fn() + Send + Sync + 'static) -> Option<String> {
    let panic = std::thread::spawn(|| try_all(program, Some(3)))
        .join()
        .err()?;
    Some(match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&str>()
            .map_or_else(|_| String::new(), |text| (*text).to_owned()),
    })
}

/// Each mistake, the program that finds it, and a part of what is said about it.
macro_rules! flawed {
    ($($name:ident: $flaw:ident, $scenario:ident, $bits:expr, $says:expr;)*) => {
        $(
            #[test]
            fn $name() {
                const NUMBER: usize = number(Flaw::$flaw);
                let said = complaint(scenarios::$scenario::<Modelled<NUMBER, { $bits }>>);
                let said = said.expect("the mistake was not found");
                assert!(said.contains($says), "found by accident: {said}");
            }
        )*

        /// The table has all of them.
        #[test]
        fn no_mistake_is_left_out() {
            let tried = [$(Flaw::$flaw),*];
            assert!(Flaw::ALL.iter().all(|flaw| tried.contains(flaw)));
        }
    };
}

/// Its place in [`Flaw::ALL`].
const fn number(flaw: Flaw) -> usize {
    let mut number = 0;
    while Flaw::ALL[number] as usize != flaw as usize {
        number += 1;
    }
    number
}

flawed! {
    publish_relaxed: PublishRelaxed, stream, WIDE, "Causality violation";
    see_relaxed: SeeRelaxed, stream, WIDE, "Causality violation";
    acknowledge_relaxed: AcknowledgeRelaxed, stream, WIDE, "Causality violation";
    learn_relaxed: LearnRelaxed, stream, WIDE, "Causality violation";
    acknowledge_early: AcknowledgeEarly, stream, WIDE, "Causality violation";
    room_for_one_more: RoomForOneMore, stream, WIDE, "Causality violation";
    lap_too_late: LapTooLate, both_sleep, WIDE, "deadlock";
    batch_forward: BatchForward, batch, WIDE, "Causality violation";
    mark_blindly: MarkBlindly, sleeping_receiver, WIDE, "deadlock";
    mark_nothing: MarkNothing, sleeping_receiver, WIDE, "deadlock";
    publish_after_look: PublishAfterLook, sleeping_receiver, WIDE, "deadlock";
    wait_blindly: WaitBlindly, both_sleep, WIDE, "deadlock";
    acknowledge_after_look: AcknowledgeAfterLook, both_sleep, WIDE, "deadlock";
    trust_stale: TrustStale, old_acknowledgement, 2, "lines were acknowledged";
}
