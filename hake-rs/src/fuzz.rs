//! `fuzz`: builds the fuzzing engine with one target of `lib/fuzz-targets` in it, and runs it for a while.
//!
//! The engine is libFuzzer. It needs no nightly compiler: the flags below let stable's LLVM count which code runs. They hold for
//! this machine's target only, so build scripts stay as they are.

use crate::cli::FuzzArgs;
use crate::failure::{Exit, Failure};
use crate::process::{die_with_parent, run_lines};
use crate::task::Context;
use crate::toolchain::Task;
use crate::ui::Ui;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Counters at each edge, a table of code addresses for them, and calls at comparisons, by which the engine learns magic numbers.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=yes -Coverflow-checks=yes";

/// Seconds for one input, after which it counts as a bug.
const SECONDS_EACH: u32 = 30;
/// MiB of memory, likewise.
const MEMORY_MIB: u32 = 2048;

/// `fuzz`.
///
/// # Errors
///
/// 64 if there is no such target, 69 if a tool is missing, 65 if the target does not compile; a bug that was found is told by exit code 1.
pub fn fuzz(args: &FuzzArgs) -> Result<Exit> {
    let ui = Ui::new(args.common.verbose);
    let workspace = crate::workspace::Workspace::find()?;
    let known = targets(&workspace.root)?;
    if !known.contains(&args.target) {
        return Err(Failure::usage(format!(
            "there is no fuzz target `{}`; there are {}",
            args.target,
            known.join(", ")
        )));
    }
    let cx = Context::new(ui, Some(Task::Fuzz))?;
    let engine = build(&cx)?;
    match run(&cx, &engine, &args.target, args.timeout, args.seed)? {
        None => Ok(Exit::Ok),
        Some(failure) => {
            println!("{failure}");
            Ok(Exit::Failed)
        }
    }
}

/// All targets: each has a folder of inputs.
///
/// # Errors
///
/// hake's own troubles.
pub fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("lib/fuzz-targets/corpus");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Compiles the engine; returns its file.
///
/// # Errors
///
/// 65 if it does not compile.
pub fn build(cx: &Context) -> Result<PathBuf> {
    let triple = host_triple(cx)?;
    let mut cargo = cx.cargo("build")?;
    let folder = cx.workspace.build("fuzz");
    cargo
        .args(["--release", "--package", "fuzz-targets", "--bin"])
        .args(["fuzz-engine", "--features", "engine", "--target", &triple])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        // For people who run it: a panic is to be seen, not optimised around.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_PANIC", "unwind");
    cx.ui.command(&cargo);
    let step = cx.ui.silent_step("the fuzzing engine");
    let mut output = String::new();
    let status = run_lines(cargo, |line| {
        output.push_str(line);
        output.push('\n');
    })?;
    drop(step);
    if status.success() {
        Ok(folder.join(triple).join("release/fuzz-engine"))
    } else {
        Err(Failure::bad_input(output))
    }
}

/// Runs the engine. What it found, if anything.
///
/// # Errors
///
/// hake's own troubles.
pub fn run(
    cx: &Context,
    engine: &Path,
    target: &str,
    seconds: u64,
    seed: Option<u64>,
) -> Result<Option<String>> {
    let own = cx.workspace.build("fuzz").join("corpus").join(target);
    let found = cx.workspace.build("fuzz").join("found");
    for folder in [&own, &found] {
        fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    }
    let kept = cx.workspace.root.join("lib/fuzz-targets/corpus");
    let mut command = Command::new(engine);
    // New inputs go to the first folder; what is kept in the tree is read only.
    command
        .arg(&own)
        .arg(kept.join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SECONDS_EACH}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .args(["-max_len=4096", "-print_final_stats=1"])
        .arg(format!(
            "-artifact_prefix={}/{target}-",
            found.to_string_lossy()
        ))
        .env("FUZZ_TARGET", target)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    if let Some(seed) = seed {
        // 0 would mean: choose one.
        command.arg(format!("-seed={}", seed % u64::from(u32::MAX) + 1));
    }
    die_with_parent(&mut command);
    cx.ui.command(&command);
    let mut last = Vec::new();
    let mut file = None;
    let status = run_lines(command, |line| {
        if let Some(path) = line.split("Test unit written to ").nth(1) {
            file = Some(path.to_string());
        }
        cx.ui.say(line);
        last.push(line.to_string());
        if last.len() > 30 {
            last.remove(0);
        }
    })?;
    if status.success() {
        return Ok(None);
    }
    let advice = match file {
        Some(file) => format!(
            "fuzz target {target}: {file} finds a bug. Copy it to {} under a name that says what it shows, and mend the bug: \
             `cargo test -p fuzz-targets` runs it from then on.",
            cx.workspace.relative(&kept.join(target)).display()
        ),
        None => format!("fuzz target {target}: the engine ended with {status}"),
    };
    Ok(Some(format!("{}\n{advice}", last.join("\n"))))
}

/// What rustc calls this machine.
fn host_triple(cx: &Context) -> Result<String> {
    let output = Command::new(cx.toolchain()?.tool("rustc"))
        .arg("-vV")
        .output()
        .context("rustc -vV")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(Into::into).context("rustc -vV names no host")
}
