//! The files that describe QEMU tests: `platforms/P/tests/*.menu` and `*.script`.
//!
//! A `.menu` is a boot menu with a header; the guest runs tests by itself and reports records. A `.script` is typed at the
//! prompt, with the expected output between the commands. The format is documented in the book, "Testing".

use crate::failure::Failure;
use crate::guest::Wishes;
use crate::os_build::Scheduler;
use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use regex_lite::Regex;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One QEMU test.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name: the file's, without the ending.
    pub name: String,
    /// The boot menu, if it is not the platform's.
    pub menu: Option<PathBuf>,
    /// What is typed; none if the guest works by itself.
    pub steps: Option<Vec<Step>>,
    /// The time limit.
    pub limit: Duration,
    /// The machine.
    pub wishes: Wishes,
    /// The exit code that `hake run` would have.
    pub exit: u8,
    /// Texts that the console has to show, in any order.
    pub expect: Vec<String>,
    /// Only with `--long`.
    pub long: bool,
    /// The kernel's scheduler.
    pub scheduler: Scheduler,
}

/// What is typed at one prompt, and what has to follow. The first step types nothing: it stands for the boot.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What is typed.
    pub input: Input,
    /// The line in the script.
    pub line: usize,
    /// How often it is done.
    pub repeat: usize,
    /// What has to be in the output, in this order, each in a line of its own.
    pub expect: Vec<Pattern>,
    /// What must not be in the output.
    pub refuse: Vec<Pattern>,
    /// The status that the command has to have; without it, 0 if it has one.
    pub status: Option<i128>,
}

/// What is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    #[default]
    Nothing,
    /// These bytes; with the Enter key if it says so.
    Bytes(Vec<u8>, bool),
    /// A line of random bytes.
    Random,
}

/// Something to look for in a line.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// This text.
    Text(String),
    /// This regular expression.
    Regex(Regex),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        match text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
        {
            Some(regex) if !regex.is_empty() => Regex::new(regex)
                .map(Self::Regex)
                .map_err(|error| format!("no regular expression: {error}")),
            _ => Ok(Self::Text(text.into())),
        }
    }

    /// Whether a line has it.
    #[must_use]
    pub fn is_in(&self, line: &str) -> bool {
        match self {
            Self::Text(text) => line.contains(text),
            Self::Regex(regex) => regex.is_match(line),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

/// Reads one file.
///
/// # Errors
///
/// 65 with `file:line:column`.
pub fn read(file: &Path, shown: &Path) -> Result<Plan> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let name = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let script = file.extension().is_some_and(|ending| ending == "script");
    let mut plan = Plan {
        name,
        menu: (!script).then(|| file.into()),
        steps: None,
        limit: Duration::from_secs(60),
        wishes: Wishes::default(),
        exit: 0,
        expect: Vec::new(),
        long: false,
        scheduler: Scheduler::default(),
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let bad = |line: usize, what: String| {
        Failure::bad_input(format!("{}:{line}:1: {what}", shown.display()))
    };
    for (index, line) in text.lines().enumerate() {
        let Some(header) = line.strip_prefix("#!") else {
            continue;
        };
        for word in menu::split(header).map_err(|error| bad(index + 1, error.to_string()))? {
            setting(&mut plan, folder, &word).map_err(|what| bad(index + 1, what))?;
        }
    }
    if script {
        plan.steps = Some(steps(&text).map_err(|(line, what)| bad(line, what))?);
    }
    Ok(plan)
}

/// One word of a header.
fn setting(plan: &mut Plan, folder: &Path, word: &str) -> Result<(), String> {
    let (key, value) = word
        .split_once('=')
        .map_or((word, None), |(key, value)| (key, Some(value)));
    let value = |what: &str| value.ok_or_else(|| format!("`{key}` needs a value: {key}={what}"));
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("`{key}={text}`: give a number"))
    };
    match key {
        "timeout" => plan.limit = Duration::from_secs(number(value("SECONDS")?)?),
        "cores" => {
            plan.wishes.cores = Some(
                number(value("N")?)?
                    .try_into()
                    .map_err(|_| "too many cores")?,
            )
        }
        "mem" => plan.wishes.mem = Some(value("SIZE")?.into()),
        "append" => plan.wishes.append.push(value("ARGS")?.into()),
        "seed" => plan.wishes.seed = Some(number(value("N")?)?),
        "icount" => plan.wishes.icount = true,
        "el2" => plan.wishes.el2 = true,
        "long" => plan.long = true,
        "scheduler" => plan.scheduler = Scheduler::from_str(value("rr or rbed")?, false)?,
        "menu" => plan.menu = Some(folder.join(value("FILE")?)),
        "expect" => plan.expect.push(value("TEXT")?.into()),
        "expect-exit" => {
            plan.exit = number(value("CODE")?)?
                .try_into()
                .map_err(|_| "no exit code")?
        }
        other => {
            return Err(format!(
                "`{other}` is no setting; there are timeout, cores, mem, append, seed, icount, el2, long, scheduler, menu, expect \
                 and expect-exit"
            ));
        }
    }
    Ok(())
}

/// The lines of a script.
fn steps(text: &str) -> Result<Vec<Step>, (usize, String)> {
    let mut steps = vec![Step {
        repeat: 1,
        ..Step::default()
    }];
    let mut repeat = 1;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let new = |input, repeat| Step {
            input,
            line: number,
            repeat,
            ..Step::default()
        };
        let last = steps.last_mut().ok_or((number, "no step".to_owned()))?;
        let pattern = |text: &str| Pattern::parse(text).map_err(|what| (number, what));
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(typed) = line.strip_prefix(">> ") {
            steps.push(new(
                Input::Bytes(unescaped(typed), false),
                std::mem::replace(&mut repeat, 1),
            ));
        } else if let Some(typed) = line.strip_prefix('>') {
            let typed = typed.strip_prefix(' ').unwrap_or(typed);
            steps.push(new(
                Input::Bytes(unescaped(typed), true),
                std::mem::replace(&mut repeat, 1),
            ));
        } else if let Some(directive) = line.strip_prefix("% ") {
            match directive
                .split_once(' ')
                .map(|(word, count)| (word, count.parse()))
            {
                Some(("repeat", Ok(count))) => repeat = count,
                Some(("random", Ok(count))) => steps.push(new(Input::Random, count)),
                _ => {
                    return Err((
                        number,
                        format!("`% {directive}`: write `% repeat N` or `% random N`"),
                    ));
                }
            }
        } else if let Some(refused) = line.strip_prefix("! ") {
            last.refuse.push(pattern(refused)?);
        } else if let Some(status) = line.strip_prefix("status ") {
            last.status = Some(
                status
                    .trim()
                    .parse()
                    .map_err(|_| (number, format!("`{status}` is no status")))?,
            );
        } else {
            last.expect.push(pattern(line)?);
        }
    }
    Ok(steps)
}

/// `\xNN` is the byte NN; all else stands for itself.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        out.extend(rest.bytes().take(at));
        let code = rest
            .get(at + 2..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, len) = code.map_or((b'\\', 1), |code| (code, 4));
        out.push(byte);
        rest = rest.get(at + len..).unwrap_or("");
    }
    out.extend(rest.bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(name: &str, text: &str) -> Result<Plan> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        read(&file, Path::new(name))
    }

    #[test]
    fn a_menu_has_settings() {
        let text = "#! timeout=5 cores=2 mem=512M icount append=\"a=1 b\"\n# x\n#! expect-exit=2 expect=\"two words\"\nmodule /x\n";
        let plan = plan("some.menu", text).unwrap();
        assert_eq!(
            (plan.name.as_str(), plan.limit.as_secs(), plan.exit),
            ("some", 5, 2)
        );
        assert_eq!(
            (plan.wishes.cores, plan.wishes.icount, plan.wishes.el2),
            (Some(2), true, false)
        );
        assert_eq!(
            (plan.wishes.append, plan.expect),
            (vec!["a=1 b".to_owned()], vec!["two words".to_owned()])
        );
        assert!(plan.steps.is_none() && plan.menu.is_some());
    }

    #[test]
    fn a_script_has_steps() {
        let plan = plan(
            "x.script",
            "ready\n> hello \\x03\\q\n# comment\none\n/t.o/\n! panic\nstatus 127\n% repeat 3\n> ls\n>> ab\\x7f\n% random 9\n",
        );
        let steps = plan.unwrap().steps.unwrap();
        assert_eq!(steps.len(), 5);
        assert!(steps[0].input == Input::Nothing && steps[0].expect[0].is_in("all ready"));
        assert_eq!(
            steps[1].input,
            Input::Bytes(b"hello \x03\\q".to_vec(), true)
        );
        assert_eq!(
            (steps[1].line, steps[1].status, steps[1].refuse.len()),
            (2, Some(127), 1)
        );
        assert!(steps[1].expect[1].is_in("two") && !steps[1].expect[1].is_in("to"));
        assert_eq!((steps[2].repeat, steps[3].repeat), (3, 1));
        assert_eq!(steps[3].input, Input::Bytes(b"ab\x7f".to_vec(), false));
        assert_eq!((&steps[4].input, steps[4].repeat), (&Input::Random, 9));
    }

    #[test]
    fn errors_have_their_place() {
        for (name, text, message) in [
            (
                "a.menu",
                "\n#! time=3\n",
                "a.menu:2:1: `time` is no setting; there are timeout",
            ),
            (
                "a.menu",
                "#! timeout=x\n",
                "a.menu:1:1: `timeout=x`: give a number",
            ),
            (
                "a.menu",
                "#! timeout\n",
                "a.menu:1:1: `timeout` needs a value: timeout=SECONDS",
            ),
            (
                "a.script",
                "> x\nstatus y\n",
                "a.script:2:1: `y` is no status",
            ),
            (
                "a.script",
                "% repeat x\n",
                "a.script:1:1: `% repeat x`: write",
            ),
            ("a.script", "/(/\n", "a.script:1:1: no regular expression"),
        ] {
            let error = plan(name, text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
