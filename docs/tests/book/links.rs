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

/// The chapter about the source names every crate.
#[test]
fn every_library_and_program_is_described() {
    let page = Page::read(&chapters_folder().join("source.md"));
    let mut complaints = Vec::new();
    for folder in ["lib", "usr"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy());
            let is_crate = root().join(&name).join("Cargo.toml").is_file();
            if is_crate && !page.code.iter().any(|(_, code)| *code == name) {
                complaints.push(format!("source.md does not say what `{name}` is"));
            }
        }
    }
    assert_none(&complaints);
}
