//! The binary: reads the command line, runs one command, ends with its exit code.

#![forbid(unsafe_code)]

use clap::Parser as _;
use hake::cli::{Cli, Command};
use hake::failure::{Exit, exit_code};
use hake::{bench, capviz, commands, debug, fuzz, new, suite};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout and is no error; a closed stdout is nothing to complain about.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            } as u8);
        }
    };
    let result = std::panic::catch_unwind(|| match &cli.command {
        Command::Doctor(args) => commands::doctor(args),
        Command::Build(args) => commands::build(args),
        Command::Image(args) => commands::image(args),
        Command::Run(args) => commands::run(args),
        Command::Test(args) => suite::test(args),
        Command::Bench(args) => bench::bench(args),
        Command::Capviz(args) => capviz::capviz(args),
        Command::Fuzz(args) => fuzz::fuzz(args),
        Command::Gdb(args) => debug::gdb(args),
        Command::New(args) => new::new(args),
        Command::Clean(args) => commands::clean(args),
    });
    let exit = match result {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            eprintln!("hake: {error:#}");
            let exit = exit_code(&error);
            if exit == Exit::Bug {
                eprintln!(
                    "hake: this is a bug in hake, or something that it did not foresee; please report it"
                );
            }
            exit
        }
        // The panic's own message stands above.
        Err(_) => Exit::Bug,
    };
    ExitCode::from(exit as u8)
}
