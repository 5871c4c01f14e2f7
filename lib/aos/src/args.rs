//! A program's arguments.

use kpi::args::{ArgsPage, PagingItem};

/// The arguments and environment of this domain.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    page: Option<ArgsPage<'static>>,
}

impl Args {
    /// No arguments.
    pub(crate) const NONE: Self = Self { page: None };

    /// From the arguments page; a page that is damaged counts as empty.
    pub(crate) fn from_page(page: &'static [u8]) -> Self {
        Self {
            page: ArgsPage::parse(page).ok(),
        }
    }

    /// The arguments, the program's name first.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.page.into_iter().flat_map(|page| page.args())
    }

    /// The arguments behind the program's name.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.iter().skip(1)
    }

    /// The environment, `NAME=value` each.
    pub fn env(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        self.page.into_iter().flat_map(|page| page.env())
    }

    /// The value of a variable of the environment.
    pub fn var(&self, name: &str) -> Option<&'static str> {
        let mut variables = self.env().filter_map(Variable::parse);
        let found = variables.find(|variable| variable.name == name)?;
        Some(found.value)
    }

    /// This domain's, wherever they are asked for.
    pub fn own() -> Self {
        crate::start::args()
    }

    /// The spawner's books of this domain's address space.
    pub(crate) fn paging(&self) -> impl ExactSizeIterator<Item = PagingItem> + use<> {
        let items = self.page.map(|page| page.paging());
        let count = items.as_ref().map_or(0, ExactSizeIterator::len);
        let mut items = items.into_iter().flatten();
        (0..count).map(move |_| items.next().unwrap_or_default())
    }

    /// This domain's number, as its parent counts.
    pub fn pid(&self) -> u32 {
        self.page.map_or(0, |page| page.pid())
    }
}

/// A variable of the environment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl<'a> Variable<'a> {
    /// What `NAME=value` says. A name is made of letters, digits and `_`, no digit first.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (begins && name.chars().all(is_plain)).then_some(Self { name, value })
    }

    /// As [`Variable::parse`], with any name; without `=` all of it is the name.
    pub(crate) fn of(text: &'a str) -> Self {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Self { name, value }
    }
}
