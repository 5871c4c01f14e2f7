//! The layers: who may depend on whom. A wrong-way dependency inside the workspace fails here.
//!
//! Ordinary and build dependencies count; test code may use anything.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Crates without I/O, devices or assembly: formats, parsers, state machines.
const PURE: &[&str] = &[
    "accounts",
    "arena",
    "binding",
    "bootimage",
    "capgraph",
    "capops",
    "diagnostics",
    "elfload",
    "errors",
    "flounder",
    "initproto",
    "intermon",
    "kpi",
    "lineedit",
    "listing",
    "menu",
    "mm",
    "names",
    "owned",
    "pagers",
    "pl011",
    "pl061",
    "proctable",
    "random",
    "sched",
    "services",
    "session",
    "shell-language",
    "supervise",
    "terminal",
    "testproto",
    "threads",
    "ump",
    "vspace",
];

/// What user space is made of, below programs.
const USER_SPACE: &[&str] = &[
    "accounts",
    "aos",
    "aos-macros",
    "aos-pagers",
    "arena",
    "binding",
    "bootimage",
    "capgraph",
    "capops",
    "elfload",
    "errors",
    "flounder",
    "initproto",
    "intermon",
    "kpi",
    "lineedit",
    "listing",
    "menu",
    "mm",
    "names",
    "owned",
    "pagers",
    "pl011",
    "pl061",
    "proctable",
    "random",
    "services",
    "serving",
    "session",
    "shell-language",
    "supervise",
    "terminal",
    "testproto",
    "threads",
    "ump",
    "vspace",
];

/// For each crate, the crates of this workspace it may depend on. Programs (`kind = "program"`) share the row `program`, and
/// pure crates without a row of their own the row `pure`.
const ALLOWED: &[(&str, &[&str])] = &[
    // The languages, then what is generated from them, then everything else that is pure.
    ("diagnostics", &[]),
    ("fugu", &["diagnostics"]),
    ("hamlet", &["diagnostics"]),
    ("errors", &["fugu"]),
    ("kpi", &["errors", "hamlet"]),
    ("caps", &["errors", "kpi"]),
    ("pure", PURE),
    // The kernel's side. bootplan is pure, but for page-table descriptors, which are hal's.
    ("hal", &["kpi"]),
    ("bootplan", &["hal", "kpi"]),
    ("boot_driver", &["bootimage", "bootplan", "hal", "kpi"]),
    (
        "cpu_driver",
        &[
            "bootimage",
            "caps",
            "errors",
            "hal",
            "kpi",
            "sched",
            "testproto",
        ],
    ),
    // User space.
    ("aos-macros", &[]),
    ("flounder-macros", &[]),
    ("flounder", &["errors", "flounder-macros"]),
    ("aos", USER_SPACE),
    ("aos-pagers", &["aos", "pagers"]),
    (
        "serving",
        &["aos", "names", "services", "supervise", "terminal"],
    ),
    (
        "monitor",
        &["aos", "capops", "caps", "errors", "flounder", "kpi", "ump"],
    ),
    ("program", USER_SPACE),
    ("capviz", &["capgraph", "kpi", "testproto"]),
    // The host: formats and parsers only, never what runs on the board.
    (
        "hake",
        &[
            "bootimage",
            "capviz",
            "diagnostics",
            "fugu",
            "hamlet",
            "menu",
            "random",
            "testproto",
        ],
    ),
    // Tests of pure crates.
    (
        "fuzz-targets",
        &[
            "bootimage",
            "caps",
            "elfload",
            "errors",
            "fugu",
            "hamlet",
            "kpi",
            "menu",
        ],
    ),
    ("book", &["bootimage", "diagnostics", "menu", "testproto"]),
];

#[test]
fn dependencies_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let rows: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let program = package
            .pointer("/metadata/barreleye/kind")
            .and_then(Value::as_str)
            == Some("program");
        let row = match name {
            _ if rows.contains_key(name) => name,
            _ if program => "program",
            _ if PURE.contains(&name) => "pure",
            _ => {
                wrong.push(format!(
                    "{name} is in no layer yet: give it a row in hake-rs/tests/layers.rs"
                ));
                continue;
            }
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            if dependency["kind"] != "dev" && names.contains(on) && !rows[row].contains(&on) {
                wrong.push(format!("{name} must not depend on {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(names.contains("hake"), "cargo metadata lists the workspace");
}

/// The table itself keeps the rules of the architecture.
#[test]
fn the_table_keeps_kernel_and_library_apart() {
    let rows: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let never = |from: &str, on: &[&str]| {
        for on in on {
            assert!(!rows[from].contains(on), "{from} must never depend on {on}");
        }
    };
    never("cpu_driver", &["aos", "mm", "ump"]);
    never("caps", &["hal", "aos", "cpu_driver"]);
    never("kpi", &["caps"]);
    never("aos", &["cpu_driver", "caps", "hal"]);
    never("hake", &["aos", "hal", "cpu_driver", "caps", "kpi"]);
    never("pure", &["aos", "hal", "cpu_driver", "boot_driver"]);
    never("program", &["cpu_driver", "caps", "hal"]);
}
