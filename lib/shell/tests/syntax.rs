//! Lines and their lists.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod common;

use common::Ingredients;
use proptest::prelude::*;
use shell::{List, limits, parse};

fn shown(line: &str) -> String {
    parse(line)
        .unwrap_or_else(|error| panic!("{line}: {error}"))
        .to_string()
}

#[test]
fn lines_are_written_again_with_the_quotes_they_need() {
    for (line, expected) in [
        ("", ""),
        ("  # nothing", ""),
        ("echo a#b #c", "echo 'a#b'"),
        ("a;b&c&&d||e|f", "a; b & c && d || e | f"),
        ("a &", "a &"),
        ("echo 'it'\\''s' \"a b\"c", "echo 'it'\\''s' 'a bc'"),
        ("echo $A${B}c\"$C\"", "echo $A${B}c\"$C\""),
        ("echo $? $! $$ $ $, \"$\"", "echo $? $! $$ '$' '$,' '$'"),
        ("A=1 B= C='x y' run", "A=1 B= C='x y' run"),
        ("'A'=1", "'A=1'"),
        ("run A=1", "run 'A=1'"),
        (">f <g run >>h x", "run x > f < g >> h"),
        ("\"a\\$b\\c\\\"\"", "'a$b\\c\"'"),
        ("a\nb\n\nc &&\n d", "a; b; c && d"),
        ("ec\\\nho a\\\n b", "echo a b"),
        ("'if' x; echo if", "'if' x; echo 'if'"),
        ("echo ''\"\" $A''", "echo '' ${A}''"),
        ("echo * ~ [a] {b}", "echo '*' '~' '[a]' '{b}'"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn errors_name_the_column_and_the_cure() {
    for (line, column, part) in [
        (
            "echo 'abc",
            6,
            "opened at column 6 is never closed: add a ' or put a backslash before it",
        ),
        ("echö \"abc", 6, "add a \""),
        ("echo ${A", 6, "add a }"),
        ("echo ${A:-b}", 6, "between ${ and }"),
        ("echo ${}", 6, "between ${ and }"),
        ("echo \\", 6, "remove it, or write it twice"),
        ("echo $(ls)", 6, "in single quotes"),
        ("echo \"`ls`\"", 7, "in single quotes"),
        ("echo $1", 6, "'$1'"),
        ("a ;; b", 3, "no ;;"),
        ("(a)", 1, "no (: put it in quotes"),
        ("a << b", 3, "no <<"),
        ("a 2> b", 3, "put a blank before"),
        ("if a", 1, "reserved word"),
        ("; a", 1, "no command before ;"),
        ("a && | b", 3, "no command behind &&"),
        ("a |", 3, "no command behind |"),
        ("a | & b", 3, "no command behind |"),
        ("a & && b", 5, "no command before &&"),
        ("a > ; b", 3, "> needs the name of a file"),
        ("a >>", 3, ">> needs the name of a file"),
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.column, column, "{line}: {error}");
        assert!(error.to_string().contains(part), "{line}: {error}");
        assert!(
            error.to_string().contains(&format!("column {column}")),
            "{error}"
        );
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let refused = |line: String, part: &str| {
        let error = parse(&line).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused("x".repeat(limits::LINE_BYTES + 1), "a line has at most");
    refused("a;".repeat(limits::COMMANDS + 1), "commands: split it");
    refused(
        vec!["a"; limits::PIPELINE + 1].join("|"),
        "a pipeline has at most",
    );
    refused(
        vec!["a"; limits::WORDS + 1].join(" "),
        "a command has at most",
    );
    refused(
        format!("${}", "a".repeat(limits::NAME_BYTES + 1)),
        "name of a variable",
    );
    refused(
        format!("{}=1", "a".repeat(limits::NAME_BYTES + 1)),
        "name of a variable",
    );
    assert!(parse(&"a;".repeat(limits::COMMANDS)).is_ok());
    assert!(parse(&vec!["a"; limits::PIPELINE].join("|")).is_ok());
    assert!(parse(&vec!["a"; limits::WORDS].join(" ")).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_list_written_and_parsed_is_the_same(list in Ingredients::all().list()) {
        let text = list.to_string();
        prop_assert_eq!(parse(&text), Ok::<List, _>(list), "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_parses_is_stable(line in "[a-c'\"\\\\$ {}=&|;<>#\n?!]{0,24}") {
        if let Ok(list) = parse(&line) {
            prop_assert_eq!(parse(&list.to_string()), Ok(list));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let line = String::from_utf8_lossy(&bytes);
        if let Err(error) = parse(&line) {
            prop_assert!(error.column >= 1 && error.column <= line.chars().count() + 1);
        }
    }
}
