//! `bench`: boots the measuring programs under a clock that counts instructions, and shows their figures.
//!
//! The platform's `bench.menu` says which programs run; each reports `bench` records. The console of the boot is not shown. Records of
//! one name are one row: its rounds, among ever more capabilities.

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
/// As `run`; 64 if the filter matches nothing. Exit code 1 also if an operation costs more than 2.5 times as much among the most
/// capabilities as among the fewest.
pub fn bench(args: &BenchArgs) -> Result<Exit> {
    let platform = check_platform(&args.platform)?;
    let cx = Context::new(Ui::new(args.common.verbose), Some(Task::Run))?;
    let choice = MenuChoice {
        file: Some(platform.folder.join("bench.menu")),
        ..MenuChoice::default()
    };
    let contents = image::read_menu(&cx, &platform, &choice)?;
    let built = os_build::build_for(&cx, CpuDriver::plain(args.scheduler), &contents)?;
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
    let mut table = Table::new(args.suite.as_deref(), args.filter.as_deref());
    let exit = watch(&mut guest, &mut table)?;
    if exit == Exit::Ok && table.rows.is_empty() {
        return Err(Failure::usage(match (&args.suite, &args.filter) {
            (_, Some(filter)) => format!("--filter {filter}: no bench has such a name"),
            (Some(suite), None) => format!("{suite}: there is no such suite of benches"),
            (None, None) => "no bench has reported".into(),
        }));
    }
    // A target that is missed is for people to judge; growth with the number of capabilities is a fault.
    match (table.show(), exit) {
        (false, Exit::Ok) => Ok(Exit::Failed),
        (_, exit) => Ok(exit),
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

/// How much more an operation may cost among the most capabilities than among the fewest: 5/2.
const MOST_GROWTH: (u64, u64) = (5, 2);

/// What one operation takes.
#[derive(Debug)]
struct Row {
    name: String,
    unit: String,
    target: u64,
    /// Live capabilities, median, least and most, in the order of the rounds.
    rounds: Vec<[u64; 4]>,
}

impl Row {
    /// The round that the target is for: the middle one.
    fn measured(&self) -> [u64; 4] {
        let middle = self.rounds.get(self.rounds.len() / 2);
        middle.copied().unwrap_or_default()
    }

    fn meets_target(&self) -> bool {
        let [_, median, ..] = self.measured();
        self.target == 0 || median <= self.target
    }

    /// Cost among the fewest and among the most, if there are several rounds.
    fn ends(&self) -> Option<(u64, u64)> {
        match self.rounds[..] {
            [[_, few, ..], .., [_, many, ..]] => Some((few, many)),
            _ => None,
        }
    }

    fn grows_little(&self) -> bool {
        let (more, less) = MOST_GROWTH;
        self.ends()
            .is_none_or(|(few, many)| many * less <= few * more)
    }
}

/// Collects the records and shows them as a table.
struct Table<'a> {
    filter: Option<&'a str>,
    suite: Option<&'a str>,
    rows: Vec<Row>,
}

impl<'a> Table<'a> {
    fn new(suite: Option<&'a str>, filter: Option<&'a str>) -> Self {
        Self {
            filter,
            suite,
            rows: Vec::new(),
        }
    }

    fn add(&mut self, json: &str) {
        let Ok(record) = Record::parse(json) else {
            return;
        };
        let text = |name| record.str(name).map(|text| text.to_string());
        let name = match (record.kind, text("name")) {
            (Kind::Bench, Some(name)) => name,
            _ => return,
        };
        let in_suite = self
            .suite
            .is_none_or(|suite| text("suite").as_deref() == Some(suite));
        if !in_suite
            || !self
                .filter
                .is_none_or(|filter| glob::matches(filter, &name))
        {
            return;
        }
        let figure = |name| {
            record
                .int(name)
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or(0)
        };
        let round = ["caps", "median", "min", "max"].map(figure);
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(round),
            None => self.rows.push(Row {
                name,
                unit: text("unit").unwrap_or_default(),
                target: figure("target"),
                rounds: vec![round],
            }),
        }
    }

    /// Prints it. Says whether no operation grows too much.
    fn show(&self) -> bool {
        if self.rows.is_empty() {
            return true;
        }
        println!(
            "{:28} {:>8} {:>8} {:>8} {:>8} {:6} {:>8} {:>8} {:>6}  UNIT",
            "NAME", "MEDIAN", "MIN", "MAX", "TARGET", "", "FEW", "MANY", "RATIO"
        );
        for row in &self.rows {
            let [_, median, min, max] = row.measured();
            let (target, verdict) = match row.target {
                0 => ("-".into(), ""),
                target if row.meets_target() => (target.to_string(), "met"),
                target => (target.to_string(), "MISSED"),
            };
            let (few, many, ratio) = row.ends().map_or_else(
                || ("-".into(), "-".into(), "-".into()),
                |(few, many)| {
                    let mark = if row.grows_little() { "" } else { "!" };
                    let ratio = format!("{:.2}{mark}", many as f64 / few.max(1) as f64);
                    (few.to_string(), many.to_string(), ratio)
                },
            );
            println!(
                "{:28} {median:>8} {min:>8} {max:>8} {target:>8} {verdict:6} {few:>8} {many:>8} {ratio:>6}  {}",
                row.name, row.unit
            );
        }
        let with_target = self.rows.iter().filter(|row| row.target > 0);
        let met = with_target.clone().filter(|row| row.meets_target()).count();
        println!("{met} of {} targets met", with_target.count());
        let growing = self.rows.iter().filter(|row| !row.grows_little());
        let growing: Vec<_> = growing.map(|row| row.name.as_str()).collect();
        if !growing.is_empty() {
            println!(
                "more than 2.5 times as much among many capabilities: {}",
                growing.join(", ")
            );
        }
        growing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, caps: u64, median: u64) -> String {
        format!(
            r#"{{"t":"bench","suite":"caps","name":"{name}","unit":"instructions","caps":{caps},"samples":64,"min":1,"median":{median},"target":100,"max":999}}"#
        )
    }

    #[test]
    fn the_middle_round_meets_the_target_and_the_ends_show_growth() {
        let mut table = Table::new(Some("caps"), Some("c*"));
        for (caps, cost) in [(100, 90), (1_000, 100), (100_000, 225)] {
            table.add(&record("copy", caps, cost));
            table.add(&record("mint", caps, cost));
        }
        table.add(r#"{"t":"bench","name":"cother","unit":"u","caps":0,"samples":1,"min":1,"median":1,"max":1}"#);
        assert_eq!(table.rows.len(), 1);
        let row = &table.rows[0];
        assert_eq!(row.measured(), [1_000, 100, 1, 999]);
        assert!(row.meets_target() && row.grows_little() && table.show());
        for (caps, cost) in [(100, 90), (1_000, 101), (100_000, 226)] {
            table.add(&record("clone", caps, cost));
        }
        let row = &table.rows[1];
        assert!(!row.meets_target() && !row.grows_little() && !table.show());
    }
}
