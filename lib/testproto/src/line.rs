//! Records in the stream of console bytes.

use crate::{MAGIC, NONCE_LEN};
use core::fmt;
use core::str::FromStr;

/// The secret of one run: 16 hexadecimal digits, passed to the kernel as the argument `nonce=`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nonce(u64);

impl Nonce {
    /// A nonce from random bits.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Nonce {
    /// Hidden, so that no log message gives it away by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

impl FromStr for Nonce {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let lower_hex = text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if text.len() != NONCE_LEN || !lower_hex {
            return Err(());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

/// Writes the start of a record, `@@BE1 <nonce> `, into a buffer.
const PREFIX_LEN: usize = MAGIC.len() + NONCE_LEN + 1;

/// The bytes that start each record of a run.
fn prefix(nonce: Nonce) -> [u8; PREFIX_LEN] {
    let mut out = [b' '; PREFIX_LEN];
    let digits = (0..NONCE_LEN).rev().map(|n| {
        let digit = (nonce.0 >> (4 * n)) as u8 & 15;
        if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        }
    });
    for (slot, byte) in out.iter_mut().zip(MAGIC.bytes().chain(digits)) {
        *slot = byte;
    }
    out
}

/// What [`cut`] found. Offsets count from the start of the text it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the magic starts.
    pub start: usize,
    /// Where the JSON starts.
    pub json: usize,
    /// Where the JSON ends: the line's end, without `\r`; or none if the line's end has not come yet.
    pub end: Option<usize>,
    /// Where the text goes on behind the record's line.
    pub next: usize,
}

/// Finds the first record with this nonce. It may stand behind other text on its line, for a prompt may be there when the
/// kernel emits it. Anything with another nonce is ordinary text.
#[must_use]
pub fn cut(text: &[u8], nonce: Nonce) -> Option<Cut> {
    let prefix = prefix(nonce);
    let start = text
        .windows(PREFIX_LEN)
        .position(|window| window == prefix)?;
    let json = start + PREFIX_LEN;
    let rest = text.get(json..)?;
    let Some(newline) = rest.iter().position(|&b| b == b'\n') else {
        return Some(Cut {
            start,
            json,
            end: None,
            next: text.len(),
        });
    };
    let trailing = rest
        .get(..newline)?
        .iter()
        .rev()
        .take_while(|&&b| b == b'\r')
        .count();
    Some(Cut {
        start,
        json,
        end: Some(json + newline - trailing),
        next: json + newline + 1,
    })
}

/// Where a record that is not whole yet may start: the offset of the longest tail of `text` that is a beginning of
/// `@@BE1 <nonce> `. A reader that prints as it goes keeps that tail back.
#[must_use]
pub fn prefix_at(text: &[u8], nonce: Nonce) -> Option<usize> {
    let prefix = prefix(nonce);
    let longest = text.len().min(PREFIX_LEN);
    (1..=longest)
        .rev()
        .find(|&n| prefix.get(..n).is_some_and(|head| text.ends_with(head)))
        .map(|n| text.len() - n)
}
