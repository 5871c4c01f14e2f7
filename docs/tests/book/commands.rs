//! The commands of `lib/kpi/src/invocation.rs` and the system calls of `lib/kpi/src/syscall.rs`: their tables, and whether each error is
//! real and expected by some test.
//!
//! The documentation of a command or call may end with `Errors:` and codes in backticks, without the prefix `SYS_ERR_`, in the order
//! of the tests, with explanations between them. A test that expects an error says so in a comment on a line of its own:
//! `// refuses TYPE.COMMAND: CODE, CODE`, or `// refuses Syscall.CALL: CODE`, and names the codes in the same function. A message is the call
//! `Send`, which shares its number with invocations. What holds for every command (lookups, unknown commands, wrong numbers of words) is not
//! listed with each.

use crate::assert_none;
use crate::page::root;
use crate::source::{items, read};
use errors::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const SOURCE: &str = "lib/kpi/src/invocation.rs";
const CALLS: &str = "lib/kpi/src/syscall.rs";
/// The type of a call, in markers.
const CALL: &str = "Syscall";
/// Where tests of commands are.
const TESTS: &[&str] = &[
    "lib/caps/tests",
    "usr/tests/src",
    "usr/attack/src",
    "usr/init/src",
];
const MARKER: &str = "// refuses ";

/// A command or call as its documentation tells.
struct Command {
    name: String,
    number: String,
    /// Of calls `meaning` says it.
    argc: String,
    meaning: String,
    errors: String,
}

impl Command {
    fn new(name: &str, number: &str, argc: &str, doc: &str) -> Self {
        let (meaning, errors) = doc.split_once(" Errors: ").unwrap_or((doc, "-"));
        Self {
            name: name.into(),
            number: number.into(),
            argc: argc.into(),
            meaning: meaning.into(),
            errors: errors.into(),
        }
    }

    /// The codes, with prefix. One may stand there twice, for two reasons.
    fn codes(&self) -> BTreeSet<String> {
        let parts = self.errors.split('`').skip(1).step_by(2);
        parts.map(full_name).collect()
    }
}

/// Codes of other parts of the system are written with their prefix.
fn full_name(code: &str) -> String {
    if code.contains("_ERR_") {
        code.into()
    } else {
        format!("SYS_ERR_{code}")
    }
}

fn commands(objtype: &str) -> Vec<Command> {
    let opening = format!("    {objtype}Command {{");
    let parse = |item: crate::source::Item| {
        let (name, rest) = item.declaration.split_once(" = ").unwrap();
        let (number, argc) = rest.trim_end_matches(';').split_once(", argc ").unwrap();
        Command::new(name, number, argc, &item.doc)
    };
    items(SOURCE, &opening).into_iter().map(parse).collect()
}

/// The system calls, and sending, which has the number of an invocation.
fn calls() -> Vec<Command> {
    let parse = |item: crate::source::Item| {
        let (name, number) = item.declaration.split_once(" = ").unwrap();
        Command::new(name, number.trim_end_matches(','), "", &item.doc)
    };
    let mut calls: Vec<Command> = items(CALLS, "pub enum Syscall")
        .into_iter()
        .map(parse)
        .collect();
    let words = items(CALLS, "impl CallWord");
    let mut words = words.iter();
    let is_send = |item: &&crate::source::Item| item.declaration.starts_with("pub const fn send(");
    let send = words.find(is_send).unwrap();
    calls.insert(1, Command::new("Send", "0", "", &send.doc));
    calls
}

/// Every command and call, by the name that markers give it.
fn all() -> Vec<(String, Command)> {
    let named = |objtype: &str, commands: Vec<Command>| -> Vec<(String, Command)> {
        let name = |command: Command| (format!("{objtype}.{}", command.name), command);
        commands.into_iter().map(name).collect()
    };
    let types = types();
    let mut all: Vec<_> = types
        .iter()
        .flat_map(|objtype| named(objtype, commands(objtype)))
        .collect();
    all.extend(named(CALL, calls()));
    all
}

/// The types that have commands.
fn types() -> Vec<String> {
    let text = read(SOURCE);
    let openings = text
        .lines()
        .filter_map(|line| line.strip_suffix("Command {"));
    openings.map(|name| name.trim().into()).collect()
}

/// Rows of the commands of a type.
pub fn table(objtype: &str) -> String {
    let mut out = String::from(
        "| Number | Command | Words | Arguments (from x2 on) and results | Errors |\n|---|---|---|---|---|\n",
    );
    for command in commands(objtype) {
        let Command {
            name,
            number,
            argc,
            meaning,
            errors,
        } = command;
        out += &format!("| {number} | {name} | {argc} | {meaning} | {errors} |\n");
    }
    out
}

/// Rows of the system calls.
pub fn calls_table() -> String {
    let mut out = String::from("| Number | Call | Meaning | Errors |\n|---|---|---|---|\n");
    for call in calls() {
        let Command {
            name,
            number,
            meaning,
            errors,
            ..
        } = call;
        out += &format!("| {number} | {name} | {meaning} | {errors} |\n");
    }
    out
}

/// The errors that tests expect, by command, and where.
fn expected() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in TESTS {
        scan(&root().join(folder), &mut |place, text, _| {
            let (command, codes) = parts(place, text);
            found.entry(command.into()).or_default().extend(codes);
        });
    }
    found
}

/// Command and codes of a marker.
fn parts<'a>(place: &str, text: &'a str) -> (&'a str, Vec<String>) {
    let (command, codes) = text
        .split_once(": ")
        .unwrap_or_else(|| panic!("{place}: `{MARKER}TYPE.COMMAND: CODE, CODE`"));
    let codes = codes.split(", ").map(|code| full_name(code.trim()));
    (command, codes.collect())
}

/// The lines of the function that a line is in.
fn function<'a>(lines: &'a [&'a str], line: usize) -> &'a [&'a str] {
    let starts = |line: &&str| line.starts_with("fn ") || line.starts_with("pub ");
    let first = lines[..line].iter().rposition(starts).unwrap_or(0);
    let end = lines[line..].iter().position(|line| *line == "}");
    &lines[first..end.map_or(lines.len(), |end| line + end)]
}

/// The name of a code in Rust: `SysCapLocked` for `SYS_ERR_CAP_LOCKED`.
fn variant(code: &str) -> String {
    let words = code.split('_').filter(|word| *word != "ERR");
    let capitalised = words.map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_owned() + &rest.to_lowercase()
    });
    capitalised.collect()
}

/// Calls `f` with the place and the text of each marker below a folder, and the lines of the function that it is in.
fn scan(folder: &Path, f: &mut dyn FnMut(&str, &str, &[&str])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scan(&path, f);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if let Some(marker) = line.trim().strip_prefix(MARKER) {
                let place = format!("{}:{}", path.display(), number + 1);
                f(&place, marker, function(&lines, number));
            }
        }
    }
}

#[test]
fn what_a_test_says_that_it_refuses_it_names() {
    let mut complaints = Vec::new();
    let mut seen = 0;
    for folder in TESTS {
        scan(&root().join(folder), &mut |place, text, lines| {
            for code in parts(place, text).1 {
                seen += 1;
                let name = variant(&code);
                if !lines.iter().any(|line| line.contains(&name)) {
                    complaints.push(format!("{place}: {name} is not in this function"));
                }
            }
        });
    }
    assert!(seen > 100, "the markers are gone");
    assert_none(&complaints);
}

#[test]
fn each_error_of_each_command_is_real_and_tested() {
    let mut expected = expected();
    let mut complaints = Vec::new();
    let mut seen = 0;
    for (name, command) in all() {
        let mut tested = expected.remove(&name).unwrap_or_default();
        for code in command.codes() {
            seen += 1;
            if ErrorCode::from_name(&code).is_none() {
                complaints.push(format!("{name}: {code} is no error code"));
            }
            if !tested.remove(&code) {
                complaints.push(format!("{name}: no test says `{MARKER}{name}: {code}`"));
            }
        }
        // "As Copy": more than is listed.
        let refers = command.errors.contains("as ");
        for code in tested.into_iter().filter(|_| !refers) {
            complaints.push(format!(
                "{name}: a test expects {code}, which lib/kpi does not list"
            ));
        }
    }
    for name in expected.keys() {
        complaints.push(format!("a test refuses {name}, which does not exist"));
    }
    assert!(seen > 5, "the errors are gone");
    assert_none(&complaints);
}
