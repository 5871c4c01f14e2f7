//! What each command needs, whether it is there, and the cure if not.

use super::{Host, OLDEST_QEMU, Program, choose};

/// What hake is asked to do, as far as it matters for what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Compile.
    Build,
    /// Compile and start QEMU.
    Run,
    /// Compile, start QEMU and check style.
    Test,
    /// Start gdb.
    Debug,
    /// Compile and start the fuzzing engine.
    Fuzz,
}

/// How to get something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Install these Debian packages.
    Packages(Vec<&'static str>),
    /// Do what this text says.
    Manual(String),
}

impl Cure {
    /// What a person types or does.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Packages(names) => format!("run `apt-get install {}`", names.join(" ")),
            Self::Manual(text) => text.clone(),
        }
    }
}

/// Whether a need is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Met, by this.
    Found(String),
    /// Not met.
    Missing {
        /// What is wrong.
        problem: String,
        /// What helps.
        cure: Cure,
    },
}

/// One thing that some command needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there.
    pub status: Status,
    /// Which tasks cannot do without.
    pub tasks: &'static [Task],
}

impl Need {
    /// Whether most people can do without: gdb is for those who debug, c++ for the fuzzer, Chromium and tmux for the tests of a page and of keys.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        matches!(self.tasks, [Task::Debug] | [Task::Fuzz])
            || ["chromium", "tmux"].contains(&self.name)
    }
}

const COMPILING: &[Task] = &[Task::Build, Task::Run, Task::Test, Task::Debug, Task::Fuzz];

/// Everything that hake's commands need, on this host.
#[must_use]
pub fn needs(host: &Host) -> Vec<Need> {
    let chosen = choose(host);
    let mut list = Vec::new();
    let mut need = |name, tasks, status| {
        list.push(Need {
            name,
            status,
            tasks,
        })
    };

    need(
        "rust",
        COMPILING,
        match &chosen {
            Ok(toolchain) => Status::Found(toolchain.to_string()),
            Err(error) => {
                let text = error.to_string();
                let (problem, advice) = text.split_once('\n').unwrap_or((&text, ""));
                let cure = if host.apt {
                    Cure::Packages(vec!["rustc-web", "cargo-web", "rust-web-src"])
                } else {
                    Cure::Manual(advice.into())
                };
                Status::Missing {
                    problem: problem.into(),
                    cure,
                }
            }
        },
    );
    need(
        "linker",
        COMPILING,
        found_or(host.lld.as_ref(), "no ld.lld or rust-lld in PATH", "lld"),
    );
    need(
        "cc",
        COMPILING,
        found_or(
            host.cc.as_ref(),
            "no cc in PATH, by which Rust links programs for this machine",
            "gcc",
        ),
    );
    need(
        "c++",
        &[Task::Fuzz],
        found_or(
            host.cxx.as_ref(),
            "no c++ in PATH, by which the fuzzing engine is compiled",
            "g++",
        ),
    );
    need(
        "qemu",
        &[Task::Run, Task::Test, Task::Debug],
        qemu(&host.qemu),
    );
    let (clippy, rustfmt) = match &chosen {
        Ok(toolchain) => (toolchain.clippy, toolchain.rustfmt),
        Err(_) => (false, false),
    };
    let from_rustup = chosen
        .as_ref()
        .is_ok_and(|toolchain| toolchain.origin != super::Origin::System);
    for (name, there, component, package) in [
        ("clippy", clippy, "clippy", "rust-web-clippy"),
        ("rustfmt", rustfmt, "rustfmt", "rustfmt-web"),
    ] {
        need(
            name,
            &[Task::Test],
            match (there, from_rustup) {
                (true, _) => Status::Found("of the same toolchain".into()),
                (false, true) => Status::Missing {
                    problem: format!("the toolchain has no {name}"),
                    cure: Cure::Manual(format!("run `rustup component add {component}`")),
                },
                (false, false) => Status::Missing {
                    problem: format!("the toolchain has no {name}"),
                    cure: Cure::Packages(vec![package]),
                },
            },
        );
    }
    need(
        "gdb",
        &[Task::Debug],
        found_or(
            host.gdb.as_ref(),
            "no gdb-multiarch in PATH",
            "gdb-multiarch",
        ),
    );
    need(
        "chromium",
        &[Task::Test],
        found_or(host.chromium.as_ref(), "no chromium in PATH", "chromium"),
    );
    need(
        "tmux",
        &[Task::Test],
        found_or(host.tmux.as_ref(), "no tmux in PATH", "tmux"),
    );
    list
}

fn found_or(file: Option<&std::path::PathBuf>, problem: &str, package: &'static str) -> Status {
    match file {
        Some(file) => Status::Found(file.display().to_string()),
        None => Status::Missing {
            problem: problem.into(),
            cure: Cure::Packages(packages_for(package)),
        },
    }
}

/// A C compiler without the C library's start files links nothing.
fn packages_for(package: &'static str) -> Vec<&'static str> {
    if package == "gcc" {
        vec!["gcc", "libc6-dev"]
    } else {
        vec![package]
    }
}

fn qemu(program: &Program) -> Status {
    let packages = || Cure::Packages(vec!["qemu-system-arm"]);
    match program {
        Program::Found(file, version) if *version >= OLDEST_QEMU => {
            Status::Found(format!("{} ({version})", file.display()))
        }
        Program::Found(file, version) => Status::Missing {
            problem: format!("{} is QEMU {version}; Barreleye needs {OLDEST_QEMU} or newer", file.display()),
            cure: Cure::Manual(
                "use Debian 12 or newer and run `apt-get install qemu-system-arm`, or put a newer qemu-system-aarch64 first \
                 in PATH"
                    .into(),
            ),
        },
        Program::Broken(file) => {
            Status::Missing { problem: format!("{} --version fails", file.display()), cure: packages() }
        }
        Program::Absent => {
            Status::Missing { problem: "no qemu-system-aarch64 in PATH".into(), cure: packages() }
        }
    }
}
