//! Compiling the system: cargo for AArch64, once for the kernel's side and once for user programs.
//!
//! The two sides differ in compiler flags (the kernel is position-independent, programs are linked at a fixed address), so
//! each has a target folder of its own. `core` and `alloc` are built along, since x18 must be kept free in them too.

use crate::elf::{self, x18};
use crate::failure::Failure;
use crate::image::Contents;
use crate::task::Context;
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target that all of the system is built for.
pub const TARGET: &str = "aarch64-unknown-none-softfloat";
/// The kernel's side. Every other package for the board says `kind = "program"` in its manifest.
pub const KERNEL_SIDE: [&str; 2] = ["boot_driver", "cpu_driver"];

/// What a build made.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// The ELF files with symbols, by name.
    pub files: BTreeMap<String, PathBuf>,
    /// The names of all programs that there are, built or not.
    pub known: Vec<String>,
    /// How many crates rustc was run for.
    pub compiled: usize,
    /// How many crates were there already.
    pub fresh: usize,
}

/// One of the two cargo invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Boot driver and CPU driver.
    Kernel,
    /// Programs.
    User,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Kernel, Self::User];

    /// Its name, and that of its target folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::User => "user",
        }
    }

    /// The packages of this side that the workspace has.
    ///
    /// # Errors
    ///
    /// As [`Workspace::packages`](crate::workspace::Workspace::packages).
    pub fn packages(self, cx: &Context) -> Result<Vec<String>> {
        let belongs = |package: &crate::workspace::Package| match self {
            Self::Kernel => KERNEL_SIDE.contains(&package.name.as_str()),
            Self::User => package.is_program(),
        };
        let all = cx.workspace.packages(cx.toolchain()?)?;
        Ok(all
            .into_iter()
            .filter(belongs)
            .map(|package| package.name)
            .collect())
    }

    /// A cargo command for this side, `build` or `clippy`, without the packages.
    ///
    /// # Errors
    ///
    /// No toolchain, no linker.
    pub fn cargo(self, cx: &Context, command: &str) -> Result<Command> {
        let lld = cx
            .host
            .lld
            .as_ref()
            .ok_or_else(|| Failure::missing("no linker: run `apt-get install lld`"))?;
        let mut flags = vec!["-Zfixed-x18".into(), format!("-Clinker={}", lld.display())];
        flags.extend([
            "-Clinker-flavor=ld.lld".into(),
            "-Zunstable-options".into(),
            "-Cforce-frame-pointers=non-leaf".into(),
        ]);
        // What the linker drops must not stay in the debug information as code at address 0, where the kernel really is.
        flags.push("-Clink-arg=-zdead-reloc-in-nonalloc=.debug_*=0xffffffffffffffff".into());
        match self {
            Self::Kernel => {
                flags.extend(
                    [
                        "-Crelocation-model=pie",
                        "-Clink-arg=-pie",
                        "-Clink-arg=--no-dynamic-linker",
                    ]
                    .map(String::from),
                );
                // Its panics name source files: the same ones, and of the same length, whoever builds it.
                let registry = cargo_home().map(|home| home.join("registry/src"));
                flags.extend(
                    registry.map(|from| format!("--remap-path-prefix={}=", from.display())),
                );
            }
            Self::User => flags.push("-Crelocation-model=static".into()),
        }
        // Every program has a copy of `core`'s formatting.
        let features = match self {
            Self::Kernel => "compiler-builtins-mem",
            Self::User => "compiler-builtins-mem,optimize_for_size",
        };
        let mut cargo = cx.cargo(command)?;
        cargo
            .args([
                "--release",
                "--target",
                TARGET,
                "-Zbuild-std=core,alloc,compiler_builtins",
            ])
            .arg(format!("-Zbuild-std-features={features}"))
            // A note about the compiler's own `core` helps nobody here.
            .args(["--config", "future-incompat-report.frequency=\"never\""])
            .arg("--target-dir")
            .arg(cx.workspace.build(self.name()))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        Ok(cargo)
    }
}

/// Where cargo keeps what it downloads.
fn cargo_home() -> Option<PathBuf> {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}

/// Which scheduler the CPU driver has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// Round robin
    #[default]
    #[value(name = "rr")]
    RoundRobin,
    /// Rate-based earliest deadline
    Rbed,
}

/// Which CPU driver to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuDriver {
    /// With the invocation that checks the capability database's invariants: for tests.
    pub checking: bool,
    /// Its scheduler.
    pub scheduler: Scheduler,
}

impl CpuDriver {
    /// The one to use.
    #[must_use]
    pub fn plain(scheduler: Scheduler) -> Self {
        Self {
            checking: false,
            scheduler,
        }
    }

    /// The one that tests run on.
    #[must_use]
    pub fn checking(scheduler: Scheduler) -> Self {
        Self {
            checking: true,
            scheduler,
        }
    }

    /// Its features, as cargo's argument.
    fn features(self) -> String {
        let features = [
            (self.checking, "cpu_driver/check"),
            (self.scheduler == Scheduler::Rbed, "cpu_driver/rbed"),
        ];
        let features = features.into_iter().filter(|(wanted, _)| *wanted);
        features.map(|(_, name)| name).collect::<Vec<_>>().join(",")
    }
}

/// Builds everything for the board and checks the programs' use of x18.
///
/// # Errors
///
/// 65 if something does not compile or uses x18.
pub fn build(cx: &Context, cpu_driver: CpuDriver) -> Result<Built> {
    build_those(cx, cpu_driver, |_| true)
}

/// As [`build`], of the programs only those that a menu names.
///
/// # Errors
///
/// As [`build`].
pub fn build_for(cx: &Context, cpu_driver: CpuDriver, contents: &Contents) -> Result<Built> {
    build_those(cx, cpu_driver, |name| contents.names_program(name))
}

fn build_those(
    cx: &Context,
    cpu_driver: CpuDriver,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Built> {
    let mut built = Built::default();
    for side in Side::ALL {
        let mut packages = side.packages(cx)?;
        built.known.extend(packages.iter().cloned());
        packages.retain(|name| side == Side::Kernel || is_wanted(name));
        if packages.is_empty() {
            continue;
        }
        let step = cx.ui.step(&format!(
            "building {} ({})",
            side.name(),
            packages.join(", ")
        ));
        let mut cargo = side.cargo(cx, "build")?;
        cargo.arg("--message-format=json-render-diagnostics");
        for package in &packages {
            cargo.args(["-p", package]);
        }
        if side == Side::Kernel {
            cargo.arg(format!("--features={}", cpu_driver.features()));
        }
        run_cargo(cx, cargo, &mut built)?;
        step.done();
        if side == Side::User {
            check_x18(cx, packages.iter().filter_map(|name| built.files.get(name)))?;
        }
    }
    Ok(built)
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    fresh: bool,
    executable: Option<PathBuf>,
    target: Option<MessageTarget>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
    kind: Vec<String>,
}

/// Runs cargo and reads from its messages what it built.
fn run_cargo(cx: &Context, mut cargo: Command, built: &mut Built) -> Result<()> {
    if !cx.ui.terminal() {
        cargo.arg("--quiet");
    }
    cx.ui.command(&cargo);
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo does not start")?;
    let stdout = child.stdout.take().context("cargo has no output")?;
    for message in
        serde_json::Deserializer::from_reader(BufReader::new(stdout)).into_iter::<Message>()
    {
        let Ok(message) = message else { break };
        if message.reason != "compiler-artifact" {
            continue;
        }
        *(if message.fresh {
            &mut built.fresh
        } else {
            &mut built.compiled
        }) += 1;
        if let (Some(file), Some(target)) = (message.executable, message.target)
            && target.kind.iter().any(|kind| kind == "bin")
        {
            built.files.insert(target.name, file);
        }
    }
    let status = child.wait().context("cargo is lost")?;
    if !status.success() {
        return Err(Failure::bad_input(
            "the build failed; the compiler's messages stand above",
        ));
    }
    Ok(())
}

/// Checks each program that changed since it was last found good; the mark is an empty file beside it.
fn check_x18<'f>(cx: &Context, files: impl Iterator<Item = &'f PathBuf>) -> Result<()> {
    for file in files {
        let mark = file.with_extension("x18-checked");
        if modified(&mark)
            .is_some_and(|checked| modified(file).is_some_and(|built| checked >= built))
        {
            continue;
        }
        let bytes =
            std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let uses = x18::uses(&elf::parse(&bytes)?)?;
        if !uses.is_empty() {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let symbols = crate::symbolise::Symboliser::new(
                [(name.clone(), file.clone())],
                &cx.workspace.root,
            );
            let mut message = format!(
                "{name} uses register x18, which belongs to the dispatcher's resume path:\n"
            );
            for found in uses.iter().take(8) {
                let place = symbols.describe(&name, found.address).unwrap_or_default();
                message += &format!("  {:#x} {place}: {}\n", found.address, found.text);
            }
            message += &format!(
                "use another register; only code between {} and {} may use x18",
                x18::RESUME_START,
                x18::RESUME_END
            );
            return Err(Failure::bad_input(message));
        }
        std::fs::write(&mark, "")
            .with_context(|| format!("{} cannot be written", mark.display()))?;
    }
    Ok(())
}

fn modified(file: &Path) -> Option<std::time::SystemTime> {
    file.metadata().ok()?.modified().ok()
}
