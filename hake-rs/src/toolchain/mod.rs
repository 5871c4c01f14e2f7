//! Which compiler builds the system, what else is needed, and how to get what is missing.
//!
//! [`Host`] is what was found on this machine, plain data made by [`probe`]. [`choose`] and [`needs`] are pure functions over
//! it, so each kind of machine is a test.

mod needs;
mod probe;

pub use needs::{Cure, Need, Status, Task, needs};
pub use probe::probe;

use crate::failure::Failure;
use anyhow::Result;
use std::fmt;
use std::path::{Path, PathBuf};

/// The oldest QEMU whose `virt` machine we use.
pub const OLDEST_QEMU: Version = Version(6, 2, 0);

/// A version of three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first version number in a text: `rustc 1.96.0 (...)`, `QEMU emulator version 7.2.22 (...)`.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == '-')
            .find_map(|word| {
                let mut numbers = word.split(['.', '+']).map_while(|part| part.parse().ok());
                Some(Self(
                    numbers.next()?,
                    numbers.next()?,
                    numbers.next().unwrap_or(0),
                ))
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Where a compiler comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A rustup toolchain, of this name.
    Rustup(String),
    /// Packages of the system: on Debian rustc-web, cargo-web and rust-web-src.
    System,
}

/// One Rust compiler with what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Where it comes from.
    pub origin: Origin,
    /// The folder of `cargo`, `rustc`, `rustdoc` and the rest; never rustup's proxies.
    pub bin: PathBuf,
    /// The compiler's version, or none if it did not tell.
    pub version: Option<Version>,
    /// The version of the standard library's source, if that is installed.
    pub source: Option<Version>,
    /// Whether `cargo clippy` is there.
    pub clippy: bool,
    /// Whether `cargo fmt` is there.
    pub rustfmt: bool,
}

impl Toolchain {
    /// One of its programs.
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Whether it can build `core` for the target, or else why not.
    fn usable(&self) -> Result<(), String> {
        let Some(version) = self.version else {
            return Err(format!("{self} does not run"));
        };
        let oldest = oldest_rust();
        if version < oldest {
            return Err(format!("{self} is older than {oldest}"));
        }
        match self.source {
            None => Err(format!("{self} lacks the standard library's source")),
            Some(source) if source != version => Err(format!(
                "{self} stands beside the library source of {source}"
            )),
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Rustup(name) => write!(f, "rustup's {name}")?,
            Origin::System => write!(f, "the system's Rust in {}", self.bin.display())?,
        }
        self.version
            .map_or(Ok(()), |version| write!(f, " ({version})"))
    }
}

/// A program that was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Program {
    /// Not there.
    #[default]
    Absent,
    /// There, but it did not tell a version.
    Broken(PathBuf),
    /// There.
    Found(PathBuf, Version),
}

/// What this machine has, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Whether `rustup` is there.
    pub rustup: bool,
    /// The toolchains, rustup's active one first, then rustup's others, then the system's.
    pub toolchains: Vec<Toolchain>,
    /// A linker for AArch64 ELF files: `ld.lld` or `rust-lld`.
    pub lld: Option<PathBuf>,
    /// A C compiler driver, by which Rust links programs for this machine.
    pub cc: Option<PathBuf>,
    /// A C++ compiler, for the fuzzing engine.
    pub cxx: Option<PathBuf>,
    /// QEMU for AArch64.
    pub qemu: Program,
    /// A gdb that knows AArch64.
    pub gdb: Option<PathBuf>,
    /// Chromium, in which the page of `capviz` is tested.
    pub chromium: Option<PathBuf>,
    /// tmux, in which keys are typed by tests.
    pub tmux: Option<PathBuf>,
    /// Whether `apt-get` is there, so that packages can be installed.
    pub apt: bool,
}

/// The toolchain that builds the system and hake: the first that has the standard library's source of its own version, so
/// rustup's (a person's choice) comes before the system's.
///
/// # Errors
///
/// Exit code 69, with what each toolchain lacks and how to get one.
pub fn choose(host: &Host) -> Result<&Toolchain> {
    let mut reasons = Vec::new();
    for toolchain in &host.toolchains {
        match toolchain.usable() {
            Ok(()) => return Ok(toolchain),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        reasons.push("no Rust is installed".into());
    }
    let cure = if host.rustup {
        "run `rustup component add rust-src`, or "
    } else {
        ""
    };
    Err(Failure::missing(format!(
        "no Rust toolchain here can build the system: {}.\n{cure}run `apt-get install rustc-web cargo-web rust-web-src lld` \
         (Debian 12), or install rustup (https://rustup.rs) and then run `rustup component add rust-src`",
        reasons.join("; ")
    )))
}

/// The oldest compiler that builds the workspace: its `rust-version`.
#[must_use]
pub fn oldest_rust() -> Version {
    Version::find(env!("CARGO_PKG_RUST_VERSION")).unwrap_or(Version(1, 85, 0))
}

/// The first file of this name on a search path that can be executed.
#[must_use]
pub fn find_program(path: &[PathBuf], name: &str) -> Option<PathBuf> {
    path.iter()
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
}
