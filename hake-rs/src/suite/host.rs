//! The tests that need no guest: format, lints, `cargo test`.

use super::report::Case;
use crate::fuzz;
use crate::os_build::Side;
use crate::process::run_lines;
use crate::task::Context;
use crate::toolchain::Task;
use anyhow::Result;
use std::process::Command;
use std::time::Instant;

/// Whether all sources are formatted.
///
/// # Errors
///
/// hake's own troubles.
pub fn format(cx: &Context) -> Result<Case> {
    let mut cargo = cx.cargo("fmt")?;
    cargo.args(["--all", "--", "--check"]);
    check(cx, "style::format", cargo, "run `cargo fmt --all`")
}

/// Whether the host's crates are free of warnings.
///
/// # Errors
///
/// hake's own troubles.
pub fn lints_host(cx: &Context) -> Result<Case> {
    let mut cargo = cx.cargo("clippy")?;
    cargo
        .arg("--all-targets")
        .arg("--target-dir")
        .arg(cx.workspace.build("host"))
        .args(["--", "-Dwarnings"]);
    check(cx, "style::lints-host", cargo, "")
}

/// Whether one side of the system is free of warnings; none if the workspace has no such packages. The kernel has variants.
///
/// # Errors
///
/// hake's own troubles.
pub fn lints_system(cx: &Context, side: Side) -> Result<Vec<Case>> {
    let packages = side.packages(cx)?;
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let name = format!("style::lints-{}", side.name());
    let variants = match side {
        Side::Kernel => &[("", ""), ("-rbed", "cpu_driver/check,cpu_driver/rbed")][..],
        Side::User => &[("", "")],
    };
    let lint = |(ending, features): &(&str, &str)| {
        let mut cargo = side.cargo(cx, "clippy")?;
        for package in &packages {
            cargo.args(["-p", package]);
        }
        cargo.arg(format!("--features={features}"));
        cargo.args(["--", "-Dwarnings"]);
        check(cx, &format!("{name}{ending}"), cargo, "")
    };
    variants.iter().map(lint).collect()
}

fn check(cx: &Context, name: &str, command: Command, advice: &str) -> Result<Case> {
    cx.ui.command(&command);
    let started = Instant::now();
    let mut output = String::new();
    let status = run_lines(command, |line| {
        if !is_progress(line) {
            output += line;
            output.push('\n');
        }
    })?;
    let failure = (!status.success()).then(|| format!("{output}{advice}"));
    Ok(Case::new(name, Some(started.elapsed()), failure))
}

/// cargo's own lines about what it is doing.
fn is_progress(line: &str) -> bool {
    let words = [
        "Compiling",
        "Checking",
        "Downloading",
        "Downloaded",
        "Updating",
        "Locking",
        "Finished",
        "Blocking",
    ];
    words.iter().any(|word| line.trim_start().starts_with(word))
}

/// `cargo test` for the host's crates.
///
/// # Errors
///
/// hake's own troubles.
pub fn host_tests(cx: &Context, long: bool, seed: Option<u64>) -> Result<Vec<Case>> {
    let mut cargo = cx.cargo("test")?;
    cargo
        .arg("--target-dir")
        .arg(cx.workspace.build("host"))
        .arg("--no-fail-fast");
    cargo.env("CARGO_TERM_COLOR", "never");
    // For tests that run cargo themselves (trybuild): below `build`, too.
    cargo.env("CARGO_TARGET_DIR", cx.workspace.build("host"));
    if long {
        cargo
            .env("BARRELEYE_LONG", "1")
            .env("PROPTEST_CASES", "4096");
    }
    if let Some(seed) = seed {
        cargo
            .env("BARRELEYE_SEED", seed.to_string())
            .env("PROPTEST_RNG_SEED", seed.to_string());
    }
    cx.ui.command(&cargo);
    let mut reader = Reader::default();
    let status = run_lines(cargo, |line| reader.line(line))?;
    Ok(reader.finish(status.success()))
}

/// Seconds for each fuzz target in long test runs.
const FUZZ_SECONDS: u64 = 60;

/// The fuzzing engine, with each target for a while.
///
/// # Errors
///
/// 69 if there is no C++ compiler, 65 if a target does not compile, hake's own troubles.
pub fn fuzzing(cx: &Context, seed: Option<u64>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    // Gets what is missing.
    let cx = Context::new(cx.ui, Some(Task::Fuzz))?;
    let engine = fuzz::build(&cx)?;
    for target in fuzz::targets(&cx.workspace.root)? {
        let started = Instant::now();
        let failure = fuzz::run(&cx, &engine, &target, FUZZ_SECONDS, seed)?;
        let name = format!("fuzz::{target}");
        cases.push(Case::new(name, Some(started.elapsed()), failure));
    }
    Ok(cases)
}

/// Reads what `cargo test` prints.
#[derive(Debug, Default)]
struct Reader {
    /// The crate whose tests run.
    package: String,
    cases: Vec<Case>,
    /// The failed test whose output is being read.
    explaining: Option<String>,
    other: Vec<String>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let text = line.trim();
        // trybuild colours lines of its own that look like a test's.
        if text.contains('\u{1b}') {
            return;
        }
        if let Some(rest) = text.strip_prefix("Running ") {
            // `Running unittests src/lib.rs (build/host/debug/deps/menu-0123456789abcdef)`
            let file = rest
                .rsplit('/')
                .next()
                .unwrap_or(rest)
                .trim_end_matches(')');
            self.package = file.rsplit_once('-').map_or(file, |(name, _)| name).into();
        } else if let Some(package) = text.strip_prefix("Doc-tests ") {
            self.package = format!("{package}::doc");
        } else if let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            self.result(name, result);
        } else if let Some(name) = text
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.explaining = Some(self.name(name));
        } else if text == "failures:" || text.starts_with("test result:") {
            self.explaining = None;
        } else if let Some(explaining) = &self.explaining {
            let case = self.cases.iter_mut().find(|case| case.name == *explaining);
            if let Some(why) = case.and_then(|case| case.failure.as_mut()) {
                why.push_str(line);
                why.push('\n');
            }
        } else if !is_progress(line) && !text.is_empty() {
            self.other.push(line.into());
        }
    }

    fn name(&self, test: &str) -> String {
        let test = test.strip_suffix(" - should panic").unwrap_or(test);
        format!("host::{}::{test}", self.package)
    }

    fn result(&mut self, name: &str, result: &str) {
        let failure = match result {
            "ok" => None,
            "FAILED" => Some(String::new()),
            // A test that is switched off tests nothing.
            other => Some(format!("not run: {other}")),
        };
        self.cases.push(Case::new(self.name(name), None, failure));
    }

    fn finish(mut self, success: bool) -> Vec<Case> {
        if !success && self.cases.iter().all(|case| case.failure.is_none()) {
            let tail = self.other.len().saturating_sub(80);
            let message = self.other.split_off(tail).join("\n");
            self.cases
                .push(Case::new("host::build", None, Some(message)));
        }
        self.cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str, success: bool) -> Vec<Case> {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.line(line));
        reader.finish(success)
    }

    #[test]
    fn cargo_test_is_understood() {
        let cases = read(
            "   Compiling menu v0.1.0 (/x)\n     Running unittests src/lib.rs (build/host/debug/deps/menu-0123)\n\n\
             running 3 tests\ntest \u{1b}[1mtests/ui/x.rs\u{1b}[0m ... \u{1b}[32mok\ntest tests::a ... ok\ntest tests::b - should panic ... FAILED\ntest tests::c ... ignored\n\n\
             failures:\n\n---- tests::b stdout ----\n\nthread panicked\nleft: 1\n\nfailures:\n    tests::b\n\n\
             test result: FAILED. 1 passed; 1 failed\n   Doc-tests menu\ntest lib/menu/src/lib.rs - x (line 3) ... ok\n",
            false,
        );
        let seen: Vec<_> = cases
            .iter()
            .map(|case| (case.name.as_str(), case.failure.as_deref()))
            .collect();
        assert_eq!(
            seen,
            [
                ("host::menu::tests::a", None),
                (
                    "host::menu::tests::b",
                    Some("\nthread panicked\nleft: 1\n\n")
                ),
                ("host::menu::tests::c", Some("not run: ignored")),
                ("host::menu::doc::lib/menu/src/lib.rs - x (line 3)", None),
            ]
        );
    }

    #[test]
    fn what_does_not_compile_is_a_failure() {
        let cases = read(
            "   Compiling menu v0.1.0 (/x)\nerror: expected `;`\n --> lib/menu/src/lib.rs:3:4\n",
            false,
        );
        assert_eq!(cases[0].name, "host::build");
        assert_eq!(
            cases[0].failure.as_deref(),
            Some("error: expected `;`\n --> lib/menu/src/lib.rs:3:4")
        );
    }
}
