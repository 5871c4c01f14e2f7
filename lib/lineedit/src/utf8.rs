//! Bytes to characters, one byte at a time; what is no UTF-8 becomes U+FFFD.

/// A decoder that holds at most three bytes.
#[derive(Debug)]
pub(crate) struct Utf8 {
    bytes: [u8; 4],
    length: usize,
    wanted: usize,
}

/// What a byte completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decoded {
    /// Nothing yet.
    Pending,
    /// A character.
    Char(char),
    /// The bytes before this one were no character; this one is a character or begins one.
    Broken(Option<char>),
}

impl Utf8 {
    /// Nothing begun.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; 4],
            length: 0,
            wanted: 0,
        }
    }

    /// Whether a character has begun and is not complete.
    pub(crate) const fn is_pending(&self) -> bool {
        self.length > 0
    }

    /// Forgets what was begun.
    pub(crate) fn reset(&mut self) {
        self.length = 0;
    }

    /// Takes one byte.
    pub(crate) fn feed(&mut self, byte: u8) -> Decoded {
        let was_pending = self.is_pending();
        if was_pending && byte & 0xc0 == 0x80 {
            return self.push(byte);
        }
        self.reset();
        let begun = match byte {
            0..=0x7f => Decoded::Char(char::from(byte)),
            0xc2..=0xdf => self.begin(byte, 2),
            0xe0..=0xef => self.begin(byte, 3),
            0xf0..=0xf4 => self.begin(byte, 4),
            _ => Decoded::Char(char::REPLACEMENT_CHARACTER),
        };
        match (was_pending, begun) {
            (false, begun) => begun,
            (true, Decoded::Char(c)) => Decoded::Broken(Some(c)),
            (true, _) => Decoded::Broken(None),
        }
    }

    fn begin(&mut self, byte: u8, wanted: usize) -> Decoded {
        self.wanted = wanted;
        self.push(byte)
    }

    fn push(&mut self, byte: u8) -> Decoded {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
        if self.length < self.wanted {
            return Decoded::Pending;
        }
        let whole = self.bytes.get(..self.length).unwrap_or_default();
        let decoded = core::str::from_utf8(whole).ok();
        let decoded = decoded.and_then(|text| text.chars().next());
        self.reset();
        Decoded::Char(decoded.unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> String {
        let mut utf8 = Utf8::new();
        let mut text = String::new();
        for &byte in bytes {
            match utf8.feed(byte) {
                Decoded::Pending => {}
                Decoded::Char(c) => text.push(c),
                Decoded::Broken(next) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    text.extend(next);
                }
            }
        }
        text
    }

    #[test]
    fn valid_text_is_itself() {
        let text = "aä€𝄞\u{7f}z";
        assert_eq!(decode(text.as_bytes()), text);
    }

    #[test]
    fn invalid_bytes_become_replacement_characters() {
        assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(decode(b"\xe2\x82x"), "\u{fffd}x");
        assert_eq!(decode(b"\xe2\xc3\xa4"), "\u{fffd}ä");
        assert_eq!(decode(b"\xed\xa0\x80"), "\u{fffd}");
    }
}
