//! The console's bytes, taken apart: text for people, records for hake.

use crate::symbolise::partial_token_at;
use testproto::{MAX_LINE, Nonce, Record, cut, prefix_at};

/// A piece of console output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// For people.
    Text(Vec<u8>),
    /// A record that is sound: its whole line, and its JSON.
    Record {
        /// As it came.
        raw: Vec<u8>,
        /// The JSON.
        json: String,
    },
}

/// Cuts records out of a stream of bytes. What may be the beginning of a record or of a code address is kept back until more
/// comes or [`Filter::flush`] is called.
#[derive(Clone, Debug)]
pub struct Filter {
    nonce: Nonce,
    held: Vec<u8>,
}

impl Filter {
    /// For records with this nonce; others are text.
    #[must_use]
    pub fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            held: Vec::new(),
        }
    }

    /// Whether something is kept back.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes bytes and gives the pieces that are whole.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.held.extend(bytes);
        let mut pieces = Vec::new();
        while let Some(found) = cut(&self.held, self.nonce) {
            let too_long = self.held.len() - found.start > MAX_LINE;
            if found.end.is_none() && !too_long {
                // The record's end is yet to come; what stands before it need not wait.
                let record = self.held.split_off(found.start);
                add_text(&mut pieces, std::mem::replace(&mut self.held, record));
                return pieces;
            }
            let rest = self.held.split_off(found.next);
            let mut line = std::mem::replace(&mut self.held, rest);
            let raw = line.split_off(found.start);
            add_text(&mut pieces, line);
            let json = found
                .end
                .and_then(|end| raw.get(found.json - found.start..end - found.start));
            match json
                .and_then(|json| std::str::from_utf8(json).ok())
                .filter(|json| Record::parse(json).is_ok())
            {
                Some(json) => pieces.push(Piece::Record {
                    json: json.into(),
                    raw,
                }),
                None => add_text(&mut pieces, raw),
            }
        }
        let keep = [
            prefix_at(&self.held, self.nonce),
            partial_token_at(&self.held),
        ];
        let keep = keep.into_iter().flatten().min().unwrap_or(self.held.len());
        let tail = self.held.split_off(keep);
        add_text(&mut pieces, std::mem::replace(&mut self.held, tail));
        pieces
    }

    /// Gives up what is kept back, as text.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        (!self.held.is_empty()).then(|| std::mem::take(&mut self.held))
    }
}

fn add_text(pieces: &mut Vec<Piece>, text: Vec<u8>) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(last)) => last.extend(text),
        _ => pieces.push(Piece::Text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = Nonce::new(0x0123_4567_89ab_cdef);
    const STREAM: &str = "boot\r\nbarreleye> hel@@BE1 0123456789abcdef {\"t\":\"boot\",\"stage\":\"init\"}\r\nlo [hello:0x40]\r\n\
        @@BE1 0000000000000000 {\"t\":\"boot\",\"stage\":\"forged\"}\r\n@@BE1 0123456789abcdef {\"t\":\"nothing\"}\r\nend";
    const TEXT: &str = "boot\r\nbarreleye> hello [hello:0x40]\r\n@@BE1 0000000000000000 {\"t\":\"boot\",\"stage\":\"forged\"}\r\n\
        @@BE1 0123456789abcdef {\"t\":\"nothing\"}\r\nend";

    fn collect(chunks: impl Iterator<Item = Vec<u8>>) -> (String, Vec<String>) {
        let mut filter = Filter::new(NONCE);
        let mut pieces: Vec<Piece> = chunks.flat_map(|chunk| filter.push(&chunk)).collect();
        pieces.extend(filter.flush().map(Piece::Text));
        let (mut text, mut records) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Text(bytes) => text.extend(bytes),
                Piece::Record { json, .. } => records.push(json),
            }
        }
        (String::from_utf8(text).unwrap(), records)
    }

    #[test]
    fn the_result_does_not_depend_on_how_the_bytes_arrive() {
        let expected = (
            TEXT.to_string(),
            vec!["{\"t\":\"boot\",\"stage\":\"init\"}".to_string()],
        );
        for size in 1..STREAM.len() {
            assert_eq!(
                collect(STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec)),
                expected,
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn a_prompt_is_shown_at_once() {
        let mut filter = Filter::new(NONCE);
        assert_eq!(
            filter.push(b"barreleye> "),
            [Piece::Text(b"barreleye> ".to_vec())]
        );
        assert!(!filter.holds());
        assert_eq!(filter.push(b"x [a"), [Piece::Text(b"x ".to_vec())]);
        assert_eq!(filter.flush().unwrap(), b"[a");
    }

    #[test]
    fn an_endless_record_is_text() {
        let mut filter = Filter::new(NONCE);
        let mut text = b"@@BE1 0123456789abcdef ".to_vec();
        assert!(filter.push(&text).is_empty());
        text.extend([b'x'; MAX_LINE]);
        assert_eq!(filter.push(&[b'x'; MAX_LINE]), [Piece::Text(text)]);
    }
}
