//! The lines of a menu.

use crate::words::{self, WordError, words};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Where something stands in a file. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What a line of the menu adds to the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// The first code to run.
    BootDriver,
    /// The kernel.
    CpuDriver,
    /// A program or file for user space.
    Module,
}

impl ItemKind {
    /// The word that starts such a line.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::BootDriver => "bootdriver",
            Self::CpuDriver => "cpudriver",
            Self::Module => "module",
        }
    }
}

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// The path, without its quotes if it had any.
    pub path: String,
    /// Where the path stands.
    pub position: Position,
    /// The arguments as they stand in the file, without the blanks and the comment around them.
    pub args: String,
}

impl Item {
    /// The arguments as words. [`Menu::parse`] has checked that they split.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        words::split(&self.args).unwrap_or_default()
    }

    /// Path and arguments as one command line, the form that goes into the boot archive.
    #[must_use]
    pub fn cmdline(&self) -> String {
        let mut line = self.path.clone();
        if !self.args.is_empty() {
            line.push(' ');
            line.push_str(&self.args);
        }
        line
    }
}

/// What is wrong with a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuErrorKind {
    /// A line starts with something else than a keyword; here it is.
    Keyword(String),
    /// A keyword without a path.
    NoPath(ItemKind),
    /// A path that is empty, has a blank or a quote in it, or ends in `/`.
    BadPath(String),
    /// A quote that is never closed.
    Quote,
    /// A second boot driver or CPU driver; the first stands in this line.
    Twice(ItemKind, usize),
    /// The menu lacks a boot driver or a CPU driver.
    Missing(ItemKind),
}

impl fmt::Display for MenuErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyword(word) => write!(
                f,
                "`{word}` is no keyword of a boot menu: start the line with bootdriver, cpudriver or module, or with # \
                 for a comment"
            ),
            Self::NoPath(kind) => {
                let keyword = kind.keyword();
                write!(
                    f,
                    "`{keyword}` needs a path: write for example `{keyword} /sbin/NAME`"
                )
            }
            Self::BadPath(path) => {
                write!(
                    f,
                    "`{path}` is no usable path: it has to end in a file name, without blanks and quotes"
                )
            }
            Self::Quote => {
                f.write_str("this quote is never closed: add a \" at the end of the argument")
            }
            Self::Twice(kind, line) => {
                let keyword = kind.keyword();
                write!(
                    f,
                    "a second `{keyword}`, after the one in line {line}: an image has one, remove either"
                )
            }
            Self::Missing(kind) => {
                let keyword = kind.keyword();
                write!(f, "the menu has no `{keyword}` line: add one")
            }
        }
    }
}

/// An error in a menu, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuError {
    /// What is wrong.
    pub kind: MenuErrorKind,
    /// Where.
    pub position: Position,
}

impl fmt::Display for MenuError {
    /// `line:column: what, and what to do`; put the file's name and a colon before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.kind)
    }
}

impl core::error::Error for MenuError {}

/// A boot menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// All lines, in their order.
    pub items: Vec<Item>,
}

impl Menu {
    /// Reads a menu.
    ///
    /// # Errors
    ///
    /// The first [`MenuError`] in the text; a missing boot driver or CPU driver is reported at its end.
    pub fn parse(text: &str) -> Result<Self, MenuError> {
        let mut items: Vec<Item> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some(item) = parse_line(line, index + 1)? else {
                continue;
            };
            let earlier = items
                .iter()
                .find(|earlier| item.kind != ItemKind::Module && earlier.kind == item.kind);
            if let Some(earlier) = earlier {
                let kind = MenuErrorKind::Twice(item.kind, earlier.position.line);
                return Err(MenuError {
                    kind,
                    position: Position {
                        line: index + 1,
                        column: 1,
                    },
                });
            }
            items.push(item);
        }
        for kind in [ItemKind::BootDriver, ItemKind::CpuDriver] {
            if !items.iter().any(|item| item.kind == kind) {
                let position = Position {
                    line: text.lines().count().max(1),
                    column: 1,
                };
                return Err(MenuError {
                    kind: MenuErrorKind::Missing(kind),
                    position,
                });
            }
        }
        Ok(Self { items })
    }

    /// The one item of this kind, or the first module.
    #[must_use]
    pub fn first(&self, kind: ItemKind) -> Option<&Item> {
        self.items.iter().find(|item| item.kind == kind)
    }
}

fn parse_line(line: &str, number: usize) -> Result<Option<Item>, MenuError> {
    let error = |at: usize, kind| {
        let column = line.get(..at).unwrap_or(line).chars().count() + 1;
        MenuError {
            kind,
            position: Position {
                line: number,
                column,
            },
        }
    };
    let unclosed = |e: WordError| error(e.quote_at, MenuErrorKind::Quote);

    let line = without_comment(line);
    let mut rest = words(line);
    let Some(keyword) = rest.next().transpose().map_err(unclosed)? else {
        return Ok(None);
    };
    let kind = match keyword.raw {
        "bootdriver" => ItemKind::BootDriver,
        "cpudriver" => ItemKind::CpuDriver,
        "module" => ItemKind::Module,
        other => return Err(error(keyword.start, MenuErrorKind::Keyword(other.into()))),
    };
    let Some(word) = rest.next().transpose().map_err(unclosed)? else {
        return Err(error(line.len(), MenuErrorKind::NoPath(kind)));
    };
    let path: String = word.chars().collect();
    if path.is_empty() || path.ends_with('/') || path.contains([' ', '\t', '"']) {
        return Err(error(word.start, MenuErrorKind::BadPath(path)));
    }
    if let Some(e) = rest.find_map(Result::err) {
        return Err(unclosed(e));
    }
    let args = line
        .get(word.start + word.raw.len()..)
        .unwrap_or("")
        .trim_ascii()
        .into();
    let column = error(word.start, MenuErrorKind::Quote).position.column;
    Ok(Some(Item {
        kind,
        path,
        position: Position {
            line: number,
            column,
        },
        args,
    }))
}

/// Cuts a comment off: `#` at the start of a word, outside of quotes.
fn without_comment(line: &str) -> &str {
    let comment = words(line)
        .map_while(Result::ok)
        .find(|word| word.raw.starts_with('#'));
    comment
        .and_then(|word| line.get(..word.start))
        .unwrap_or(line)
}
