//! Names, properties, queries: what they mean, what is refused, and that no text panics.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{any_name, ask, name, pattern, properties, question};
use names::{Name, ParseError, Pattern, Prefix, Properties, PropertyError, Query, Value};
use proptest::prelude::*;

/// Column and beginnings of what is wrong, for a text that is refused.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ParseError>, column: usize, what: &str) {
    let error = result.unwrap_err();
    assert_eq!(
        (error.column, error.what.as_str()),
        (column, what),
        "{error}"
    );
    assert!(!error.hint.is_empty());
}

#[test]
fn names_that_are_names() {
    for text in ["a", "0", "service/serial0", "a.b-c_d/e..f/9-", "spawn.3"] {
        let name = Name::parse(text).unwrap();
        assert_eq!(name.as_str(), text);
        assert_eq!(name, Name::parse(&format!("/{text}")).unwrap());
        assert_eq!(name.labels().collect::<Vec<_>>().join("/"), text);
    }
    let name = Name::parse("a/bc/d").unwrap();
    assert!(name.path().eq(["a", "a/bc", "a/bc/d"]));
}

#[test]
fn names_that_are_none() {
    refused(Name::parse(""), 1, "nothing");
    refused(Name::parse("/"), 2, "nothing");
    refused(Name::parse("a/"), 3, "the end, behind a slash");
    refused(Name::parse("//a"), 2, "`/`");
    refused(Name::parse("a//b"), 3, "`/`");
    refused(Name::parse("Serial"), 1, "`S`");
    refused(Name::parse("a b"), 2, "` `");
    refused(Name::parse("a/-b"), 3, "`-`");
    refused(Name::parse("né"), 2, "`é`");
    refused(Name::parse("a\u{7}"), 2, "`\\u{7}`");
    refused(
        Name::parse(&"a".repeat(64)),
        64,
        "more than 63 characters in a label",
    );
    refused(Name::parse(&["a"; 9].join("/")), 16, "more than 8 labels");
    refused(
        Name::parse(&["a".repeat(60).as_str(); 5].join("/")),
        256,
        "more than 255 characters",
    );
    assert!(Name::parse(&"a".repeat(63)).is_ok());
    assert!(Name::parse(&["a"; 8].join("/")).is_ok());
}

#[test]
fn prefixes() {
    let selects = |prefix: &str, name: &str| {
        let (prefix, name) = (Prefix::parse(prefix).unwrap(), Name::parse(name).unwrap());
        let matches = prefix.matches(&name);
        assert_eq!(
            matches,
            Query::from(&prefix).matches(&name, &Properties::new())
        );
        matches
    };
    assert!(selects("", "a/b"));
    assert!(selects("/", "a/b"));
    assert!(selects("fs", "fs"));
    assert!(selects("fs", "fs2/a"));
    assert!(selects("fs", "fs/sdcard/raw"));
    assert!(!selects("fs/", "fs"));
    assert!(!selects("fs/", "fs2"));
    assert!(selects("/fs/", "fs/sdcard/raw"));
    assert!(selects("fs/sd", "fs/sdcard/raw"));
    assert!(!selects("fs/sd", "fs/ab"));
    refused(Prefix::parse("a//"), 3, "`/`");
    refused(Prefix::parse("a*"), 2, "`*`");
}

#[test]
fn the_longest_prefixes_are_queries_that_can_be_read_again() {
    for text in ["a".repeat(63), ["a".repeat(31).as_str(); 8].join("/")] {
        let query = Query::from(&Prefix::parse(&text).unwrap());
        assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
        let name = Name::parse(&text).unwrap();
        assert!(query.matches(&name, &Properties::new()));
    }
}

#[test]
fn properties_as_texts() {
    let set = Properties::parse("{ kind: 'console', speed == 9600, ready: true, x: -1, }").unwrap();
    assert_eq!(set.get("kind"), Some(&"console".into()));
    assert_eq!(set.get("speed"), Some(&9600.into()));
    assert_eq!(set.get("ready"), Some(&true.into()));
    assert_eq!(
        set.to_string(),
        "{ kind: 'console', ready: true, speed: 9600, x: -1 }"
    );
    assert_eq!(set.bytes(), 4 + 7 + 5 + 8 + 5 + 8 + 1 + 8);
    assert_eq!(Properties::parse("{}").unwrap().to_string(), "{}");
    let set = Properties::parse(r#"{ a: "it's \"\\\n\u{1f41f}" }"#).unwrap();
    assert_eq!(set.get("a"), Some(&"it's \"\\\n🐟".into()));
    refused(Properties::parse(""), 1, "the end");
    refused(Properties::parse("{ a: 1 b: 2 }"), 8, "`b`");
    refused(Properties::parse("{ a: 1, a: 2 }"), 9, "a key comes twice");
    refused(Properties::parse("{ a = 1 }"), 5, "`=` alone");
    refused(Properties::parse("{ a: b }"), 6, "`b`");
    refused(Properties::parse("{ A: 1 }"), 3, "`A`");
    refused(Properties::parse("{ or: 1 }"), 3, "`or`");
    refused(
        Properties::parse("{ a: 9223372036854775808 }"),
        6,
        "`9223372036854775808`",
    );
    refused(Properties::parse("{ a: 'b }"), 6, "this text does not end");
    refused(
        Properties::parse(r"{ a: '\x' }"),
        7,
        "no escape that is known",
    );
    refused(
        Properties::parse(r"{ a: '\u{d800}' }"),
        7,
        "no escape that is known",
    );
    let seven = r"{ a: '\u{0000041}' }";
    refused(Properties::parse(seven), 7, "no escape that is known");
    refused(Properties::parse("{ a } b"), 5, "`}`");
    refused(Properties::parse("{} b"), 4, "`b`");
    refused(Properties::parse("{ ä: 1 }"), 3, "`ä`");
    let long = format!("{{ a: '{}' }}", "x".repeat(129));
    refused(Properties::parse(&long), 6, "a text of more than 128 bytes");
    let many: Vec<String> = (0..17).map(|index| format!("k{index}: 0")).collect();
    let error = Properties::parse(&format!("{{{}}}", many.join(","))).unwrap_err();
    assert_eq!(error.what, "a service has at most 16 properties");
    let mut full = Properties::parse(&format!("{{{}}}", many[..16].join(","))).unwrap();
    full.set("k3", true).unwrap();
    assert_eq!(full.get("k3"), Some(&Value::Bool(true)));
    assert_eq!(full.set("other", true), Err(PropertyError::Full));
}

#[test]
fn queries_mean_what_the_book_says() {
    let name = Name::parse("service/serial0").unwrap();
    let set = Properties::parse("{ kind: 'console', speed: 9600, ready: false }").unwrap();
    let means = |query: &str| Query::parse(query).unwrap().matches(&name, &set);
    for query in [
        "",
        "**",
        "{}",
        "service/serial0",
        "/service/*",
        "service/s*0",
        "**/serial0",
        "service/**/serial0/**",
        "service/serial* { kind: 'console', speed >= 9600 }",
        "{ ready }",
        "{ not ready: true }",
        "{ kind ~ 'con*' and speed > 300 or nothing }",
        "{ speed != '9600' }",
        "{ not baud != 1 }",
        "{ ready < true }",
        "{ speed <= 9600, speed >= 9600, not (speed < 9600 or speed > 9600) }",
    ] {
        assert!(means(query), "{query}");
    }
    for query in [
        "service",
        "service/*/**/*",
        "serial0",
        "{ ready: true }",
        "{ baud != 1 }",
        "{ kind > 1 }",
        "{ kind ~ 'con' }",
        "{ speed ~ '9*' }",
        "{ ready or kind: 'console', speed: 1 }",
    ] {
        assert!(!means(query), "{query}");
    }
}

#[test]
fn queries_that_are_none() {
    refused(Query::parse("a b"), 3, "`b`");
    refused(Query::parse("A"), 1, "`A`");
    refused(Query::parse("  a//b"), 5, "an empty label");
    refused(Query::parse("a/b**"), 4, "`**` within a label");
    refused(Query::parse("a/"), 3, "an empty label");
    refused(Query::parse("a {"), 4, "the end");
    refused(Query::parse("{ a b }"), 5, "`b`");
    refused(Query::parse("{ a = 1 }"), 5, "`=` alone");
    refused(Query::parse("{ !a }"), 3, "`!` alone");
    refused(Query::parse("{ (a or b }"), 11, "`}`");
    refused(Query::parse("{ a } }"), 7, "`}`");
    refused(Query::parse("{ , }"), 3, "`,`");
    refused(Query::parse("{ a or }"), 8, "`}`");
    refused(Query::parse("{ a ~ 1 }"), 7, "`1`");
    refused(Query::parse("{ a: é }"), 6, "`é`");
    refused(
        Query::parse(&"a".repeat(1025)),
        1026,
        "more than 1024 bytes",
    );
    let many = vec!["a"; 33].join(",");
    refused(
        Query::parse(&format!("{{{many}}}")),
        66,
        "more than 32 tests",
    );
    let deep = format!("{{{}a}}", "not ".repeat(16));
    refused(
        Query::parse(&deep),
        2,
        "more than 16 levels of `and`, `or` and `not`",
    );
    let open = format!("{{{}a", "(".repeat(500));
    assert!(Query::parse(&open).is_err());
    assert!(Query::parse(&format!("{{{}a}}", "not ".repeat(15))).is_ok());
    let parentheses = |count| format!("{{{}a{}}}", "(".repeat(count), ")".repeat(count));
    assert!(Query::parse(&parentheses(32)).is_ok());
    refused(Query::parse(&parentheses(33)), 35, "`a`");
    // Those that are closed do not count.
    let beside = vec!["((a))"; 20].join(",");
    assert!(Query::parse(&format!("{{{beside}}}")).is_ok());
    // Short as it is written, too long as it would be printed.
    let control = "\u{1}".repeat(120);
    let text = format!("{{a:'{control}',b:'{control}'}}");
    assert!(Query::parse(&text).unwrap_err().what.contains("1024"));
}

#[test]
fn queries_are_printed_with_no_more_than_is_needed() {
    for (text, printed) in [
        ("", "**"),
        ("{}", "**"),
        ("/a/**/**/b{}", "a/**/b"),
        ("{a==1 and (b:2) and c}", "** { a: 1, b: 2, c }"),
        (
            "{(a,b) or not (c or not d)}",
            "** { a and b or not (c or not d) }",
        ),
        ("{a or b, c}", "** { a or b, c }"),
        ("{not ((a or b),c)}", "** { not ((a or b) and c) }"),
        ("{a ~ \"x'\"}", "** { a ~ 'x\\'' }"),
    ] {
        let query = Query::parse(text).unwrap();
        assert_eq!(query.to_string(), printed);
        assert_eq!(Query::parse(printed).unwrap(), query);
    }
}

/// The worst patterns: each star can stand for much. This would not end if all ways were tried.
#[test]
fn bad_patterns_end() {
    let star = format!("{}b", "*a".repeat(31));
    let label = "a".repeat(63);
    let pattern = Pattern::parse(&["**", &star, "**", &star, "**", &star].join("/")).unwrap();
    let name = Name::parse(&[label.as_str(); 3].join("/")).unwrap();
    for _ in 0..1000 {
        assert!(!pattern.matches(&name));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>(), like in "[a-z0-9/*{}() ,:=!<>~'\"\\\\éA.-]{0,60}") {
        for text in [text, like] {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name);
            }
            if let Ok(prefix) = Prefix::parse(&text) {
                prop_assert_eq!(Prefix::parse(prefix.as_str()).unwrap(), prefix);
            }
            if let Ok(set) = Properties::parse(&text) {
                prop_assert_eq!(Properties::parse(&set.to_string()).unwrap(), set);
            }
            match Query::parse(&text) {
                Ok(query) => {
                    prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
                }
                Err(error) => prop_assert!(error.column <= text.chars().count() + 1),
            }
        }
    }

    #[test]
    fn any_name_is_a_query_for_itself(text in any_name()) {
        // The longest of these are too long.
        if let Ok(name) = Name::parse(&text) {
            let query = Query::from(&name);
            prop_assert!(query.matches(&name, &Properties::new()));
            prop_assert_eq!(query.pattern().exact(), Some(name));
            prop_assert_eq!(Query::parse(&text).unwrap(), query);
        }
    }

    #[test]
    fn questions_are_answered_as_in_the_simplest_way(
        question in question(),
        things in prop::collection::vec((name(), properties()), 1..20),
    ) {
        let Ok(query) = Query::parse(&question.text()) else {
            // Too long.
            prop_assume!(false);
            return Ok(());
        };
        prop_assert_eq!(&Query::parse(&query.to_string()).unwrap(), &query);
        for (name, properties) in things {
            let means = query.matches(&name, &properties);
            prop_assert_eq!(means, question.means(&name, &properties), "{} of {}", &query, name);
            if means {
                prop_assert!(name.as_str().starts_with(&query.pattern().beginning()));
                let anchor = query.pattern().anchor();
                prop_assert!(anchor.is_empty() || name.path().any(|path| path == anchor));
            }
        }
    }

    #[test]
    fn printed_properties_are_a_query_for_what_has_them(set in properties(), name in name()) {
        let text = set.to_string();
        prop_assert_eq!(&Properties::parse(&text).unwrap(), &set);
        prop_assert!(Query::parse(&text).unwrap().matches(&name, &set));
    }

    #[test]
    fn what_goes_through_a_message_comes_out_as_it_was(
        name in name(), set in properties(), pattern in pattern(), ask in ask(),
    ) {
        let question = common::Question { pattern, ask: Some(ask) };
        if let Ok(query) = Query::parse(&question.text()) {
            let bytes = postcard::to_allocvec(&(&name, &set, &query)).unwrap();
            let back: (Name, Properties, Query) = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(back, (name, set, query));
        }
    }

    /// Bytes of a hostile client: what comes out, if anything, keeps the rules.
    #[test]
    fn no_message_makes_what_no_text_does(mut bytes in prop::collection::vec(any::<u8>(), 0..80), short in 0..6_u8) {
        if let Some(first) = bytes.first_mut() {
            *first = short;
        }
        if let Ok(name) = postcard::from_bytes::<Name>(&bytes) {
            prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name);
        }
        if let Ok(set) = postcard::from_bytes::<Properties>(&bytes) {
            prop_assert_eq!(Properties::parse(&set.to_string()).unwrap(), set);
        }
        let _ = postcard::from_bytes::<Query>(&bytes);
    }
}

#[test]
fn messages_with_bad_texts_are_refused() {
    let bytes = postcard::to_allocvec("No Name").unwrap();
    assert!(postcard::from_bytes::<Name>(&bytes).is_err());
    let pairs = vec![("a", Value::Bool(true)), ("a", Value::Bool(false))];
    let bytes = postcard::to_allocvec(&pairs).unwrap();
    assert!(postcard::from_bytes::<Properties>(&bytes).is_err());
    let pairs = vec![("a", Value::Text("x".repeat(129)))];
    let bytes = postcard::to_allocvec(&pairs).unwrap();
    assert!(postcard::from_bytes::<Properties>(&bytes).is_err());
    assert_eq!(bytes[0], 1);
}
