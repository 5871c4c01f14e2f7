//! The table of processes: who runs, by number and by name, and how those ended that ran a while ago.
//!
//! A [`Table`] holds at most so many processes, and remembers at most so many that have ended; its memory is taken when it is made, and
//! nothing is allocated afterwards. What a process is, is the caller's affair, as are its name and its end.
//!
//! **Numbers.** A process gets the next number of a range; behind the last comes the first again. So a number comes back only after all the
//! others have been given, and never while it stands for a process that runs or is remembered: who waits for a number, or kills one, does not
//! meet a stranger. The number is [reserved](Table::reserve) first, since a process is made with it; one that could not be made has used it up.
//!
//! **Costs.** The processes are in the order of their numbers: finding one by number takes O(log n), adding and removing move what is behind it.
//!
//! Barrelfish counterpart: `usr/proc_mgmt/domain.c`, the course's `struct process_manager` in init.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// A process's number.
pub type Pid = u32;

/// Why there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableError {
    /// As many processes run as the table holds.
    Full,
    /// Every number of the range stands for something.
    NoNumber,
}

/// A number that no process has yet.
#[derive(PartialEq, Eq, Debug)]
pub struct Reserved(Pid);

impl Reserved {
    /// The number.
    #[must_use]
    pub const fn pid(&self) -> Pid {
        self.0
    }
}

/// A process that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process<N, T> {
    /// Its number.
    pub pid: Pid,
    /// Its name; others may have the same.
    pub name: N,
    /// The rest.
    pub value: T,
}

/// The table: names `N`, processes `T`, ends `E`.
#[derive(Debug)]
pub struct Table<N, T, E> {
    /// By number.
    running: Vec<Process<N, T>>,
    capacity: usize,
    /// Oldest first.
    ended: VecDeque<(Pid, E)>,
    remembered: usize,
    pids: RangeInclusive<Pid>,
    next: Pid,
}

impl<N: PartialEq, T, E> Table<N, T, E> {
    /// An empty table for `capacity` processes with numbers of `pids`, which remembers `remembered` ends.
    #[must_use]
    pub fn new(capacity: usize, remembered: usize, pids: RangeInclusive<Pid>) -> Self {
        Self {
            running: Vec::with_capacity(capacity),
            capacity,
            ended: VecDeque::with_capacity(remembered),
            remembered,
            next: *pids.start(),
            pids,
        }
    }

    /// Takes the next number.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn reserve(&mut self) -> Result<Reserved, TableError> {
        if self.is_full() {
            return Err(TableError::Full);
        }
        // One of so many in a row is free, if the range has as many.
        for _ in 0..=self.running.len() + self.ended.len() {
            if !self.pids.contains(&self.next) {
                break;
            }
            let pid = self.next;
            self.next = match pid == *self.pids.end() {
                true => *self.pids.start(),
                false => pid + 1,
            };
            if self.get(pid).is_none() && self.end_of(pid).is_none() {
                return Ok(Reserved(pid));
            }
        }
        Err(TableError::NoNumber)
    }

    /// Adds a process with that number; answers with it.
    ///
    /// # Errors
    /// The process, if the table has become full meanwhile, or gave the number once more, having given all others.
    pub fn add(&mut self, reserved: Reserved, name: N, value: T) -> Result<Pid, T> {
        let Reserved(pid) = reserved;
        match self.place(pid) {
            Err(index) if !self.is_full() => {
                self.running.insert(index, Process { pid, name, value });
                Ok(pid)
            }
            _ => Err(value),
        }
    }

    /// Takes a process out and remembers how it ended; the oldest of those remembered makes room.
    pub fn remove(&mut self, pid: Pid, end: E) -> Option<Process<N, T>> {
        let index = self.place(pid).ok()?;
        if self.ended.len() >= self.remembered {
            self.ended.pop_front();
        }
        if self.remembered > 0 {
            self.ended.push_back((pid, end));
        }
        Some(self.running.remove(index))
    }

    /// The process of that number.
    #[must_use]
    pub fn get(&self, pid: Pid) -> Option<&T> {
        let index = self.place(pid).ok()?;
        self.running.get(index).map(|process| &process.value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, pid: Pid) -> Option<&mut T> {
        let index = self.place(pid).ok()?;
        self.running
            .get_mut(index)
            .map(|process| &mut process.value)
    }

    /// Those of that name, by number.
    pub fn by_name<'a>(&'a self, name: &'a N) -> impl Iterator<Item = &'a Process<N, T>> {
        self.iter().filter(move |process| process.name == *name)
    }

    /// The first process with a number above `pid`; so one after the other is met, whatever comes and goes meanwhile.
    #[must_use]
    pub fn after(&self, pid: Pid) -> Option<&Process<N, T>> {
        let index = match self.place(pid) {
            Ok(index) => index + 1,
            Err(index) => index,
        };
        self.running.get(index)
    }

    /// All, by number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Process<N, T>> {
        self.running.iter()
    }

    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut T> {
        self.running.iter_mut().map(|process| &mut process.value)
    }

    /// How a process of that number ended, if that is remembered.
    #[must_use]
    pub fn end_of(&self, pid: Pid) -> Option<&E> {
        // The newest are asked for most.
        let mut ended = self.ended.iter().rev();
        ended.find(|(other, _)| *other == pid).map(|(_, end)| end)
    }

    /// How many run.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none runs.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether as many run as there is room for.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.running.len() >= self.capacity
    }

    /// Where a number is, or would be.
    fn place(&self, pid: Pid) -> Result<usize, usize> {
        self.running
            .binary_search_by_key(&pid, |process| process.pid)
    }
}
