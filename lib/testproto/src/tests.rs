//! What the two ends of the console rely on.

use super::*;
use proptest::prelude::*;

const NONCE: Nonce = Nonce::new(0x0123_4567_89ab_cdef);

#[test]
fn a_record_is_cut_out_of_its_line() {
    let text = b"barreleye> hel@@BE1 0123456789abcdef {\"t\":\"x\"}\r\nlo";
    let found = cut(text, NONCE).unwrap();
    assert_eq!(&text[..found.start], b"barreleye> hel");
    assert_eq!(&text[found.json..found.end.unwrap()], b"{\"t\":\"x\"}");
    assert_eq!(&text[found.next..], b"lo");
    assert_eq!(
        cut(text, Nonce::new(1)),
        None,
        "another nonce is ordinary text"
    );
    let unfinished = cut(&text[..40], NONCE).unwrap();
    assert_eq!(
        (unfinished.start, unfinished.end, unfinished.next),
        (14, None, 40)
    );
}

#[test]
fn a_beginning_of_a_record_is_kept_back() {
    for (text, at) in [
        ("abc", None),
        ("", None),
        ("ab@", Some(2)),
        ("@@@", Some(1)),
        ("x@@BE1 01", Some(1)),
        ("x@@BE1 02", None),
        ("x@@BE1 0123456789abcdef", Some(1)),
    ] {
        assert_eq!(prefix_at(text.as_bytes(), NONCE), at, "{text}");
    }
}

#[test]
fn a_nonce_reads_as_it_prints() {
    assert_eq!(NONCE.to_string(), "0123456789abcdef");
    assert_eq!("0123456789abcdef".parse(), Ok(NONCE));
    for bad in [
        "",
        "0123456789abcde",
        "0123456789abcdeff",
        "0123456789ABCDEF",
        "+123456789abcdef",
    ] {
        assert_eq!(bad.parse::<Nonce>(), Err(()), "{bad}");
    }
    assert_eq!(format!("{NONCE:?}"), "Nonce(..)");
}

#[test]
fn a_written_record_parses() {
    let mut writer = Writer::new(Kind::Fault);
    writer
        .str("domain", "crash")
        .int("pid", 7)
        .int("core", 0)
        .str("kind", "data abort\n\"null\"");
    writer
        .int("esr", 0x9200_0044_u64)
        .int("far", u64::MAX)
        .int("pc", 0x40_1234_u64)
        .bool("fatal", true);
    let record = Record::parse(writer.finish().unwrap()).unwrap();
    assert_eq!(record.kind, Kind::Fault);
    assert_eq!(record.int("far"), Some(u64::MAX.into()));
    assert_eq!(
        record.str("kind").unwrap().to_string(),
        "data abort\n\"null\""
    );
    assert_eq!(record.get("fatal"), Some(Value::Bool(true)));
    assert_eq!(record.get("nothing"), None);
}

#[test]
fn long_strings_are_cut_and_full_records_refused() {
    let mut writer = Writer::new(Kind::Test);
    for name in ["suite", "name", "ev", "expected", "seen", "file"] {
        writer.str(name, &"é\"".repeat(100));
    }
    let text = writer.int("line", 12).finish().unwrap().to_string();
    let record = Record::parse(&text).unwrap();
    let seen = record.str("seen").unwrap().to_string();
    assert!(
        seen.starts_with("é\"é\"") && seen.ends_with("...") && seen.len() <= 64,
        "{seen}"
    );
    let exact = "x".repeat(64);
    assert!(
        Writer::new(Kind::End)
            .str("a", &exact)
            .finish()
            .unwrap()
            .contains(&exact),
        "what fits is not cut"
    );

    let long = "x".repeat(400);
    let mut writer = Writer::new(Kind::Cap);
    let text = writer.int("first", 0).int("total", 1).plain("caps", &long);
    let text = text.finish().unwrap().to_string();
    assert!(Record::parse(&text).unwrap().str("caps").unwrap() == long.as_str());
    for (value, why) in [
        ("x".repeat(500), "too long"),
        ("\"".into(), "needs an escape"),
    ] {
        let mut writer = Writer::new(Kind::Cap);
        assert_eq!(writer.plain("caps", &value).finish(), Err(TooLong), "{why}");
    }

    let mut writer = Writer::new(Kind::Test);
    for _ in 0..40 {
        writer.str("name", "0123456789").int("n", 1);
    }
    assert_eq!(writer.finish(), Err(TooLong));
}

#[test]
fn broken_records_say_what_is_wrong() {
    for (json, message) in [
        ("", "no record: { expected at byte 0"),
        ("{\"t\":\"end\"", "no record: , or } expected at byte 10"),
        (
            "{\"t\":\"end\"} x",
            "no record: nothing more expected at byte 12",
        ),
        (
            "{\"t\":[1]}",
            "no record: a string, an integer, true or false expected at byte 5",
        ),
        ("{\"t\":1.5}", "no record: , or } expected at byte 6"),
        (
            "{\"t\":01}",
            "no record: a string, an integer, true or false expected at byte 5",
        ),
        (
            "{\"t\":\"\\x\"}",
            "no record: a valid escape expected at byte 6",
        ),
        (
            "{\"t\":\"x",
            "no record: the string's closing quote expected at byte 6",
        ),
        ("{}", "no record: its field `t` names no kind of record"),
        (
            "{\"t\":\"new\"}",
            "no record: its field `t` names no kind of record",
        ),
        (
            "{\"t\":\"cmd\",\"line\":\"x\"}",
            "a `cmd` record without the field `status`, or with another type for it",
        ),
        (
            "{\"t\":\"cmd\",\"line\":1,\"status\":1}",
            "a `cmd` record without the field `line`, or with another type for it",
        ),
    ] {
        assert_eq!(
            Record::parse(json).unwrap_err().to_string(),
            message,
            "{json}"
        );
    }
    let long = format!("{{\"t\":\"{}\"}}", "x".repeat(MAX_JSON));
    assert!(matches!(Record::parse(&long), Err(RecordError::TooLong(_))));
}

proptest! {
    /// Both ends against an independent reader of JSON.
    #[test]
    fn what_is_written_is_json(
        strings in prop::collection::vec("\\PC{0,8}|[\\x00-\\x7f]{0,8}", 0..4),
        numbers in prop::collection::vec(any::<i64>(), 0..4),
    ) {
        let mut writer = Writer::new(Kind::End);
        for (n, value) in strings.iter().enumerate() {
            writer.str(&format!("s{n}"), value);
        }
        for (n, value) in numbers.iter().enumerate() {
            writer.int(&format!("n{n}"), *value);
        }
        let text = writer.finish().unwrap().to_string();
        let oracle: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fields: Vec<_> = Fields::new(&text).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(fields.len(), 1 + strings.len() + numbers.len());
        for (n, value) in strings.iter().enumerate() {
            prop_assert_eq!(&oracle[format!("s{n}")], value);
            let Value::Str(got) = fields[1 + n].1 else { panic!("a string") };
            prop_assert_eq!(&got.to_string(), value);
        }
        for (n, value) in numbers.iter().enumerate() {
            prop_assert_eq!(oracle[format!("n{n}")].as_i64(), Some(*value));
            prop_assert_eq!(fields[1 + strings.len() + n].1, Value::Int((*value).into()));
        }
    }

    #[test]
    fn what_parses_is_json_too(text in "[{}\",:\\\\ntrue0-9a-f. -]{0,30}") {
        let text = format!("{{\"t\":\"end\",\"passed\":1,\"failed\":0,\"skipped\":0{text}}}");
        if Record::parse(&text).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
        let _ = (cut(&bytes, NONCE), prefix_at(&bytes, NONCE), Record::parse(&text).map(|r| r.str("x")));
    }
}
