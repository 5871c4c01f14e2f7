//! Looking at this machine. The only input is a search path, so that tests can set up machines of their own.

use super::{Host, Origin, Program, Toolchain, Version, find_program, is_executable};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the programs on this search path are.
#[must_use]
pub fn probe(path: &[PathBuf]) -> Host {
    let rustup = find_program(path, "rustup");
    let mut toolchains = rustup.as_deref().map(rustup_toolchains).unwrap_or_default();
    toolchains.extend(system_toolchain(path));
    let lld = ["ld.lld", "rust-lld"]
        .iter()
        .find_map(|name| find_program(path, name))
        .or_else(|| toolchains.iter().find_map(bundled_lld));
    Host {
        rustup: rustup.is_some(),
        lld,
        toolchains,
        cc: find_program(path, "cc"),
        cxx: find_program(path, "c++"),
        qemu: find_program(path, "qemu-system-aarch64").map_or(
            Program::Absent,
            |file| match output(&file, &["--version"])
                .as_deref()
                .and_then(Version::find)
            {
                Some(version) => Program::Found(file, version),
                None => Program::Broken(file),
            },
        ),
        gdb: find_program(path, "gdb-multiarch"),
        chromium: find_program(path, "chromium"),
        tmux: find_program(path, "tmux"),
        apt: find_program(path, "apt-get").is_some(),
    }
}

/// rustup's toolchains, the active one first.
fn rustup_toolchains(rustup: &Path) -> Vec<Toolchain> {
    let Some(list) = output(rustup, &["toolchain", "list", "-v"]) else {
        return Vec::new();
    };
    let mut found: Vec<(bool, Toolchain)> = Vec::new();
    for line in list.lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(folder)) = (words.next(), words.next_back()) else {
            continue;
        };
        let folder = Path::new(folder);
        let toolchain = toolchain(Origin::Rustup(name.into()), &folder.join("bin"), folder);
        if found.iter().any(|(_, known)| known.bin == toolchain.bin) {
            continue;
        }
        let active = line.contains("(active") || line.contains("(default)");
        found.push((active, toolchain));
    }
    found.sort_by_key(|(active, _)| !active);
    found.into_iter().map(|(_, toolchain)| toolchain).collect()
}

/// The `cargo` and `rustc` of the system. A folder with `rustup` in it holds rustup's proxies, which are something else.
fn system_toolchain(path: &[PathBuf]) -> Option<Toolchain> {
    let complete =
        |bin: &&PathBuf| is_executable(&bin.join("cargo")) && is_executable(&bin.join("rustc"));
    let bin = path
        .iter()
        .filter(|bin| !bin.join("rustup").exists())
        .find(complete)?;
    let sysroot = output(&bin.join("rustc"), &["--print", "sysroot"]).unwrap_or_default();
    Some(toolchain(Origin::System, bin, Path::new(sysroot.trim())))
}

fn toolchain(origin: Origin, bin: &Path, sysroot: &Path) -> Toolchain {
    let has = |name: &str| is_executable(&bin.join(name));
    let version = output(&bin.join("rustc"), &["--version"])
        .as_deref()
        .and_then(Version::find);
    Toolchain {
        origin,
        version,
        source: source_version(sysroot, version),
        clippy: has("cargo-clippy") && has("clippy-driver"),
        rustfmt: has("cargo-fmt") && has("rustfmt"),
        bin: bin.into(),
    }
}

/// The version of the standard library's source in this sysroot. Debian's source tree tells it in `src/version`; rustup installs
/// the source of its own compiler and no other.
fn source_version(sysroot: &Path, compiler: Option<Version>) -> Option<Version> {
    let root = sysroot.join("lib/rustlib/src/rust");
    if !root.join("library/Cargo.lock").exists() {
        return None;
    }
    match std::fs::read_to_string(root.join("src/version")) {
        Ok(text) => Version::find(&text),
        Err(_) => compiler,
    }
}

/// The linker that rustup's toolchains bring along.
fn bundled_lld(toolchain: &Toolchain) -> Option<PathBuf> {
    let rustlib = toolchain.bin.parent()?.join("lib/rustlib");
    let folders = std::fs::read_dir(rustlib).ok()?;
    folders
        .flatten()
        .map(|folder| folder.path().join("bin/rust-lld"))
        .find(|file| is_executable(file))
}

/// What a program prints, if it ends well.
fn output(program: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
