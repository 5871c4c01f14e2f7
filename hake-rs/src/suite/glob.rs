//! `--filter`: names with `*` for anything and `?` for one character.

/// Whether the whole of `name` matches `pattern`.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| name.get(at..).is_some_and(|tail| matches(rest, tail)))
        }
        Some(wanted) => {
            let mut name = name.chars();
            name.next().is_some_and(|c| wanted == '?' || wanted == c)
                && matches(chars.as_str(), name.as_str())
        }
    }
}

/// Whether `pattern` matches the name or a group that it is in: `qemu::user` stands for `qemu::user::paging::...` too.
#[must_use]
pub fn matches_or_contains(pattern: &str, name: &str) -> bool {
    name.match_indices("::")
        .map(|(at, _)| at)
        .chain([name.len()])
        .any(|end| name.get(..end).is_some_and(|part| matches(pattern, part)))
}

/// Whether a name that starts with `prefix` can match.
#[must_use]
pub fn may_match(pattern: &str, prefix: &str) -> bool {
    let literal: String = pattern.chars().take_while(|c| !"*?".contains(*c)).collect();
    prefix.starts_with(&literal) || literal.starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*retype*", "qemu::caps::retype_zeroes", true),
            ("qemu::?", "qemu::a", true),
            ("qemu::?", "qemu::", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(
            may_match("qemu::b*", "qemu::")
                && may_match("*x", "qemu::")
                && may_match("q*", "qemu::")
        );
        assert!(!may_match("host::*", "qemu::"));
        assert!(matches_or_contains("qemu::user", "qemu::user::lmp::full"));
        assert!(!matches_or_contains("qemu::us", "qemu::user::lmp::full"));
    }
}
