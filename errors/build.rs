//! Compiles the list of error codes.

use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    fugu::build("errno.fugu", folder.join("errno.rs"));
}
