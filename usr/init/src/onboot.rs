//! Modules that the boot menu marks `boot`: started in the menu's order, one after the other.
//!
//! A module is marked when the first word behind its path is `boot`, `kernel`, `service` or `spawnd`; the words behind that are its arguments. It is
//! trusted: it gets memory of its own and the boot modules, and may send records. That is for test programs and, later, services.
//! `kernel` gives init's authority over the kernel, interrupts, cores and devices too. A `service` is not waited for: it runs beside all that follows,
//! and is no more trusted than a program, but it may be the name server. `spawnd` is for the process server: it runs beside all that follows, is
//! trusted as `kernel`, and is started again when it crashes.

use crate::children::{Children, Limit, Start, Trust, conclude};
use crate::records;
use alloc::string::String;
use alloc::vec::Vec;
use aos::boot::{Boot, Module};
use aos::initproto::STATUS_NOT_STARTED;
use aos::println;

/// Runs them all; answers whether each ended with status 0.
pub fn run(boot: &Boot, children: &mut Children) -> bool {
    let mut all_well = true;
    for module in boot.modules() {
        let words = match module.words() {
            Ok(words) => words,
            Err(error) => {
                println!("init: arguments of module {}: {error}", module.name());
                continue;
            }
        };
        if let Some((first, args)) = words.split_first() {
            // init itself is a module too, but no `boot` one.
            let trust = match first.as_str() {
                "boot" => Trust::Trusted,
                "kernel" => Trust::Kernel,
                "service" => {
                    all_well &= start_service(children, &module, args);
                    continue;
                }
                "spawnd" => {
                    if let Err(error) = children.keep(&module, args) {
                        println!("{}: could not be started: {error}", module.name());
                        all_well = false;
                    }
                    continue;
                }
                _ => continue,
            };
            let status = run_one(children, &module, args, trust);
            records::command(module.name(), status);
            all_well &= status == 0;
        }
    }
    all_well
}

fn start_service(children: &mut Children, module: &Module<'_>, args: &[String]) -> bool {
    let name = module.name();
    let words: Vec<&str> = core::iter::once(name)
        .chain(args.iter().map(String::as_str))
        .collect();
    let started = module.open().map_err(Into::into).and_then(|file| {
        let started = children.start(&Start {
            background: true,
            is_service: true,
            ..Start::new(&file, &words)
        });
        // What cannot be unmapped only costs addresses.
        let _ = file.close();
        started
    });
    match started {
        Ok(pid) => {
            println!("init: {name} (service, pid {pid})");
            true
        }
        Err(error) => {
            println!("{name}: could not be started: {error}");
            false
        }
    }
}

fn run_one(children: &mut Children, module: &Module<'_>, args: &[String], trust: Trust) -> u8 {
    let name = module.name();
    println!("init: {name} (boot)");
    let words: Vec<&str> = core::iter::once(name)
        .chain(args.iter().map(String::as_str))
        .collect();
    let ended = module.open().map_err(Into::into).and_then(|file| {
        let start = Start {
            trust,
            ..Start::new(&file, &words)
        };
        let ended = children.run(&start, Limit::Interrupt);
        // What cannot be unmapped only costs addresses.
        let _ = file.close();
        ended
    });
    match ended {
        Ok(ended) => {
            let status = conclude(ended);
            println!("init: {name} ended with status {status}");
            status
        }
        Err(error) => {
            println!("{name}: could not be started: {error}");
            STATUS_NOT_STARTED
        }
    }
}
