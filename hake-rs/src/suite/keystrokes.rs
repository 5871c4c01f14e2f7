//! Real keys on a real terminal: `platforms/P/tests/*.keys`, played in a tmux of its own.
//!
//! tmux is the person: it has a screen, sends keys as a keyboard does, and answers what programs ask a terminal. The format is documented in the book, "Testing".
//!
//! A machine without tmux cannot pass these tests: they fail and name the cure; `hake test` installs it. Nothing of a tmux that the user has is touched.

mod picture;

use super::report::Case;
use crate::os_build::{self, CpuDriver, Scheduler};
use crate::task::Context;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a text may take to appear.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long the system may take to boot.
const BOOT: Duration = Duration::from_secs(120);
/// The time between two looks at the screen.
const LOOK: Duration = Duration::from_millis(100);
/// The prompt, as a screen shows it.
const PROMPT: &str = "barreleye>";
/// The screen.
const COLUMNS: usize = 90;
const ROWS: usize = 30;

/// A line of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Wait for a prompt with nothing behind it.
    Prompt,
    /// Typed as it is.
    Text(String),
    /// Keys by their names.
    Keys(Vec<String>),
    /// Wait until the screen shows this.
    See(String),
    /// The screen must not show this.
    Miss(String),
    /// The screen as a picture: a path from the root of the source tree.
    Picture(String),
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Play {
    menu: PathBuf,
    /// With the number of its line.
    steps: Vec<(usize, Step)>,
}

/// The file's play.
///
/// # Errors
///
/// What is wrong, with its line.
fn parse(file: &Path, text: &str) -> Result<Play> {
    let mut menu = None;
    let mut steps = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            "" | "#" => {}
            "#!" => match rest.strip_prefix("menu=") {
                Some(name) => menu = Some(file.with_file_name(name)),
                None => bail!(
                    "{}:{number}: menu=FILE is all there is to set",
                    file.display()
                ),
            },
            "prompt" => steps.push((number, Step::Prompt)),
            ">" => {
                steps.push((number, Step::Prompt));
                steps.push((number, Step::Text(rest.into())));
                steps.push((number, Step::Keys(vec!["Enter".into()])));
            }
            ">>" => steps.push((number, Step::Text(rest.into()))),
            "key" => {
                let keys = rest.split_whitespace().map(String::from).collect();
                steps.push((number, Step::Keys(keys)));
            }
            "=" => steps.push((number, Step::See(rest.into()))),
            "!" => steps.push((number, Step::Miss(rest.into()))),
            "picture" => steps.push((number, Step::Picture(rest.into()))),
            _ => bail!(
                "{}:{number}: a line begins with >, >>, key, =, !, picture or #",
                file.display()
            ),
        }
    }
    match menu {
        Some(menu) => Ok(Play { menu, steps }),
        None => bail!("{}:1: a line `#! menu=FILE` is missing", file.display()),
    }
}

/// A tmux server of its own; dropping it ends it and all that runs in it.
struct Tmux {
    socket: String,
}

impl Tmux {
    fn command(&self, args: &[&str]) -> Result<String> {
        let output = Command::new("tmux")
            .args(["-f", "/dev/null", "-L", &self.socket])
            .args(args)
            .env_remove("TMUX")
            .stdin(Stdio::null())
            .output()
            .context("tmux does not start: run `apt-get install tmux`")?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            bail!("tmux {}: {}", args.first().unwrap_or(&""), message.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts hake in it.
    fn start(cx: &Context, menu: &Path) -> Result<Self> {
        let tmux = Self {
            socket: format!("hake-{}", std::process::id()),
        };
        let hake = std::env::current_exe().context("hake does not find itself")?;
        // Cargo may have linked it anew for the tests on this machine.
        let hake = hake.display().to_string();
        let hake = hake.strip_suffix(" (deleted)").unwrap_or(&hake);
        let root = cx.workspace.root.display();
        // What it said when it failed stays on the screen.
        let line = format!(
            "HAKE_ROOT='{root}' '{hake}' run --menu '{}' || exec sleep 600",
            menu.display()
        );
        let (columns, rows) = (COLUMNS.to_string(), ROWS.to_string());
        tmux.command(&["new-session", "-d", "-x", &columns, "-y", &rows, &line])?;
        Ok(tmux)
    }

    /// What the screen shows.
    fn screen(&self) -> Result<String> {
        self.command(&["capture-pane", "-p"])
    }

    fn see(&self, text: &str, patience: Duration) -> Result<()> {
        let is_there = |screen: &str| screen.lines().any(|line| line.contains(text));
        self.wait(&format!("`{text}`"), patience, is_there)
    }

    fn prompt(&self, patience: Duration) -> Result<()> {
        let is_last = |screen: &str| screen.trim_end().lines().next_back() == Some(PROMPT);
        self.wait("a prompt", patience, is_last)
    }

    fn wait(&self, what: &str, patience: Duration, is_there: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let screen = self.screen().context("the system has ended")?;
            if is_there(&screen) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "{what} does not appear; the screen is:\n{}",
                    screen.trim_end()
                );
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // It is gone already if hake has ended.
        let _ = self.command(&["kill-server"]);
    }
}

/// Plays a file.
///
/// # Errors
///
/// None of the test's own: they are the case's failure.
pub fn run(cx: &Context, file: &Path) -> Result<Case> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let started = Instant::now();
    let failure = play(cx, file).err().map(|error| format!("{error:#}"));
    let took = Some(started.elapsed());
    Ok(Case::new(format!("keys::{stem}"), took, failure))
}

fn play(cx: &Context, file: &Path) -> Result<()> {
    let shown = cx.workspace.relative(file);
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", shown.display()))?;
    let play = parse(file, &text)?;
    // The system that users get, so that what is started in the terminal has nothing left to build.
    os_build::build(cx, CpuDriver::plain(Scheduler::RoundRobin))?;
    let tmux = Tmux::start(cx, &play.menu)?;
    let mut patience = BOOT;
    for (line, step) in &play.steps {
        one(cx, &tmux, step, patience).with_context(|| format!("{}:{line}", shown.display()))?;
        if matches!(step, Step::See(_) | Step::Prompt) {
            patience = PATIENCE;
        }
    }
    Ok(())
}

fn one(cx: &Context, tmux: &Tmux, step: &Step, patience: Duration) -> Result<()> {
    match step {
        Step::Prompt => tmux.prompt(patience)?,
        Step::Text(text) => drop(tmux.command(&["send-keys", "-l", "--", text])?),
        Step::Keys(keys) => {
            let keys = keys.iter().map(String::as_str);
            let args: Vec<&str> = ["send-keys"].into_iter().chain(keys).collect();
            tmux.command(&args)?;
        }
        Step::See(text) => tmux.see(text, patience)?,
        Step::Miss(text) => {
            let screen = tmux.screen()?;
            if screen.contains(text.as_str()) {
                bail!("`{text}` is on the screen:\n{}", screen.trim_end());
            }
        }
        Step::Picture(name) => {
            let picture = picture::svg(&tmux.screen()?, COLUMNS);
            let path = match std::env::var_os("UPDATE_PICTURES") {
                Some(_) => cx.workspace.root.join(name),
                None => cx.workspace.build("pictures").join(name),
            };
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("{} cannot be made", folder.display()))?;
            }
            std::fs::write(&path, picture)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_play_is_read_line_by_line() {
        let text = "# remark\n#! menu=../menu.lst\n\n> echo a\n>> b\nkey C-r Up\n= a b\n! c\npicture docs/x.svg\n";
        let play = parse(Path::new("tests/x.keys"), text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(play.menu, Path::new("tests/../menu.lst"));
        let steps: Vec<Step> = play.steps.into_iter().map(|(_, step)| step).collect();
        assert_eq!(
            steps,
            [
                Step::Prompt,
                Step::Text("echo a".into()),
                Step::Keys(vec!["Enter".into()]),
                Step::Text("b".into()),
                Step::Keys(vec!["C-r".into(), "Up".into()]),
                Step::See("a b".into()),
                Step::Miss("c".into()),
                Step::Picture("docs/x.svg".into()),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text| {
            parse(Path::new("x.keys"), text)
                .map_or_else(|error| error.to_string(), |_| String::new())
        };
        assert!(wrong("> a\n").contains("x.keys:1: a line `#! menu=FILE`"));
        assert!(wrong("#! menu=a\nnonsense\n").contains("x.keys:2:"));
        assert!(wrong("#! rows=3\n").contains("x.keys:1: menu=FILE"));
    }
}
