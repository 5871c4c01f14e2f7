//! `hake new`: a folder for a program, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A tree as far as `new` looks at it.
fn tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for made in ["platforms", "lib/menu", "usr/hello", "usr/left-over"] {
        fs::create_dir_all(folder.path().join(made)).unwrap();
    }
    fs::write(folder.path().join("Cargo.toml"), "[workspace]\n").unwrap();
    for name in ["lib/menu", "usr/hello"] {
        let name = Path::new(name);
        let text = format!(
            "[package]\nname = \"{}\"\n",
            name.file_name().unwrap().display()
        );
        fs::write(folder.path().join(name).join("Cargo.toml"), text).unwrap();
    }
    folder
}

fn new(tree: &Path, name: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hake"))
        .args(["new", name])
        .env("HAKE_ROOT", tree)
        .output()
        .unwrap()
}

#[test]
fn a_program_is_made() {
    let tree = tree();
    let output = new(tree.path(), "my-program");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "usr/my-program/Cargo.toml\nusr/my-program/build.rs\nusr/my-program/src/main.rs\n"
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("./hake.sh run --module my-program"), "{said}");
    let read = |file| fs::read_to_string(tree.path().join("usr/my-program").join(file)).unwrap();
    assert!(read("Cargo.toml").starts_with("[package]\nname = \"my-program\"\n"));
    assert!(read("build.rs").contains("program.ld"));
    assert!(read("src/main.rs").contains("#[aos::main]"));
}

#[test]
fn what_is_there_stays() {
    let tree = tree();
    for (name, problem) in [
        ("hello", "there is a package `hello` already, in usr/hello"),
        ("menu", "there is a package `menu` already, in lib/menu"),
        ("left-over", "usr/left-over is there already"),
        ("fn", "`fn` cannot be the name of a program"),
        ("../x", "`../x` cannot be the name of a program"),
        ("Hello", "lower-case letters"),
    ] {
        let output = new(tree.path(), name);
        assert_eq!(output.status.code(), Some(64), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(problem), "{name}: {said}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(fs::read_dir(tree.path().join("usr")).unwrap().count(), 2);
}
