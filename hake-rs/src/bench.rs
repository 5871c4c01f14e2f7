//! `bench`: boots the measuring programs under a clock that counts instructions, and shows their figures.
//!
//! The platform's `bench.menu` says which programs run; each reports `bench` records. The console of the boot is not shown.

use crate::cli::BenchArgs;
use crate::commands::{check_platform, qemu_file};
use crate::failure::{Exit, Failure};
use crate::guest::{Copies, Event, Guest, Machine, Signals, Wishes, exit_of, new_nonce};
use crate::image::{self, MenuChoice};
use crate::os_build::{self, CpuDriver};
use crate::session::{LAST_WORDS, Tally};
use crate::suite::glob;
use crate::symbolise::Symboliser;
use crate::task::Context;
use crate::toolchain::Task;
use crate::ui::Ui;
use anyhow::Result;
use std::time::Duration;
use testproto::{Kind, Record};

/// Seconds that all of it may take.
const LIMIT: u64 = 300;
/// Console output that a failure shows, bytes.
const SHOWN: usize = 2000;

/// `bench`.
///
/// # Errors
///
/// As `run`; 64 if the filter matches nothing.
pub fn bench(args: &BenchArgs) -> Result<Exit> {
    let platform = check_platform(&args.platform)?;
    let cx = Context::new(Ui::new(args.common.verbose), Some(Task::Run))?;
    let choice = MenuChoice {
        file: Some(platform.folder.join("bench.menu")),
        ..MenuChoice::default()
    };
    let contents = image::read_menu(&cx, &platform, &choice)?;
    let built = os_build::build(&cx, CpuDriver::Plain)?;
    let image = image::make(&cx, &platform, &contents, &built)?;
    let signals = Signals::catch()?;
    let wishes = Wishes {
        icount: true,
        seed: Some(1),
        ..Wishes::default()
    };
    let nonce = new_nonce(wishes.seed)?;
    let machine = Machine::new(&platform, qemu_file(&cx), &image, &wishes, nonce)?;
    let mut copies = Copies::open(args.output.log.as_ref(), args.output.json.as_ref())?;
    let symbols = Symboliser::new(image.symbols, &cx.workspace.root);
    let limit = Duration::from_secs(args.timeout.unwrap_or(LIMIT));
    let mut guest = Guest::start(cx.ui, &machine, symbols, &signals, &mut copies, Some(limit))?;
    let mut table = Table::new(args.filter.as_deref());
    let exit = watch(&mut guest, &mut table)?;
    match (exit, table.rows, &args.filter) {
        (Exit::Ok, 0, Some(filter)) => Err(Failure::usage(format!(
            "--filter {filter}: no bench has such a name"
        ))),
        (exit, ..) => Ok(exit),
    }
}

fn watch(guest: &mut Guest<'_>, table: &mut Table<'_>) -> Result<Exit> {
    let mut console = Vec::new();
    let mut tally = Tally::default();
    let exit = loop {
        match guest.wait()? {
            Event::Text(text) => console.extend(text),
            Event::Record(json) => {
                tally.add(&json);
                table.add(&json);
                if tally.death.is_some() {
                    guest.end_within(LAST_WORDS);
                }
            }
            Event::Typed(_) => {}
            Event::Interrupted => return Ok(Exit::Interrupted),
            Event::TimeOut if tally.death.is_some() => break Exit::GuestDied,
            Event::TimeOut => break Exit::TimeOut,
            Event::Ended(status) => break exit_of(status),
        }
    };
    if exit == Exit::Ok && tally.ended && tally.statuses.iter().all(|status| *status == 0) {
        return Ok(Exit::Ok);
    }
    let start = console.len().saturating_sub(SHOWN);
    let last = console.get(start..).unwrap_or_default();
    eprintln!("{}", String::from_utf8_lossy(last));
    Ok(match exit {
        // It shut down in order, but did not say that it was through.
        Exit::Ok if tally.ended => Exit::Failed,
        Exit::Ok => Exit::GuestDied,
        other => other,
    })
}

/// Prints a line for each record.
struct Table<'a> {
    filter: Option<&'a str>,
    rows: usize,
}

impl<'a> Table<'a> {
    fn new(filter: Option<&'a str>) -> Self {
        Self { filter, rows: 0 }
    }

    fn add(&mut self, json: &str) {
        let Ok(record) = Record::parse(json) else {
            return;
        };
        let name = match (record.kind, record.str("name")) {
            (Kind::Bench, Some(name)) => name.to_string(),
            _ => return,
        };
        if !self
            .filter
            .is_none_or(|filter| glob::matches(filter, &name))
        {
            return;
        }
        if self.rows == 0 {
            println!(
                "{:28} {:>9} {:>9} {:>9} {:>9}  UNIT",
                "NAME", "MEDIAN", "MIN", "MAX", "TARGET"
            );
        }
        self.rows += 1;
        let figure = |name| record.int(name).unwrap_or(0);
        let target = match figure("target") {
            0 => "-".to_string(),
            target => target.to_string(),
        };
        let unit = record.str("unit").map(|unit| unit.to_string());
        println!(
            "{name:28} {:>9} {:>9} {:>9} {target:>9}  {}",
            figure("median"),
            figure("min"),
            figure("max"),
            unit.unwrap_or_default()
        );
    }
}
