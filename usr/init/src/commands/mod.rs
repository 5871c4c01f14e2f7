//! The commands of the prompt.

mod capdump;
mod caps;
mod captree;
mod capwhy;
mod cores;
mod lists;
mod processes;
mod run;

use crate::children::Children;
use crate::killing;
use crate::{mutate, walk};
use alloc::string::String;
use alloc::vec::Vec;
pub use lists::in_use;

use aos::args::Variable;
use aos::boot::Boot;
use aos::cap::kernel;
use aos::kpi::args::MAX_ARGS;
use aos::{menu, println, time};

/// Status of a command that was used wrongly.
pub const STATUS_USAGE: u8 = 64;

/// What a command works with.
pub struct Context<'a> {
    /// What the machine has.
    pub boot: &'static Boot,
    /// The children.
    pub children: &'a mut Children,
    /// The words of the line, the command first.
    pub words: Vec<String>,
    /// Whether a program is to run in the background.
    pub background: bool,
    /// The environment of a program that is started.
    pub env: Vec<String>,
    /// Whether the output is JSON.
    pub json: bool,
}

/// A command.
struct Command {
    name: &'static str,
    /// Arguments, for the help text.
    args: &'static str,
    what: &'static str,
    /// Whether it takes `--json` and nothing else; otherwise it sees its words.
    list: bool,
    run: fn(&mut Context<'_>) -> u8,
}

impl Command {
    fn usage(&self) {
        let (name, args) = (self.name, self.args);
        let blank = if args.is_empty() { "" } else { " " };
        println!("usage: {name}{blank}{args}");
    }
}

/// The command that starts a program.
const AUTHORIZED: &str = "authorized";

const COMMANDS: &[Command] = &[
    Command {
        name: "caps",
        args: caps::ARGS,
        what: "slots; what was made of what; who can reach an address",
        list: false,
        run: caps::caps,
    },
    Command {
        name: "cores",
        args: cores::ARGS,
        what: "the cores, and how they are; starts others",
        list: false,
        run: cores::cores,
    },
    Command {
        name: "help",
        args: "",
        what: "this list",
        list: true,
        run: help,
    },
    list("mem", "memory of the machine", lists::mem),
    list("modules", "what the boot image holds", lists::modules),
    Command {
        name: "kill",
        args: "PID",
        what: "ends a program",
        list: false,
        run: processes::kill,
    },
    Command {
        name: "killall",
        args: "NAME",
        what: "ends all programs of that name",
        list: false,
        run: processes::killall,
    },
    list("ps", "programs that run", processes::ps),
    plain(
        "reboot",
        "resets the machine",
        |_| refused(kernel::reboot()),
    ),
    Command {
        name: "resume",
        args: "PID",
        what: "has a program go on",
        list: false,
        run: processes::resume,
    },
    plain("shutdown", "powers the machine off", |_| {
        refused(kernel::shutdown())
    }),
    Command {
        name: "suspend",
        args: "PID",
        what: "has a program stand still",
        list: false,
        run: processes::suspend,
    },
    list("uptime", "time since power-on", uptime),
    Command {
        name: "wait",
        args: "PID",
        what: "waits for a program in the background",
        list: false,
        run: processes::wait,
    },
];

/// Commands for tests, which `help` does not name.
const HIDDEN: &[Command] = &[
    Command {
        name: "killtest",
        args: "",
        what: "kills programs at random moments",
        list: false,
        run: killing::killtest,
    },
    Command {
        name: "killsteps",
        args: "",
        what: "kills a program behind each step of what is done for it",
        list: false,
        run: killing::killsteps,
    },
    Command {
        name: "elfmutate",
        args: "MODULE COUNT SEED",
        what: "starts damaged copies of a program",
        list: false,
        run: mutate::elfmutate,
    },
    Command {
        name: AUTHORIZED,
        args: "PROGRAM ARGUMENTS...",
        what: "runs a program with authority over the kernel",
        list: false,
        run: run::authorized,
    },
    list(
        "balance",
        "compares memory and capabilities with the first call",
        lists::balance,
    ),
    list(
        "told",
        "dispatchers that the kernel has told of",
        lists::told,
    ),
    list(
        "invariants",
        "checks the kernel's capability database",
        lists::invariants,
    ),
    plain(
        "capdump",
        "every capability of the core, as records",
        capdump::capdump,
    ),
    plain(
        "walktest",
        "walks over every capability of the core",
        walk::walktest,
    ),
];

const fn list(name: &'static str, what: &'static str, run: fn(&mut Context<'_>) -> u8) -> Command {
    Command {
        name,
        args: "[--json]",
        what,
        list: true,
        run,
    }
}

const fn plain(name: &'static str, what: &'static str, run: fn(&mut Context<'_>) -> u8) -> Command {
    Command {
        name,
        args: "",
        what,
        list: true,
        run,
    }
}

/// Executes a line; answers with its status.
pub fn execute(boot: &'static Boot, children: &mut Children, line: &str) -> u8 {
    // Counted before anything is allocated.
    let count = menu::words(line).count();
    if count > MAX_ARGS {
        println!("{count} words, at most {MAX_ARGS} are possible");
        return STATUS_USAGE;
    }
    let typed = match menu::command_line(line) {
        Ok(typed) => typed,
        Err(error) => {
            let before = line.get(..error.quote_at).unwrap_or_default();
            println!("column {}: {error}", before.chars().count() + 1);
            return STATUS_USAGE;
        }
    };
    let mut words = typed.words;
    let is_variable = |word: &&String| Variable::parse(word).is_some();
    let variables = words.iter().take_while(is_variable).count();
    let mut context = Context {
        boot,
        children,
        words: words.split_off(variables),
        background: typed.background,
        env: words,
        json: false,
    };
    let Some(name) = context.words.first() else {
        if typed.background {
            println!("& runs the program before it in the background, and there is none");
            return STATUS_USAGE;
        }
        if context.env.is_empty() {
            return 0;
        }
        println!("NAME=value sets a variable for the program behind it, and there is none");
        return STATUS_USAGE;
    };
    let command = COMMANDS.iter().chain(HIDDEN).find(|c| c.name == name);
    match command {
        Some(command) => {
            if context.background && command.name != AUTHORIZED {
                println!(
                    "{}: init does this itself; only programs run in the background",
                    command.name
                );
                return STATUS_USAGE;
            }
            if command.list && !take_json(&mut context, command) {
                command.usage();
                return STATUS_USAGE;
            }
            (command.run)(&mut context)
        }
        None => run::program(&mut context),
    }
}

/// Understands `--json`; false when there are other words.
fn take_json(context: &mut Context<'_>, command: &Command) -> bool {
    match context.words.get(1..).unwrap_or_default() {
        [] => true,
        [word] if word == "--json" && !command.args.is_empty() => {
            context.json = true;
            true
        }
        _ => false,
    }
}

fn help(context: &mut Context<'_>) -> u8 {
    for command in COMMANDS {
        let (name, args, what) = (command.name, command.args, command.what);
        if args.len() < 10 {
            println!("  {name:10} {args:9} {what}");
        } else {
            println!("  {name:10} {args}\n{:23}{what}", "");
        }
    }
    println!(
        "programs (PROGRAM ARGUMENTS..., double quotes keep spaces, & runs it in the background,\n  NAME=value before it sets a variable of its environment):"
    );
    for module in context.boot.modules() {
        // Those run already, or are for other cores.
        if ["init", "boot_driver", "cpu_driver", "monitor"].contains(&module.name()) {
            continue;
        }
        println!("  {}", module.name());
    }
    println!("keys: Ctrl-C abandons a line or kills the program; arrows and Ctrl-A E U K W edit");
    0
}

fn uptime(context: &mut Context<'_>) -> u8 {
    let micros = time::micros(time::now());
    if context.json {
        println!("{{\"microseconds\":{micros}}}");
    } else {
        println!("up {}.{:06} s", micros / 1_000_000, micros % 1_000_000);
    }
    0
}

fn refused(error: aos::Error) -> u8 {
    println!("the kernel refused: {error}");
    1
}
