//! `hake new`: the folder of a new program.
//!
//! The pattern is `usr/hello` as it was when hake was built, so what is made is what the build and the tests know to work; only the names
//! are others. Nothing that is there is ever overwritten.

use crate::cli::NewArgs;
use crate::failure::{Exit, Failure};
use crate::ui::Ui;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;

/// The files of a program, by their paths in its folder.
const PATTERN: [(&str, &str); 3] = [
    ("Cargo.toml", include_str!("../../usr/hello/Cargo.toml")),
    ("build.rs", include_str!("../../usr/hello/build.rs")),
    ("src/main.rs", include_str!("../../usr/hello/src/main.rs")),
];
/// What the pattern says about itself.
const DESCRIPTION: &str = "Prints its arguments";
/// The longest name: as many bytes as a dispatcher has for it.
const LONGEST: usize = 16;
/// Names that are no package's, but taken all the same: by commands of the prompt, by the compiler's own crates, by what hake makes.
const TAKEN: &[&str] = &[
    "alloc",
    "build",
    "caps",
    "core",
    "deps",
    "examples",
    "help",
    "incremental",
    "kill",
    "killall",
    "mem",
    "modules",
    "proc_macro",
    "ps",
    "reboot",
    "resume",
    "self",
    "shutdown",
    "std",
    "super",
    "suspend",
    "test",
    "uptime",
    "wait",
];
/// Words of the language.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized",
    "use", "virtual", "where", "while", "yield",
];

/// `new`.
///
/// # Errors
///
/// 64 for a name that no program can have, or that something has.
pub fn new(args: &NewArgs) -> Result<Exit> {
    let workspace = Workspace::find()?;
    let name = &args.name;
    check(name)?;
    if let Some(place) = package(&workspace.root, name)? {
        return Err(Failure::usage(format!(
            "there is a package `{name}` already, in {place}: choose another name"
        )));
    }
    if is_locked(&workspace.root, name) {
        return Err(Failure::usage(format!(
            "`{name}` is the name of a library that the build uses: choose another name"
        )));
    }
    let folder = workspace.root.join("usr").join(name);
    let shown = workspace.relative(&folder).display();
    if folder.exists() {
        return Err(Failure::usage(format!(
            "{shown} is there already: choose another name, or remove it"
        )));
    }
    for (path, text) in PATTERN {
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&file, renamed(text, name)))
            .with_context(|| format!("{} cannot be written", file.display()))?;
        println!("{shown}/{path}");
    }
    let ui = Ui::new(args.common.verbose);
    ui.say(&format!(
        "made {shown}; start it with `./hake.sh run --module {name}` and type `{name}` at the prompt"
    ));
    ui.say(&format!(
        "to keep it, say what it is in docs/src/source.md: | `usr/{name}` | ... |"
    ));
    Ok(Exit::Ok)
}

/// Whether a program may have that name.
fn check(name: &str) -> Result<()> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let problem = if !begins || !name.chars().all(is_plain) {
        "is made of lower-case letters, digits, - and _, a letter first"
    } else if name.len() > LONGEST {
        "has at most 16 characters"
    } else if KEYWORDS.contains(&name) {
        "is no keyword of Rust's"
    } else if TAKEN.contains(&name) {
        "is neither a command's at the prompt nor one that the build uses itself"
    } else {
        return Ok(());
    };
    Err(Failure::usage(format!(
        "`{name}` cannot be the name of a program: that {problem}"
    )))
}

/// Where the tree has a package of that name.
fn package(root: &Path, name: &str) -> Result<Option<String>> {
    // To cargo both are the same on disk.
    let plain = |name: &str| name.replace('-', "_");
    let mut folders: Vec<String> = [
        "cpu_driver",
        "cpu_driver/boot_driver",
        "docs",
        "errors",
        "hake-rs",
    ]
    .map(String::from)
    .into();
    for parent in ["lib", "usr"] {
        let Ok(entries) = fs::read_dir(root.join(parent)) else {
            continue;
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("{parent} cannot be read"))?;
            folders.push(format!("{parent}/{}", entry.file_name().to_string_lossy()));
        }
    }
    folders.sort();
    Ok(folders.into_iter().find(|folder| {
        let manifest = fs::read_to_string(root.join(folder).join("Cargo.toml"));
        let manifest = manifest.unwrap_or_default();
        let mut names = manifest.lines().filter_map(|line| {
            let value = line.strip_prefix("name = \"")?;
            value.strip_suffix('"')
        });
        names.any(|other| plain(other) == plain(name))
    }))
}

/// Whether the workspace's lock file has a library of that name, which cargo could not tell from the program.
fn is_locked(root: &Path, name: &str) -> bool {
    let locked = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let line = format!("name = \"{name}\"");
    locked.lines().any(|other| other == line)
}

/// A file of the pattern for a program of another name.
fn renamed(text: &str, name: &str) -> String {
    text.replace("name = \"hello\"", &format!("name = \"{name}\""))
        .replace(DESCRIPTION, &format!("The program {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_has_what_is_replaced() {
        let [(_, manifest), ..] = PATTERN;
        let made = renamed(manifest, "foo");
        assert_eq!(made.matches("name = \"foo\"").count(), 2);
        assert!(made.contains("description = \"The program foo\""));
        assert!(!made.contains("hello"), "{made}");
    }

    #[test]
    fn names_of_libraries_are_known() {
        let root = Workspace::find().unwrap().root;
        assert!(is_locked(&root, "postcard") || is_locked(&root, "proptest"));
        assert!(!is_locked(&root, "no-such-library"));
    }

    #[test]
    fn names_are_checked() {
        for name in ["a", "foo", "my-program", "x_9", "sixteen-letters1"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "Foo",
            "9x",
            "-x",
            "a b",
            "a/b",
            "..",
            "fn",
            "core",
            "kill",
            "seventeen-letters",
            "ä",
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
