//! `capviz`: boots, types a script if there is one, and writes a page that shows every capability of the system as it is then.
//!
//! init's command `capdump` sends the capabilities as records; the crate `capviz` makes the page of them.

use crate::cli::{CapvizArgs, ImageArgs, Profile};
use crate::commands::{check_platform, make_image, qemu_file, wishes};
use crate::failure::{Exit, Failure};
use crate::guest::{Copies, Guest, Machine, Signals, new_nonce};
use crate::session;
use crate::symbolise::Symboliser;
use crate::task::Context;
use crate::toolchain::Task;
use crate::ui::Ui;
use anyhow::Result;
use capviz::Dump;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// What is typed behind the script.
const COMMAND: &[u8] = b"capdump";

/// `capviz`.
///
/// # Errors
///
/// As `run`; 65 if the page cannot be written or the guest's list is not whole.
pub fn capviz(args: &CapvizArgs) -> Result<Exit> {
    let ui = Ui::new(args.image.common.verbose);
    let mut lines = match &args.script {
        Some(file) => session::read_lines(file)?,
        None => Vec::new(),
    };
    lines.push(COMMAND.to_vec());
    let wishes = wishes(&args.machine);
    wishes.check(&check_platform(&args.image.platform)?)?;
    let cx = Context::new(ui, Some(Task::Run))?;
    // It is init's prompt that has the command.
    let choice = ImageArgs {
        profile: Profile::Course,
        ..args.image.clone()
    };
    let (platform, image) = make_image(&cx, &choice)?;
    let signals = Signals::catch()?;
    let nonce = new_nonce(wishes.seed)?;
    let machine = Machine::new(&platform, qemu_file(&cx), &image, &wishes, nonce)?;
    let mut copies = Copies::open(args.output.log.as_ref(), args.output.json.as_ref())?;
    let symbols = Symboliser::new(image.symbols, &cx.workspace.root);
    let limit = args
        .timeout
        .map_or(session::DEFAULT_LIMIT, Duration::from_secs);
    let mut guest = Guest::start(ui, &machine, symbols, &signals, &mut copies, Some(limit))?;
    let dump = Rc::new(RefCell::new(Dump::default()));
    let seen = Rc::clone(&dump);
    guest.on_record(Box::new(move |json| seen.borrow_mut().add(json)));
    let exit = session::run_lines(ui, &mut guest, lines)?;
    drop(guest);
    if exit == Exit::Interrupted {
        return Ok(exit);
    }
    let dump = dump.borrow();
    dump.check()
        .map_err(|error| Failure::bad_input(error.to_string()))?;
    let out = match &args.out {
        Some(file) => file.clone(),
        None => cx.workspace.build(&args.image.platform).join("capviz.html"),
    };
    let about = about(args);
    std::fs::write(&out, capviz::page(&dump, &about)).map_err(|error| {
        Failure::bad_input(format!("{} cannot be written: {error}", out.display()))
    })?;
    ui.say(&format!(
        "{} capabilities: open this file in a browser",
        dump.entries.len()
    ));
    println!("{}", out.display());
    Ok(exit)
}

/// Where the page's data come from.
fn about(args: &CapvizArgs) -> String {
    let name = |file: &Path| {
        let name = file.file_name().unwrap_or(file.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let when = match &args.script {
        Some(file) => format!("after {}", name(file)),
        None => "at the first prompt".into(),
    };
    format!("{}, {when}", args.image.platform)
}
