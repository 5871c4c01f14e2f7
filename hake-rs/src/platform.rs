//! Boards: the folders of `platforms/`.

use crate::failure::Failure;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::path::PathBuf;

/// A board.
#[derive(Clone, Debug)]
pub struct Platform {
    /// The name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its `platform.toml`.
    pub facts: Facts,
}

/// The content of a `platform.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// One line for people.
    pub description: String,
    /// How QEMU is started, for a board that QEMU has.
    pub qemu: Option<Qemu>,
}

/// How QEMU is started.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// The program.
    pub program: String,
    /// The machine, for `-M`.
    pub machine: String,
    /// The machine that starts in EL2.
    pub machine_el2: Option<String>,
    /// The CPU, for `-cpu`.
    pub cpu: String,
    /// Memory size if the command line has none.
    pub mem: String,
    /// Number of cores if the command line has none.
    pub cores: u32,
    /// Further arguments.
    pub args: Vec<String>,
}

impl Platform {
    /// The board of this name.
    ///
    /// # Errors
    ///
    /// 64 with the list of boards if there is none; 65 for a bad `platform.toml`.
    pub fn load(workspace: &Workspace, name: &str) -> Result<Self> {
        let all = workspace.root.join("platforms");
        let mut names: Vec<String> = std::fs::read_dir(&all)
            .with_context(|| format!("{} cannot be read", all.display()))?
            .flatten()
            .filter(|entry| entry.path().join("platform.toml").is_file())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        if !names.iter().any(|known| known == name) {
            let names = names.join(", ");
            return Err(Failure::usage(format!(
                "there is no platform `{name}`; choose one of: {names}"
            )));
        }
        let folder = all.join(name);
        let file = folder.join("platform.toml");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let facts = toml::from_str(&text).map_err(|error| {
            let (line, column) = line_and_column(&text, error.span().map_or(0, |span| span.start));
            let shown = workspace.relative(&file).display();
            Failure::bad_input(format!("{shown}:{line}:{column}: {}", error.message()))
        })?;
        Ok(Self {
            name: name.into(),
            folder,
            facts,
        })
    }

    /// How QEMU is started.
    ///
    /// # Errors
    ///
    /// 64 for a board that QEMU does not have.
    pub fn qemu(&self) -> Result<&Qemu> {
        self.facts.qemu.as_ref().ok_or_else(|| {
            Failure::usage(format!(
                "QEMU has no `{}`: make its image with `hake image` and boot it on the board",
                self.name
            ))
        })
    }
}

/// Line and column of a byte, from 1.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}
