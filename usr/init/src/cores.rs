//! The other cores: starting them, and what is known of them.
//!
//! A core that is being started says that it is up when its monitor runs; one that does not in time is given up, and its memory comes back if the
//! firmware says that it is off. Nothing here waits: [`Cores::tend`] takes what has come.

use alloc::vec::Vec;
use aos::boot::Boot;
use aos::cap::cores::{CoreState, core_state};
use aos::cap::monitor::relation;
use aos::cap::{CapRef, monitor};
use aos::cores::{NewCore, Starting, coreboot};
use aos::intermon::{Load, Message};
use aos::kpi::addr::CoreId;
use aos::ram::{frame_alloc, mm_free};
use aos::ump::{CHANNEL_BYTES, Channel, Doorbell, Side};
use aos::{Error, ErrorCode, println, time};
use core::time::Duration;

/// Memory that a core gets unless it is said.
pub const MEMORY_BYTES: u64 = 64 << 20;
/// How often a core that is starting is looked after.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a core may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The modules that a core is started with.
const BOOT_DRIVER: &str = "boot_driver";
const CPU_DRIVER: &str = "cpu_driver";
const MONITOR: &str = "monitor";

/// How a core is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Off, or not one of ours.
    Off,
    /// Started, and not heard of yet.
    Starting,
    /// Up.
    Up,
    /// It was started and did not come up, or does not keep to the rules.
    Failed,
}

impl State {
    /// For people and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Failed => "failed",
        }
    }
}

/// A core other than the own one.
#[derive(Debug)]
pub struct Core {
    /// Its number.
    pub id: CoreId,
    /// Its hardware identity.
    pub hardware_id: u64,
    /// How it is.
    pub state: State,
    /// Ticks from its first instruction until it was up.
    pub took: u64,
    /// What it said last of itself, and when that was asked.
    pub load: Option<Load>,
    /// The channel to its monitor, and the frame of that.
    channel: Option<(Channel, CapRef)>,
    /// While it is starting.
    starting: Option<Attempt>,
}

/// A core that is being started.
#[derive(Debug)]
struct Attempt {
    with: Starting,
    /// How long it is waited for.
    deadline: u64,
    /// It was seen running: so when it is off, that is for good. Before, the firmware may just not have begun.
    was_on: bool,
}

/// The other cores.
#[derive(Debug)]
pub struct Cores {
    boot: &'static Boot,
    /// Made when the first core is started.
    doorbell: Option<Doorbell>,
    others: Vec<Core>,
    /// Of the last ping.
    number: u64,
}

impl Cores {
    /// All of them off.
    pub fn new(boot: &'static Boot) -> Self {
        let data = &boot.info().core_data;
        let cores = data.cores.iter().take(data.cores_length as usize);
        let others = (0..).zip(cores).skip(1).map(|(number, hardware_id)| Core {
            id: CoreId(number),
            hardware_id: *hardware_id,
            state: State::Off,
            took: 0,
            load: None,
            channel: None,
            starting: None,
        });
        Self {
            boot,
            doorbell: None,
            others: others.collect(),
            number: 0,
        }
    }

    /// What is known of them.
    pub fn others(&self) -> &[Core] {
        &self.others
    }

    /// Whether one is being started.
    pub fn is_any_starting(&self) -> bool {
        let mut all = self.others.iter();
        all.any(|core| core.state == State::Starting)
    }

    /// Starts a core with so much memory, and these arguments of its CPU driver.
    ///
    /// # Errors
    /// `MON_ERR_INVALID_CORE_ID`: there is none of that number. `PSCI_ERR_ALREADY_ON`: it runs. As [`coreboot`].
    pub fn start(&mut self, id: CoreId, memory_bytes: u64, arguments: &str) -> Result<(), Error> {
        if id == aos::core_id() {
            return Err(Error::new(ErrorCode::PsciAlreadyOn));
        }
        if self.doorbell.is_none() {
            self.doorbell = Some(Doorbell::new()?);
        }
        let core = self.others.iter_mut().find(|core| core.id == id);
        let core = core.ok_or(Error::new(ErrorCode::MonInvalidCoreId))?;
        if matches!(core.state, State::Starting | State::Up) {
            return Err(Error::new(ErrorCode::PsciAlreadyOn));
        }
        let urpc = frame_alloc(CHANNEL_BYTES)?;
        let channel = Channel::new(urpc, Side::Client, core.hardware_id).inspect_err(|_| {
            // The first error counts.
            let _ = mm_free(urpc);
        })?;
        let new = NewCore {
            core: id,
            hardware_id: core.hardware_id,
            boot_driver: BOOT_DRIVER,
            cpu_driver: (CPU_DRIVER, arguments),
            init: (MONITOR, ""),
            urpc,
            memory_bytes,
        };
        core.channel = Some((channel, urpc));
        match coreboot(self.boot, &new) {
            Ok(with) => {
                core.starting = Some(Attempt {
                    with,
                    deadline: time::after(PATIENCE),
                    was_on: false,
                });
                core.state = State::Starting;
                Ok(())
            }
            Err(error) => {
                core.hang_up()?;
                Err(error)
            }
        }
    }

    /// Starts so many of those that are off. Those that cannot be are named.
    pub fn start_some(&mut self, count: usize) {
        let off = self.others.iter().filter(|core| core.state == State::Off);
        let ids: Vec<CoreId> = off.map(|core| core.id).take(count).collect();
        for id in ids {
            if let Err(error) = self.start(id, MEMORY_BYTES, "") {
                println!("core {}: {error}", id.0);
            }
        }
    }

    /// Asks all that are up how they are.
    pub fn ask(&mut self) {
        self.number += 1;
        let number = self.number;
        for core in &mut self.others {
            core.load = None;
            if let (State::Up, Some((channel, _))) = (core.state, &mut core.channel) {
                // Who does not read is not asked again.
                let _ = channel.send(Message::Ping { number });
            }
        }
    }

    /// Whether all that are up have answered.
    pub fn have_answered(&self) -> bool {
        let mut up = self.others.iter().filter(|core| core.state == State::Up);
        up.all(|core| core.load.is_some())
    }

    /// Takes what has come. `true`: look again at once.
    pub fn tend(&mut self) -> bool {
        if let Some(doorbell) = &self.doorbell {
            doorbell.answer();
        }
        let number = self.number;
        let mut again = false;
        for core in &mut self.others {
            again |= core.tend(number).unwrap_or_else(|error| {
                println!("core {}: {error}", core.id.0);
                core.state = State::Failed;
                false
            });
        }
        again
    }

    /// When [`tend`](Self::tend) has something to do though nothing has come: nobody says that a core has turned itself off.
    pub fn deadline(&self) -> Option<u64> {
        self.is_any_starting().then(|| time::after(LOOK_AGAIN))
    }
}

impl Core {
    fn tend(&mut self, asked: u64) -> Result<bool, Error> {
        let Some((channel, _)) = &mut self.channel else {
            return Ok(false);
        };
        while let Some(message) = channel.receive()? {
            match message {
                Message::Up { started, ready, .. } => {
                    if let Some(attempt) = self.starting.take() {
                        self.took = ready.saturating_sub(started);
                        self.state = State::Up;
                        attempt.with.is_up()?;
                    }
                }
                Message::Pong { number, load } if number == asked => self.load = Some(load),
                // Of a question that nobody waits for any more, or none that a monitor asks.
                Message::Pong { .. } | Message::Ping { .. } => {}
            }
        }
        let again = !channel.ask_wake(false)?;
        if let Some(attempt) = &mut self.starting {
            let state = core_state(self.hardware_id)?;
            attempt.was_on |= state == CoreState::On;
            let is_over = attempt.was_on && state == CoreState::Off;
            if (is_over && !again) || time::now() >= attempt.deadline {
                return self.give_up().map(|()| false);
            }
        }
        Ok(again)
    }

    /// It did not come up.
    fn give_up(&mut self) -> Result<(), Error> {
        if let Some(attempt) = self.starting.take() {
            attempt.with.take_back()?;
            self.hang_up()?;
        }
        Err(Error::new(ErrorCode::MonSpawnCore))
    }

    /// Nobody is at the other end.
    fn hang_up(&mut self) -> Result<(), Error> {
        let Some((channel, urpc)) = self.channel.take() else {
            return Ok(());
        };
        channel.close()?;
        monitor::remote_relations(urpc, 0, relation::COPIES)?;
        mm_free(urpc)
    }
}
