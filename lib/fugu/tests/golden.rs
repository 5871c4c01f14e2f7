//! The generated code is what it was. After a wanted change run with `UPDATE_GOLDEN=1` and read the difference.

use std::fs;
use std::path::PathBuf;

fn in_crate(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares the code generated from `input` with the file `golden`.
#[expect(clippy::panic, reason = "a test shows the messages")]
fn check(name: &str, input: &str, golden: &str) {
    let golden = in_crate(golden);
    let text = fs::read_to_string(in_crate(input)).unwrap_or_default();
    let code = match fugu::parse(name, &text) {
        Ok(file) => fugu::generate(&file),
        Err(messages) => panic!("{messages}"),
    };
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        assert!(fs::write(&golden, &code).is_ok());
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    let difference = expected
        .lines()
        .zip(code.lines())
        .enumerate()
        .find(|(_, (old, new))| old != new);
    assert!(
        expected == code,
        "{} differs, first here: {difference:#?}; UPDATE_GOLDEN=1 writes it anew",
        golden.display()
    );
}

#[test]
fn sample() {
    check(
        "sample.fugu",
        "tests/golden/sample.fugu",
        "tests/golden/sample.rs",
    );
}
