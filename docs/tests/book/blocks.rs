//! Code blocks: included from source, or read by the parser that reads such text in earnest.

use crate::assert_none;
use crate::page::{Block, Page, all, root};
use crate::source::read;
use clap::Parser as _;
use std::path::Path;

#[test]
fn every_code_block_is_included_or_checked() {
    let mut complaints = Vec::new();
    for page in all() {
        for block in &page.blocks {
            if let Err(what) = check(&page, block) {
                complaints.push(format!("{}: {what}", page.at(block.line)));
            }
        }
    }
    assert_none(&complaints);
}

fn check(page: &Page, block: &Block) -> Result<(), String> {
    if let Some(include) = block.text.trim().strip_prefix("{{#include ") {
        return included(
            page,
            include
                .strip_suffix("}}")
                .ok_or("one include, nothing else")?,
        );
    }
    match block.kind.as_str() {
        "console" => console(&block.text),
        "menu" => menu::Menu::parse(&block.text)
            .map(drop)
            .map_err(|error| error.to_string()),
        "hamlet" => hamlet::parse("block", &block.text)
            .map(drop)
            .map_err(|messages| messages.to_string()),
        "json" => block.text.lines().try_for_each(|line| {
            testproto::Record::parse(line)
                .map(drop)
                .map_err(|error| format!("{line}: {error:?}"))
        }),
        "gdb" => block.text.lines().try_for_each(crate::gdb::check),
        "text" if block.text.starts_with("barreleye> ") => Ok(()),
        "text" => Err("a `text` block is a transcript: it begins with the prompt".into()),
        other => Err(format!(
            "nothing here can check a block of kind `{other}`: include it from a file"
        )),
    }
}

/// `../../usr/hello/src/main.rs` or `../../lib/kpi/src/lmp.rs:header`, as mdBook includes files.
fn included(page: &Page, include: &str) -> Result<(), String> {
    let (path, anchor) = include
        .split_once(':')
        .map_or((include, None), |(p, a)| (p, Some(a)));
    let file = page.file.parent().unwrap_or(Path::new(".")).join(path);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{path}: {error}"))?;
    let Some(anchor) = anchor else { return Ok(()) };
    let marks = |word: &str| {
        let mark = format!("{word}: {anchor}");
        text.lines()
            .filter(|line| line.trim_end().ends_with(&mark))
            .count()
    };
    if marks("ANCHOR") == 1 && marks("ANCHOR_END") == 1 {
        return Ok(());
    }
    Err(format!(
        "{path} has no lines `ANCHOR: {anchor}` and `ANCHOR_END: {anchor}`, or more than one"
    ))
}

/// Lines `$ COMMAND`; `#` starts a remark.
fn console(text: &str) -> Result<(), String> {
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
    {
        let line = line
            .strip_prefix("$ ")
            .ok_or("a `console` block holds lines `$ COMMAND`")?;
        for command in line.split(" | ") {
            let command = command.split(" > ").next().unwrap_or_default();
            let words = menu::split(command).map_err(|error| format!("{line}: {error}"))?;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            shell(&words).map_err(|what| format!("{line}: {what}"))?;
        }
    }
    Ok(())
}

/// One command of a person's shell. hake's own command line is parsed by hake.
fn shell(words: &[&str]) -> Result<(), String> {
    match words {
        [setting, rest @ ..] if setting.contains('=') && setting.chars().all(is_setting) => {
            shell(rest)
        }
        ["./hake.sh", ..] => hake(words),
        ["git", "clone", ..] | ["cd", "barreleye"] | ["printf", ..] => Ok(()),
        ["cargo", "test" | "bench" | "run", "-p", package, ..] => package_exists(package),
        ["mdbook", "build" | "serve", folder]
            if root().join(folder).join("book.toml").is_file() =>
        {
            Ok(())
        }
        _ => Err("this command is not one that the book uses".into()),
    }
}

fn is_setting(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '='
}

fn hake(words: &[&str]) -> Result<(), String> {
    use clap::error::ErrorKind;
    if !root().join("hake.sh").is_file() {
        return Err("there is no hake.sh".into());
    }
    match hake::cli::Cli::try_parse_from(words) {
        Err(error) if error.kind() != ErrorKind::DisplayHelp => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn package_exists(name: &str) -> Result<(), String> {
    let lock = read("Cargo.lock");
    if lock
        .lines()
        .any(|line| line == format!("name = \"{name}\""))
    {
        return Ok(());
    }
    Err(format!("the workspace has no package {name}"))
}
