//! What people who write menus and command lines rely on.

use super::*;
use proptest::prelude::*;

const SAMPLE: &str = "\
# the kernel
bootdriver /sbin/boot_driver
cpudriver\t/sbin/cpu_driver loglevel=3   # not an argument
\n
module /sbin/init
  module /sbin/hello one \"two  three\" \"# four\" five#six
";

#[test]
fn a_menu_becomes_items() {
    let menu = Menu::parse(SAMPLE).unwrap();
    let lines: Vec<_> = menu.items.iter().map(Item::cmdline).collect();
    let expected = [
        "/sbin/boot_driver",
        "/sbin/cpu_driver loglevel=3",
        "/sbin/init",
        "/sbin/hello one \"two  three\" \"# four\" five#six",
    ];
    assert_eq!(lines, expected);
    let hello = &menu.items[3];
    assert_eq!(
        (hello.kind, hello.position),
        (
            ItemKind::Module,
            Position {
                line: 7,
                column: 10
            }
        )
    );
    assert_eq!(hello.words(), ["one", "two  three", "# four", "five#six"]);
    assert_eq!(menu.first(ItemKind::CpuDriver).unwrap().args, "loglevel=3");
}

#[test]
fn each_error_has_its_place_and_its_cure() {
    let head = "bootdriver /b\ncpudriver /c\n";
    let message = |line: &str| {
        Menu::parse(&format!("{head}{line}"))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message("  modul /x"),
        "3:3: `modul` is no keyword of a boot menu: start the line with bootdriver, cpudriver or module, or with # for a \
         comment"
    );
    assert_eq!(
        message("module"),
        "3:7: `module` needs a path: write for example `module /sbin/NAME`"
    );
    assert_eq!(
        message("module \"/a b\""),
        "3:8: `/a b` is no usable path: it has to end in a file name, without blanks and quotes"
    );
    assert!(message("module /sbin/").starts_with("3:8: `/sbin/` is no usable path"));
    assert_eq!(
        message("module /é \"two three"),
        "3:11: this quote is never closed: add a \" at the end of the argument"
    );
    assert_eq!(
        message("cpudriver /d"),
        "3:1: a second `cpudriver`, after the one in line 2: an image has one, remove either"
    );
    assert_eq!(
        Menu::parse("bootdriver /b\n\n").unwrap_err().to_string(),
        "2:1: the menu has no `cpudriver` line: add one"
    );
    assert_eq!(
        Menu::parse("").unwrap_err().to_string(),
        "1:1: the menu has no `bootdriver` line: add one"
    );
}

#[test]
fn command_lines_split_as_documented() {
    for (line, expected) in [
        ("", &[][..]),
        (" \t ", &[]),
        ("hello one \"two three\"", &["hello", "one", "two three"]),
        ("a\"b c\"d", &["ab cd"]),
        ("\"\" x", &["", "x"]),
        (r#""a\"b" c\d"#, &["a\"b", "c\\d"]),
        (r#""back\\slash""#, &["back\\slash"]),
    ] {
        assert_eq!(split(line).unwrap(), expected, "{line}");
    }
    for (line, quote_at) in [("a \"b", 2), ("\"", 0), (r#""a\""#, 0)] {
        assert_eq!(split(line), Err(WordError { quote_at }), "{line}");
    }
}

proptest! {
    #[test]
    fn quoted_words_come_back(parts in prop::collection::vec(".{0,12}", 0..6)) {
        let quoted = |part: &String| format!("\"{}\"", part.replace('\\', "\\\\").replace('"', "\\\""));
        let line = parts.iter().map(quoted).collect::<Vec<_>>().join(" ");
        prop_assert_eq!(split(&line).unwrap(), parts);
    }

    #[test]
    fn no_text_panics(text in "(bootdriver|cpudriver|module|[\"#\\\\ \\ta/\n]|\\PC){0,40}") {
        if let Ok(menu) = Menu::parse(&text) {
            for item in &menu.items {
                prop_assert_eq!(words(&item.args).count(), item.words().len());
            }
        }
    }
}
