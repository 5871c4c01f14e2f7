//! The page that shows the capabilities of a running system.
//!
//! init's command `capdump` sends every capability as records; [`Dump`] collects them, and [`page`] makes one HTML file of them:
//! data, style and code in it, nothing from the network. What is found out here (the derivation forest, who can reach what, virtual
//! addresses) goes into the page as tables; the page's own code only shows them.
//!
//! | Module | What |
//! |---|---|
//! | [`Dump`] | the records of a run |
//! | `tables` | what the page is told, from the graph |
//! | `json` | writing it |
//! | `page/` | the page: HTML, style, code |
//!
//! # Invariants
//!
//! The page is whole for any dump, an empty one too. No text from a guest becomes markup: names travel as JSON in which `<` is escaped, and the
//! page's code sets text, never HTML.
//!
//! Barrelfish counterpart: none.
#![forbid(unsafe_code)]

mod dump;
mod json;
mod tables;

pub use dump::{Domain, Dump, Incomplete};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const LEGEND: &str = include_str!("page/legend.svg");
/// The page's code: one program, in files by subject, in this order.
const CODE: [&str; 8] = [
    include_str!("page/model.js"),
    include_str!("page/words.js"),
    include_str!("page/tree.js"),
    include_str!("page/views.js"),
    include_str!("page/memory.js"),
    include_str!("page/details.js"),
    include_str!("page/search.js"),
    include_str!("page/main.js"),
];

/// The page for a dump; `about` says where it comes from, in a few words.
#[must_use]
pub fn page(dump: &Dump, about: &str) -> String {
    let data = tables::json(dump, about);
    let mut page = String::with_capacity(HTML.len() + data.len() + (128 << 10));
    // Each mark stands on a line of its own.
    for line in HTML.lines() {
        match line.trim() {
            "@style@" => page.push_str(STYLE),
            "@legend@" => page.push_str(LEGEND),
            "@data@" => page.push_str(&data),
            "@code@" => CODE.iter().for_each(|part| page.push_str(part)),
            _ => page.push_str(line),
        }
        page.push('\n');
    }
    page
}
