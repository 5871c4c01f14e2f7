//! The commands that the shell has itself: one table for what runs, for `help` and `man`, and for completion.
//!
//! | Kind | Runs |
//! |---|---|
//! | [`Kind::Own`] | in the shell, at once; it may change the shell's variables and jobs |
//! | [`Kind::Alone`] | as `Own`, and waits or ends the shell: only by itself, not in a pipeline nor in the background |
//! | [`Kind::Tool`] | in the shell, beside what else runs: reads its input and writes its output as a program does |
//! | [`Kind::Applet`] | as a process of its own, which is the shell's program once more: long work, and what may go wrong |
//!
//! Barrelfish counterpart: the table of commands in `usr/fish`.

mod manual;

use crate::ast::Quoted;
use alloc::string::String;
use core::fmt::Write;

/// How a command runs, see the [module](self).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// In the shell, at once.
    Own,
    /// In the shell, and only by itself.
    Alone,
    /// In the shell, beside what else runs.
    Tool,
    /// As a process of its own.
    Applet,
}

/// What the words behind a command are, for completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// Nothing that has a name.
    Nothing,
    /// Names of commands.
    Commands,
    /// A command with what belongs to it.
    Line,
    /// Programs of the boot image, then files.
    Programs,
    /// Files.
    Files,
    /// Variables.
    Variables,
    /// Jobs.
    Jobs,
    /// Names of services.
    Names,
    /// Supervised services.
    Services,
}

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as `help` and a wrong use show them.
    pub args: &'static str,
    /// One line.
    pub brief: &'static str,
    /// How it runs.
    pub kind: Kind,
    /// How many arguments it takes, without [`JSON`]: at least, at most.
    pub count: (usize, usize),
    /// What they are.
    pub takes: Takes,
}

/// The argument of commands that list something: an object on a line of its own for each row.
pub const JSON: &str = "--json";

/// Any number of arguments.
const ANY: usize = usize::MAX;

macro_rules! table {
    ($($name:literal $args:literal $kind:ident $least:tt..$most:tt $takes:ident $brief:literal,)*) => {
        /// All commands, by name.
        pub const TABLE: &[Command] = &[$(Command {
            name: $name,
            args: $args,
            brief: $brief,
            kind: Kind::$kind,
            count: ($least, $most),
            takes: Takes::$takes,
        },)*];
    };
}

table! {
    "bench" "[ROUNDS]" Applet 0..1 Nothing "how long calls, names and programs take here",
    "bg" "[%JOB]" Own 0..1 Jobs "has a stopped job go on in the background",
    "caps" "[PID] [--json]" Tool 0..1 Nothing "the capabilities of a process, or the shell's",
    "cat" "[FILE]..." Tool 0..ANY Files "prints files, or its input",
    "clear" "" Own 0..0 Nothing "clears the screen",
    "echo" "[-n] [WORD]..." Tool 0..ANY Files "prints its words",
    "env" "" Own 0..0 Nothing "the variables that programs get",
    "exit" "[STATUS]" Alone 0..1 Nothing "ends the shell",
    "export" "[NAME[=VALUE]]..." Own 0..ANY Variables "gives a variable to programs",
    "fg" "[%JOB]" Alone 0..1 Jobs "brings a job to the foreground",
    "help" "[COMMAND]" Tool 0..1 Commands "this list, or how to use a command",
    "history" "[COUNT]" Own 0..1 Nothing "the lines entered before",
    "jobs" "[--json]" Own 0..0 Nothing "what runs in the background",
    "kill" "[-f] PID|%JOB..." Own 1..ANY Jobs "ends processes",
    "led" "[on|off]" Tool 0..1 Nothing "the board's light",
    "log" "[LINES] [--json]" Tool 0..1 Nothing "what the system has done",
    "ls" "[-l] [/boot]" Tool 0..2 Files "files in memory, and those of the boot image",
    "man" "COMMAND" Tool 1..1 Commands "the manual of a command",
    "mem" "[--json]" Tool 0..0 Nothing "memory of the machine, and of the shell",
    "memtest" "[MIB]" Applet 0..1 Nothing "tests memory by patterns",
    "modules" "[--json]" Tool 0..0 Nothing "what the boot image holds",
    "nslist" "[QUERY] [--json]" Tool 0..1 Names "services by name",
    "nslookup" "NAME" Tool 1..1 Names "who offers a service",
    "ps" "[--json]" Tool 0..0 Nothing "processes",
    "reboot" "" Tool 0..0 Nothing "resets the machine",
    "resume" "PID|%JOB..." Own 1..ANY Jobs "has processes go on",
    "rm" "FILE..." Tool 1..ANY Files "removes files in memory",
    "run" "PROGRAM [WORD]..." Alone 1..ANY Programs "a program, also one with a command's name",
    "services" "[--json]" Tool 0..0 Nothing "services that are started again when they crash",
    "set" "[NAME=VALUE]..." Own 0..ANY Variables "the shell's variables",
    "shutdown" "" Tool 0..0 Nothing "powers the machine off",
    "start" "SERVICE" Tool 1..1 Services "starts a service",
    "stop" "SERVICE" Tool 1..1 Services "stops a service, and those that need it",
    "suspend" "PID|%JOB..." Own 1..ANY Jobs "has processes stand still",
    "threads" "[COUNT] [--json]" Applet 0..1 Nothing "threads that count together",
    "time" "PIPELINE" Alone 1..ANY Line "how long a pipeline takes",
    "unset" "NAME..." Own 1..ANY Variables "forgets variables",
    "uptime" "" Tool 0..0 Nothing "time since power-on",
    "wait" "[PID|%JOB]..." Alone 0..ANY Jobs "waits for jobs",
    "wc" "[FILE]..." Tool 0..ANY Files "lines, words and bytes",
}

/// The command of that name.
pub fn find(name: &str) -> Option<&'static Command> {
    let index = TABLE.binary_search_by_key(&name, |command| command.name);
    TABLE.get(index.ok()?)
}

impl Command {
    /// How it is used: one line.
    pub fn usage(&self) -> String {
        let blank = if self.args.is_empty() { "" } else { " " };
        alloc::format!("usage: {}{blank}{}", self.name, self.args)
    }

    /// Whether it may have so many arguments.
    pub fn takes_count(&self, words: &[String]) -> bool {
        let is_plain = |word: &&String| !(self.lists() && *word == JSON);
        let count = words.iter().filter(is_plain).count();
        let (least, most) = self.count;
        least <= count && count <= most
    }

    /// Whether it lists something, and so takes [`JSON`].
    pub fn lists(&self) -> bool {
        self.args.contains(JSON)
    }
}

/// What `help` prints.
pub fn help() -> String {
    let mut out = String::new();
    for command in TABLE {
        let (name, args, brief) = (command.name, command.args, command.brief);
        let _ = writeln!(out, "  {name:9} {args:19} {brief}");
    }
    out.push_str(concat!(
        "Any other word is a program of the boot image (`modules`). `man COMMAND` says more.\n",
        "  a | b   a > file   a >> file   a < file   a && b   a || b   a ; b   a &   $NAME   'quotes'\n",
        "  keys: Tab completes, Up and Ctrl-R find old lines, Ctrl-C ends, Ctrl-Z stops, Ctrl-D leaves\n",
    ));
    out
}

/// What `man` prints.
pub fn manual(command: &Command) -> String {
    let blank = if command.args.is_empty() { "" } else { " " };
    let json = match command.lists() {
        true => "With --json each row is an object on a line of its own, for scripts.\n",
        false => "",
    };
    alloc::format!(
        "{} - {}\n\n    {}{blank}{}\n\n{}\n{json}",
        command.name,
        command.brief,
        command.name,
        command.args,
        manual::text(command.name)
    )
}

/// What to say where a command or program is not there; `others` are the names of programs.
pub fn not_found<'a>(name: &str, others: impl IntoIterator<Item = &'a str>) -> String {
    let commands = TABLE.iter().map(|command| command.name);
    let near = nearest(name, commands.chain(others));
    let name = Quoted(name);
    match near {
        Some(near) => alloc::format!("{name}: no such command or program; is it `{near}`?"),
        None => alloc::format!(
            "{name}: no such command or program; `help` and `modules` list those there are"
        ),
    }
}

/// The name that needs the fewest changes, if those are few.
fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let measured = all.map(|other| (changes(name, other), other));
    let (changes, near) = measured.min_by_key(|(changes, _)| *changes)?;
    let (one, other) = (name.chars().count(), near.chars().count());
    // Of a short name one change leaves enough, two leave another word.
    let few = (one.max(other) / 3).min(2);
    (changes <= few && changes < one.min(other)).then_some(near)
}

/// How many characters have to be added, removed, replaced or swapped with the next; more than 64 characters are not looked at.
fn changes(one: &str, other: &str) -> usize {
    const MOST: usize = 64;
    let one: alloc::vec::Vec<char> = one.chars().take(MOST).collect();
    let other: alloc::vec::Vec<char> = other.chars().take(MOST).collect();
    let mut rows = [[0usize; MOST + 1]; 3];
    for (j, place) in rows[1].iter_mut().enumerate() {
        *place = j;
    }
    for (i, a) in one.iter().enumerate() {
        // Rows: the one before the last, the last, this one.
        let [before, last, this] = &mut rows;
        this[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize; MOST + 1], j: usize| row.get(j).copied().unwrap_or(MOST);
            let replaced = at(last, j) + usize::from(a != b);
            let mut best = replaced.min(at(last, j + 1) + 1).min(at(this, j) + 1);
            let is_swap =
                i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if is_swap {
                best = best.min(at(before, j - 1) + 1);
            }
            if let Some(place) = this.get_mut(j + 1) {
                *place = best;
            }
        }
        rows.rotate_left(1);
    }
    rows[1].get(other.len()).copied().unwrap_or(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(TABLE.is_sorted_by_key(|command| command.name));
        for command in TABLE {
            assert_eq!(find(command.name), Some(command));
            assert!(!manual::text(command.name).is_empty(), "{}", command.name);
            assert!(command.args.chars().count() <= 19, "{}", command.name);
            let longest = help().lines().map(|line| line.chars().count()).max();
            assert!(longest < Some(100));
            let manual = manual(command);
            assert!(
                manual.lines().all(|line| line.chars().count() <= 80),
                "{manual}"
            );
        }
        assert_eq!(find("nonsense"), None);
    }

    #[test]
    fn what_lists_takes_json_besides_its_arguments() {
        let takes = |name: &str, words: &[&str]| {
            let words: alloc::vec::Vec<String> = words.iter().map(|word| (*word).into()).collect();
            find(name).is_some_and(|command| command.takes_count(&words))
        };
        for name in ["ps", "nslist", "caps", "mem", "threads", "jobs", "log"] {
            assert!(takes(name, &[JSON]) && takes(name, &[]), "{name}");
            assert!(!takes(name, &["1", "2", JSON]), "{name}");
        }
        assert!(takes("caps", &["3", JSON]) && takes("log", &[JSON, "3"]));
        assert!(!takes("ps", &["3"]) && !takes("uptime", &[JSON]));
        assert!(takes("echo", &[JSON]));
    }

    #[test]
    fn a_near_name_is_told() {
        let hint = |name| not_found(name, ["hello", "crash"]);
        assert!(hint("hlep").ends_with("is it `help`?"));
        assert!(hint("helo").ends_with("is it `help`?") || hint("helo").ends_with("`hello`?"));
        assert!(hint("helllo").ends_with("is it `hello`?"));
        assert!(hint("jbos").ends_with("is it `jobs`?"));
        assert!(hint("pss").ends_with("is it `ps`?"));
        assert!(hint("some").contains("`modules`"));
        assert!(hint("xyzzy").contains("`modules`"));
        assert!(hint("x").contains("`modules`"));
        assert!(hint("").contains("`modules`"));
        assert!(hint(&"long".repeat(99)).contains("`modules`"));
    }

    #[test]
    fn changes_are_counted() {
        assert_eq!(changes("", ""), 0);
        assert_eq!(changes("abc", ""), 3);
        assert_eq!(changes("abc", "acb"), 1);
        assert_eq!(changes("kitten", "sitting"), 3);
    }
}
