//! The process server: a domain around [`services::process`], by [`serving::process`].
//!
//! | Module | What |
//! |---|---|
//! | [`light`] | the board's light |
//! | [`menu`] | the services of the boot menu |
//! | [`domains`] | how processes are made: init makes them |
//! | [`greeting`] | the course's init channel |
//! | [`given`] | the capabilities that services get |
//! | [`readiness`] | what the name server knows of them |
//! | [`system`] | boot image, log, switching off: `service/system` |
//!
//! `module /sbin/spawnd spawnd` in the boot menu: init trusts it as the kernel, and starts it again when it crashes. Its arguments: `operator=NAME` for a
//! program that init itself starts and that may manage all processes; `verbose`: all that services do is printed; `grading`: a line for each call of the
//! course; `led=BASE:LINE`: the board's light hangs on this line of the PL061 whose registers are there.
//!
//! It registers as `service/process`, as soon as the name server, which it starts itself, is there. It never waits for a service: only for init.
#![no_std]
#![no_main]

extern crate alloc;

mod domains;
mod given;
mod greeting;
mod light;
mod menu;
mod readiness;
mod system;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString;
use aos::boot::Boot;
use aos::proc;
use aos::rpc::GradingLines;
use aos::service::{Next, Round};
use aos::{Args, Error, println, time};
use core::task::Poll;
use domains::Domains;
use readiness::News;
use services::process::{ProcessService, ProcessesServer};
use serving::process::{self, NAME, Operators};
use supervise::State;
use system::Known;

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    aos::ram::add_system_memory()?;
    let options = Options::parse(args);
    let boot = Boot::of_trusted()?;
    let plan = menu::read(boot);
    let names = menu::names(&plan.services);
    let backend = Domains::new(plan.lines);
    let mut service = ProcessService::new(backend, plan.services, process::interval())?;
    if options.grading {
        service.grading = Box::new(GradingLines);
    }
    service.own = args.pid();
    greeting::start(options.grading)?;
    let mut host = process::host()?;
    host.register_later(NAME, "")?;
    let news = Rc::<News>::default();
    let mut watching = Box::pin(readiness::watch(news.clone(), names));
    let heard = news.clone();
    let known = Rc::<Known>::default();
    let light = options.light.and_then(|at| match light::open(at) {
        Ok(light) => Some(light),
        Err(error) => {
            println!("spawnd: there is no light where the menu says: {error}");
            None
        }
    });
    let mut machine = system::serve(boot, known.clone(), light)?;
    host.set_beside(move |cx| {
        let _ = watching.as_mut().poll(cx);
        // It never ends.
        let _ = machine.as_mut().poll(cx);
        match proc::poll_ended(cx).is_ready() || !heard.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    });
    service.set_time(time::now());
    service.start_all();
    let mut service = ProcessesServer(service);
    host.run(&mut service, |service, round| {
        between(&mut service.0, &news, &known, &options, round);
        Next::Serve
    });
    Ok(())
}

/// What has happened since the last round.
fn between(
    service: &mut ProcessService<Domains>,
    news: &News,
    known: &Known,
    options: &Options,
    round: &mut Round,
) {
    process::welcome(service, round, |backend, pid| {
        options.operators.has(backend, pid)
    });
    for (pid, end) in proc::take_ended() {
        let ended = process::ended(pid, end);
        if !ended.why.is_empty() {
            known.note(&alloc::format!("process {pid}: {}", ended.why));
        }
        service.exited(ended);
    }
    for news in news.take() {
        match news {
            readiness::Heard::NameServer => service.name_server_is_there(),
            readiness::Heard::Registered(name, pid) => service.registered(&name, pid),
        }
    }
    round.finished.extend(service.take_finished());
    round.deadline = service.next_deadline();
    // Also of a service that asks nothing here, and was just started.
    known.set_operators(service.operators());
    for life in service.take_lives() {
        known.note(&life.to_string());
        let is_bad = matches!(life.state, State::Backoff { .. } | State::Failed(_));
        if is_bad || options.verbose {
            println!("spawnd: {life}");
        }
    }
}

/// What the boot menu says.
struct Options {
    operators: Operators,
    verbose: bool,
    grading: bool,
    light: Option<(u64, u8)>,
}

impl Options {
    fn parse(args: Args) -> Self {
        let mut options = Self {
            operators: Operators::default(),
            verbose: false,
            grading: false,
            light: None,
        };
        for word in args.words() {
            let light = word.strip_prefix("led=").and_then(light::parse);
            match (word, word.strip_prefix("operator="), light) {
                ("verbose", ..) => options.verbose = true,
                ("grading", ..) => options.grading = true,
                (_, Some(name), _) => options.operators.0.push(name),
                (.., Some(_)) => options.light = light,
                _ => println!(
                    "spawnd: argument \"{word}\" is not known (operator=NAME, led=BASE:LINE, verbose, grading are)"
                ),
            }
        }
        options
    }
}
