//! The page, as text: whole, self-contained, and safe against what a guest may call its domains.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod support;

use capviz::{Domain, Dump, Incomplete, page};
use serde_json::Value;
use support::synthetic;

/// The data of a page.
fn data(page: &str) -> Value {
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_page_holds_everything_and_fetches_nothing() {
    let dump = synthetic(2_000, 4);
    let page = page(&dump, "a test");
    for forbidden in [
        "http://", "https://", "src=", "@import", "url(http", "@data@",
    ] {
        let found = page.match_indices(forbidden).map(|(at, _)| &page[at..]);
        // The name of SVG's namespace is no address.
        let bad: Vec<_> = found
            .filter(|text| !text.starts_with("http://www.w3.org/2000/svg"))
            .map(|text| &text[..40])
            .collect();
        assert!(bad.is_empty(), "{bad:?}");
    }
    let data = data(&page);
    for column in [
        "slot", "type", "base", "size", "parent", "first", "holder", "reach",
    ] {
        assert_eq!(
            data[column].as_array().unwrap().len(),
            dump.entries.len(),
            "{column}"
        );
    }
    assert_eq!(data["domains"].as_array().unwrap().len(), 4);
    assert!(!data["mappings"].as_array().unwrap().is_empty());
    // Every mapping is seen at an address of some domain.
    for row in data["mappings"].as_array().unwrap() {
        assert!(row.as_array().unwrap().len() >= 7, "{row}");
    }
}

#[test]
fn a_name_is_never_markup() {
    let mut dump = synthetic(100, 1);
    let evil = "</script><img src=x onerror=alert(1)>\"\\\u{2028}";
    let dispatcher = dump.domains[0].dispatcher;
    dump.domains = vec![Domain {
        pid: 7,
        name: evil.into(),
        dispatcher,
    }];
    let page = page(&dump, evil);
    assert_eq!(page.matches("<img").count(), 0);
    let data = data(&page);
    assert_eq!(data["about"], evil);
    assert_eq!(data["domains"][0]["name"], evil);
}

#[test]
fn an_empty_dump_makes_a_page_too() {
    let page = page(&Dump::default(), "nothing");
    assert_eq!(data(&page)["type"], Value::Array(Vec::new()));
}

#[test]
fn records_make_a_dump() {
    let mut dump = Dump::default();
    assert_eq!(dump.check(), Err(Incomplete::Nothing));
    let wanted = synthetic(3, 1);
    let text = |n: usize| {
        let mut text = String::new();
        wanted.entries[n].write(&mut text).unwrap();
        text
    };
    let cap = |first, total, caps: &str| {
        format!(r#"{{"t":"cap","first":{first},"total":{total},"caps":"{caps}"}}"#)
    };
    dump.add(&cap(0, 3, &(text(0) + &text(1))));
    assert_eq!(dump.check(), Err(Incomplete::Missing { seen: 2, total: 3 }));
    dump.add(r#"{"t":"cmd","line":"x","status":0}"#);
    dump.add(&cap(2, 3, &text(2)));
    assert_eq!(dump.check(), Ok(()));
    assert_eq!(dump.entries[..], wanted.entries[..3]);
    // A second list replaces the first; a gap or nonsense in it is noticed.
    dump.add(&cap(0, 2, &text(1)));
    dump.add(&cap(1, 2, "zz;"));
    assert!(dump.check().is_err());
    dump.add(&cap(0, 2, &text(1)));
    dump.add(&cap(2, 2, &text(1)));
    assert_eq!(dump.check(), Err(Incomplete::Unreadable));
    dump.add(r#"{"t":"domain","pid":1,"name":"init","dispatcher":4096}"#);
    dump.add(r#"{"t":"domain","pid":2,"name":"other","dispatcher":4096}"#);
    assert_eq!(dump.domains.len(), 1);
    assert_eq!(dump.domains[0].name, "other");
}
