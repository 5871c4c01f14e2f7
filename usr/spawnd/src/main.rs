//! The process server: a domain around [`services::process`].
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
use alloc::string::{String, ToString};
use aos::boot::Boot;
use aos::flounder::Limits;
use aos::proc::{self, End};
use aos::rpc::GradingLines;
use aos::service::{Host, Next, Round};
use aos::{Args, Error, event, println, time};
use core::task::Poll;
use core::time::Duration;
use domains::Domains;
use readiness::News;
use services::process::{Backend, Ended, ProcessService, ProcessesServer};
use supervise::State;
use system::Known;

/// Its name.
const NAME: &str = "service/process";
/// Most connections at once.
const CONNECTIONS: usize = 128;
/// How much each may use.
const LIMITS: Limits = Limits {
    message_bytes: 16 << 10,
    caps: 16,
    queued_bytes: 32 << 10,
    calls: 64,
};
/// So often it is asked whether processes without a connection are still there.
const INTERVAL: Duration = Duration::from_secs(1);

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    aos::ram::add_system_memory()?;
    let options = Options::parse(args);
    let boot = Boot::of_trusted()?;
    let plan = menu::read(boot);
    let interval = time::after(INTERVAL).saturating_sub(time::now());
    let names = menu::names(&plan.services);
    let backend = Domains::new(plan.lines);
    let mut service = ProcessService::new(backend, plan.services, interval)?;
    if options.grading {
        service.grading = Box::new(GradingLines);
    }
    greeting::start(options.grading)?;
    let mut host = Host::new(CONNECTIONS, LIMITS)?;
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
    event::block_on(host.serve(&mut service, |service, round| {
        between(&mut service.0, &news, &known, &options, round);
        Next::Serve
    }));
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
    service.set_time(time::now());
    for (connection, pid) in &round.opened {
        // Who is one too many is told so by whatever it asks.
        let _ = service.opened(*connection, *pid);
        if options.is_operator(&mut service.backend, *pid) {
            service.add_operator(*pid);
        }
    }
    for (pid, end) in proc::take_ended() {
        let ended = ended(pid, end);
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

fn ended(pid: u32, end: End) -> Ended {
    let why = match end {
        End::Exited(_) => String::new(),
        _ => end.to_string(),
    };
    Ended {
        pid,
        status: end.status(),
        why,
    }
}

/// What the boot menu says.
struct Options {
    operators: alloc::vec::Vec<&'static str>,
    verbose: bool,
    grading: bool,
    light: Option<(u64, u8)>,
}

impl Options {
    fn parse(args: Args) -> Self {
        let mut options = Self {
            operators: alloc::vec::Vec::new(),
            verbose: false,
            grading: false,
            light: None,
        };
        for word in args.words() {
            let light = word.strip_prefix("led=").and_then(light::parse);
            match (word, word.strip_prefix("operator="), light) {
                ("verbose", ..) => options.verbose = true,
                ("grading", ..) => options.grading = true,
                (_, Some(name), _) => options.operators.push(name),
                (.., Some(_)) => options.light = light,
                _ => println!(
                    "spawnd: argument \"{word}\" is not known (operator=NAME, led=BASE:LINE, verbose, grading are)"
                ),
            }
        }
        options
    }

    /// Whether it is one of those that init itself has started, by a name that the menu trusts.
    fn is_operator(&self, backend: &mut Domains, pid: u32) -> bool {
        if self.operators.is_empty() {
            return false;
        }
        let all = backend.all().unwrap_or_default();
        let found = all.iter().find(|about| about.pid == pid);
        found.is_some_and(|about| about.parent == 0 && self.operators.contains(&&*about.name))
    }
}
