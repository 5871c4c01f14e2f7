//! The other cores: starting them, and what is known of them.
//!
//! A core that is being started says that it is up when its monitor runs; one that does not in time is given up, and its memory comes back if the
//! firmware says that it is off. Nothing here waits: [`Cores::tend`] takes what has come.

use alloc::vec::Vec;
use aos::boot::Boot;
use aos::cores::{NewCore, Starting, coreboot};
use aos::intermon::{Load, Message};
use aos::kpi::addr::CoreId;
use aos::ram::frame_alloc;
use aos::ump::{CHANNEL_BYTES, Channel, Doorbell, Side};
use aos::{Error, ErrorCode, println, time};
use core::time::Duration;

/// Memory that each core gets.
const MEMORY_BYTES: u64 = 64 << 20;
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
    channel: Option<Channel>,
    /// While it is starting: with what, and until when.
    starting: Option<(Starting, u64)>,
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

    /// Starts a core, with these arguments of its CPU driver.
    ///
    /// # Errors
    /// `MON_ERR_INVALID_CORE_ID`: there is none of that number. `MON_ERR_SAME_CORE`: it runs. As [`coreboot`].
    pub fn start(&mut self, id: CoreId, arguments: &str) -> Result<(), Error> {
        if id == aos::core_id() {
            return Err(Error::new(ErrorCode::MonSameCore));
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
        let channel = Channel::new(urpc, Side::Client, core.hardware_id)?;
        let new = NewCore {
            core: id,
            hardware_id: core.hardware_id,
            boot_driver: BOOT_DRIVER,
            cpu_driver: (CPU_DRIVER, arguments),
            init: (MONITOR, ""),
            urpc,
            memory_bytes: MEMORY_BYTES,
        };
        let starting = coreboot(self.boot, &new)?;
        core.channel = Some(channel);
        core.starting = Some((starting, time::after(PATIENCE)));
        core.state = State::Starting;
        Ok(())
    }

    /// Starts so many of those that are off. Those that cannot be are named.
    pub fn start_some(&mut self, count: usize) {
        let off = self.others.iter().filter(|core| core.state == State::Off);
        let ids: Vec<CoreId> = off.map(|core| core.id).take(count).collect();
        for id in ids {
            if let Err(error) = self.start(id, "") {
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
            if let (State::Up, Some(channel)) = (core.state, &mut core.channel) {
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
                core.channel = None;
                false
            });
        }
        again
    }

    /// When [`tend`](Self::tend) has something to do though nothing has come.
    pub fn deadline(&self) -> Option<u64> {
        let starting = self.others.iter().filter_map(|core| core.starting.as_ref());
        starting.map(|(_, deadline)| *deadline).min()
    }
}

impl Core {
    fn tend(&mut self, asked: u64) -> Result<bool, Error> {
        let Some(channel) = &mut self.channel else {
            return Ok(false);
        };
        while let Some(message) = channel.receive()? {
            match message {
                Message::Up { started, ready, .. } => {
                    if let Some((starting, _)) = self.starting.take() {
                        self.took = ready.saturating_sub(started);
                        self.state = State::Up;
                        starting.is_up()?;
                    }
                }
                Message::Pong { number, load } if number == asked => self.load = Some(load),
                // Of a question that nobody waits for any more, or none that a monitor asks.
                Message::Pong { .. } | Message::Ping { .. } => {}
            }
        }
        if let Some((starting, _)) = self
            .starting
            .take_if(|(_, deadline)| time::now() >= *deadline)
        {
            starting.take_back()?;
            return Err(Error::new(ErrorCode::MonSpawnCore));
        }
        Ok(!channel.ask_wake(false)?)
    }
}
