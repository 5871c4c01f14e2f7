//! Code addresses to names: `[hello:0x401234]` in console output becomes `[hello:0x401234 hello::main at usr/hello/src/main.rs:12]`.
//!
//! The kernel and init print code addresses in this form: the name of the module or `cpu_driver`, a colon, the address as linked.
//! The programs on the board are stripped; names and lines come from the ELF files that stayed here.

use addr2line::Loader;
use object::{Object as _, ObjectSection as _, SectionKind};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The longest name between `[` and `:`.
const MAX_NAME: usize = 32;

/// A function's name, and a file and line.
type Frame = (Option<String>, Option<(String, u32)>);

/// A file with symbols.
struct Loaded {
    loader: Loader,
    /// Addresses of its code: elsewhere the nearest symbol would be a wrong name.
    code: Vec<Range<u64>>,
}

impl Loaded {
    fn open(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        let file = object::File::parse(&*bytes).ok()?;
        let code = file
            .sections()
            .filter(|section| section.kind() == SectionKind::Text)
            .map(|section| section.address()..section.address().saturating_add(section.size()))
            .collect();
        let loader = Loader::new(path).ok()?;
        Some(Self { loader, code })
    }
}

/// Finds names for addresses. Files are read when first asked for.
pub struct Symboliser {
    files: BTreeMap<String, PathBuf>,
    /// None for a file that cannot be read.
    loaded: RefCell<BTreeMap<String, Option<Loaded>>>,
    root: String,
}

impl Symboliser {
    /// For ELF files with symbols, by module name. Source paths below `root` are shown relative to it.
    pub fn new(files: impl IntoIterator<Item = (String, PathBuf)>, root: &Path) -> Self {
        let root = format!("{}/", root.display());
        Self {
            files: files.into_iter().collect(),
            loaded: RefCell::default(),
            root,
        }
    }

    /// `function at file:line` for an address of a module, or as much of it as is known.
    #[must_use]
    pub fn describe(&self, module: &str, address: u64) -> Option<String> {
        let file = self.files.get(module)?;
        let mut loaded = self.loaded.borrow_mut();
        let Loaded { loader, code } = loaded
            .entry(module.into())
            .or_insert_with(|| Loaded::open(file))
            .as_ref()?;
        if !code.iter().any(|range| range.contains(&address)) {
            return None;
        }
        // Innermost first, then what that is inlined into.
        let mut known: Vec<Frame> = Vec::new();
        if let Ok(mut frames) = loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let function = frame
                    .function
                    .and_then(|name| name.demangle().ok().map(|name| name.into_owned()));
                let place = frame
                    .location
                    .and_then(|place| Some((place.file?.to_owned(), place.line?)));
                known.push((function, place));
            }
        }
        // A line of Rust's own library says little: the place in our source that called it is wanted.
        let ours = |file: &str| file.starts_with(&self.root) || !file.starts_with('/');
        let best = known
            .iter()
            .position(|(_, place)| place.as_ref().is_some_and(|(file, _)| ours(file)))
            .unwrap_or(0);
        let (function, place) = known.into_iter().nth(best).unwrap_or_default();
        let place = place.map(|(file, line)| {
            let file = file.strip_prefix(&self.root).unwrap_or(&file);
            format!("{file}:{line}")
        });
        let function = function.or_else(|| {
            let name = loader.find_symbol(address)?;
            Some(addr2line::demangle_auto(name.into(), None).into_owned())
        });
        match (function.as_deref().map(without_hash), place) {
            (Some(function), Some(place)) => Some(format!("{function} at {place}")),
            (Some(function), None) => Some(function.into()),
            (None, place) => place,
        }
    }

    /// Puts names behind all addresses in a text.
    #[must_use]
    pub fn annotate(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.iter().position(|&b| b == b'[') {
            let (before, candidate) = rest.split_at(start);
            out.extend(before);
            let (token, description) = match address_token(candidate) {
                Some((module, address, len)) => (len, self.describe(module, address)),
                None => (1, None),
            };
            let (token, after) = candidate.split_at(token);
            match description {
                Some(description) => {
                    out.extend(token.strip_suffix(b"]").unwrap_or(token));
                    out.push(b' ');
                    out.extend(description.bytes());
                    out.push(b']');
                }
                None => out.extend(token),
            }
            rest = after;
        }
        out.extend(rest);
        out
    }
}

impl std::fmt::Debug for Symboliser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symboliser")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Old-style mangled names end in a hash, `::h0123456789abcdef`.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((head, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            head
        }
        _ => name,
    }
}

/// Reads `[name:0x1234]` at the start of a text: name, address, length.
fn address_token(text: &[u8]) -> Option<(&str, u64, usize)> {
    let end = text.iter().take(MAX_NAME + 24).position(|&b| b == b']')?;
    let inner = std::str::from_utf8(text.get(1..end)?).ok()?;
    let (module, address) = inner.split_once(":0x")?;
    if module.len() > MAX_NAME || !module.bytes().all(is_name_byte) {
        return None;
    }
    Some((module, u64::from_str_radix(address, 16).ok()?, end + 1))
}

/// Where an address token that is not whole yet may start at the end of a text: a reader that prints as it goes keeps it back.
#[must_use]
pub fn partial_token_at(text: &[u8]) -> Option<usize> {
    let start = text.iter().rposition(|&b| b == b'[')?;
    let tail = text.get(start + 1..)?;
    let mut parts = tail.splitn(2, |&b| b == b':');
    let name = parts.next()?;
    let number = parts.next().unwrap_or(b"");
    let plausible = name.len() <= MAX_NAME
        && name.iter().copied().all(is_name_byte)
        && number.len() <= 18
        && number.iter().enumerate().all(|(n, b)| match n {
            0 => *b == b'0',
            1 => *b == b'x',
            _ => b.is_ascii_hexdigit(),
        });
    plausible.then_some(start)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_from_other_brackets() {
        assert_eq!(
            address_token(b"[hello:0x401234] x"),
            Some(("hello", 0x40_1234, 16))
        );
        for other in [
            "[hello]",
            "[a b:0x1]",
            "[hello:0xzz]",
            "[hello:12]",
            "[hello:0x1",
            "[\x1b[0m:0x1]",
        ] {
            assert_eq!(address_token(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_a_possible_token_is_kept_back() {
        for (text, at) in [
            ("pc [", Some(3)),
            ("pc [hel", Some(3)),
            ("pc [hello:0x40", Some(3)),
            ("pc [hello:0x401234]", None),
            ("a [b c", None),
            ("plain", None),
            ("[hello:1", None),
        ] {
            assert_eq!(partial_token_at(text.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn this_very_program_is_symbolised() {
        let this = std::env::current_exe().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let symbols = Symboliser::new([("hake".to_string(), this.clone())], root);
        let bytes = std::fs::read(&this).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        use object::{Object as _, ObjectSymbol as _};
        let marker = file
            .symbols()
            .find(|s| s.name().is_ok_and(|n| n.contains("without_hash")))
            .unwrap();
        let address = marker.address();
        let text = format!("fault at [hake:{address:#x}], [hake:0xffffffff0], [nobody:0x10]");
        let shown = String::from_utf8(symbols.annotate(text.as_bytes())).unwrap();
        assert!(
            shown.contains(" hake::symbolise::without_hash")
                && shown.contains(" at hake-rs/src/symbolise.rs:"),
            "{shown}"
        );
        assert!(
            shown.ends_with("], [hake:0xffffffff0], [nobody:0x10]"),
            "{shown}"
        );
    }
}
