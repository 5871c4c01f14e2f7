//! Compiles the capability types of `capabilities.hl` to Rust (see `src/cap.rs`).

use std::path::PathBuf;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    hamlet::build("../../capabilities.hl", out.join("capabilities.rs"));
}
