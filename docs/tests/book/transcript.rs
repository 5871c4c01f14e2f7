//! What the book types at the prompt, collected.

use crate::page::all;

/// The lines typed in a transcript, without the prompt.
fn typed(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("barreleye> "))
}

#[test]
fn every_transcript_types_something() {
    let mut count = 0;
    for page in all() {
        for block in page.blocks.iter().filter(|block| block.kind == "text") {
            assert!(typed(&block.text).next().is_some(), "{}: nothing is typed", page.at(block.line));
            count += 1;
        }
    }
    assert!(count > 0, "the book has no transcript");
}
