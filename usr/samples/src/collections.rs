//! Printing and collections.

// ANCHOR: example
use aos::prelude::*;

pub fn main(_args: Args) -> Result<(), Error> {
    let text = "one fish two fish red fish blue fish";
    let mut counts = BTreeMap::new();
    for word in text.split(' ') {
        *counts.entry(word).or_insert(0) += 1;
    }
    let many: Vec<String> = counts
        .iter()
        .map(|(word, n)| format!("{word}={n}"))
        .collect();
    println!("{}", many.join(" "));
    Ok(())
}
// ANCHOR_END: example
