//! The boot image: boot driver, kernel and modules of a boot menu in one Linux arm64 `Image`.

use crate::elf::{self, flatten, note, strip};
use crate::failure::Failure;
use crate::os_build::Built;
use crate::platform::Platform;
use crate::task::Context;
use anyhow::{Context as _, Result};
use bootimage::{Kind, NewEntry};
use menu::{Item, ItemKind, Menu};
use std::path::{Path, PathBuf};

/// The folder of built programs in a menu.
const PROGRAMS: &str = "/sbin/";

/// Which menu, and what to change in it.
#[derive(Clone, Debug, Default)]
pub struct MenuChoice {
    /// The menu's file; by default the platform's.
    pub file: Option<PathBuf>,
    /// `full` or `course`: the platform's `menu.lst` or `menu.course.lst`.
    pub course: bool,
    /// Further modules, `NAME` or `NAME=ARGS`.
    pub modules: Vec<String>,
}

/// A finished image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
    /// What is in it: name, bytes, arguments.
    pub parts: Vec<(String, usize, String)>,
    /// The kernel's arguments, from the menu.
    pub kernel_args: String,
    /// The ELF files with symbols, by name.
    pub symbols: Vec<(String, PathBuf)>,
}

/// The items of a menu, and where they came from.
#[derive(Debug)]
pub struct Contents {
    source: Source,
    items: Vec<Item>,
}

impl Contents {
    /// Whether a program of this workspace with that name goes into the image.
    #[must_use]
    pub fn names_program(&self, name: &str) -> bool {
        let mut paths = self
            .items
            .iter()
            .map(|item| item.path.strip_prefix(PROGRAMS));
        paths.any(|program| program == Some(name))
    }
}

/// Packs an image.
///
/// # Errors
///
/// 65 for a module that does not exist, or files of different ABI versions.
pub fn make(
    cx: &Context,
    platform: &Platform,
    contents: &Contents,
    built: &Built,
) -> Result<Image> {
    let Contents { source, items } = contents;
    let mut files = Vec::new();
    for item in items {
        files.push(load(cx, source, item, built)?);
    }
    check_abi(source, items, &files)?;

    let mut image = Vec::new();
    let mut boot_driver = Vec::new();
    let mut parts = Vec::new();
    let mut entries = Vec::new();
    let lines: Vec<String> = items.iter().map(Item::cmdline).collect();
    for ((item, file), line) in items.iter().zip(&files).zip(&lines) {
        let fault = |error: anyhow::Error| source.error(item, &format!("{}: {error:#}", item.path));
        let kind = match item.kind {
            ItemKind::BootDriver => {
                image =
                    flatten::flatten(&elf::parse(&file.whole).map_err(fault)?).map_err(fault)?;
                parts.insert(
                    0,
                    (
                        bootimage::name_of(line).into(),
                        image.len(),
                        item.args.clone(),
                    ),
                );
                boot_driver.push((line, flatten::for_other_cores(&image)));
                continue;
            }
            ItemKind::CpuDriver => Kind::CpuDriver,
            ItemKind::Module => Kind::Module,
        };
        parts.push((
            bootimage::name_of(line).into(),
            file.packed.len(),
            item.args.clone(),
        ));
        entries.push(NewEntry {
            kind,
            cmdline: line,
            data: &file.packed,
        });
    }
    // Once more, for the other cores.
    entries.extend(boot_driver.iter().map(|(line, data)| NewEntry {
        kind: Kind::Module,
        cmdline: line,
        data,
    }));
    let archive = bootimage::write(&entries)
        .map_err(|error| Failure::bad_input(format!("{}: {error}", source.shown)))?;
    image.extend(archive);
    flatten::set_image_size(&mut image);

    let folder = cx.workspace.build(&platform.name);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let file = folder.join("barreleye.img");
    std::fs::write(&file, &image)
        .with_context(|| format!("{} cannot be written", file.display()))?;
    let kernel = items.iter().find(|item| item.kind == ItemKind::CpuDriver);
    Ok(Image {
        file,
        bytes: image.len(),
        parts,
        kernel_args: kernel.map(|item| item.args.clone()).unwrap_or_default(),
        symbols: built
            .files
            .iter()
            .map(|(name, file)| (name.clone(), file.clone()))
            .collect(),
    })
}

/// Where a menu came from, for messages and for files beside it.
#[derive(Debug)]
struct Source {
    shown: String,
    folder: PathBuf,
    /// Items from here on come from `--module`.
    lines: usize,
}

impl Source {
    fn error(&self, item: &Item, what: &str) -> anyhow::Error {
        if item.position.line > self.lines {
            return Failure::usage(format!("--module: {what}"));
        }
        Failure::bad_input(format!("{}:{}: {what}", self.shown, item.position))
    }
}

/// Reads a menu, before anything is built, so that errors in it show at once.
///
/// # Errors
///
/// 65 with `file:line:column`; 64 for a bad `--module`.
pub fn read_menu(cx: &Context, platform: &Platform, choice: &MenuChoice) -> Result<Contents> {
    let default = platform.folder.join(if choice.course {
        "menu.course.lst"
    } else {
        "menu.lst"
    });
    if choice.course && choice.file.is_none() && !default.exists() {
        return Err(Failure::usage(format!(
            "platform {} has no course profile yet, only full: leave --profile out, or give a boot menu with --menu FILE",
            platform.name
        )));
    }
    let file = choice.file.as_ref().unwrap_or(&default);
    let shown = cx.workspace.relative(file).display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::bad_input(format!(
            "{shown}:1:1: this boot menu cannot be read: {error}"
        ))
    })?;
    let mut menu =
        Menu::parse(&text).map_err(|error| Failure::bad_input(format!("{shown}:{error}")))?;
    let lines = text.lines().count();
    for (index, module) in choice.modules.iter().enumerate() {
        let (path, args) = module.split_once('=').unwrap_or((module, ""));
        let program = if path.contains('/') {
            path.to_owned()
        } else {
            format!("{PROGRAMS}{path}")
        };
        let line = format!("bootdriver /x\ncpudriver /x\nmodule \"{program}\" {args}");
        let parsed = Menu::parse(&line)
            .map_err(|error| Failure::usage(format!("--module {module}: {}", error.kind)))?;
        menu.items
            .extend(parsed.items.into_iter().skip(2).map(|mut item| {
                item.position.line = lines + 1 + index;
                item
            }));
    }
    let folder = file.parent().unwrap_or(Path::new(".")).into();
    Ok(Contents {
        source: Source {
            shown,
            folder,
            lines,
        },
        items: menu.items,
    })
}

/// A file for the image.
struct Loaded {
    /// As it is on disk.
    whole: Vec<u8>,
    /// As it goes into the archive.
    packed: Vec<u8>,
    /// For built programs.
    abi: Option<u32>,
}

/// A file beside the menu is packed byte for byte, whatever it is; a built program is checked and stripped.
fn load(cx: &Context, source: &Source, item: &Item, built: &Built) -> Result<Loaded> {
    let read = |file: &Path| {
        std::fs::read(file).map_err(|error| {
            source.error(item, &format!("{} cannot be read: {error}", file.display()))
        })
    };
    if let Some(name) = item.path.strip_prefix(PROGRAMS) {
        let Some(file) = built.files.get(name) else {
            let known: Vec<&str> = built.known.iter().map(String::as_str).collect();
            return Err(source.error(item, &no_such_program(name, &known)));
        };
        let whole = read(file)?;
        let fault = |error: anyhow::Error| {
            let shown = cx.workspace.relative(file).display();
            source.error(item, &format!("{shown}: {error:#}"))
        };
        let parsed = elf::parse(&whole).map_err(fault)?;
        let abi = Some(note::required_abi_version(&parsed).map_err(fault)?);
        let packed = strip::strip(&parsed).map_err(fault)?;
        return Ok(Loaded { whole, packed, abi });
    }
    let relative = item.path.starts_with("./") || item.path.starts_with("../");
    if !relative && !item.path.starts_with('/') || item.kind != ItemKind::Module {
        let path = &item.path;
        return Err(source.error(
            item,
            &format!("`{path}`: write /sbin/NAME for a program, ./FILE for a file beside the menu"),
        ));
    }
    // A module of --module is named from where the user is, one of the menu from where the menu is.
    let from_menu = item.position.line <= source.lines;
    let file = if from_menu {
        source.folder.join(&item.path)
    } else {
        PathBuf::from(&item.path)
    };
    let whole = read(&file)?;
    Ok(Loaded {
        packed: whole.clone(),
        whole,
        abi: None,
    })
}

fn no_such_program(name: &str, known: &[&str]) -> String {
    let mut near: Vec<(f64, &str)> = known
        .iter()
        .map(|k| (strsim::jaro_winkler(name, k), *k))
        .collect();
    near.retain(|(likeness, _)| *likeness > 0.7);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let advice = match near.first() {
        Some(_) => {
            let names: Vec<String> = near
                .iter()
                .take(3)
                .map(|(_, name)| format!("{PROGRAMS}{name}"))
                .collect();
            format!("did you mean {}?", names.join(" or "))
        }
        None => format!("the programs are: {}", known.join(", ")),
    };
    format!("there is no program `{name}`; {advice}")
}

/// The kernel's version is the one that counts.
fn check_abi(source: &Source, items: &[Item], files: &[Loaded]) -> Result<()> {
    let kernel = items
        .iter()
        .zip(files)
        .find(|(item, _)| item.kind == ItemKind::CpuDriver);
    let Some(version) = kernel.and_then(|(_, file)| file.abi) else {
        return Ok(());
    };
    for (item, file) in items.iter().zip(files) {
        if let Some(other) = file.abi.filter(|other| *other != version) {
            let path = &item.path;
            return Err(source.error(
                item,
                &format!(
                    "{path} was built for ABI version {other}, the CPU driver for version {version}: build both from the same \
                     source (`hake clean`, then build again)"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_gets_near_ones() {
        let known = ["boot_driver", "cpu_driver", "hello", "init"];
        assert_eq!(
            no_such_program("helo", &known),
            "there is no program `helo`; did you mean /sbin/hello?"
        );
        assert_eq!(
            no_such_program("xyz", &known),
            "there is no program `xyz`; the programs are: boot_driver, cpu_driver, hello, init"
        );
    }
}
