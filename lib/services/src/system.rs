//! The machine, for those who operate it: files of the boot image, the log, the board's light, switching off.
//!
//! What everybody may know is for everybody; what ends the machine is for operators. The process server offers it, which has the authority.

use alloc::string::String;
use alloc::vec::Vec;
use errors::Error;
use flounder::interface;
use serde::{Deserialize, Serialize};

/// What it is registered as.
pub const NAME: &str = "service/system";

/// A file of the boot image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModuleAbout {
    /// Its name: the last part of its path.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// What the boot menu says behind its path.
    pub args: String,
}

/// A line of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Logged {
    /// When, in microseconds since power-on.
    pub micros: u64,
    /// What happened.
    pub text: String,
}

/// The machine. `C` is the capability type.
#[interface]
pub trait System<C> {
    /// The files of the boot image from that place of the menu on; as many as one answer holds, none behind the last.
    fn modules(&mut self, from: u32) -> Result<Vec<ModuleAbout>, Error>;
    /// A capability to read such a file, and its bytes.
    fn module(&mut self, name: &str) -> Result<(C, u64), Error>;
    /// The last lines of the log, the oldest first: at most so many.
    fn log(&mut self, most: u32) -> Result<Vec<Logged>, Error>;
    /// Switches the board's light, for operators; or only says whether it is on. `None`: the board has none that a program could switch.
    #[caller]
    fn light(&mut self, wish: Option<bool>) -> Result<Option<bool>, Error>;
    /// Tells who watches the machine from outside how a command line at a prompt has ended. For operators.
    #[caller]
    fn concluded(&mut self, line: &str, status: u8) -> Result<(), Error>;
    /// Powers the machine off, or resets it. For operators.
    #[caller]
    fn end(&mut self, resets: bool) -> Result<(), Error>;
}
