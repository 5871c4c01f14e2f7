//! SUMMARY.md and the chapters.

use crate::assert_none;
use crate::page::{Page, all, chapters_folder};

#[test]
fn the_summary_lists_every_chapter_once_and_nothing_else() {
    let summary = Page::read(&chapters_folder().join("SUMMARY.md"));
    let mut listed: Vec<&str> = summary
        .links
        .iter()
        .map(|(_, link)| link.trim_start_matches("./"))
        .collect();
    let mut there: Vec<String> = all()
        .iter()
        .filter_map(|page| {
            page.file
                .strip_prefix(chapters_folder())
                .ok()?
                .to_str()
                .map(String::from)
        })
        .collect();
    listed.sort_unstable();
    there.sort();
    assert_eq!(listed, there);
}

#[test]
fn every_chapter_has_one_title() {
    let mut complaints = Vec::new();
    for page in all() {
        let outside_blocks = page.text.split("```").step_by(2);
        let titles = outside_blocks
            .flat_map(str::lines)
            .filter(|line| line.starts_with("# "))
            .count();
        if titles != 1 || !page.text.starts_with("# ") {
            complaints.push(format!(
                "{}: begins with its only title of level 1",
                page.at(1)
            ));
        }
    }
    assert_none(&complaints);
}
