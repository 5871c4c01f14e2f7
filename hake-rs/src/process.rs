//! Child processes that leave nothing behind.

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};

/// Has the operating system kill the child when hake's main thread, which starts it, is gone: `kill -9` included.
#[expect(
    unsafe_code,
    reason = "the standard library offers no safe way to run code between fork and exec"
)]
pub fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure runs in the forked child before exec. It makes one system call, which neither allocates nor takes a
    // lock.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(Into::into)
        });
    }
}

/// Runs a program and hands over each line of its output, stdout and stderr in the order in which they come.
///
/// # Errors
///
/// It does not start.
pub fn run_lines(mut command: Command, mut line: impl FnMut(&str)) -> Result<ExitStatus> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (reader, writer) = rustix::pipe::pipe().context("no pipe")?;
    let second = writer.try_clone().context("no pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(second);
    die_with_parent(&mut command);
    let mut child = command
        .spawn()
        .with_context(|| format!("{name} does not start"))?;
    // It holds the writing end; without it the end of the output is never seen.
    drop(command);
    for bytes in BufReader::new(std::fs::File::from(reader)).split(b'\n') {
        let Ok(bytes) = bytes else { break };
        line(&String::from_utf8_lossy(&bytes));
    }
    child.wait().with_context(|| format!("{name} is lost"))
}
