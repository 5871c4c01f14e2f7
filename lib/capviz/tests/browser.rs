//! The page in a browser: it works with a real system's capabilities, and with 10,000.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod support;
#[path = "support/browser.rs"]
mod web;

use capviz::{Dump, page};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::synthetic;
use web::Browser;

/// The records of a real run with two programs in the background, `./hake.sh capviz --script FILE --json FILE`.
const REAL: &str = include_str!("real.jsonl");

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("capviz-{name}-{}", std::process::id()))
}

fn real() -> Dump {
    let mut dump = Dump::default();
    REAL.lines().for_each(|line| dump.add(line));
    dump.check().unwrap();
    dump
}

#[test]
fn a_real_system_can_be_walked() {
    let dump = real();
    let mut browser = Browser::start(&folder("real"), 1400, 900);
    browser.open(&page(&dump, "a test"));
    assert!(browser.text("#right").contains("Who has what"));
    assert!(browser.text("#chips").contains("init (1)"));
    // The forest opens by keys.
    assert!(
        browser
            .text("#tree")
            .contains("Memory that things are made from")
    );
    browser.evaluate("document.getElementById('tree').focus()");
    let before = browser.text("#tree").lines().count();
    browser.key("End");
    browser.key("ArrowRight");
    assert!(browser.text("#tree").lines().count() >= before);
    assert_eq!(browser.evaluate("tree.open.has('free')"), true);
    browser.key("Home");
    browser.key("ArrowLeft");
    assert_eq!(browser.evaluate("tree.open.has('ram')"), false);
    // init's dispatcher: its CSpace and page table, by click.
    browser.key("/");
    browser.write("dispatcher");
    browser.click("#tree .row", "init (1)");
    let details = browser.text("#right");
    assert!(
        details.contains("Runs with") && details.contains("init (1)"),
        "{details}"
    );
    browser.click("#right tr.go", "VSpace");
    let details = browser.text("#right");
    assert!(
        details.contains("VNode L0") && details.contains("Address space of"),
        "{details}"
    );
    // A frame: where it is mapped. Its virtual address finds the mapping again.
    browser.click("#tabs button", "Address spaces");
    browser.evaluate("document.getElementById('tree').focus()");
    browser.key("ArrowRight");
    browser.key("ArrowDown");
    browser.key("Enter");
    let details = browser.text("#right");
    assert!(
        details.contains("Frame mapping") && details.contains("Where it is"),
        "{details}"
    );
    let address = browser.evaluate("hex([...pagesOf.values()][0][0].va)");
    browser.key("/");
    browser.write(address.as_str().unwrap());
    assert!(browser.text("#tree").contains("As a virtual address"));
    // Escape leads back to the overview, t to the other colours.
    browser.key("Escape");
    browser.key("Escape");
    assert!(browser.text("#right").contains("Who has what"));
    let dark = browser.evaluate("dark()");
    browser.key("t");
    assert_ne!(browser.evaluate("dark()"), dark);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// The pictures of the book, drawn anew when the variable is set.
#[test]
fn the_pictures_of_the_book() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/img");
    let update = std::env::var_os("BOOK_UPDATE").is_some();
    let mut browser = Browser::start(&folder("pictures"), 1280, 800);
    browser.open(&page(&real(), "qemu-virt, two programs in the background"));
    for (name, query) in [("capviz-overview", ""), ("capviz-domain", "crash")] {
        let file = images.join(format!("{name}.png"));
        if !query.is_empty() {
            browser.key("/");
            browser.write(query);
            browser.key("Enter");
        }
        if update {
            browser.picture(&file);
        }
        let bytes = std::fs::metadata(&file).map_or(0, |file| file.len());
        assert!(
            (10_000..400_000).contains(&bytes),
            "{name}: {bytes} bytes; draw it with BOOK_UPDATE=1"
        );
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn ten_thousand_capabilities_are_pleasant() {
    let dump = synthetic(10_000, 8);
    assert!(dump.entries.len() >= 10_000);
    let mut browser = Browser::start(&folder("many"), 1400, 900);
    let took = browser.open(&page(&dump, "a test"));
    let inside = browser.evaluate("Number(document.documentElement.dataset.ready)");
    println!("ready after {took:?}, of which {inside} ms in the page's code");
    let script = Duration::from_millis(inside.as_u64().unwrap());
    // Far more than it takes (some 60 ms): this machine is shared. Quadratic work would take minutes.
    assert!(script < Duration::from_secs(5), "{script:?}");
    // Only what is on the screen is in the document, however much is open.
    browser.evaluate(
        "showView(2), [...tree.rows.keys()].reverse().forEach((at) => tree.toggle(at, true))",
    );
    let rows = browser.evaluate("tree.rows.length").as_u64().unwrap();
    let drawn = browser
        .evaluate("tree.space.childElementCount")
        .as_u64()
        .unwrap();
    assert!(rows > 4_000 && drawn < 100, "{rows} rows, {drawn} drawn");
    // A search by physical address finds the innermost object, and who maps it.
    let frame = dump
        .entries
        .iter()
        .rfind(|entry| entry.cap.as_frame().is_some())
        .unwrap();
    browser.key("/");
    browser.write(&format!("{:#x}", frame.cap.address() + 5));
    let tree = browser.text("#tree");
    assert!(
        tree.contains("innermost") && tree.contains("shows it"),
        "{tree}"
    );
    browser.key("Enter");
    let details = browser.text("#right");
    for part in [
        "Made from",
        "RAM",
        "Copies and who holds them",
        "Mapped at",
        "memeater (8)",
    ] {
        assert!(details.contains(part), "{part}: {details}");
    }
    // A click on the chain follows it; the browser's back button leads back.
    browser.click("#right .chain a", "RAM");
    assert!(browser.text("#right h1").contains("RAM"));
    browser.evaluate("new Promise((done) => { addEventListener('hashchange', () => setTimeout(done), { once: true }); history.back(); })");
    assert!(browser.text("#right h1").contains("Frame"));
    // Each keystroke of a search answers at once.
    let slowest = browser.evaluate(
        "(() => { let slowest = 0; for (const text of ['f', 'frame', 'hello', 'frame mapped', 'pid:3 copies', '0x4012_3000', 'nonsense']) {
            const from = performance.now(); search(text); slowest = Math.max(slowest, performance.now() - from); } return slowest; })()",
    );
    println!("slowest search: {slowest} ms");
    assert!(slowest.as_f64().unwrap() < 1_000.0, "{slowest}");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn an_empty_page_has_no_errors() {
    let mut browser = Browser::start(&folder("empty"), 900, 600);
    browser.open(&page(&Dump::default(), "nothing"));
    browser.key("/");
    browser.write("frame");
    assert!(browser.text("#tree").contains("Nothing is found"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}
