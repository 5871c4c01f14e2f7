//! Machines made of shell scripts: a folder of fake programs that is the whole `PATH`.

#![allow(dead_code, reason = "each test file uses a part of this")]

#[path = "../program/mod.rs"]
pub mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A machine that has only what a test puts there.
pub struct Machine {
    pub folder: TempDir,
}

impl Machine {
    pub fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(machine.folder.path().join("bin")).unwrap();
        machine
            .program("bin/cc", "")
            .program("bin/ld.lld", "")
            .program("bin/gdb-multiarch", "")
            .program("bin/chromium", "")
            .program("bin/tmux", "")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn program(self, name: &str, script: &str) -> Self {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        program::write(&file, &format!("#!/bin/sh\n{script}\n"));
        self
    }

    pub fn qemu(self, version: &str) -> Self {
        self.program(
            "bin/qemu-system-aarch64",
            &format!("echo 'QEMU emulator version {version} (Debian 1:{version})'"),
        )
    }

    /// Programs of one compiler: `bin` says where, `sysroot` where its library is.
    pub fn rust(self, bin: &str, sysroot: &str, version: &str) -> Self {
        let sysroot = self.path(sysroot);
        let rustc = format!(
            "case $1 in --print) echo {} ;; *) echo 'rustc {version} (0000000000 2026-01-01)' ;; esac",
            sysroot.display()
        );
        let mut machine = self
            .program(&format!("{bin}/rustc"), &rustc)
            .program(&format!("{bin}/cargo"), "");
        for tool in ["cargo-clippy", "clippy-driver", "cargo-fmt", "rustfmt"] {
            machine = machine.program(&format!("{bin}/{tool}"), "");
        }
        machine
    }

    /// The library's source below a sysroot; Debian's tells its version.
    pub fn source(self, sysroot: &str, version: Option<&str>) -> Self {
        let root = self.path(sysroot).join("lib/rustlib/src/rust");
        fs::create_dir_all(root.join("library")).unwrap();
        fs::write(root.join("library/Cargo.lock"), "").unwrap();
        if let Some(version) = version {
            fs::create_dir_all(root.join("src")).unwrap();
            fs::write(root.join("src/version"), version).unwrap();
        }
        self
    }

    /// rustup with these toolchains, the first one active.
    pub fn rustup(self, toolchains: &[&str]) -> Self {
        let mut script = String::new();
        for (n, name) in toolchains.iter().enumerate() {
            let marker = if n == 0 { " (active, default)" } else { "" };
            let folder = self.path("toolchains").join(name);
            script += &format!("echo '{name}{marker} {}'\n", folder.display());
        }
        // rustup's own cargo and rustc are proxies in the same folder.
        self.program("home/rustup", &script)
            .program("home/cargo", "exit 9")
            .program("home/rustc", "exit 9")
    }

    pub fn debian(self, compiler: &str, source: &str) -> Self {
        self.rust("bin", "usr", compiler)
            .source("usr", Some(source))
    }

    pub fn hake(&self, args: &[&str]) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let path = [self.path("home"), self.path("bin")];
        Command::new(env!("CARGO_BIN_EXE_hake"))
            .args(args)
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HAKE_ROOT", root)
            .output()
            .unwrap()
    }

    /// What `doctor` says about one need, and its exit code.
    pub fn doctor(&self, need: &str) -> (String, i32) {
        let output = self.hake(&["doctor"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(need))
            .unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        (
            words
                .join(" ")
                .replace(&self.folder.path().display().to_string(), "~"),
            output.status.code().unwrap(),
        )
    }

    /// The machine's own programs of these names, for scripts that need more than the shell.
    pub fn real(self, names: &[&str]) -> Self {
        for name in names {
            let real = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
            let real = real.into_iter().find(|file| file.exists()).unwrap();
            std::os::unix::fs::symlink(real, self.path("bin").join(name)).unwrap();
        }
        self
    }
}
