//! `hake.sh`: it finds or installs a compiler, builds hake and passes the command line on. A copy of it runs on machines made of
//! shell scripts, where cargo "builds" a hake that says what it was given.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod machine;

use machine::{Machine, program};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// What the fake cargo of this machine does: it tells its folder and makes a hake that repeats its arguments.
fn cargo(machine: Machine, bin: &str) -> Machine {
    let script = "echo \"built by $0 with $RUSTC\" >&2\n[ \"$1\" = build ] || exit 9\n/bin/mkdir -p build/host/debug\n\
        printf '#!/bin/sh\\necho got: \"$@\"\\nexit 42\\n' > build/host/debug/hake\n/bin/chmod +x build/host/debug/hake";
    machine.program(&format!("{bin}/cargo"), script)
}

fn tree(machine: Machine) -> Machine {
    let original = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("hake.sh");
    fs::create_dir(machine.path("tree")).unwrap();
    let script = fs::read_to_string(original).unwrap();
    program::write(&machine.path("tree/hake.sh"), &script);
    fs::write(
        machine.path("tree/Cargo.toml"),
        "[workspace.package]\nrust-version = \"1.90\"\n",
    )
    .unwrap();
    machine.real(&["dirname", "env", "mkdir", "sed", "sh", "tail"])
}

fn run(machine: &Machine, variables: &[(&str, &str)]) -> (i32, String, String) {
    let path = [machine.path("home"), machine.path("bin")];
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(machine.path("tree/hake.sh"))
        .args(["run", "a b"])
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| {
        String::from_utf8(bytes)
            .unwrap()
            .replace(&machine.folder.path().display().to_string(), "~")
    };
    // What apt-get said, too.
    let log = machine.path("tree/build/install.log");
    let said = fs::read(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    (
        status.code().unwrap(),
        text(stdout),
        text([stderr, said].concat()),
    )
}

/// An apt-get that notes what it is asked for and brings a compiler.
fn apt(machine: Machine) -> Machine {
    let bin = machine.path("bin").display().to_string();
    let later = cargo(
        machine
            .rust("later", "usr", "1.96.0")
            .source("usr", Some("1.96.0")),
        "later",
    );
    let from = later.path("later").display().to_string();
    let script = format!("echo \"apt: $*\" >&2\n[ $1 != install ] || /bin/cp {from}/* {bin}/");
    later.program("bin/apt-get", &script)
}

#[test]
fn the_command_line_and_the_exit_code_pass_through() {
    let machine = tree(cargo(Machine::new().debian("1.96.0", "1.96.0"), "bin"));
    let (exit, out, err) = run(&machine, &[]);
    assert_eq!((exit, out.as_str()), (42, "got: run a b\n"), "{err}");
    assert!(
        err.contains("built by ~/bin/cargo with ~/bin/rustc"),
        "{err}"
    );
}

#[test]
fn rustup_is_used_if_it_has_the_library_source() {
    let rustup = |machine: Machine| {
        let rustc = machine.path("toolchains/stable/bin/rustc");
        let machine = cargo(
            machine.rust("toolchains/stable/bin", "toolchains/stable", "1.95.0"),
            "toolchains/stable/bin",
        );
        machine.program(
            "home/rustup",
            &format!("[ \"$1\" != which ] || echo {}", rustc.display()),
        )
    };
    let debian = || cargo(Machine::new().debian("1.96.0", "1.96.0"), "bin");
    let with = tree(rustup(debian()).source("toolchains/stable", None));
    assert!(
        run(&with, &[])
            .2
            .contains("built by ~/toolchains/stable/bin/cargo")
    );
    let without = tree(rustup(debian()));
    assert!(
        run(&without, &[])
            .2
            .contains("built by ~/bin/cargo with ~/bin/rustc")
    );
}

#[test]
fn a_missing_compiler_is_installed_and_said_so() {
    let machine = tree(apt(Machine::new()).program("bin/id", "echo 0"));
    let (exit, out, err) = run(&machine, &[]);
    assert_eq!((exit, out.as_str()), (42, "got: run a b\n"), "{err}");
    assert!(
        err.contains("hake: installing rustc-web cargo-web rust-web-src lld gcc libc6-dev"),
        "{err}"
    );
    assert!(
        err.contains("apt: update") && err.contains("apt: install -y"),
        "{err}"
    );
    let (_, _, again) = run(&machine, &[]);
    assert!(
        !again.contains("apt:"),
        "nothing is installed twice: {again}"
    );
}

#[test]
fn an_ordinary_user_installs_by_sudo() {
    let machine = tree(apt(Machine::new()).program("bin/id", "echo 1000"));
    let (exit, _, err) = run(&machine, &[]);
    assert_eq!(exit, 69);
    assert!(
        err.contains("there is no sudo; run `apt-get install rustc-web"),
        "{err}"
    );
    let machine = machine.program(
        "bin/sudo",
        "echo \"sudo: $*\" >&2\n[ $1 != -n ] || shift\nexec \"$@\"",
    );
    let (exit, _, err) = run(&machine, &[]);
    assert_eq!(exit, 42, "{err}");
    assert!(
        err.contains("sudo: -n apt-get update"),
        "without a terminal it must not ask: {err}"
    );
}

#[test]
fn an_old_compiler_is_no_use() {
    let machine = tree(cargo(Machine::new().debian("1.89.0", "1.89.0"), "bin"));
    let (exit, _, err) = run(&machine, &[]);
    assert_eq!(exit, 69);
    assert!(err.contains("no Rust compiler here is new enough"), "{err}");
}

#[test]
fn without_apt_the_message_names_the_cures() {
    for (machine, variables) in [
        (Machine::new(), &[][..]),
        (apt(Machine::new()), &[("HAKE_INSTALL", "no")]),
    ] {
        let machine = tree(machine);
        let (exit, _, err) = run(&machine, variables);
        assert_eq!(exit, 69);
        assert!(
            err.contains("apt-get install rustc-web cargo-web rust-web-src"),
            "{err}"
        );
        assert!(
            err.contains(
                "install rustup (https://rustup.rs) and run: rustup component add rust-src"
            ),
            "{err}"
        );
        assert!(!err.contains("apt:"), "{err}");
    }
}
