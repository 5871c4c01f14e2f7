//! The process server: a domain around [`services::process`].
//!
//! | Module | What |
//! |---|---|
//! | [`menu`] | the services of the boot menu |
//! | [`domains`] | how processes are made: init makes them |
//! | [`greeting`] | the course's init channel |
//! | [`given`] | the capabilities that services get |
//! | [`readiness`] | what the name server knows of them |
//! | [`system`] | boot image, log, switching off: `service/system` |
//!
//! `module /sbin/spawnd spawnd` in the boot menu: init trusts it as the kernel, and starts it again when it crashes. Its arguments: `operator=NAME` for a
//! program that init itself starts and that may manage all processes; `verbose`: all that services do is printed; `grading`: a line for each call of the
//! course.
//!
//! It registers as `service/process`, as soon as the name server, which it starts itself, is there. It never waits for a service: only for init.
#![no_std]
#![no_main]

extern crate alloc;

mod domains;
mod given;
mod greeting;
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
use aos::{Args, Error, println, time};
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
    let mut machine = system::serve(boot, known.clone())?;
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
    service.set_time(time::now());
    for (connection, pid) in &round.opened {
        // Who is one too many is told so by whatever it asks.
        let _ = service.opened(*connection, *pid);
        if options.is_operator(&mut service.backend, *pid) {
            service.add_operator(*pid);
        }
        if service.is_operator(*pid) {
            known.add_operator(*pid);
        }
    }
    for (pid, end) in proc::take_ended() {
        known.ended(pid);
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
}

impl Options {
    fn parse(args: Args) -> Self {
        let mut options = Self {
            operators: alloc::vec::Vec::new(),
            verbose: false,
            grading: false,
        };
        for word in args.words() {
            match (word, word.strip_prefix("operator=")) {
                ("verbose", _) => options.verbose = true,
                ("grading", _) => options.grading = true,
                (_, Some(name)) => options.operators.push(name),
                _ => println!(
                    "spawnd: argument \"{word}\" is not known (operator=NAME, verbose, grading are)"
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
