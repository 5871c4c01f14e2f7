//! Completion of words.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use shell::ast::Mode;
use shell::complete::{Completion, Kind, columns, complete, context};
use shell::expand::Values;
use shell::parse;

fn kind(line: &str) -> Option<(Kind, String)> {
    let mut values = Values::default();
    values.variables.set("V", "val ue").unwrap();
    context(line, line.len(), &values).map(|context| (context.kind, context.prefix))
}

fn argument(words: &[&str]) -> Kind {
    let words = words.iter().map(|word| word.to_string()).collect();
    Kind::Argument { words }
}

#[test]
fn kinds_of_words() {
    for (line, expected, prefix) in [
        ("", Kind::Command, ""),
        ("ec", Kind::Command, "ec"),
        ("  a; b && 'e c", Kind::Command, "e c"),
        ("A=1 ec", Kind::Command, "ec"),
        ("> f ec", Kind::Command, "ec"),
        ("x | y | ", Kind::Command, ""),
        ("run a b\\ c", argument(&["run", "a"]), "b c"),
        ("run $V ", argument(&["run", "val ue"]), ""),
        ("run \"$V/x", argument(&["run"]), "val ue/x"),
        ("run > f a", argument(&["run"]), "a"),
        ("run A=1 B", argument(&["run", "A=1"]), "B"),
        ("echo $", Kind::Variable, ""),
        ("echo \"a${H", Kind::Variable, "H"),
        ("run > ", Kind::File(Mode::Write), ""),
        ("run >> 'a", Kind::File(Mode::Append), "a"),
        ("run <a", Kind::File(Mode::Read), "a"),
        ("A=x\\ y", Kind::Value { name: "A".into() }, "x y"),
    ] {
        assert_eq!(kind(line), Some((expected, prefix.into())), "{line}");
    }
    for line in [
        "echo # a",
        "echo a\\",
        "(",
        "echo \"a\\",
        "echo ${?",
        "echo `a",
    ] {
        assert_eq!(kind(line), None, "{line}");
    }
    let values = Values::default();
    assert_eq!(context("echo", 2, &values).unwrap().prefix, "ec");
    assert_eq!(context("ä", 1, &values), None);
    assert_eq!(context("a", 5, &values), None);
}

#[test]
fn what_is_inserted() {
    for (line, candidates, expected) in [
        ("ec", &["echo"][..], Some("ho ")),
        ("ec", &["echo", "ecall", "no"], None),
        ("e", &["echo", "echelon"], Some("ch")),
        ("run f", &["f ile", "f ilm"], Some("\\ il")),
        ("run 'f", &["f it's"], Some(" it'\\''s' ")),
        ("run \"f", &["f$x\""], Some("\\$x\\\"\" ")),
        ("run f", &["f"], Some(" ")),
        ("echo ${HO", &["HOME"], Some("ME}")),
        ("echo $HO", &["HOME"], Some("ME")),
        ("run gr", &["größe", "grüße"], None),
        ("run gr", &["größe", "größer"], Some("öße")),
        ("run f", &["fa", "fa"], Some("a ")),
    ] {
        let context = context(line, line.len(), &Values::default()).unwrap();
        let seen = complete(&context, candidates.iter().copied());
        let expected = match expected {
            Some(text) => Completion::Insert(text.into()),
            None => Completion::Choice,
        };
        assert_eq!(seen, expected, "{line}");
    }
    let context = context("x", 1, &Values::default()).unwrap();
    assert_eq!(complete(&context, ["a", "b"]), Completion::Nothing);
}

#[test]
fn a_list_in_columns() {
    assert_eq!(
        columns(&["aa", "b", "c", "d", "e"], 10),
        "aa  c   e\nb   d\n"
    );
    assert_eq!(columns(&["aa", "b", "c"], 10), "aa  b   c\n");
    assert_eq!(columns(&["longer"], 3), "longer\n");
    assert_eq!(columns(&["a\x1b[2J"], 80), "a?[2J\n");
    assert_eq!(columns::<&str>(&[], 80), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// What completion inserts makes the word mean the candidate.
    #[test]
    fn a_completed_word_means_the_candidate(
        candidate in "\\PC{1,8}",
        taken in 0usize..8,
        quotes in prop::sample::select(vec!["", "'", "\""]),
    ) {
        // What needs no backslash in these quotes.
        let is_plain = |c: &char| match quotes {
            "" => c.is_alphanumeric(),
            _ => !['\'', '"', '\\', '$', '`'].contains(c),
        };
        let plain: String = candidate.chars().take(taken).take_while(is_plain).collect();
        let line = format!("run {quotes}{plain}");
        let values = Values::default();
        let context = context(&line, line.len(), &values).unwrap();
        prop_assert_eq!(&context.prefix, &plain);
        let Completion::Insert(text) = complete(&context, [candidate.as_str()]) else {
            return Err(TestCaseError::fail("nothing inserted"));
        };
        let list = parse(&(line + &text)).unwrap();
        let words = &list.items[0].chain.first.commands[0].words;
        prop_assert_eq!(values.fields(words).unwrap(), ["run".to_string(), candidate]);
    }

    #[test]
    fn no_line_panics(line in "[a-c'\"\\\\$ {}=&|;<>#\nä]{0,24}", cursor in 0usize..30) {
        let values = Values::default();
        if let Some(context) = context(&line, cursor, &values) {
            complete(&context, ["a", "b", "ab"]);
        }
    }

    #[test]
    fn columns_fit(names in prop::collection::vec("[a-z]{1,12}", 0..40), width in 0usize..60) {
        let text = columns(&names, width);
        let widest = names.iter().map(String::len).max().unwrap_or(0);
        prop_assert!(text.lines().all(|line| line.len() <= width.max(widest)));
        let mut seen: Vec<&str> = text.split_whitespace().collect();
        let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
        seen.sort_unstable();
        all.sort_unstable();
        prop_assert_eq!(seen, all);
    }
}
