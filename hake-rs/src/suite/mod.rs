//! `test`: format, lints, host tests, QEMU tests; one result line for each group, and a last line with the sum.

mod boot;
pub mod glob;
mod host;
mod keystrokes;
mod plan;
mod report;

use crate::cli::TestArgs;
use crate::commands::{check_platform, qemu_file};
use crate::failure::{Exit, Failure};
use crate::guest::{Copies, Guest, Machine, Signals, new_nonce};
use crate::image::{self, MenuChoice};
use crate::os_build::{self, Built, CpuDriver, Scheduler, Side};
use crate::platform::Platform;
use crate::symbolise::Symboliser;
use crate::task::Context;
use crate::toolchain::Task;
use crate::ui::Ui;
use anyhow::{Context as _, Result};
use plan::Plan;
use report::{Case, Report};
use std::time::{Duration, Instant};

/// `test`.
///
/// # Errors
///
/// 69 if a tool is missing, 65 for a bad test file, hake's own troubles; failed tests are told by exit code 1.
pub fn test(args: &TestArgs) -> Result<Exit> {
    let platform = check_platform(&args.platform)?;
    let cx = Context::new(Ui::new(args.common.verbose), Some(Task::Test))?;
    let mut copies = Copies::open(args.output.log.as_ref(), args.output.json.as_ref())?;
    // Told now and not behind minutes of tests.
    if let Some(file) = &args.junit {
        report::write_junit(file, "")?;
    }
    let mut report = Report::new(args.filter.clone(), args.common.verbose);
    let plans = plans(&cx, &platform, args)?;

    let mut group = |report: &mut Report,
                     what: &str,
                     prefix: &str,
                     run: &mut dyn FnMut() -> Result<Vec<Case>>| {
        if !report.wants(prefix) {
            return Ok(());
        }
        let step = cx.ui.silent_step(what);
        let started = Instant::now();
        let cases = run()?;
        drop(step);
        report.add(&mut copies, what, cases, started.elapsed())
    };
    group(&mut report, "format", "style::format", &mut || {
        Ok(vec![host::format(&cx)?])
    })?;
    group(&mut report, "lints, host", "style::lints-host", &mut || {
        Ok(vec![host::lints_host(&cx)?])
    })?;
    for side in Side::ALL {
        let what = format!("lints, {}", side.name());
        let name = format!("style::lints-{}", side.name());
        group(&mut report, &what, &name, &mut || {
            host::lints_system(&cx, side)
        })?;
    }
    group(&mut report, "host tests", "host::", &mut || {
        host::host_tests(&cx, args.long, args.seed)
    })?;
    if args.long {
        group(&mut report, "fuzzing", "fuzz::", &mut || {
            host::fuzzing(&cx, args.seed)
        })?;
    }

    for file in keys(&platform) {
        let name = format!(
            "keys::{}",
            file.file_stem().unwrap_or_default().to_string_lossy()
        );
        group(&mut report, &name, &name, &mut || {
            Ok(vec![keystrokes::run(&cx, &file)?])
        })?;
    }
    let wanted: Vec<&Plan> = plans
        .iter()
        .filter(|plan| report.wants(&format!("qemu::{}", plan.name)))
        .collect();
    if report.wants("build::") {
        let sizes = sizes(&cx, &platform).unwrap_or_else(|error| {
            let failure = Some(format!("{error:#}"));
            vec![Case::new("build::plain", None, failure)]
        });
        report.add(&mut copies, "sizes", sizes, Duration::ZERO)?;
    }
    if report.wants("build::") || !wanted.is_empty() {
        match os_build::build(&cx, CpuDriver::checking(Scheduler::RoundRobin)) {
            Ok(mut built) => {
                // Until here Ctrl-C ends hake and its children at once; from here on QEMU has to be ended first.
                let signals = Signals::catch()?;
                report.add(
                    &mut copies,
                    "build",
                    build_again(&cx, &built)?,
                    Duration::ZERO,
                )?;
                let mut scheduler = Scheduler::RoundRobin;
                for plan in wanted {
                    if plan.scheduler != scheduler {
                        scheduler = plan.scheduler;
                        built = os_build::build(&cx, CpuDriver::checking(scheduler))?;
                    }
                    let step = cx.ui.silent_step(&format!("qemu::{}", plan.name));
                    let outcome =
                        run_plan(&cx, &platform, args, plan, &built, &signals, &mut copies)?;
                    drop(step);
                    if outcome.interrupted {
                        return Ok(Exit::Interrupted);
                    }
                    let took = outcome
                        .cases
                        .first()
                        .and_then(|case| case.took)
                        .unwrap_or_default();
                    report.add(
                        &mut copies,
                        &format!("qemu::{}", plan.name),
                        outcome.cases,
                        took,
                    )?;
                }
            }
            Err(error) => {
                let case = Case::new("build::system", None, Some(format!("{error:#}")));
                report.add(&mut copies, "build", vec![case], Duration::ZERO)?;
            }
        }
    }
    report.finish(&mut copies, args.junit.as_deref())
}

/// The platform's tests by keystrokes.
fn keys(platform: &Platform) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(platform.folder.join("tests"));
    let files = entries.into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "keys"));
    files.sort();
    files
}

/// A build with nothing changed runs rustc not once.
fn build_again(cx: &Context, built: &Built) -> Result<Vec<Case>> {
    if built.files.is_empty() {
        return Ok(Vec::new());
    }
    let again = os_build::build(cx, CpuDriver::checking(Scheduler::RoundRobin))?;
    let failure = (again.compiled > 0).then(|| {
        format!(
            "rustc ran for {} crates though nothing had changed",
            again.compiled
        )
    });
    Ok(vec![Case::new("build::up-to-date", None, failure)])
}

/// Most bytes of the platform's boot image in each profile, and whether that is `course`. Each program is linked whole; the book's chapter "Performance" says
/// what is in one.
const IMAGE_BYTES: [(&str, bool, usize); 2] = [("", false, 7 << 20), ("-course", true, 4 << 20)];
/// Most bytes of the CPU driver in it.
const CPU_DRIVER_BYTES: usize = 128 << 10;

/// The boot image and the CPU driver, as users get them, stay small.
fn sizes(cx: &Context, platform: &Platform) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    // The one that users get by default last: its files stay.
    for (scheduler, ending) in [(Scheduler::Rbed, "-rbed"), (Scheduler::RoundRobin, "")] {
        let built = os_build::build(cx, CpuDriver::plain(scheduler))?;
        if built.files.is_empty() {
            return Ok(Vec::new());
        }
        let too_large = |bytes: usize, most: usize| {
            (bytes > most).then(|| format!("{bytes} bytes, at most {most} are wanted"))
        };
        let mut cpu_driver = 0;
        for (profile, course, most) in IMAGE_BYTES {
            let choice = MenuChoice {
                course,
                ..MenuChoice::default()
            };
            let contents = image::read_menu(cx, platform, &choice)?;
            let image = image::make(cx, platform, &contents, &built)?;
            let part = image.parts.iter().find(|part| part.0 == "cpu_driver");
            cpu_driver = part.map_or(0, |part| part.1);
            cases.push(Case::new(
                format!("build::image-size{profile}{ending}"),
                None,
                too_large(image.bytes, most),
            ));
        }
        cases.push(Case::new(
            format!("build::cpu-driver-size{ending}"),
            None,
            too_large(cpu_driver, CPU_DRIVER_BYTES),
        ));
    }
    Ok(cases)
}

/// The test files of a platform, by name.
fn plans(cx: &Context, platform: &Platform, args: &TestArgs) -> Result<Vec<Plan>> {
    let folder = platform.folder.join("tests");
    let mut files: Vec<_> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
        }
    };
    files.sort();
    let ending = |file: &std::path::Path| {
        file.extension()
            .map(|ending| ending.to_string_lossy().into_owned())
    };
    let scripts: Vec<Plan> = files
        .iter()
        .filter(|file| ending(file).as_deref() == Some("script"))
        .map(|file| plan::read(file, cx.workspace.relative(file)))
        .collect::<Result<_>>()?;
    let mut all = Vec::new();
    for file in files
        .iter()
        .filter(|file| ending(file).as_deref() == Some("menu"))
    {
        // A menu that a script names is that script's.
        let taken = scripts
            .iter()
            .any(|script| script.menu.as_ref() == Some(file));
        if !taken {
            all.push(plan::read(file, cx.workspace.relative(file))?);
        }
    }
    all.extend(scripts);
    all.retain(|plan| args.long || !plan.long);
    let mut names: Vec<&str> = all.iter().map(|plan| plan.name.as_str()).collect();
    names.sort_unstable();
    if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b) {
        let folder = cx.workspace.relative(&folder).display();
        return Err(Failure::bad_input(format!(
            "{folder}: two tests are called `{name}`: rename one"
        )));
    }
    Ok(all)
}

fn run_plan(
    cx: &Context,
    platform: &Platform,
    args: &TestArgs,
    plan: &Plan,
    built: &Built,
    signals: &Signals,
    copies: &mut Copies,
) -> Result<boot::Outcome> {
    let choice = MenuChoice {
        file: plan.menu.clone(),
        ..MenuChoice::default()
    };
    let contents = image::read_menu(cx, platform, &choice);
    let image = match contents.and_then(|contents| image::make(cx, platform, &contents, built)) {
        Ok(image) => image,
        Err(error) => {
            let case = Case::new(
                format!("qemu::{}", plan.name),
                None,
                Some(format!("{error:#}")),
            );
            return Ok(boot::Outcome {
                cases: vec![case],
                interrupted: false,
            });
        }
    };
    let mut wishes = plan.wishes.clone();
    wishes.seed = args.seed.or(wishes.seed);
    wishes.check(platform)?;
    if args.long {
        wishes.append.push("long=1".into());
    }
    let machine = Machine::new(
        platform,
        qemu_file(cx),
        &image,
        &wishes,
        new_nonce(wishes.seed)?,
    )?;
    let symbols = Symboliser::new(image.symbols, &cx.workspace.root);
    let limit = args.timeout.map_or(plan.limit, Duration::from_secs);
    let mut guest = Guest::start(cx.ui, &machine, symbols, signals, copies, Some(limit))?;
    boot::watch(plan, &mut guest)
}
