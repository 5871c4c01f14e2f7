//! Names of variables, and the words that POSIX reserves.

/// Words that begin a construct of `sh` where a command is expected. This shell has none of these constructs.
const RESERVED: &[&str] = &[
    "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for", "if", "in", "then",
    "until", "while",
];

/// Whether `text` may name a variable: a letter or `_`, then letters, digits and `_`, all ASCII.
pub fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(continues_name)
}

/// Whether `c` may begin a name.
pub(crate) fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Whether `c` may stand in a name.
pub(crate) fn continues_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether POSIX reserves the word.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}
