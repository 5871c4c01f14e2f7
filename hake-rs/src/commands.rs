//! The commands, except for `test`.

use crate::cli::{BuildArgs, Common, ImageArgs, MachineArgs, Profile, RunArgs};
use crate::failure::Exit;
use crate::guest::{Copies, Guest, Machine, Signals, Wishes, new_nonce};
use crate::image::{Image, MenuChoice};
use crate::os_build::CpuDriver;
use crate::platform::Platform;
use crate::session;
use crate::symbolise::Symboliser;
use crate::task::Context;
use crate::toolchain::{self, Program, Status, Task};
use crate::ui::Ui;
use crate::workspace::Workspace;
use crate::{image, os_build};
use anyhow::{Context as _, Result};
use std::time::Duration;

/// `doctor`: one line for each need.
///
/// # Errors
///
/// hake's own troubles; what is missing is told by exit code 69.
pub fn doctor(args: &Common) -> Result<Exit> {
    let cx = Context::new(Ui::new(args.verbose), None)?;
    let mut all_there = true;
    for need in toolchain::needs(&cx.host) {
        let optional = need.is_optional();
        match need.status {
            Status::Found(what) => println!("{:8} found    {what}", need.name),
            Status::Missing { problem, cure } => {
                all_there &= optional;
                println!(
                    "{:8} MISSING  {problem}: {}",
                    need.name,
                    cure.text().replace('\n', " ")
                );
            }
        }
    }
    Ok(if all_there { Exit::Ok } else { Exit::Missing })
}

/// `build`.
///
/// # Errors
///
/// 65 if something does not compile, 69 if a tool is missing.
pub fn build(args: &BuildArgs) -> Result<Exit> {
    let cx = Context::new(Ui::new(args.common.verbose), Some(Task::Build))?;
    let built = os_build::build(&cx, CpuDriver::plain(args.scheduler))?;
    for (name, file) in &built.files {
        println!("{name:16} {}", cx.workspace.relative(file).display());
    }
    cx.ui.say(&format!(
        "rustc ran for {} crates, {} were up to date",
        built.compiled, built.fresh
    ));
    Ok(Exit::Ok)
}

/// `image`.
///
/// # Errors
///
/// As [`build`], and 65 for errors in the menu.
pub fn image(args: &ImageArgs) -> Result<Exit> {
    check_platform(&args.platform)?;
    let cx = Context::new(Ui::new(args.common.verbose), Some(Task::Build))?;
    let (_, image) = make_image(&cx, args)?;
    println!("NAME                BYTES ARGS");
    for (name, bytes, args) in &image.parts {
        println!("{name:16} {bytes:>8} {args}");
    }
    println!(
        "{} {} bytes",
        cx.workspace.relative(&image.file).display(),
        image.bytes
    );
    Ok(Exit::Ok)
}

/// Builds and packs what the arguments say.
///
/// # Errors
///
/// As [`image()`].
pub fn make_image(cx: &Context, args: &ImageArgs) -> Result<(Platform, Image)> {
    let platform = Platform::load(&cx.workspace, &args.platform)?;
    let choice = MenuChoice {
        file: args.menu.clone(),
        course: args.profile == Profile::Course,
        modules: args.module.clone(),
    };
    let contents = image::read_menu(cx, &platform, &choice)?;
    let built = os_build::build_for(cx, CpuDriver::plain(args.scheduler), &contents)?;
    let image = image::make(cx, &platform, &contents, &built)?;
    Ok((platform, image))
}

/// What the command line wishes of the machine.
#[must_use]
pub fn wishes(args: &MachineArgs) -> Wishes {
    Wishes {
        cores: args.cores,
        mem: args.mem.clone(),
        el2: args.el2,
        icount: args.icount,
        append: args.append.clone(),
        seed: args.seed,
    }
}

/// QEMU's file as it was found on this machine.
#[must_use]
pub fn qemu_file(cx: &Context) -> Option<std::path::PathBuf> {
    match &cx.host.qemu {
        Program::Found(file, _) => Some(file.clone()),
        Program::Broken(_) | Program::Absent => None,
    }
}

/// `run`.
///
/// # Errors
///
/// As [`image()`]; the exit code tells how the guest did.
pub fn run(args: &RunArgs) -> Result<Exit> {
    let ui = Ui::new(args.image.common.verbose);
    // Before anything is built: a wrong argument is told at once.
    let lines = args
        .script
        .as_deref()
        .map(session::read_lines)
        .transpose()?;
    let wishes = wishes(&args.machine);
    wishes.check(&check_platform(&args.image.platform)?)?;
    let cx = Context::new(ui, Some(Task::Run))?;
    let (platform, image) = make_image(&cx, &args.image)?;
    // Until here Ctrl-C ends hake and the compiler at once; from here on QEMU has to be ended first.
    let signals = Signals::catch()?;
    let nonce = new_nonce(wishes.seed)?;
    let machine = Machine::new(&platform, qemu_file(&cx), &image, &wishes, nonce)?;
    let mut copies = Copies::open(args.output.log.as_ref(), args.output.json.as_ref())?;
    let symbols = Symboliser::new(image.symbols, &cx.workspace.root);
    let limit = args.timeout.map(Duration::from_secs);
    let limit = if lines.is_some() {
        limit.or(Some(session::DEFAULT_LIMIT))
    } else {
        limit
    };
    let mut guest = Guest::start(ui, &machine, symbols, &signals, &mut copies, limit)?;
    match lines {
        Some(lines) => session::run_lines(ui, &mut guest, lines),
        None => session::interact(ui, &mut guest),
    }
}

/// `clean`: removes all that builds made, the running hake included; hake.sh builds it anew.
///
/// # Errors
///
/// The operating system's.
pub fn clean(args: &Common) -> Result<Exit> {
    let ui = Ui::new(args.verbose);
    let workspace = Workspace::find()?;
    let build = workspace.root.join("build");
    match std::fs::remove_dir_all(&build) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", build.display()))
        }
        _ => {
            ui.say("removed build");
            Ok(Exit::Ok)
        }
    }
}

/// The platform of this name, before anything else is done.
///
/// # Errors
///
/// 64 if there is none.
pub fn check_platform(name: &str) -> Result<Platform> {
    Platform::load(&Workspace::find()?, name)
}
