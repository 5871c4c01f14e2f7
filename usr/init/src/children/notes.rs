//! What the kernel tells init: who stopped, who is gone, which memory is free.

use super::{Children, ID_BASE};
use crate::outcome::{self, Outcome};
use alloc::vec::Vec;
use aos::cap::cap_direct_identify;
use aos::kpi::lmp::KernelNote;
use aos::{ErrorCode, println};

/// What the kernel tells.
enum Note {
    /// The dispatcher of this domain does not run any more.
    Stopped(u64, Outcome),
    /// So many dispatchers are gone.
    Gone(u64),
    /// Something went that lay in this memory.
    Free { base: u64, bytes: u64 },
}

fn decode_note(words: &[u64]) -> Option<Note> {
    let (kind, rest) = words.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *kind == KernelNote::Death as u64 {
        match rest.first() {
            Some(1) => Some(Note::Stopped(*first, Outcome::Died)),
            count => Some(Note::Gone(*count?)),
        }
    } else if *kind == KernelNote::Fault as u64 {
        Some(Note::Stopped(*first, outcome::from_note(rest)))
    } else if *kind == KernelNote::Free as u64 {
        let bytes = *rest.first()?;
        Some(Note::Free {
            base: *first,
            bytes,
        })
    } else {
        None
    }
}

impl Children {
    /// Takes the kernel's notes: memory that is free; answers who stopped, and how.
    pub(super) fn read_notes(&mut self) -> Vec<(u64, Outcome)> {
        let mut stopped = Vec::new();
        while let Some(note) = self.notes.receive() {
            match decode_note(note.words()) {
                Some(Note::Free { base, bytes }) => {
                    for child in self.table.values_mut() {
                        child.memory_free(base, bytes);
                    }
                }
                Some(Note::Stopped(id, outcome)) => {
                    let [stopped_count, gone_count] = &mut self.told;
                    match outcome {
                        Outcome::Died => *gone_count += 1,
                        _ => *stopped_count += 1,
                    }
                    stopped.push((id, outcome));
                }
                Some(Note::Gone(count)) => {
                    let [_, gone_count] = &mut self.told;
                    *gone_count += count;
                    self.look_who_is_gone();
                }
                None => println!("init: the kernel sent a note that is not known here"),
            }
        }
        stopped
    }

    /// So many dispatchers have gone that the kernel names none: the children whose dispatcher init has no more have ended. (One that took
    /// its dispatcher away from init and has it still ends, too: nobody could say of it that it does.)
    fn look_who_is_gone(&mut self) {
        for child in self.table.values_mut() {
            let found = cap_direct_identify(child.domain.dispatcher());
            if found.is_err_and(|error| error.contains(ErrorCode::SysCapNotFound)) {
                child.outcome.get_or_insert(Outcome::Died);
            }
        }
    }

    /// Notes about a child that is gone already are nothing new.
    pub(super) fn end_stopped(&mut self, stopped: Vec<(u64, Outcome)>) {
        for (id, outcome) in stopped {
            let pid = u32::try_from(id ^ ID_BASE);
            match pid.ok().and_then(|pid| self.table.get_mut(pid)) {
                Some(child) => {
                    child.outcome.get_or_insert(outcome);
                }
                None if id & ID_BASE == 0 => outcome.tell_stranger(id),
                None => {}
            }
        }
    }
}
