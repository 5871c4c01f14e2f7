//! Commands to gdb: each is one that a session with this very system was tried with, and what it names is there.

use crate::page::root;
use std::path::Path;

/// Checks one command.
pub fn check(line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["continue" | "delete" | "detach" | "kernel"] | ["bt", _] => Ok(()),
        ["p/x" | "x/4xw", register] if register.starts_with('$') => Ok(()),
        ["hbreak", place] => is_there(place),
        _ => Err(format!("`{line}` is not a gdb command that the book uses")),
    }
}

/// `FILE:LINE`, or a function's name.
fn is_there(place: &str) -> Result<(), String> {
    if let Some((file, line)) = place.split_once(':') {
        let text = std::fs::read_to_string(root().join(file))
            .map_err(|error| format!("{file}: {error}"))?;
        let line: usize = line.parse().map_err(|_| format!("{place}: no line"))?;
        return match text.lines().nth(line - 1) {
            Some(code) if !code.trim().is_empty() && !code.trim().starts_with("//") => Ok(()),
            _ => Err(format!("{place}: no code there")),
        };
    }
    let wanted = format!("fn {place}(");
    if ["cpu_driver", "usr", "lib"]
        .iter()
        .any(|folder| contains(&root().join(folder), &wanted))
    {
        return Ok(());
    }
    Err(format!("there is no function {place}"))
}

fn contains(folder: &Path, wanted: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return contains(&path, wanted);
        }
        let is_source = path.extension().is_some_and(|ending| ending == "rs");
        is_source && std::fs::read_to_string(&path).is_ok_and(|text| text.contains(wanted))
    })
}
