//! The source tree: where it is, what packages it has, where build products go.

use crate::failure::Failure;
use crate::toolchain::Toolchain;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The source tree. Everything that hake writes goes below its folder `build`.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its root folder, absolute.
    pub root: PathBuf,
}

impl Workspace {
    /// The tree that the environment variable `HAKE_ROOT` names (hake.sh sets it), or the one around the current folder.
    ///
    /// # Errors
    ///
    /// Neither is a source tree of the system.
    pub fn find() -> Result<Self> {
        let is_root = |folder: &Path| {
            folder.join("Cargo.toml").is_file() && folder.join("platforms").is_dir()
        };
        let here = std::env::current_dir().context("the current folder is gone")?;
        let start = std::env::var_os("HAKE_ROOT").map_or(here, PathBuf::from);
        let root = start.ancestors().find(|folder| is_root(folder));
        let root = root.ok_or_else(|| {
            let start = start.display();
            Failure::usage(format!(
                "{start} is not inside a Barreleye source tree: change into one, or use its hake.sh"
            ))
        })?;
        Ok(Self { root: root.into() })
    }

    /// A folder or file of build products.
    #[must_use]
    pub fn build(&self, name: &str) -> PathBuf {
        self.root.join("build").join(name)
    }

    /// A path as people read it: relative to the root where it is below.
    #[must_use]
    pub fn relative<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Its packages, as cargo tells them.
    ///
    /// # Errors
    ///
    /// A broken manifest: exit code 65, after cargo's own message.
    pub fn packages(&self, toolchain: &Toolchain) -> Result<Vec<Package>> {
        let output = Command::new(toolchain.tool("cargo"))
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(&self.root)
            .env("RUSTC", toolchain.tool("rustc"))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cargo does not start")?;
        if !output.status.success() {
            return Err(Failure::bad_input(
                "cargo cannot read the workspace; its message stands above",
            ));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).context("cargo metadata is not what it was")?;
        Ok(metadata.packages)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its Cargo.toml.
    pub manifest_path: PathBuf,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// The table `[package.metadata]`.
    #[serde(default)]
    metadata: serde_json::Value,
}

/// One dependency of a package.
#[derive(Clone, Debug, Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// `dev`, `build`, or nothing for an ordinary one.
    pub kind: Option<String>,
    /// The folder, for a package of this tree.
    pub path: Option<PathBuf>,
}

impl Package {
    /// Whether it is a program for user space: `[package.metadata.barreleye] kind = "program"`.
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.metadata
            .pointer("/barreleye/kind")
            .and_then(|kind| kind.as_str())
            == Some("program")
    }
}
