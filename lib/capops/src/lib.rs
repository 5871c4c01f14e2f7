//! Deleting and revoking what the kernel alone does not: the last copies of CNodes and Dispatchers.
//!
//! The kernel answers `SYS_ERR_RETRY_THROUGH_MONITOR` for these, because other cores may have a say. Who holds the Kernel
//! capability (init, a monitor) then drives an [`Operation`]: it says which [`Call`] comes next and is told the answer. It does
//! nothing itself, so a monitor can put messages to other cores between two calls.
//!
//! * Delete: `DeleteLast`, delete steps until there is nothing to do, clear steps likewise.
//! * Revoke: `RevokeMarkTarget`, the steps, then a plain `Revoke`, which either finds nothing left or says that somebody made
//!   something new meanwhile; then all of it once more.
//!
//! A delete step may answer that all that is marked waits for other cores (`SYS_ERR_CAP_LOCKED`, `SYS_ERR_RETRY_THROUGH_MONITOR`). That may be
//! another domain's: the operation goes on with the clear steps, which clear what does not wait, and then looks whether its own
//! capability is among what does. Only then it ends with that error. What waits goes with the steps of any later operation.
//!
//! Barrelfish counterpart: `lib/capops` (`delete_int.c`, `revoke.c`, `deletestep.c` in the monitor), without the part that talks to
//! other monitors.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use errors::ErrorCode;

/// What to ask of the kernel next. The first four are about the capability of the operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// Kernel command Delete_last.
    DeleteLast,
    /// Kernel command Revoke_mark_target.
    RevokeMarkTarget,
    /// CNode command Revoke.
    Revoke,
    /// CNode command GetState: the answer is `SYS_ERR_CAP_LOCKED` if an operation on the capability is going on.
    Look,
    /// Kernel command Delete_step.
    DeleteStep,
    /// Kernel command Clear_step.
    ClearStep,
}

/// What an operation wants next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub enum Next {
    /// Make this call, and tell the answer.
    Call(Call),
    /// It has ended.
    Done,
}

/// A delete or a revoke on its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Operation {
    next: Next,
    /// It is a revoke.
    revokes: bool,
    /// Why what is marked waits.
    waits: Option<ErrorCode>,
}

impl Operation {
    /// Deletes a capability.
    pub const fn delete() -> Self {
        Self {
            next: Next::Call(Call::DeleteLast),
            revokes: false,
            waits: None,
        }
    }

    /// Revokes a capability.
    pub const fn revoke() -> Self {
        Self {
            next: Next::Call(Call::RevokeMarkTarget),
            revokes: true,
            waits: None,
        }
    }

    /// Whether it is a revoke.
    pub const fn revokes(&self) -> bool {
        self.revokes
    }

    /// What is to be done now.
    pub const fn next(&self) -> Next {
        self.next
    }

    /// Takes the answer to the call that [`Self::next`] names.
    ///
    /// # Errors
    /// The kernel's, when it ends the operation. What is marked then stays so, and goes with the steps of the next operation.
    pub fn answered(&mut self, answer: Result<(), ErrorCode>) -> Result<(), ErrorCode> {
        let Next::Call(call) = self.next else {
            return answer;
        };
        let nothing_left = answer == Err(ErrorCode::SysCapNotFound);
        let waits = |code: &ErrorCode| {
            matches!(
                code,
                ErrorCode::SysCapLocked | ErrorCode::SysRetryThroughMonitor
            )
        };
        self.next = match call {
            Call::DeleteLast | Call::RevokeMarkTarget => {
                answer?;
                Next::Call(Call::DeleteStep)
            }
            Call::DeleteStep if nothing_left => {
                self.waits = None;
                Next::Call(Call::ClearStep)
            }
            Call::DeleteStep if answer.is_err_and(|code| waits(&code)) => {
                self.waits = answer.err();
                Next::Call(Call::ClearStep)
            }
            Call::ClearStep if nothing_left && self.revokes => Next::Call(Call::Revoke),
            Call::ClearStep if nothing_left && self.waits.is_some() => Next::Call(Call::Look),
            Call::ClearStep if nothing_left => Next::Done,
            // Others may delete too: something was marked while this one was clearing.
            Call::ClearStep if answer == Err(ErrorCode::SysCapLocked) => {
                Next::Call(Call::DeleteStep)
            }
            Call::DeleteStep | Call::ClearStep => {
                answer?;
                self.next
            }
            Call::Revoke if answer == Err(ErrorCode::SysRetryThroughMonitor) => {
                // What waits is in the way.
                self.waits.map_or(Ok(()), Err)?;
                Next::Call(Call::RevokeMarkTarget)
            }
            // The capability lay in something made from it.
            Call::Revoke if nothing_left => Next::Done,
            Call::Revoke => {
                answer?;
                Next::Done
            }
            Call::Look => {
                if answer == Err(ErrorCode::SysCapLocked) {
                    self.waits.map_or(answer, Err)?;
                }
                // The slot is empty, or others have put something there already, or its CNode is gone.
                Next::Done
            }
        };
        Ok(())
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// What ends the operation: the last of `call`, or a new one for why others have to come first. `code` names the kernel's code of an error.
    pub fn run<E: From<ErrorCode>>(
        mut self,
        mut call: impl FnMut(Call) -> Result<(), E>,
        code: impl Fn(&E) -> ErrorCode,
    ) -> Result<(), E> {
        while let Next::Call(wanted) = self.next {
            let answer = call(wanted);
            let plain = answer.as_ref().copied().map_err(&code);
            if let Err(code) = self.answered(plain) {
                // It may be the one of an earlier step.
                return if plain == Err(code) {
                    answer
                } else {
                    Err(code.into())
                };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Call::{ClearStep, DeleteLast, DeleteStep, Look, Revoke, RevokeMarkTarget};
    use ErrorCode as E;

    /// Runs against canned answers; says which calls were made and how it ended.
    fn run(
        operation: Operation,
        answers: &[Result<(), ErrorCode>],
    ) -> (Vec<Call>, Result<(), ErrorCode>) {
        let mut calls = Vec::new();
        let mut answers = answers.iter().copied();
        let result = operation.run(
            |call| {
                calls.push(call);
                answers.next().unwrap_or(Err(E::SysIllegalSyscall))
            },
            |code| *code,
        );
        assert_eq!(answers.next(), None, "an answer is left");
        (calls, result)
    }

    const NONE: Result<(), ErrorCode> = Err(ErrorCode::SysCapNotFound);

    #[test]
    fn delete_runs_both_kinds_of_steps_to_their_ends() {
        let answers = [Ok(()), Ok(()), Ok(()), NONE, Ok(()), NONE];
        let (calls, result) = run(Operation::delete(), &answers);
        assert_eq!(result, Ok(()));
        assert_eq!(
            calls,
            [
                DeleteLast, DeleteStep, DeleteStep, DeleteStep, ClearStep, ClearStep
            ]
        );
    }

    #[test]
    fn revoke_goes_on_until_a_plain_revoke_finds_nothing() {
        let again = Err(E::SysRetryThroughMonitor);
        let answers = [Ok(()), NONE, NONE, again, Ok(()), NONE, NONE, Ok(())];
        let (calls, result) = run(Operation::revoke(), &answers);
        assert_eq!(result, Ok(()));
        let round = [RevokeMarkTarget, DeleteStep, ClearStep, Revoke];
        assert_eq!(calls, [round, round].concat());
        let (_, result) = run(Operation::revoke(), &[Ok(()), NONE, NONE, NONE]);
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn errors_end_it() {
        assert_eq!(run(Operation::delete(), &[NONE]), (vec![DeleteLast], NONE));
        let broken = Err(E::SysIllegalSyscall);
        let (calls, result) = run(Operation::delete(), &[Ok(()), broken]);
        assert_eq!((calls, result), (vec![DeleteLast, DeleteStep], broken));
        let remote = Err(E::SysRetryThroughMonitor);
        assert_eq!(run(Operation::revoke(), &[remote]).1, remote);
    }

    #[test]
    fn what_is_marked_while_clearing_is_deleted_first() {
        let answers = [Ok(()), NONE, Err(E::SysCapLocked), Ok(()), NONE, NONE];
        let (calls, result) = run(Operation::delete(), &answers);
        assert_eq!(result, Ok(()));
        assert_eq!(
            calls,
            [
                DeleteLast, DeleteStep, ClearStep, DeleteStep, DeleteStep, ClearStep
            ]
        );
    }

    #[test]
    fn what_waits_ends_only_the_operation_that_it_belongs_to() {
        for waits in [E::SysCapLocked, E::SysRetryThroughMonitor].map(Err) {
            let all = [DeleteLast, DeleteStep, ClearStep, ClearStep, Look];
            let begin = [Ok(()), waits, Ok(()), NONE];
            for (state, expected) in [
                (NONE, Ok(())),
                (Ok(()), Ok(())),
                (Err(E::SysCnodeNotFound), Ok(())),
                (Err(E::SysCapLocked), waits),
            ] {
                let answers = [&begin[..], &[state]].concat();
                assert_eq!(run(Operation::delete(), &answers), (all.into(), expected));
            }
            let round = [RevokeMarkTarget, DeleteStep, ClearStep, Revoke];
            for (answer, expected) in [(Ok(()), Ok(())), (Err(E::SysRetryThroughMonitor), waits)] {
                let answers = [Ok(()), waits, NONE, answer];
                assert_eq!(run(Operation::revoke(), &answers), (round.into(), expected));
            }
            // Something is marked meanwhile; then nothing waits any more.
            let locked = Err(E::SysCapLocked);
            let answers = [Ok(()), waits, locked, NONE, NONE];
            assert_eq!(run(Operation::delete(), &answers).1, Ok(()));
        }
    }
}
