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
//! Barrelfish counterpart: `lib/capops` (`delete_int.c`, `revoke.c`, `deletestep.c` in the monitor), without the part that talks to
//! other monitors.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use errors::ErrorCode;

/// What to ask of the kernel next. The first three are about the capability of the operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Call {
    /// Kernel command Delete_last.
    DeleteLast,
    /// Kernel command Revoke_mark_target.
    RevokeMarkTarget,
    /// CNode command Revoke.
    Revoke,
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
}

impl Operation {
    /// Deletes a capability.
    pub const fn delete() -> Self {
        Self {
            next: Next::Call(Call::DeleteLast),
            revokes: false,
        }
    }

    /// Revokes a capability.
    pub const fn revoke() -> Self {
        Self {
            next: Next::Call(Call::RevokeMarkTarget),
            revokes: true,
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
        self.next = match call {
            Call::DeleteLast | Call::RevokeMarkTarget => {
                answer?;
                Next::Call(Call::DeleteStep)
            }
            Call::DeleteStep if nothing_left => Next::Call(Call::ClearStep),
            Call::ClearStep if nothing_left && self.revokes => Next::Call(Call::Revoke),
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
                Next::Call(Call::RevokeMarkTarget)
            }
            // The capability lay in something made from it.
            Call::Revoke if nothing_left => Next::Done,
            Call::Revoke => {
                answer?;
                Next::Done
            }
        };
        Ok(())
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// The first of `call` that ends the operation. `code` names the kernel's code of an error.
    pub fn run<E>(
        mut self,
        mut call: impl FnMut(Call) -> Result<(), E>,
        code: impl Fn(&E) -> ErrorCode,
    ) -> Result<(), E> {
        while let Next::Call(wanted) = self.next {
            let answer = call(wanted);
            let plain = answer.as_ref().copied().map_err(&code);
            if self.answered(plain).is_err() {
                return answer;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Call::{ClearStep, DeleteLast, DeleteStep, Revoke, RevokeMarkTarget};
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
        let locked = Err(E::SysCapLocked);
        let (calls, result) = run(Operation::delete(), &[Ok(()), locked]);
        assert_eq!((calls, result), (vec![DeleteLast, DeleteStep], locked));
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
}
