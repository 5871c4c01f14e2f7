//! The first domain: it owns the machine's memory, starts programs and serves the prompt.
//!
//! | Module | What |
//! |---|---|
//! | [`options`] | init's own arguments from the boot menu |
//! | [`memory`] | the machine's memory into the allocator |
//! | [`timeline`] | how long booting took |
//! | [`children`] | starting programs, waiting for their end, killing them |
//! | [`outcome`] | how a program ended, in words |
//! | [`onboot`] | modules that the menu marks `boot` |
//! | [`input`] | the console's bytes, type-ahead, Ctrl-C |
//! | [`shell`] | the prompt |
//! | [`commands`] | the commands |
//! | [`cores`] | the other cores |
//! | [`offers`] | services that init offers itself, in the profile course |
//! | [`killing`] | the test commands `killtest` and `killsteps` |
//! | [`mutate`] | the test command `elfmutate` |
//! | [`walk`] | the test command `walktest` |
//!
//! Policy: what a user types and what a child does never ends init. Every list that they can make longer has a limit with a
//! message.
//!
//! Barrelfish counterpart: `usr/init` of the course, with a shell in it until there is one of its own.
#![no_std]
#![no_main]

extern crate alloc;

mod children;
mod commands;
mod cores;
mod input;
mod killing;
mod memory;
mod mutate;
mod offers;
mod onboot;
mod options;
mod outcome;
mod records;
mod shell;
mod timeline;
mod walk;

use aos::boot::Boot;
use aos::{Args, Error, event, println, time};
use children::{Children, Limit, rest};
use core::time::Duration;
use options::{AtEnd, Options};

/// How long init's own services may take to be there.
const PATIENCE: Duration = Duration::from_secs(2);

#[aos::main]
fn main(args: Args) -> Result<(), Error> {
    let info = aos::boot::info_of_init();
    let version = info.abi_version;
    if version != aos::kpi::ABI_VERSION {
        println!(
            "init: built for ABI version {}, the kernel has {version}: build both again",
            aos::kpi::ABI_VERSION
        );
        return Err(aos::cap::kernel::shutdown());
    }
    // init must not end because memory is out.
    aos::heap::set_grows(false);
    memory::add_regions(info);
    let boot = Boot::of_init()?;
    let mut children = Children::new(boot)?;
    let options = Options::parse(args);
    children.trusted_bytes = options.trusted_bytes;
    children.start_cores(options.cores);
    offers::start(&options.offer);
    wait_for_services(&mut children);
    let all_well = onboot::run(boot, &mut children);
    match options.at_end {
        AtEnd::Prompt | AtEnd::Serve => {}
        AtEnd::Shutdown => {
            println!(
                "init: done, {}",
                if all_well {
                    "all well"
                } else {
                    "with failures"
                }
            );
            return Err(aos::cap::kernel::shutdown());
        }
        AtEnd::Reboot => return Err(aos::cap::kernel::reboot()),
    }
    timeline::show(boot);
    match options.at_end {
        AtEnd::Serve => Err(serve(&mut children)),
        _ => shell::serve(boot, &mut children),
    }
}

/// Until init's own services can be found, so that who is started finds them; not for ever.
fn wait_for_services(children: &mut Children) {
    let deadline = time::after(PATIENCE);
    while !offers::are_ready() && time::now() < deadline {
        let snapshot = event::snapshot();
        let busy = children.tend();
        rest(busy, snapshot, Limit::Deadline(deadline));
    }
}

/// Serves the domains, until the process server has failed for good: nobody could ask for anything then.
fn serve(children: &mut Children) -> Error {
    loop {
        let snapshot = event::snapshot();
        let busy = children.tend();
        for ended in children.take_told() {
            ended.outcome.tell_background(ended.name, ended.pid);
        }
        if children.kept_failed() {
            println!("init: the system cannot go on without it");
            return aos::cap::kernel::shutdown();
        }
        match busy {
            true => event::yield_now(),
            false => event::wait_until(snapshot, children.deadline()),
        }
    }
}
