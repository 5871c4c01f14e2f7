//! Links, pictures, and paths in inline code.

use crate::assert_none;
use crate::page::{Page, all, chapters_folder, root};
use std::path::{Component, Path, PathBuf};

#[test]
fn every_link_leads_somewhere() {
    let pages = all();
    let mut complaints = Vec::new();
    for page in &pages {
        for (line, link) in &page.links {
            if let Err(what) = check(&pages, page, link) {
                complaints.push(format!("{}: {link}: {what}", page.at(*line)));
            }
        }
    }
    assert_none(&complaints);
}

fn check(pages: &[Page], page: &Page, link: &str) -> Result<(), String> {
    if link.starts_with("https://") {
        return Ok(());
    }
    if link.contains("://") {
        return Err("only https leaves the book".into());
    }
    let (path, fragment) = link
        .split_once('#')
        .map_or((link, None), |(path, id)| (path, Some(id)));
    let target = if path.is_empty() {
        page.file.clone()
    } else {
        normal(&page.file.parent().unwrap().join(path))
    };
    if !target.exists() {
        return Err("there is no such file".into());
    }
    if page.file.starts_with(chapters_folder()) && !target.starts_with(chapters_folder()) {
        return Err("mdBook publishes docs/src only: name the file in `code` instead".into());
    }
    let Some(fragment) = fragment else {
        return Ok(());
    };
    let found = pages.iter().find(|page| page.file == target);
    match found {
        Some(page) if page.anchors.iter().any(|anchor| anchor == fragment) => Ok(()),
        Some(page) => Err(format!(
            "no such heading; there are: {}",
            page.anchors.join(", ")
        )),
        None => Err("that is not a page".into()),
    }
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Inline code that reads like a path from the root, such as `lib/kpi` or `platforms/qemu-virt/menu.lst`, names something.
#[test]
fn every_path_in_inline_code_exists() {
    let mut complaints = Vec::new();
    for page in all() {
        for (line, code) in &page.code {
            let (head, _) = code.split_once('/').unwrap_or((code, ""));
            let is_path = code.contains('/')
                && !head.is_empty()
                && !code.contains(['*', ' ', '<'])
                && (root().join(head).exists() || head == "usr")
                // Build products come and go.
                && head != "build"
                && head != ".";
            if is_path && !root().join(code).exists() {
                complaints.push(format!("{}: `{code}` is not there", page.at(*line)));
            }
        }
    }
    assert_none(&complaints);
}
