//! QEMU as a child process.

use crate::failure::Failure;
use crate::image::Image;
use crate::platform;
use crate::ui::Ui;
use anyhow::{Context as _, Result};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use testproto::Nonce;

/// The machine to start and what it boots.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The platform's way to start QEMU.
    pub qemu: platform::Qemu,
    /// QEMU's file, if it was found.
    pub program: Option<PathBuf>,
    /// The boot image.
    pub image: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// Number of cores.
    pub cores: u32,
    /// Memory, as QEMU takes it.
    pub mem: String,
    /// Start in EL2.
    pub el2: bool,
    /// A clock that counts instructions.
    pub icount: bool,
    /// Wait for gdb at this port.
    pub gdb_port: Option<u16>,
    /// The secret of the run.
    pub nonce: Nonce,
}

/// What a user may change about the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Number of cores.
    pub cores: Option<u32>,
    /// Memory.
    pub mem: Option<String>,
    /// Start in EL2.
    pub el2: bool,
    /// A clock that counts instructions.
    pub icount: bool,
    /// Further kernel arguments.
    pub append: Vec<String>,
    /// For everything random.
    pub seed: Option<u64>,
}

impl Wishes {
    /// Whether a platform can grant them.
    ///
    /// # Errors
    ///
    /// 64 if not.
    pub fn check(&self, platform: &platform::Platform) -> Result<()> {
        let qemu = platform.qemu()?;
        if let Some(cores) = self.cores.filter(|cores| !(1..=64).contains(cores)) {
            return Err(Failure::usage(format!(
                "--cores {cores}: give a number from 1 to 64"
            )));
        }
        if let Some(mem) = &self.mem {
            let digits = mem.trim_end_matches(['K', 'M', 'G', 'k', 'm', 'g']);
            if digits.is_empty()
                || mem.len() - digits.len() > 1
                || !digits.bytes().all(|b| b.is_ascii_digit())
                // QEMU takes 0 for its own default.
                || digits.bytes().all(|b| b == b'0')
            {
                return Err(Failure::usage(format!(
                    "--mem {mem}: give a size such as 512M or 2G"
                )));
            }
        }
        let mut words = self.append.iter().flat_map(|text| text.split_whitespace());
        if let Some(word) = words.find(|word| word.starts_with("nonce=")) {
            return Err(Failure::usage(format!(
                "--append {word}: hake sets the nonce itself, and would understand no record with another one"
            )));
        }
        if self.el2 && qemu.machine_el2.is_none() {
            return Err(Failure::usage(format!(
                "--el2: the platform {} has no EL2",
                platform.name
            )));
        }
        Ok(())
    }
}

impl Machine {
    /// Puts together platform, image and wishes, which [`Wishes::check`] has found good.
    ///
    /// # Errors
    ///
    /// 64 for a platform that QEMU does not have.
    pub fn new(
        platform: &platform::Platform,
        program: Option<PathBuf>,
        image: &Image,
        wishes: &Wishes,
        nonce: Nonce,
    ) -> Result<Self> {
        let qemu = platform.qemu()?.clone();
        let mut words = vec![image.kernel_args.clone(), format!("nonce={nonce}")];
        words.extend(wishes.seed.map(|seed| format!("seed={seed}")));
        words.extend(wishes.append.iter().cloned());
        words.retain(|word| !word.is_empty());
        Ok(Self {
            program,
            image: image.file.clone(),
            append: words.join(" "),
            cores: wishes.cores.unwrap_or(qemu.cores),
            mem: wishes.mem.clone().unwrap_or_else(|| qemu.mem.clone()),
            el2: wishes.el2,
            icount: wishes.icount,
            gdb_port: None,
            nonce,
            qemu,
        })
    }
}

/// The command line that starts a machine.
#[must_use]
pub fn command(machine: &Machine) -> Command {
    let qemu = &machine.qemu;
    let mut command = match &machine.program {
        Some(file) => Command::new(file),
        None => Command::new(&qemu.program),
    };
    let board = qemu
        .machine_el2
        .as_ref()
        .filter(|_| machine.el2)
        .unwrap_or(&qemu.machine);
    command.args([
        "-M",
        board,
        "-cpu",
        &qemu.cpu,
        "-m",
        &machine.mem,
        "-smp",
        &machine.cores.to_string(),
    ]);
    command.args(&qemu.args);
    if machine.icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    if let Some(port) = machine.gdb_port {
        command.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
    }
    command
        .arg("-kernel")
        .arg(&machine.image)
        .args(["-append", &machine.append]);
    command
}

/// The running process.
#[derive(Debug)]
pub struct Qemu {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    errors: Option<ChildStderr>,
    queued: VecDeque<u8>,
    complaints: String,
    output_closed: bool,
}

impl Qemu {
    /// Starts it, in a process group of its own, so that Ctrl-C on the terminal reaches hake alone.
    pub fn start(ui: Ui, machine: &Machine) -> Result<Self> {
        let mut command = command(machine);
        ui.command(&command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        crate::process::die_with_parent(&mut command);
        let mut child = command.spawn().map_err(|error| {
            Failure::missing(format!(
                "QEMU does not start ({error}): run `apt-get install qemu-system-arm`"
            ))
        })?;
        let input = child.stdin.take().context("QEMU has no input")?;
        let output = child.stdout.take().context("QEMU has no output")?;
        let errors = child.stderr.take().context("QEMU has no error output")?;
        for fd in [input.as_fd(), output.as_fd(), errors.as_fd()] {
            let flags = fcntl_getfl(fd).context("a pipe to QEMU does not tell its modes")?;
            fcntl_setfl(fd, flags | OFlags::NONBLOCK).context("a pipe to QEMU keeps blocking")?;
        }
        Ok(Self {
            child,
            input: Some(input),
            output,
            errors: Some(errors),
            queued: VecDeque::new(),
            complaints: String::new(),
            output_closed: false,
        })
    }

    pub fn queue(&mut self, bytes: &[u8]) {
        self.queued.extend(bytes);
    }

    pub fn output_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    pub fn complaints_fd(&self) -> Option<BorrowedFd<'_>> {
        self.errors.as_ref().map(AsFd::as_fd)
    }

    /// Only while something waits to be written.
    pub fn input_fd(&self) -> Option<BorrowedFd<'_>> {
        self.input
            .as_ref()
            .filter(|_| !self.queued.is_empty())
            .map(AsFd::as_fd)
    }

    pub fn complaints(&self) -> &str {
        self.complaints.trim()
    }

    /// Whether it has closed its console.
    pub fn finished(&self) -> bool {
        self.output_closed
    }

    pub fn write_queued(&mut self) -> Result<()> {
        let Some(input) = &self.input else {
            return Ok(());
        };
        match rustix::io::write(input, self.queued.as_slices().0) {
            Ok(n) => drop(self.queued.drain(..n)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            // It has ended; reading its output tells so.
            Err(rustix::io::Errno::PIPE) => self.input = None,
            Err(error) => return Err(error).context("typing into QEMU failed"),
        }
        Ok(())
    }

    pub fn read_output(&mut self) -> Result<Vec<u8>> {
        let mut buffer = [0; 16384];
        match read_some(self.output.as_fd(), &mut buffer)? {
            Some(0) => self.output_closed = true,
            Some(n) => return Ok(buffer.get(..n).unwrap_or(&[]).to_vec()),
            None => {}
        }
        Ok(Vec::new())
    }

    pub fn read_complaints(&mut self) -> Result<()> {
        let Some(errors) = &self.errors else {
            return Ok(());
        };
        let mut buffer = [0; 4096];
        match read_some(errors.as_fd(), &mut buffer)? {
            Some(0) => self.errors = None,
            Some(n) => self.complaints += &String::from_utf8_lossy(buffer.get(..n).unwrap_or(&[])),
            None => {}
        }
        Ok(())
    }

    /// How it ended. What it still had to complain about is read first.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().context("QEMU is lost")?;
        while self.errors.is_some() {
            let before = self.complaints.len();
            self.read_complaints()?;
            if self.complaints.len() == before {
                break;
            }
        }
        Ok(status)
    }
}

/// Bytes read, or none if there is nothing to read yet.
fn read_some(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<usize>> {
    match rustix::io::read(fd, buffer) {
        Ok(n) => Ok(Some(n)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
        Err(error) => Err(error).context("reading from QEMU failed"),
    }
}

impl Drop for Qemu {
    /// Ends QEMU, and whatever it may have started: it leads a process group of its own.
    fn drop(&mut self) {
        let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
        if !ended {
            let group = rustix::process::Pid::from_child(&self.child);
            // This fails only if it has ended in the meantime.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
