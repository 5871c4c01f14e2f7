//! What is typed at a prompt: the words of a program and whether it runs in the background; addresses.

use crate::words::{Word, WordError, words};
use alloc::string::String;
use alloc::vec::Vec;

/// A line at a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The words, without their quotes.
    pub words: Vec<String>,
    /// An `&` ends the line, alone or behind its last word, outside of quotes. It is not among the words.
    pub background: bool,
}

/// Splits a line that was typed at a prompt.
///
/// # Errors
///
/// A quote that is never closed.
pub fn command_line(line: &str) -> Result<CommandLine, WordError> {
    let mut found: Vec<Word<'_>> = words(line).collect::<Result<_, _>>()?;
    let mut background = false;
    if let Some(last) = found.pop() {
        let rest = without_ampersand(last.raw);
        background = rest.is_some();
        let raw = rest.unwrap_or(last.raw);
        if !raw.is_empty() {
            found.push(Word { raw, ..last });
        }
    }
    let words = found.iter().map(|word| word.chars().collect()).collect();
    Ok(CommandLine { words, background })
}

/// The word without the `&` outside of quotes that ends it; `None` if none does.
fn without_ampersand(raw: &str) -> Option<&str> {
    let rest = raw.strip_suffix('&')?;
    // Of what is quoted, the quotes are closed, so what stands behind the last of them is not.
    let mut quoted = false;
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => drop(chars.next()),
            _ => {}
        }
    }
    (!quoted).then_some(rest)
}

/// An address as the commands print it: hexadecimal behind `0x` or `0X`; `_` may stand between digits. Digits alone are no address:
/// some would mean one number by them, some another.
#[must_use]
pub fn address(text: &str) -> Option<u64> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))?;
    let first = digits.bytes().next()?;
    if first == b'_' || digits.ends_with('_') {
        return None;
    }
    digits
        .bytes()
        .filter(|&byte| byte != b'_')
        .try_fold(0u64, |number, byte| {
            let digit = char::from(byte).to_digit(16)?;
            number.checked_mul(16)?.checked_add(u64::from(digit))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> (Vec<String>, bool) {
        let line = command_line(line).unwrap();
        (line.words, line.background)
    }

    #[test]
    fn an_ampersand_at_the_end_means_the_background() {
        for line in [
            "crash spin &",
            "crash spin&",
            "crash spin & ",
            "crash \"spin\"&",
        ] {
            assert_eq!(
                split(line),
                (["crash", "spin"].map(String::from).into(), true),
                "{line}"
            );
        }
        assert_eq!(split("&"), (Vec::new(), true));
        assert_eq!(split(""), (Vec::new(), false));
    }

    #[test]
    fn an_ampersand_in_quotes_or_elsewhere_is_text() {
        for (line, last) in [
            ("hello \"&\"", "&"),
            ("hello \"a &\"", "a &"),
            ("hello \"a\\\"&\"", "a\"&"),
            ("hello & there", "there"),
            ("hello a&b", "a&b"),
            ("hello \"\"", ""),
        ] {
            let (words, background) = split(line);
            assert_eq!(
                (words.last().unwrap().as_str(), background),
                (last, false),
                "{line}"
            );
        }
        assert_eq!(
            split("hello \"\"&"),
            (["hello", ""].map(String::from).into(), true)
        );
        assert_eq!(command_line("hello \"&"), Err(WordError { quote_at: 6 }));
    }

    #[test]
    fn addresses_are_hexadecimal() {
        for text in [
            "0x40000000",
            "0X4000_0000",
            "0x0_4000_0000",
            "0x0000000000040000000",
        ] {
            assert_eq!(address(text), Some(0x4000_0000), "{text}");
        }
        assert_eq!(address("0xFFFFffffFFFFffff"), Some(u64::MAX));
        for text in [
            "",
            "0x",
            "0X_",
            "0x_1",
            "0x1_",
            "40000000",
            "x",
            "0x1g",
            "0x-1",
            "0x+1",
            "0x10000000000000000",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
