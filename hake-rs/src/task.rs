//! What every command works with: the tree, the machine, the way to speak.

use crate::failure::Failure;
use crate::toolchain::{self, Cure, Host, Need, Status, Task, Toolchain};
use crate::ui::Ui;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// What every command works with.
#[derive(Debug)]
pub struct Context {
    /// The source tree.
    pub workspace: Workspace,
    /// This machine.
    pub host: Host,
    /// The way to speak.
    pub ui: Ui,
}

impl Context {
    /// Looks at the tree and the machine, and gets what `task` needs and is missing.
    ///
    /// # Errors
    ///
    /// 69 if something is missing and cannot be got.
    pub fn new(ui: Ui, task: Option<Task>) -> Result<Self> {
        let workspace = Workspace::find()?;
        let mut cx = Self {
            workspace,
            host: toolchain::probe(&search_path()),
            ui,
        };
        if let Some(task) = task {
            let missing = cx.missing(task);
            if !missing.is_empty() && cx.install(&missing) {
                cx.host = toolchain::probe(&search_path());
            }
            require(&cx.missing(task))?;
        }
        Ok(cx)
    }

    fn missing(&self, task: Task) -> Vec<Need> {
        let mut needs = toolchain::needs(&self.host);
        needs.retain(|need| {
            need.tasks.contains(&task) && matches!(need.status, Status::Missing { .. })
        });
        needs
    }

    /// Lets hake.sh, which knows how, install the packages that cure these needs. False if that was no use.
    fn install(&self, missing: &[Need]) -> bool {
        let packages: Vec<&str> = missing
            .iter()
            .filter_map(|need| match &need.status {
                Status::Missing {
                    cure: Cure::Packages(names),
                    ..
                } => Some(names.as_slice()),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        if packages.is_empty() || !self.host.apt {
            return false;
        }
        let mut command = Command::new(self.workspace.root.join("hake.sh"));
        command.arg("--install").args(packages);
        self.ui.command(&command);
        command.status().is_ok_and(|status| status.success())
    }

    /// The chosen toolchain.
    ///
    /// # Errors
    ///
    /// 69 if there is none.
    pub fn toolchain(&self) -> Result<&Toolchain> {
        toolchain::choose(&self.host)
    }

    /// A cargo command of the chosen toolchain, run in the tree's root. `clippy` and `fmt` are started directly: asked for a
    /// subcommand, cargo would prefer the one in ~/.cargo/bin, which may belong to another compiler.
    ///
    /// # Errors
    ///
    /// 69 if there is no toolchain.
    pub fn cargo(&self, subcommand: &str) -> Result<Command> {
        let toolchain = self.toolchain()?;
        let mut command = match subcommand {
            "clippy" | "fmt" => Command::new(toolchain.tool(&format!("cargo-{subcommand}"))),
            _ => Command::new(toolchain.tool("cargo")),
        };
        command.arg(subcommand).current_dir(&self.workspace.root);
        for (variable, tool) in [
            ("CARGO", "cargo"),
            ("RUSTC", "rustc"),
            ("RUSTDOC", "rustdoc"),
            ("RUSTFMT", "rustfmt"),
        ] {
            command.env(variable, toolchain.tool(tool));
        }
        for variable in [
            "RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_DIR",
            "RUSTUP_TOOLCHAIN",
        ] {
            command.env_remove(variable);
        }
        Ok(command)
    }
}

fn require(missing: &[Need]) -> Result<()> {
    let lines: Vec<String> = missing
        .iter()
        .filter_map(|need| match &need.status {
            Status::Missing { problem, cure } => {
                Some(format!("{}: {problem}\n  {}", need.name, cure.text()))
            }
            Status::Found(_) => None,
        })
        .collect();
    if lines.is_empty() {
        Ok(())
    } else {
        Err(Failure::missing(lines.join("\n")))
    }
}

/// The folders of `PATH`.
#[must_use]
pub fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}
