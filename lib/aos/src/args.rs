//! A program's arguments.

use kpi::args::ArgsPage;

/// The arguments and environment of this domain.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    page: Option<ArgsPage<'static>>,
}

impl Args {
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

    /// This domain's number, as its parent counts.
    pub fn pid(&self) -> u32 {
        self.page.map_or(0, |page| page.pid())
    }
}
