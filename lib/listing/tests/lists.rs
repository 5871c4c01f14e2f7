//! Lists, as people and as scripts read them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use kpi::addr::CapAddr;
use kpi::cap::Capability;
use kpi::invocation::CapPosition;
use kpi::rights::CapRights;
use listing::{Column, Listing, Value, caps};
use serde_json::Value as Json;

const COLUMNS: &[Column] = &[
    Column::right("PID", 5),
    Column::left("STATE", 8),
    Column::left("NAME", 0),
];

fn filled(is_json: bool) -> String {
    let mut list = Listing::new(COLUMNS, is_json);
    list.row([1_u32.into(), "running".into(), "init".into()]);
    list.row([
        u64::MAX.into(),
        Value::None,
        "\"odd\" \\ \n\u{1}\u{7f}é".into(),
    ]);
    list.row([
        3_u32.into(),
        "a very long state".into(),
        String::new().into(),
    ]);
    list.finish()
}

fn objects(text: &str) -> Vec<Json> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn people_see_columns() {
    let expected = "  PID STATE    NAME\n    1 running  init\n18446744073709551615 -        \"odd\" \\  \u{1}\u{7f}é\n    3 a very long state\n";
    assert_eq!(filled(false), expected);
    assert_eq!(Listing::bare(COLUMNS, false).finish(), "");
}

#[test]
fn scripts_see_objects() {
    let all = objects(&filled(true));
    assert_eq!(all.len(), 3);
    assert_eq!(all[0]["pid"], 1);
    assert_eq!(all[0]["state"], "running");
    assert_eq!(all[1]["pid"], u64::MAX);
    assert_eq!(all[1]["state"], Json::Null);
    assert_eq!(all[1]["name"], "\"odd\" \\ \n\u{1}\u{7f}é");
    assert_eq!(all[2]["name"], "");
    assert_eq!(Listing::new(COLUMNS, true).finish(), "");
}

#[test]
fn every_character_survives_json() {
    for c in (0..0x300).filter_map(char::from_u32) {
        let mut list = Listing::new(COLUMNS, true);
        list.row([0_u32.into(), Value::None, c.to_string().into()]);
        assert_eq!(objects(&list.finish())[0]["name"], c.to_string());
    }
}

/// Frames of a page, from that address on.
fn frame(base: u64) -> Capability {
    let view = kpi::cap::Frame {
        base,
        bytes: 4096,
        pasid: 0,
    };
    Capability::new_frame(view, CapRights::ALL)
}

fn listed(is_json: bool) -> String {
    let mut rows = caps::Rows::new(is_json.then_some(7), 0, is_json);
    let mut out = String::new();
    for (slot, base) in [(1, 0x1000), (2, 0x2000), (3, 0x3000), (5, 0x4000)] {
        let position = CapPosition::new(CapAddr::new(2, slot), 2);
        out += &rows.add(position, frame(base));
    }
    let root = CapPosition::new(CapAddr::new(9, 0), 1).with_foreign(true);
    out += &rows.add(root, frame(0x5000));
    out + &rows.finish()
}

#[test]
fn capabilities_that_are_alike_are_a_row() {
    let text = listed(false);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].ends_with("0 and 2 like it, to slot 3 at 0x3000"));
    assert!(lines[1].starts_with("   2    5 Frame"));
    assert!(lines[2].starts_with("   9    - Frame") && lines[2].ends_with("other"));
    assert!(caps::header().starts_with("ROOT SLOT TYPE "));
}

#[test]
fn capabilities_for_scripts_are_an_object_each() {
    let all = objects(&listed(true));
    assert_eq!(all.len(), 5);
    assert_eq!((&all[1]["pid"], &all[1]["slot"]), (&7.into(), &2.into()));
    assert_eq!(all[1]["base"], 0x2000);
    assert_eq!(all[1]["type"], "Frame");
    assert_eq!(
        (&all[4]["slot"], &all[4]["owner"]),
        (&(-1).into(), &(-1).into())
    );
}
