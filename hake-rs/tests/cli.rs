//! Exit codes and messages of the command line, as the contract has them.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;
use std::process::{Command, Output};

fn hake(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Command::new(env!("CARGO_BIN_EXE_hake"))
        .args(args)
        .env("HAKE_ROOT", root)
        .env("HAKE_INSTALL", "no")
        .output()
        .unwrap()
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn wrong_use_is_64() {
    for args in [
        &["frobnicate"][..],
        &["run", "--frobnicate"],
        &["run", "--cores"],
        &["run", "--profile", "small"],
        &["run", "--mem", "0"],
        &["run", "--mem", "00G"],
        &["run", "--append", "loglevel=4 nonce=1"],
        &["gdb", "--port", "0"],
        &["gdb", "--attach", "--port", "99"],
        &[],
    ] {
        let output = hake(args);
        assert_eq!(
            output.status.code(),
            Some(64),
            "{args:?}: {}",
            message(&output)
        );
    }
}

#[test]
fn help_is_no_error() {
    for args in [&["--help"][..], &["run", "--help"]] {
        let output = hake(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
}

#[test]
fn a_wrong_platform_gets_the_list() {
    for command in ["image", "run", "test", "gdb"] {
        let output = hake(&[command, "--platform", "qemu-virtual"]);
        assert_eq!(output.status.code(), Some(64));
        let expected = "hake: there is no platform `qemu-virtual`; choose one of: ";
        assert!(
            message(&output).starts_with(expected),
            "{}",
            message(&output)
        );
        assert!(message(&output).contains("qemu-virt"));
    }
}

#[test]
fn a_script_that_is_not_there_is_65() {
    let output = hake(&["run", "--script", "no-such-file"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        message(&output).starts_with("hake: no-such-file:1:1: this script cannot be read"),
        "{}",
        message(&output)
    );
}

#[test]
fn a_result_file_that_cannot_be_written_is_told_before_the_tests() {
    let output = hake(&[
        "test",
        "--filter",
        "style::format",
        "--junit",
        "/no-such-folder/x",
    ]);
    assert_eq!(output.status.code(), Some(65));
    assert_eq!(message(&output).lines().count(), 1, "{}", message(&output));
    assert!(output.stdout.is_empty());
}
