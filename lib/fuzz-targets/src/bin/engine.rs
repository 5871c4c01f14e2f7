//! The fuzzing engine with one target, which the variable `FUZZ_TARGET` names. Started by `./hake.sh fuzz`.
#![no_main]

use fuzz_targets::{Target, find};
use std::sync::OnceLock;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        find(&name).unwrap_or_else(|| {
            eprintln!("FUZZ_TARGET={name} is no target");
            std::process::exit(64)
        })
    });
    target(data);
});
