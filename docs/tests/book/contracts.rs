//! The contracts page says what is there, and marks as later what is not.

use crate::assert_none;
use crate::page::{chapters_folder, root};
use clap::CommandFactory as _;
use std::collections::BTreeSet;

fn section(title: &str) -> String {
    let text = std::fs::read_to_string(chapters_folder().join("contracts.md")).unwrap();
    let start = text
        .find(&format!("\n## {title}"))
        .unwrap_or_else(|| panic!("no section {title}"));
    let rest = &text[start + 1..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end]).into()
}

/// Words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn hakes_commands_and_flags_are_those_of_the_contract() {
    let text = section("hake");
    let written: BTreeSet<String> = quoted(&text)
        .filter_map(|code| code.strip_prefix("--"))
        .map(|code| code.split([' ', '[']).next().unwrap_or_default().to_owned())
        .collect();
    let command = hake::cli::Cli::command();
    let commands: Vec<&str> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let line = format!("`./hake.sh {}`", commands.join(" | "));
    assert!(
        text.contains(&line),
        "the contract lists other commands than {line}"
    );
    let real: BTreeSet<String> = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(|arg| arg.get_long().map(String::from))
        .filter(|flag| flag != "help")
        .collect();
    assert_eq!(written, real);
}

#[test]
fn the_program_api_is_there_or_marked_later() {
    let mut sources = String::new();
    read_all(&root().join("lib/aos/src"), &mut sources);
    let is_there = |name: &str| {
        let name = name.split(['<', '(']).next().unwrap_or(name);
        ["fn", "unsafe fn", "struct", "type", "mod"]
            .iter()
            .any(|kind| {
                ["(", " ", ";", "<"]
                    .iter()
                    .any(|end| sources.contains(&format!("pub {kind} {name}{end}")))
            })
    };
    let mut complaints = Vec::new();
    for row in section("Program API")
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
    {
        let cells: Vec<&str> = row.split('|').collect();
        let (Some(now), Some(later)) = (cells.get(2), cells.get(3)) else {
            continue;
        };
        complaints.extend(
            quoted(now)
                .filter(|name| !is_there(name))
                .map(|name| format!("{name} is not there")),
        );
        complaints.extend(
            quoted(later)
                .filter(|name| is_there(name))
                .map(|name| format!("{name} is there")),
        );
    }
    assert_none(&complaints);
}

fn read_all(folder: &std::path::Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, out);
        } else {
            *out += &std::fs::read_to_string(&path).unwrap();
        }
    }
}
