//! `gdb`: the machine stopped at its first instruction, and a debugger that knows kernel and programs.
//!
//! Two terminals: `./hake.sh gdb` is the console of a machine that waits, `./hake.sh gdb --attach` starts gdb on it. Programs
//! all lie at the same address, so gdb knows one at a time: `domain-NAME` switches. The kernel is relocated at boot; it reports
//! where by the field `base` of its `boot` record, which the console side writes down for gdb (`kernel` reads it).

use crate::cli::GdbArgs;
use crate::commands::{check_platform, make_image, qemu_file, wishes};
use crate::failure::{Exit, Failure};
use crate::guest::{Copies, Guest, Machine, Signals, new_nonce};
use crate::os_build::KERNEL_SIDE;
use crate::session;
use crate::symbolise::Symboliser;
use crate::task::Context;
use crate::toolchain::Task;
use crate::ui::Ui;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use testproto::{Kind, Record};

/// Where QEMU's `virt` loads an arm64 Image: 2 MiB above the start of RAM.
const IMAGE_BASE: u64 = 0x4020_0000;

/// `gdb`.
///
/// # Errors
///
/// As `run`; 64 if `--attach` finds no machine to attach to.
pub fn gdb(args: &GdbArgs) -> Result<Exit> {
    let platform = check_platform(&args.image.platform)?;
    let wishes = wishes(&args.machine);
    wishes.check(&platform)?;
    let ui = Ui::new(args.image.common.verbose);
    let cx = Context::new(ui, Some(Task::Debug))?;
    let folder = cx.workspace.build(&args.image.platform);
    let script = folder.join("gdb.init");
    if args.attach {
        return attach(&cx, &script);
    }
    let (platform, image) = make_image(&cx, &args.image)?;
    let mut machine = Machine::new(
        &platform,
        qemu_file(&cx),
        &image,
        &wishes,
        new_nonce(wishes.seed)?,
    )?;
    machine.gdb_port = Some(args.port);
    let kernel = image
        .symbols
        .iter()
        .find(|(name, _)| name == "cpu_driver")
        .map(|(_, file)| file.clone());
    let base = KernelBase {
        file: folder.join("kernel.gdb"),
        elf: kernel.unwrap_or_default(),
    };
    write(&script, &init_script(&image.symbols, &base.file, args.port))?;

    ui.say(&format!(
        "the machine waits for gdb on port {}; in another terminal: ./hake.sh gdb --attach",
        args.port
    ));
    let signals = Signals::catch()?;
    let mut copies = Copies::default();
    let symbols = Symboliser::new(image.symbols, &cx.workspace.root);
    let mut guest = Guest::start(ui, &machine, symbols, &signals, &mut copies, None)?;
    guest.on_record(Box::new(move |json| base.note(json)));
    session::interact(ui, &mut guest)
}

fn attach(cx: &Context, script: &Path) -> Result<Exit> {
    if !script.exists() {
        return Err(Failure::usage(
            "no machine was started for gdb yet: run `./hake.sh gdb` in another terminal first",
        ));
    }
    let gdb = cx
        .host
        .gdb
        .as_ref()
        .context("gdb-multiarch was there a moment ago")?;
    let mut command = Command::new(gdb);
    command.arg("-q").arg("-x").arg(script);
    cx.ui.command(&command);
    Err(command.exec()).context("gdb does not start")
}

/// What gdb is told at its start.
fn init_script(symbols: &[(String, PathBuf)], kernel: &Path, port: u16) -> String {
    let mut text = String::from(
        "# Written by hake.\nset confirm off\nset pagination off\nset architecture aarch64\n",
    );
    let programs = symbols
        .iter()
        .filter(|(name, _)| !KERNEL_SIDE.contains(&name.as_str()));
    let mut names = Vec::new();
    for (name, file) in programs {
        names.push(format!("domain-{name}"));
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "define domain-{name}\nsymbol-file {}\nend\n",
            file.display()
        );
        let _ = write!(
            text,
            "document domain-{name}\nUse the symbols of the program {name} for addresses in user space.\nend\n"
        );
    }
    if let Some((_, file)) = symbols.iter().find(|(name, _)| name == "init") {
        let _ = writeln!(text, "symbol-file {}", file.display());
    }
    if let Some((_, file)) = symbols.iter().find(|(name, _)| name == "boot_driver") {
        let _ = writeln!(
            text,
            "add-symbol-file {} -o {IMAGE_BASE:#x}",
            file.display()
        );
    }
    let kernel = kernel.display();
    let _ = write!(text, "define kernel\nsource {kernel}\nend\n");
    text += "document kernel\nUse the kernel's symbols, at the address where it last ran (known once it has booted).\nend\n";
    let _ = writeln!(text, "target remote 127.0.0.1:{port}");
    let _ = writeln!(
        text,
        "echo hake: `kernel` adds the kernel's symbols, {} switch programs.\\n",
        names.join(", ")
    );
    text
}

/// Writes down where the kernel runs.
struct KernelBase {
    file: PathBuf,
    elf: PathBuf,
}

impl KernelBase {
    fn note(&self, json: &str) {
        let Ok(record) = Record::parse(json) else {
            return;
        };
        if record.kind != Kind::Boot {
            return;
        }
        if let Some(base) = record.int("base") {
            // Without the file only the command `kernel` fails, and says so.
            let _ = write(
                &self.file,
                &format!("add-symbol-file {} -o {base:#x}\n", self.elf.display()),
            );
        }
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}
