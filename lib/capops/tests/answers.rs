//! An operation under whatever the kernel may answer: its calls come in the right order, errors reach the caller, it ends.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use capops::{Call, Next, Operation};
use errors::ErrorCode as E;
use proptest::prelude::*;

fn answer() -> impl Strategy<Value = Result<(), E>> {
    prop_oneof![
        5 => Just(Ok(())),
        4 => Just(Err(E::SysCapNotFound)),
        2 => Just(Err(E::SysCapLocked)),
        2 => Just(Err(E::SysRetryThroughMonitor)),
        1 => prop::sample::select(&[E::SysCnodeNotFound, E::SysIllegalSyscall, E::SysCnodeRights, E::SysInvalidRetype][..]).prop_map(Err),
    ]
}

/// What may come behind a call and its answer: the next call, the end, or the error. Written down from the crate's
/// documentation, as a table.
fn expected(
    revokes: bool,
    waits: &mut Option<E>,
    call: Call,
    answer: Result<(), E>,
) -> Result<Option<Call>, E> {
    let again = match (revokes, *waits) {
        (true, _) => Some(Call::Revoke),
        (false, Some(_)) => Some(Call::Look),
        (false, None) => None,
    };
    match (call, answer) {
        (Call::DeleteLast | Call::RevokeMarkTarget, Ok(())) => Ok(Some(Call::DeleteStep)),
        (Call::DeleteStep, Ok(())) => Ok(Some(Call::DeleteStep)),
        (Call::DeleteStep, Err(E::SysCapNotFound)) => {
            *waits = None;
            Ok(Some(Call::ClearStep))
        }
        (Call::DeleteStep, Err(why @ (E::SysCapLocked | E::SysRetryThroughMonitor))) => {
            *waits = Some(why);
            Ok(Some(Call::ClearStep))
        }
        (Call::ClearStep, Ok(())) => Ok(Some(Call::ClearStep)),
        (Call::ClearStep, Err(E::SysCapNotFound)) => Ok(again),
        (Call::ClearStep, Err(E::SysCapLocked)) => Ok(Some(Call::DeleteStep)),
        (Call::Revoke, Ok(()) | Err(E::SysCapNotFound)) => Ok(None),
        (Call::Revoke, Err(E::SysRetryThroughMonitor)) => match *waits {
            Some(why) => Err(why),
            None => Ok(Some(Call::RevokeMarkTarget)),
        },
        (Call::Look, Err(E::SysCapLocked)) => Err(waits.unwrap()),
        (Call::Look, _) => Ok(None),
        (_, Err(error)) => Err(error),
    }
}

/// A kernel as far as operations see it: how much is marked, and how much waits to be cleared. Others may mark more.
#[derive(Clone, Copy, Debug)]
struct Counts {
    marked: u32,
    cleared: u32,
    /// The target has descendants that plain revoking does not remove.
    descendants: u32,
}

impl Counts {
    fn serve(&mut self, call: Call) -> Result<(), E> {
        match call {
            Call::DeleteLast => self.marked += 1,
            Call::RevokeMarkTarget => {
                self.marked += self.descendants;
                self.descendants = 0;
            }
            Call::DeleteStep => {
                self.marked = self.marked.checked_sub(1).ok_or(E::SysCapNotFound)?;
                self.cleared += 1;
            }
            Call::ClearStep if self.marked > 0 => return Err(E::SysCapLocked),
            Call::ClearStep => {
                self.cleared = self.cleared.checked_sub(1).ok_or(E::SysCapNotFound)?;
            }
            Call::Revoke if self.descendants > 0 => return Err(E::SysRetryThroughMonitor),
            Call::Revoke | Call::Look => {}
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_leads_on_as_documented(revokes: bool, answers in prop::collection::vec(answer(), 1..40)) {
        let mut operation = if revokes { Operation::revoke() } else { Operation::delete() };
        let first = if revokes { Call::RevokeMarkTarget } else { Call::DeleteLast };
        prop_assert_eq!(operation.next(), Next::Call(first));
        let mut waits = None;
        for answer in answers {
            let Next::Call(call) = operation.next() else { break };
            let before = operation;
            match expected(revokes, &mut waits, call, answer) {
                Ok(next) => {
                    prop_assert_eq!(operation.answered(answer), Ok(()));
                    prop_assert_eq!(operation.next(), next.map_or(Next::Done, Next::Call));
                }
                Err(error) => {
                    prop_assert_eq!(operation.answered(answer), Err(error));
                    // `run` gives the caller the same.
                    let mut given = Some(answer);
                    let result = before.run(|_| given.take().unwrap_or(Err(E::SysIllegalSyscall)), |code| *code);
                    prop_assert_eq!(result, Err(error));
                    break;
                }
            }
        }
    }

    #[test]
    fn what_has_ended_stays_so(answers in prop::collection::vec(answer(), 1..10)) {
        let mut operation = Operation::delete();
        for answer in [Ok(()), Err(E::SysCapNotFound), Err(E::SysCapNotFound)] {
            operation.answered(answer).unwrap();
        }
        for answer in answers {
            prop_assert_eq!(operation.next(), Next::Done);
            prop_assert_eq!(operation.answered(answer), answer);
        }
        prop_assert_eq!(operation.next(), Next::Done);
    }

    #[test]
    fn it_ends_when_others_mark_and_make_a_bounded_number_of_things(
        revokes: bool,
        start in (0..5u32, 0..5u32, 0..5u32),
        others in prop::collection::vec((0..60usize, 0..3u8, 1..4u32), 0..20),
    ) {
        let mut kernel = Counts { marked: start.0, cleared: start.1, descendants: start.2 };
        let mut operation = if revokes { Operation::revoke() } else { Operation::delete() };
        let mut calls = 0;
        while let Next::Call(call) = operation.next() {
            prop_assert!(calls < 400, "never done");
            prop_assert_eq!(operation.answered(kernel.serve(call)), Ok(()));
            for (_, what, count) in others.iter().filter(|(when, ..)| *when == calls) {
                match what {
                    0 => kernel.marked += count,
                    1 => kernel.descendants += count,
                    // Somebody else's step.
                    _ => { let _ = kernel.serve(Call::DeleteStep); }
                }
            }
            calls += 1;
        }
        // What others mark behind the last look at it is theirs.
        if others.iter().all(|(when, ..)| *when + 2 < calls) {
            prop_assert_eq!((kernel.marked, kernel.cleared), (0, 0));
            prop_assert!(!revokes || kernel.descendants == 0);
        }
    }
}
