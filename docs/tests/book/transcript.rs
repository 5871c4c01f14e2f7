//! What the book types at the prompt, as the QEMU test `book` (its format: chapter "Testing").
//!
//! A transcript is a block of kind `text`, typed in the profile `full`, or with `course` behind the kind in that. Lines behind a prompt are typed; the others are expected in the output, where `...`
//! stands for anything. `status=N` behind the fence is the status of the last command.

use crate::page::{Block, all, root};
use std::fmt::Write as _;

/// Scripts, and whether their blocks are those marked `course`.
const SCRIPTS: [(&str, bool); 2] = [
    ("platforms/qemu-virt/tests/book.script", false),
    ("platforms/qemu-virt/tests/book-course.script", true),
];
const COURSE: &str = "course";
const PROMPT: &str = "barreleye> ";
const HEAD: &str = "# What the book types at the prompt, and what it says is seen. Written by `BOOK_UPDATE=1 cargo test -p book`.\n";
/// These end the run; hake types one of them itself.
const ENDINGS: [&str; 2] = ["shutdown", "reboot"];

#[test]
fn the_qemu_tests_type_what_the_book_types() {
    for (file, is_course) in SCRIPTS {
        let mut script = String::from(HEAD);
        if is_course {
            script += "#! menu=../menu.course.lst\n";
        }
        for page in all() {
            let name = page.file.strip_prefix(root()).unwrap().display();
            let blocks = page.blocks.iter().filter(|block| block.kind == "text");
            let marked = |block: &&Block| block.attributes.iter().any(|word| word == COURSE);
            for block in blocks.filter(|block| marked(block) == is_course) {
                let _ = write!(script, "\n# {name}\n");
                add(&mut script, block);
            }
        }
        check(file, &script);
    }
}

fn check(file: &str, script: &str) {
    let path = root().join(file);
    if std::env::var_os("BOOK_UPDATE").is_some() {
        std::fs::write(&path, script).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, script,
        "{file} is out of date: BOOK_UPDATE=1 cargo test -p book"
    );
}

fn add(script: &mut String, block: &Block) {
    let mut typed = 0;
    for line in block.text.lines() {
        match line.strip_prefix(PROMPT) {
            Some(command) if ENDINGS.contains(&command) => break,
            Some(command) => {
                let _ = writeln!(script, "> {command}");
                typed += 1;
            }
            None if line == "..." => {}
            None => {
                let _ = writeln!(script, "{}", expected(line));
            }
        }
    }
    if let Some(status) = block.attribute("status") {
        let _ = writeln!(script, "status {status}");
    }
    assert!(typed > 0, "nothing is typed in:\n{}", block.text);
}

/// A line of output as a pattern. Plain text stays plain unless the script would read it as something else.
fn expected(line: &str) -> String {
    let special = line.starts_with(['>', '%', '#', '!', '/']) || line.starts_with("status ");
    if !special && !line.contains("...") {
        return line.into();
    }
    let mut regex = String::from("/");
    for (n, part) in line.split("...").enumerate() {
        if n > 0 {
            regex += ".*";
        }
        for c in part.chars() {
            if r"\.+*?()|[]{}^$/".contains(c) {
                regex.push('\\');
            }
            regex.push(c);
        }
    }
    regex + "/"
}

#[test]
fn output_becomes_patterns() {
    assert_eq!(expected("total=5 bytes"), "total=5 bytes");
    assert_eq!(expected("total=... used=..."), "/total=.* used=.*/");
    assert_eq!(expected("> [a]"), r"/> \[a\]/");
}
