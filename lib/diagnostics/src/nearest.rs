//! Guessing the name that was meant.

/// The candidate that differs least from `name`, if it is close enough to be worth a hint.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters wrong is another word, and very long "names" are not names.
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    if name.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 64)
        .map(|candidate| {
            (
                distance(&name.to_lowercase(), &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Number of single-character insertions, removals and changes between the two (Levenshtein), row by row.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        for (slot, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let changed = diagonal.saturating_add(usize::from(x != y));
            diagonal = *slot;
            left = changed
                .min(slot.saturating_add(1))
                .min(left.saturating_add(1));
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ram", "ram", 0),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn near_names_are_found_and_far_ones_not() {
        assert_eq!(
            nearest("genpadr", ["u8", "genpaddr", "gensize"]),
            Some("genpaddr")
        );
        assert_eq!(nearest("ram", ["RAM", "Frame"]), Some("RAM"));
        assert_eq!(nearest("quux", ["RAM", "Frame"]), None);
    }
}
