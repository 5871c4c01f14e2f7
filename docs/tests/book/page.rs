//! A page, read by mdBook's own parser.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A Markdown file and what the checks need of it.
pub struct Page {
    /// Where it is.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// Anchors of its headings, as mdBook names them.
    pub anchors: Vec<String>,
    /// Targets of links and pictures, with their line.
    pub links: Vec<(usize, String)>,
    /// Inline code, with its line.
    pub code: Vec<(usize, String)>,
    /// Fenced code blocks.
    pub blocks: Vec<Block>,
}

/// A code block.
pub struct Block {
    /// Line of its first line of content.
    pub line: usize,
    /// The first word behind the fence; empty for an indented block.
    pub kind: String,
    /// The other words behind the fence, `name=value`.
    pub attributes: Vec<String>,
    /// Its lines.
    pub text: String,
}

impl Block {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .into()
}

/// The folder of the chapters.
pub fn chapters_folder() -> PathBuf {
    root().join("docs/src")
}

/// Every page of the book except SUMMARY.md, then README.md and CONTRIBUTING.md.
pub fn all() -> Vec<Page> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(chapters_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "md"))
        .filter(|path| path.file_name().is_some_and(|name| name != "SUMMARY.md"))
        .collect();
    files.sort();
    files.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    files.iter().map(|file| Page::read(file)).collect()
}

impl Page {
    /// Reads a file.
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let mut page = Self {
            file: file.into(),
            text: String::new(),
            anchors: Vec::new(),
            links: Vec::new(),
            code: Vec::new(),
            blocks: Vec::new(),
        };
        page.parse(&text);
        page.text = text;
        page
    }

    fn parse(&mut self, text: &str) {
        let line_of = |range: &Range<usize>| text[..range.start].matches('\n').count() + 1;
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
        let mut used = BTreeMap::new();
        let mut heading: Option<String> = None;
        let mut block: Option<Block> = None;
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let id = anchor(&heading.take().unwrap(), &mut used);
                    self.anchors.push(id);
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    self.links.push((line_of(&range), dest_url.to_string()));
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let (kind, offset) = match kind {
                        CodeBlockKind::Fenced(kind) => (kind.to_string(), 1),
                        CodeBlockKind::Indented => (String::new(), 0),
                    };
                    let mut words = kind.split_whitespace().map(String::from);
                    block = Some(Block {
                        line: line_of(&range) + offset,
                        kind: words.next().unwrap_or_default(),
                        attributes: words.collect(),
                        text: String::new(),
                    });
                }
                Event::End(TagEnd::CodeBlock) => self.blocks.extend(block.take()),
                Event::Text(part) => {
                    if let Some(block) = &mut block {
                        block.text += &part;
                    }
                    if let Some(heading) = &mut heading {
                        *heading += &part;
                    }
                }
                Event::Code(part) => {
                    self.code.push((line_of(&range), part.to_string()));
                    if let Some(heading) = &mut heading {
                        *heading += &part;
                    }
                }
                _ => {}
            }
        }
    }

    /// `docs/src/boot.md:12`, for complaints.
    pub fn at(&self, line: usize) -> String {
        format!(
            "{}:{line}",
            self.file.strip_prefix(root()).unwrap().display()
        )
    }
}

/// mdBook's name for a heading: letters, digits, `_` and `-` in lower case, blanks as `-`; repeated ones are numbered.
fn anchor(heading: &str, used: &mut BTreeMap<String, usize>) -> String {
    let id: String = heading
        .trim()
        .chars()
        .filter_map(|c| match c {
            c if c.is_alphanumeric() || c == '_' || c == '-' => Some(c.to_ascii_lowercase()),
            c if c.is_whitespace() => Some('-'),
            _ => None,
        })
        .collect();
    let count = used.entry(id.clone()).or_insert(0);
    let name = if *count == 0 {
        id.clone()
    } else {
        format!("{id}-{count}")
    };
    *count += 1;
    name
}
