//! The command line.

use crate::os_build::Scheduler;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Builds, runs and tests Barreleye.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "hake.sh",
    bin_name = "./hake.sh",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say what is there, what is missing, and how to get it
    Doctor(Common),
    /// Compile everything for the board
    Build(BuildArgs),
    /// Build, and pack the boot image
    Image(ImageArgs),
    /// Build, pack and boot in QEMU
    Run(RunArgs),
    /// Check format, lints, host tests and QEMU tests
    Test(TestArgs),
    /// Measure: boot the bench programs under a clock that counts instructions
    Bench(BenchArgs),
    /// Boot in QEMU and write a page that shows every capability of the system
    Capviz(CapvizArgs),
    /// Look for bugs with a coverage-guided fuzzer, on this machine
    Fuzz(FuzzArgs),
    /// Boot in QEMU, stopped; with --attach start gdb on it, with the symbols of kernel and programs
    Gdb(GdbArgs),
    /// Make a program: the folder usr/NAME, ready to run with `run --module NAME`
    New(NewArgs),
    /// Remove all build products (the folder `build`)
    Clean(Common),
}

/// For every command.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Show exact command lines, and records on the console
    #[arg(short, long)]
    pub verbose: bool,
}

/// Which system to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Each service a domain of its own
    Full,
    /// As in the operating-systems course: one first domain holds the services
    Course,
}

/// `build`.
#[derive(Args, Clone, Debug)]
pub struct BuildArgs {
    /// For every command.
    #[command(flatten)]
    pub common: Common,
    /// The kernel's scheduler
    #[arg(long, value_enum, default_value = "rr")]
    pub scheduler: Scheduler,
}

/// What goes into the image.
#[derive(Args, Clone, Debug)]
pub struct ImageArgs {
    /// For every command.
    #[command(flatten)]
    pub common: Common,
    /// The board, a folder of platforms/
    #[arg(long, value_name = "P", default_value = "qemu-virt")]
    pub platform: String,
    /// Which system to start
    #[arg(long, value_enum, default_value = "full")]
    pub profile: Profile,
    /// The kernel's scheduler
    #[arg(long, value_enum, default_value = "rr")]
    pub scheduler: Scheduler,
    /// The boot menu; default: the platform's
    #[arg(long, value_name = "FILE")]
    pub menu: Option<PathBuf>,
    /// Add a module: a program's name, or ./FILE
    #[arg(long, value_name = "NAME[=ARGS]")]
    pub module: Vec<String>,
}

/// What the machine is like.
#[derive(Args, Clone, Debug)]
pub struct MachineArgs {
    /// Number of cores
    #[arg(long, value_name = "N")]
    pub cores: Option<u32>,
    /// Memory, such as 512M or 2G
    #[arg(long, value_name = "SIZE")]
    pub mem: Option<String>,
    /// Further arguments for the CPU driver
    #[arg(long, value_name = "STR", allow_hyphen_values = true)]
    pub append: Vec<String>,
    /// Start in EL2
    #[arg(long)]
    pub el2: bool,
    /// A clock that counts instructions, the same in each run
    #[arg(long)]
    pub icount: bool,
    /// Make everything random repeatable
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Where results go.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Write the records, one JSON object a line
    #[arg(long, value_name = "F")]
    pub json: Option<PathBuf>,
    /// Write the console, unfiltered
    #[arg(long, value_name = "F")]
    pub log: Option<PathBuf>,
}

/// `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// What goes into the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// What the machine is like.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Type the lines of this file (- is stdin) at the prompt, then shut down
    #[arg(long, value_name = "FILE|-")]
    pub script: Option<PathBuf>,
    /// End after so many seconds; default: never, with --script 600
    #[arg(long, value_name = "S")]
    pub timeout: Option<u64>,
}

/// `test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// For every command.
    #[command(flatten)]
    pub common: Common,
    /// The board, a folder of platforms/
    #[arg(long, value_name = "P", default_value = "qemu-virt")]
    pub platform: String,
    /// Only tests whose name matches, such as 'qemu::*' or '*retype*'
    #[arg(long, value_name = "GLOB")]
    pub filter: Option<String>,
    /// Longer runs of tests that have them
    #[arg(long)]
    pub long: bool,
    /// Time limit for each QEMU test, in place of its own
    #[arg(long, value_name = "S")]
    pub timeout: Option<u64>,
    /// Make everything random repeatable
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "F")]
    pub junit: Option<PathBuf>,
}

/// `bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// For every command.
    #[command(flatten)]
    pub common: Common,
    /// The board, a folder of platforms/
    #[arg(long, value_name = "P", default_value = "qemu-virt")]
    pub platform: String,
    /// The kernel's scheduler
    #[arg(long, value_enum, default_value = "rr")]
    pub scheduler: Scheduler,
    /// Only this suite, such as `caps`
    pub suite: Option<String>,
    /// Only benches whose name matches
    #[arg(long, value_name = "GLOB")]
    pub filter: Option<String>,
    /// End after so many seconds; default: 300
    #[arg(long, value_name = "S")]
    pub timeout: Option<u64>,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `capviz`.
#[derive(Args, Clone, Debug)]
pub struct CapvizArgs {
    /// What goes into the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// What the machine is like.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Type the lines of this file (- is stdin) at the prompt first
    #[arg(long, value_name = "FILE|-")]
    pub script: Option<PathBuf>,
    /// The page; default: build/PLATFORM/capviz.html
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// End after so many seconds; default: 600
    #[arg(long, value_name = "S")]
    pub timeout: Option<u64>,
}

/// `fuzz`.
#[derive(Args, Clone, Debug)]
pub struct FuzzArgs {
    /// For every command.
    #[command(flatten)]
    pub common: Common,
    /// What to try, a folder of lib/fuzz-targets/corpus
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// End after so many seconds
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Make everything random repeatable
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// `gdb`.
#[derive(Args, Clone, Debug)]
pub struct GdbArgs {
    /// What goes into the image.
    #[command(flatten)]
    pub image: ImageArgs,
    /// What the machine is like.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Start gdb, for the machine that `gdb` without this flag runs in another terminal
    #[arg(long)]
    pub attach: bool,
    /// The port on 127.0.0.1 where the machine waits; --attach knows it
    #[arg(long, value_name = "PORT", default_value_t = 1234, conflicts_with = "attach",
        value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
}

/// `new`.
#[derive(Args, Clone, Debug)]
pub struct NewArgs {
    /// For every command.
    #[command(flatten)]
    pub common: Common,
    /// Its name: lower-case letters, digits, - and _, a letter first, at most 16 characters
    #[arg(value_name = "NAME")]
    pub name: String,
}
