//! Reading documented items out of the source.

use crate::page::root;

/// An item with its documentation comment.
pub struct Item {
    /// The line it is declared on.
    pub declaration: String,
    /// Its documentation, in one line, links of rustdoc made plain.
    pub doc: String,
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documented items of the braced block whose opening line contains `opening`.
pub fn items(path: &str, opening: &str) -> Vec<Item> {
    let text = read(path);
    let mut lines = text
        .lines()
        .skip_while(|line| !line.contains(opening) || !line.ends_with('{'));
    let first = lines
        .next()
        .unwrap_or_else(|| panic!("{path} has no `{opening}`"));
    let indent = first.len() - first.trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    let mut items = Vec::new();
    let mut doc = String::new();
    for line in lines.take_while(|line| *line != end) {
        let line = line.trim();
        if let Some(part) = line.strip_prefix("///") {
            doc.push_str(part);
        } else if line.starts_with("#[") || line.is_empty() {
            continue;
        } else {
            let text = plain(doc.trim());
            doc.clear();
            if !text.is_empty() {
                items.push(Item {
                    declaration: line.into(),
                    doc: text,
                });
            }
        }
    }
    assert!(
        !items.is_empty(),
        "{path}: nothing documented in `{opening}`"
    );
    items
}

/// [`Name`](path::Name) and [`path::Name`] become `Name`; what would end a table cell is escaped.
pub fn plain(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some(start) = rest.find("[`") {
        out.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let Some(end) = after.find("`]") else { break };
        let name = after[..end].rsplit("::").next().unwrap_or_default();
        out.push_str(&format!("`{name}`"));
        rest = &after[end + 2..];
        if rest.starts_with('(')
            && let Some(close) = rest.find(')')
        {
            rest = &rest[close + 1..];
        }
    }
    out.push_str(rest);
    out.replace('|', "\\|")
}
