//! Tables that follow from the source: between `<!-- generated: NAME -->` and `<!-- end -->`.

use crate::assert_none;
use crate::commands;
use crate::page::all;
use crate::source::{items, plain, read};
use hamlet::CopyRule;

const END: &str = "<!-- end -->";

#[test]
fn generated_tables_say_what_the_source_says() {
    let update = std::env::var_os("BOOK_UPDATE").is_some();
    let mut complaints = Vec::new();
    let mut seen = 0;
    for page in all() {
        let mut out = String::new();
        let mut rest = page.text.as_str();
        while let Some((before, after)) = rest.split_once("<!-- generated: ") {
            let (name, body) = after.split_once(" -->\n").unwrap();
            let (old, tail) = body
                .split_once(END)
                .unwrap_or_else(|| panic!("{}: no {END}", page.at(1)));
            let new = format!("\n{}\n", table(name));
            if old != new {
                complaints.push(format!(
                    "{}: the table {name} is out of date: BOOK_UPDATE=1 cargo test -p book",
                    page.at(page.text.len().min(1))
                ));
            }
            out += &format!("{before}<!-- generated: {name} -->\n{new}{END}");
            rest = tail;
            seen += 1;
        }
        out += rest;
        if update && out != page.text {
            std::fs::write(&page.file, out).unwrap();
        }
    }
    assert!(seen > 5, "the markers are gone");
    if !update {
        assert_none(&complaints);
    }
}

fn table(name: &str) -> String {
    match name {
        "capability-types" => capability_types(),
        "system-calls" => commands::calls_table(),
        "send-flags" => constants("lib/kpi/src/syscall.rs", "impl SendFlags", "Flag"),
        "rights" => constants("lib/kpi/src/rights.rs", "impl CapRights", "Right"),
        "page-flags" => constants("lib/kpi/src/rights.rs", "impl PageFlags", "Flag"),
        "root-slots" => constants(
            "lib/kpi/src/slots.rs",
            "pub mod root",
            "Slot of the root CNode",
        ),
        "task-slots" => constants(
            "lib/kpi/src/slots.rs",
            "pub mod task",
            "Slot of the task CNode",
        ),
        "save-areas" => fields("lib/kpi/src/dispatcher.rs", "pub struct DispatcherShared"),
        "core-data" => fields("lib/kpi/src/coredata.rs", "pub struct CoreData"),
        "kernel-notes" => numbered("lib/kpi/src/lmp.rs", "pub enum KernelNote", "Note"),
        "fault-kinds" => numbered("lib/kpi/src/lmp.rs", "pub enum FaultKind", "Kind"),
        "records" => records(),
        "exit-codes" => numbered("hake-rs/src/failure.rs", "pub enum Exit", "Name"),
        name => match name.strip_prefix("commands-") {
            Some(objtype) => commands::table(objtype),
            None => panic!("no table is called {name}"),
        },
    }
}

/// Rows `| number | name | documentation |` of an enum with explicit numbers.
fn numbered(path: &str, opening: &str, what: &str) -> String {
    let mut out = format!("| Number | {what} | Meaning |\n|---|---|---|\n");
    for item in items(path, opening) {
        let (name, number) = item.declaration.split_once(" = ").unwrap();
        out += &format!(
            "| {} | {name} | {} |\n",
            number.trim_end_matches(','),
            item.doc
        );
    }
    out
}

/// Rows of `pub const NAME: T = N;` or `= Self(N);`, other items left out.
fn constants(path: &str, opening: &str, what: &str) -> String {
    let mut out = format!("| Number | {what} | Meaning |\n|---|---|---|\n");
    for item in items(path, opening) {
        let Some(constant) = item.declaration.strip_prefix("pub const ") else {
            continue;
        };
        let Some((name, value)) = constant.split_once(" = ") else {
            continue;
        };
        let name = name.split(':').next().unwrap_or_default();
        let value = value
            .trim_end_matches(';')
            .trim_start_matches("Self(")
            .trim_end_matches(')');
        out += &format!("| {value} | {name} | {} |\n", item.doc);
    }
    out
}

/// Rows of a structure's fields.
fn fields(path: &str, opening: &str) -> String {
    let mut out = String::from("| Field | Meaning |\n|---|---|\n");
    for item in items(path, opening) {
        let declaration = item
            .declaration
            .trim_start_matches("pub ")
            .trim_end_matches(',');
        out += &format!("| `{declaration}` | {} |\n", item.doc);
    }
    out
}

fn records() -> String {
    let mut out = String::from("| `t` | Fields |\n|---|---|\n");
    for kind in testproto::Kind::ALL {
        let names: Vec<&str> = kind.fields().iter().map(|(name, _)| *name).collect();
        out += &format!("| `{}` | {} |\n", kind.name(), names.join(", "));
    }
    out
}

fn capability_types() -> String {
    let file = hamlet::parse("capabilities.hl", &read("capabilities.hl"))
        .unwrap_or_else(|messages| panic!("{messages}"));
    let mut out = String::from(
        "| Number | Type | Made from | Object bytes | What it is |\n|---|---|---|---|---|\n",
    );
    for (number, cap) in file.concrete().enumerate() {
        let mut sources: Vec<String> = cap.from.iter().map(|name| format!("`{name}`")).collect();
        if cap.from_self {
            sources.push("itself".into());
        }
        if sources.is_empty() {
            sources.push(
                match cap.copy {
                    CopyRule::Always => "- (all are copies of each other)",
                    _ => "-",
                }
                .into(),
            );
        }
        let bytes = match (&cap.size, cap.name.ends_with("_Mapping")) {
            (_, true) | (None, _) => "-".into(),
            (Some(size), _) => size
                .constant()
                .map_or("chosen".into(), |bytes| bytes.to_string()),
        };
        let doc = plain(cap.doc.trim()).replace('\n', " ");
        out += &format!(
            "| {number} | `{}` | {} | {bytes} | {doc} |\n",
            cap.name,
            sources.join(", ")
        );
    }
    out
}
