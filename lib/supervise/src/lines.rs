//! Services as the boot menu lists them: a module whose first word is `supervised`, then words about the service, then its own arguments.
//!
//! | Word | Meaning |
//! |---|---|
//! | `name=NAME` | what the service is called, if not as its module |
//! | `nameserver` | it is the name server: ready when it can be bound to; all with `ready=` come after it |
//! | `ready=NAME` | it is ready when it has registered this name; without either, as soon as it is started |
//! | `within=SECONDS` | so long after its start it has to be ready (10) |
//! | `after=NAME` | it is started when that service is ready |
//! | `with=NAME` | and is ended, and started again, with it |
//! | `restart=never`, `failure`, `always` | after which ends it is started again (`failure`) |
//! | `restarts=NUMBER` | so often within a minute (5) |
//! | `operator` | it may manage all processes |
//! | `env=NAME=VALUE` | a variable of its environment |
//! | `ram=MIB`, `device=BASE+BYTES`, `irq` | capabilities that it gets, in the order of these words |
//! | `--` | the service's own arguments follow |
//!
//! Its own arguments begin with the first word that is none of these. A word `key=...` with another key, of lower-case letters, is refused there:
//! most likely it is mistyped; `--` before it says that it is meant.

use crate::Ticks;
use crate::plan::{Definition, Need, NeedKind, Service};
use crate::policy::{Policy, Restart};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The first word of such a module.
pub const SUPERVISED: &str = "supervised";

/// A capability that a service gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grant {
    /// RAM, so many bytes.
    Ram(u64),
    /// The registers of a device.
    Device {
        /// Physical address.
        base: u64,
        /// Length.
        bytes: u64,
    },
    /// All interrupts.
    Irq,
}

/// When a service is ready.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ready {
    /// As soon as it has been started.
    Started,
    /// When it has registered this name.
    Named(String),
    /// When it can be bound to as the name server.
    NameServer,
}

/// A line of the menu.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What the service is called.
    pub name: String,
    /// The program.
    pub module: String,
    /// When it is ready.
    pub ready: Ready,
    /// Seconds that it has for that.
    pub within: u32,
    /// The services that it needs.
    pub needs: Vec<(NeedKind, String)>,
    /// When it is started again.
    pub restart: Restart,
    /// How often in a minute.
    pub restarts: u8,
    /// It may manage all processes.
    pub is_operator: bool,
    /// Its environment.
    pub env: Vec<String>,
    /// What it gets.
    pub grants: Vec<Grant>,
    /// Its arguments, without the program's name.
    pub args: Vec<String>,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LineError {
    /// This key is not known.
    UnknownKey(String),
    /// This word's value is none.
    BadValue {
        /// The word.
        word: String,
        /// What is wanted.
        wanted: &'static str,
    },
    /// Two services have this name.
    Twice(String),
    /// There is no such service.
    NoService {
        /// Who needs it.
        service: String,
        /// What it needs.
        need: String,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(word) => write!(
                f,
                "\"{word}\": no such key; write -- before it if it is an argument of the service"
            ),
            Self::BadValue { word, wanted } => write!(f, "\"{word}\": {wanted} is wanted"),
            Self::Twice(name) => write!(
                f,
                "two services are called \"{name}\": give one another name with name=NAME"
            ),
            Self::NoService { service, need } => {
                write!(f, "\"{service}\" needs \"{need}\", which no line starts")
            }
        }
    }
}

impl core::error::Error for LineError {}

fn bad(word: &str, wanted: &'static str) -> LineError {
    LineError::BadValue {
        word: word.into(),
        wanted,
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Line {
    /// Of a module with this name and these words behind its path; `None` if it is not supervised.
    ///
    /// # Errors
    /// `UnknownKey`, `BadValue`.
    pub fn parse<T: AsRef<str>>(module: &str, words: &[T]) -> Result<Option<Self>, LineError> {
        let mut words = words.iter().map(AsRef::as_ref).peekable();
        if words.next() != Some(SUPERVISED) {
            return Ok(None);
        }
        let mut line = Self {
            name: module.into(),
            module: module.into(),
            ready: Ready::Started,
            within: 10,
            needs: Vec::new(),
            restart: Restart::OnFailure,
            restarts: 5,
            is_operator: false,
            env: Vec::new(),
            grants: Vec::new(),
            args: Vec::new(),
        };
        while let Some(word) = words.peek() {
            if *word == "--" {
                words.next();
                break;
            }
            if !line.take(word)? {
                break;
            }
            words.next();
        }
        line.args = words.map(ToString::to_string).collect();
        Ok(Some(line))
    }

    /// Takes a word about the service; answers whether it is one.
    fn take(&mut self, word: &str) -> Result<bool, LineError> {
        match word {
            "nameserver" => self.ready = Ready::NameServer,
            "operator" => self.is_operator = true,
            "irq" => self.grants.push(Grant::Irq),
            _ => {
                let Some((key, value)) = word.split_once('=') else {
                    return Ok(false);
                };
                let is_key = |key: &str| key.bytes().all(|byte| byte.is_ascii_lowercase());
                match self.set(word, key, value) {
                    None if !key.is_empty() && is_key(key) => {
                        return Err(LineError::UnknownKey(word.into()));
                    }
                    None => return Ok(false),
                    Some(result) => result?,
                }
            }
        }
        Ok(true)
    }

    /// Sets a value; `None` if there is no such key.
    fn set(&mut self, word: &str, key: &str, value: &str) -> Option<Result<(), LineError>> {
        let some = |wanted: &'static str| match value {
            "" => Err(bad(word, wanted)),
            value => Ok(String::from(value)),
        };
        Some(match key {
            "name" => some("a name").map(|name| self.name = name),
            "ready" => some("a name").map(|name| self.ready = Ready::Named(name)),
            "after" => some("a service").map(|name| self.needs.push((NeedKind::After, name))),
            "with" => some("a service").map(|name| self.needs.push((NeedKind::With, name))),
            "env" if value.contains('=') => {
                self.env.push(value.into());
                Ok(())
            }
            "env" => Err(bad(word, "NAME=VALUE")),
            "within" => match value.parse() {
                Ok(seconds) if seconds > 0 => {
                    self.within = seconds;
                    Ok(())
                }
                _ => Err(bad(word, "a number of seconds")),
            },
            "restarts" => match value.parse() {
                Ok(restarts) => {
                    self.restarts = restarts;
                    Ok(())
                }
                _ => Err(bad(word, "a number up to 255")),
            },
            "restart" => {
                let restart = match value {
                    "never" => Restart::Never,
                    "failure" => Restart::OnFailure,
                    "always" => Restart::Always,
                    _ => return Some(Err(bad(word, "never, failure or always"))),
                };
                self.restart = restart;
                Ok(())
            }
            "ram" | "device" => match grant(key, value) {
                Some(grant) => {
                    self.grants.push(grant);
                    Ok(())
                }
                None if key == "ram" => Err(bad(word, "a number of MiB")),
                None => Err(bad(word, "BASE+BYTES, whole pages, numbers or 0x...")),
            },
            _ => return None,
        })
    }
}

const PAGE: u64 = 4096;

fn grant(key: &str, value: &str) -> Option<Grant> {
    if key == "ram" {
        let mebibytes: u32 = value.parse().ok()?;
        return (mebibytes > 0).then(|| Grant::Ram(u64::from(mebibytes) << 20));
    }
    let (base, bytes) = value.split_once('+')?;
    let (base, bytes) = (number(base)?, number(bytes)?);
    let is_whole = base.is_multiple_of(PAGE) && bytes.is_multiple_of(PAGE) && bytes > 0;
    (is_whole && base.checked_add(bytes).is_some()).then_some(Grant::Device { base, bytes })
}

/// A minute is the window in which restarts are counted.
const WINDOW_SECONDS: u64 = 60;
/// Before the first restart of a window, in milliseconds.
const BASE_MILLIS: u64 = 20;
/// Before any further one at most.
const CAP_MILLIS: u64 = 1_000;

/// The definitions of these services, by their place; a second is so many ticks.
///
/// # Errors
/// `Twice`, `NoService`.
pub fn definitions(lines: &[Line], second: u64) -> Result<Vec<Definition>, LineError> {
    let millis = |millis: u64| Ticks((second / 1_000).max(1).saturating_mul(millis));
    let seconds = |seconds: u64| Ticks(second.saturating_mul(seconds));
    let place = |name: &str| {
        let found = lines.iter().position(|line| line.name == name)?;
        u32::try_from(found).ok().map(Service)
    };
    let name_server = lines
        .iter()
        .position(|line| line.ready == Ready::NameServer);
    let mut all = Vec::new();
    for (number, line) in (0..).zip(lines) {
        let service = Service(number);
        if place(&line.name) != Some(service) {
            return Err(LineError::Twice(line.name.clone()));
        }
        let mut needs = Vec::new();
        if let Some(on) = name_server.and_then(|found| u32::try_from(found).ok())
            && matches!(line.ready, Ready::Named(_))
        {
            needs.push(Need {
                on: Service(on),
                kind: NeedKind::After,
            });
        }
        for (kind, name) in &line.needs {
            let on = place(name).ok_or_else(|| LineError::NoService {
                service: line.name.clone(),
                need: name.clone(),
            })?;
            needs.push(Need { on, kind: *kind });
        }
        let policy = Policy {
            restart: line.restart,
            restarts: line.restarts,
            window: seconds(WINDOW_SECONDS),
            base: millis(BASE_MILLIS),
            cap: millis(CAP_MILLIS),
            ready_within: match line.ready {
                Ready::Started => None,
                _ => Some(seconds(line.within.into())),
            },
        };
        all.push(Definition {
            service,
            policy,
            needs,
        });
    }
    Ok(all)
}
