//! The choice of a toolchain, on machines made of shell scripts.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod machine;

use machine::Machine;
use std::fs;

#[test]
fn rustup_with_the_library_source_comes_first() {
    let machine = Machine::new()
        .qemu("7.2.22")
        .debian("1.96.0", "1.96.0")
        .rustup(&["stable-x86_64"]);
    let machine = machine.rust(
        "toolchains/stable-x86_64/bin",
        "toolchains/stable-x86_64",
        "1.95.0",
    );
    let machine = machine.source("toolchains/stable-x86_64", None);
    assert_eq!(
        machine.doctor("rust "),
        ("found rustup's stable-x86_64 (1.95.0)".into(), 0)
    );
    assert_eq!(
        machine.doctor("clippy"),
        ("found of the same toolchain".into(), 0)
    );
}

#[test]
fn another_rustup_toolchain_helps_if_the_active_one_lacks_the_source() {
    let machine = Machine::new().qemu("7.2.22").rustup(&["stable", "nightly"]);
    let machine = machine.rust("toolchains/stable/bin", "toolchains/stable", "1.95.0");
    let machine = machine.rust(
        "toolchains/nightly/bin",
        "toolchains/nightly",
        "1.97.0-nightly",
    );
    let machine = machine.source("toolchains/nightly", None);
    assert_eq!(
        machine.doctor("rust "),
        ("found rustup's nightly (1.97.0)".into(), 0)
    );
}

#[test]
fn debians_packages_are_next() {
    let machine = Machine::new()
        .qemu("7.2.22")
        .debian("1.96.0", "1.96.0")
        .rustup(&["stable"]);
    let machine = machine.rust("toolchains/stable/bin", "toolchains/stable", "1.95.0");
    assert_eq!(
        machine.doctor("rust "),
        ("found the system's Rust in ~/bin (1.96.0)".into(), 0)
    );
    let alone = Machine::new().qemu("7.2.22").debian("1.96.0", "1.96.0");
    assert_eq!(
        alone.doctor("rust "),
        ("found the system's Rust in ~/bin (1.96.0)".into(), 0)
    );
}

#[test]
fn library_source_of_another_version_is_refused() {
    let machine = Machine::new().qemu("7.2.22").debian("1.96.0", "1.85.0");
    let (line, exit) = machine.doctor("rust ");
    let reason = "the system's Rust in ~/bin (1.96.0) stands beside the library source of 1.85.0";
    assert!(
        line.starts_with(&format!(
            "MISSING no Rust toolchain here can build the system: {reason}"
        )),
        "{line}"
    );
    assert_eq!(exit, 69);
}

#[test]
fn an_old_compiler_is_refused() {
    let machine = Machine::new().qemu("7.2.22").debian("1.63.0", "1.63.0");
    let (line, exit) = machine.doctor("rust ");
    assert!(
        line.contains("the system's Rust in ~/bin (1.63.0) is older than 1."),
        "{line}"
    );
    assert_eq!(exit, 69);
}

#[test]
fn without_a_toolchain_each_command_names_the_cure() {
    let machine = Machine::new().qemu("7.2.22");
    for command in ["build", "image", "run", "test"] {
        let output = machine.hake(&[command]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(69), "{command}: {message}");
        assert!(
            message.contains("no Rust is installed"),
            "{command}: {message}"
        );
        assert!(
            message.contains("apt-get install rustc-web cargo-web rust-web-src"),
            "{command}: {message}"
        );
        assert!(
            message.contains("https://rustup.rs"),
            "{command}: {message}"
        );
    }
    let rustup = Machine::new().qemu("7.2.22").rustup(&["stable"]);
    let rustup = rustup.rust("toolchains/stable/bin", "toolchains/stable", "1.95.0");
    let (line, exit) = rustup.doctor("rust ");
    assert!(
        line.contains("rustup's stable (1.95.0) lacks the standard library's source"),
        "{line}"
    );
    assert!(line.contains("rustup component add rust-src"), "{line}");
    assert_eq!(exit, 69);
}

#[test]
fn missing_qemu_is_named_with_its_package() {
    let machine = Machine::new().debian("1.96.0", "1.96.0");
    let (line, exit) = machine.doctor("qemu");
    assert_eq!(
        line,
        "MISSING no qemu-system-aarch64 in PATH: run `apt-get install qemu-system-arm`"
    );
    assert_eq!(exit, 69);
    let output = machine.hake(&["run"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{message}");
    assert!(
        message.contains("run `apt-get install qemu-system-arm`"),
        "{message}"
    );
}

#[test]
fn old_qemu_is_refused() {
    let machine = Machine::new().debian("1.96.0", "1.96.0").qemu("5.2.0");
    let (line, exit) = machine.doctor("qemu");
    assert!(
        line.starts_with(
            "MISSING ~/bin/qemu-system-aarch64 is QEMU 5.2.0; Barreleye needs 6.2.0 or newer"
        ),
        "{line}"
    );
    assert_eq!(exit, 69);
    assert_eq!(machine.hake(&["run"]).status.code(), Some(69));
}

#[test]
fn gdb_and_chromium_may_be_missing() {
    let machine = Machine::new().debian("1.96.0", "1.96.0").qemu("7.2.22");
    fs::remove_file(machine.path("bin/gdb-multiarch")).unwrap();
    let (line, exit) = machine.doctor("gdb");
    assert_eq!(
        line,
        "MISSING no gdb-multiarch in PATH: run `apt-get install gdb-multiarch`"
    );
    assert_eq!(exit, 0, "gdb is only for those who debug");
    fs::remove_file(machine.path("bin/chromium")).unwrap();
    let (line, exit) = machine.doctor("chromium");
    assert_eq!(
        line,
        "MISSING no chromium in PATH: run `apt-get install chromium`"
    );
    assert_eq!(exit, 0, "Chromium is only for the tests of a page");
}

#[test]
fn what_apt_can_install_is_installed_first() {
    let machine = Machine::new().debian("1.96.0", "1.96.0");
    let path = machine.path("bin");
    // A package manager that brings QEMU; hake.sh needs a few more programs to get there.
    let qemu = path.join("qemu-system-aarch64");
    let script = format!(
        "[ $1 = install ] || exit 0\necho \"$*\" > {0}.asked\nprintf '#!/bin/sh\\necho QEMU emulator version 7.2.0\\n' > {0}\n\
         /bin/chmod +x {0}",
        qemu.display()
    );
    let machine = machine.program("bin/apt-get", &script);
    let machine = machine
        .program("bin/id", "echo 0")
        .real(&["dirname", "env", "mkdir", "sed", "sh", "tail"]);
    let output = machine.hake(&["run"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("hake: installing qemu-system-arm (by apt-get"),
        "{message}"
    );
    let asked = fs::read_to_string(machine.path("bin/qemu-system-aarch64.asked")).unwrap();
    assert_eq!(
        asked,
        "install -y -qq --no-install-recommends --no-remove qemu-system-arm\n"
    );
    assert_ne!(
        output.status.code(),
        Some(69),
        "then the run goes on: {message}"
    );
    let (line, _) = machine.doctor("qemu");
    assert_eq!(line, "found ~/bin/qemu-system-aarch64 (7.2.0)");
}
