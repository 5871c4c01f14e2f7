//! Interrupt lines: each for one driver at a time, which gets the capability to it, and has it until it gives it back or ends.
//!
//! The kernel enables a line when a driver connects it with an endpoint, masks it at each interrupt until the driver acknowledges that, and disables it when
//! the endpoint is gone. So whom this service gives a line, and nobody else, decides whether it is enabled.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use errors::{Error, ErrorCode};
use flounder::{Caller, interface};
use serde::{Deserialize, Serialize};

/// What it is registered as.
pub const NAME: &str = "dev/irq";

/// Lines of one connection.
const LINES: usize = 16;

/// The lines of devices begin here. Below are those by which cores wake each other, which are their monitors'.
const FIRST_LINE: u32 = 16;

/// When a line interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trigger {
    /// As long as the device asserts it.
    Level,
    /// At each rising edge.
    Edge,
}

/// A line that somebody has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its number at the interrupt controller (Arm: INTID).
    pub line: u32,
    /// Who has it.
    pub pid: u32,
    /// As its driver said.
    pub trigger: Trigger,
    /// How often it was given to somebody since this service began.
    pub given: u32,
}

/// Interrupt lines. `C` is the capability type.
#[interface]
pub trait Interrupts<C> {
    /// The line of that number: an IRQDest to connect with an endpoint. It is the caller's until it gives it back, or its connection ends.
    #[caller]
    fn open(&mut self, line: u32, trigger: Trigger) -> Result<C, Error>;
    /// Gives it back: it is disabled, and the capability gone, when this is answered.
    #[caller]
    fn close(&mut self, line: u32) -> Result<(), Error>;
    /// The lines that somebody has, by number.
    fn list(&mut self) -> Result<Vec<Line>, Error>;
}

/// What makes and unmakes capabilities to lines.
pub trait Controller {
    /// The capability type.
    type Cap;
    /// A capability to a line that nobody has.
    ///
    /// # Errors
    /// There is no such line; no memory or slot.
    fn give(&mut self, line: u32) -> Result<Self::Cap, Error>;
    /// Takes it back wherever it is, and disables the line.
    ///
    /// # Errors
    /// The kernel's; it is not to be given to others then.
    fn take_back(&mut self, line: u32) -> Result<(), Error>;
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    connection: u64,
    trigger: Trigger,
}

/// The service.
#[derive(Debug)]
pub struct InterruptService<K> {
    controller: K,
    /// Whose each connection is.
    connections: BTreeMap<u64, u32>,
    holders: BTreeMap<u32, Holder>,
    given: BTreeMap<u32, u32>,
}

impl<K: Controller> InterruptService<K> {
    /// One that has given nothing.
    pub const fn new(controller: K) -> Self {
        Self {
            controller,
            connections: BTreeMap::new(),
            holders: BTreeMap::new(),
            given: BTreeMap::new(),
        }
    }

    /// A process has connected.
    pub fn opened(&mut self, connection: u64, pid: u32) {
        self.connections.insert(connection, pid);
    }

    fn take_back(&mut self, line: u32) -> Result<(), Error> {
        self.controller.take_back(line)?;
        self.holders.remove(&line);
        Ok(())
    }
}

impl<K: Controller> Interrupts<K::Cap> for InterruptService<K> {
    fn open(&mut self, caller: Caller, line: u32, trigger: Trigger) -> Result<K::Cap, Error> {
        let connection = caller.connection;
        if line < FIRST_LINE {
            return Err(ErrorCode::SysIrqInvalid.into());
        }
        if self.holders.contains_key(&line) {
            return Err(ErrorCode::InterruptTaken.into());
        }
        let own = self.holders.values();
        if own.filter(|holder| holder.connection == connection).count() >= LINES {
            return Err(ErrorCode::InterruptTooMany.into());
        }
        let cap = self.controller.give(line)?;
        let holder = Holder {
            connection,
            trigger,
        };
        self.holders.insert(line, holder);
        let given = self.given.entry(line).or_default();
        *given = given.saturating_add(1);
        Ok(cap)
    }

    fn close(&mut self, caller: Caller, line: u32) -> Result<(), Error> {
        match self.holders.get(&line) {
            Some(holder) if holder.connection == caller.connection => self.take_back(line),
            _ => Err(ErrorCode::InterruptNotHolder.into()),
        }
    }

    fn list(&mut self) -> Result<Vec<Line>, Error> {
        let lines = self.holders.iter().map(|(&line, holder)| Line {
            line,
            pid: self
                .connections
                .get(&holder.connection)
                .copied()
                .unwrap_or(0),
            trigger: holder.trigger,
            given: self.given.get(&line).copied().unwrap_or(0),
        });
        Ok(lines.collect())
    }

    fn closed(&mut self, connection: u64) {
        let lines = self.holders.iter();
        let lines = lines.filter(|(_, holder)| holder.connection == connection);
        let lines: Vec<u32> = lines.map(|(line, _)| *line).collect();
        for line in lines {
            // One that cannot be taken back stays out of use: its holder is gone, and nobody else gets it.
            let _ = self.take_back(line);
        }
        self.connections.remove(&connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives numbers for lines below 100.
    #[derive(Default)]
    struct Numbers {
        out: Vec<u32>,
        is_stuck: bool,
    }

    impl Controller for Numbers {
        type Cap = u32;
        fn give(&mut self, line: u32) -> Result<u32, Error> {
            if line >= 100 {
                return Err(ErrorCode::SysIrqInvalid.into());
            }
            assert!(!self.out.contains(&line), "given twice");
            self.out.push(line);
            Ok(line + 1000)
        }
        fn take_back(&mut self, line: u32) -> Result<(), Error> {
            if self.is_stuck {
                return Err(ErrorCode::SysIrqInvalid.into());
            }
            let place = self.out.iter().position(|one| *one == line);
            self.out.remove(place.unwrap());
            Ok(())
        }
    }

    fn caller(connection: u64) -> Caller {
        Caller {
            connection,
            call: flounder::header::CallId::default(),
        }
    }

    fn service() -> InterruptService<Numbers> {
        let mut service = InterruptService::new(Numbers::default());
        service.opened(1, 10);
        service.opened(2, 20);
        service
    }

    fn code<T: core::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
        result.unwrap_err().code()
    }

    #[test]
    fn a_line_has_one_holder_until_it_gives_it_back_or_ends() {
        let mut all = service();
        assert_eq!(all.open(caller(1), 33, Trigger::Level), Ok(1033));
        let taken = all.open(caller(2), 33, Trigger::Edge);
        assert_eq!(code(taken), ErrorCode::InterruptTaken);
        assert_eq!(
            code(all.open(caller(1), 33, Trigger::Level)),
            ErrorCode::InterruptTaken
        );
        assert_eq!(
            code(all.close(caller(2), 33)),
            ErrorCode::InterruptNotHolder
        );
        assert_eq!(
            code(all.close(caller(2), 34)),
            ErrorCode::InterruptNotHolder
        );
        assert_eq!(all.close(caller(1), 33), Ok(()));
        assert_eq!(all.open(caller(2), 33, Trigger::Edge), Ok(1033));
        assert_eq!(all.open(caller(2), 40, Trigger::Level), Ok(1040));
        let lines = all.list().unwrap();
        let of = |line: &Line| (line.line, line.pid, line.trigger, line.given);
        let lines: Vec<_> = lines.iter().map(of).collect();
        assert_eq!(
            lines,
            [(33, 20, Trigger::Edge, 2), (40, 20, Trigger::Level, 1)]
        );
        all.closed(2);
        assert_eq!(all.list(), Ok(Vec::new()));
        assert!(all.controller.out.is_empty());
        assert_eq!(all.open(caller(1), 40, Trigger::Level), Ok(1040));
    }

    #[test]
    fn what_cannot_be_given_or_taken_back_is_nobodys() {
        let mut all = service();
        assert_eq!(
            code(all.open(caller(1), 100, Trigger::Level)),
            ErrorCode::SysIrqInvalid
        );
        assert_eq!(all.list(), Ok(Vec::new()));
        for software in 0..FIRST_LINE {
            let made = all.open(caller(1), software, Trigger::Edge);
            assert_eq!(code(made), ErrorCode::SysIrqInvalid);
        }
        for line in (FIRST_LINE..).take(LINES) {
            all.open(caller(1), line, Trigger::Level).unwrap();
        }
        let more = all.open(caller(1), 99, Trigger::Level);
        assert_eq!(code(more), ErrorCode::InterruptTooMany);
        all.controller.is_stuck = true;
        assert_eq!(
            code(all.close(caller(1), FIRST_LINE)),
            ErrorCode::SysIrqInvalid
        );
        all.closed(1);
        let stuck = all.open(caller(2), FIRST_LINE, Trigger::Level);
        assert_eq!(code(stuck), ErrorCode::InterruptTaken);
    }
}
