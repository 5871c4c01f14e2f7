//! What single keys do.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

mod common;

use common::Terminal;
use lineedit::{Editor, Outcome};

const PROMPT: &str = "> ";

fn editor() -> (Editor, Terminal) {
    let (mut editor, mut terminal) = (Editor::new(1 << 16, 1 << 12), Terminal::new(200, 10));
    editor.begin(PROMPT, &mut terminal);
    (editor, terminal)
}

fn feed(editor: &mut Editor, terminal: &mut Terminal, bytes: &[u8]) -> Outcome {
    let mut outcome = Outcome::Editing;
    for &byte in bytes {
        outcome = editor.feed(byte, terminal);
    }
    outcome
}

fn run(bytes: &[u8]) -> Outcome {
    let (mut editor, mut terminal) = editor();
    feed(&mut editor, &mut terminal, bytes)
}

fn line(bytes: &[u8]) -> String {
    match run(bytes) {
        Outcome::Line(line) => line,
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_do_what_they_say() {
    for (keys, expected) in [
        (&b"hello\r"[..], "hello"),
        (b"helxx\x7f\x08lo\n", "hello"),
        (b"ello\x01h\x05!\r", "hello!"),
        (b"one two  \x17three\r", "one three"),
        (b"one two\x15three\r", "three"),
        (b"helo\x1b[Dl\x1b[C!\r", "hello!"),
        (b"xhello\x1b[H\x1b[3~\r", "hello"),
        (b"xhello\x1b[1~\x04\x1b[4~!\x1bOHy\x1bOFz\r", "yhello!z"),
        (b"abc\x02\x02\x0b\r", "a"),
        ("größü\x7fe\r".as_bytes(), "größe"),
        (b"a\x1b[99;99Zb\x00\x1cc\r", "abc"),
        // Words: letters and digits.
        (b"one-two three\x1bb\x1bbX\r", "one-Xtwo three"),
        (b"one-two\x01\x1bf\x1b[1;5CX\r", "one-twoX"),
        (b"one two\x1b[1;5D\x1b[1;3DX\r", "Xone two"),
        (b"one two\x01\x1bd\x1bd!\r", "!"),
        (b"one two\x01\x1bdX\r", "X two"),
        // Cut and paste; neighbours join.
        (b"one two\x17\x17\x19\x19\r", "one twoone two"),
        (b"one two\x01\x1bd\x1bd\x19!\r", "one two!"),
        (b"one two\x17x\x17\x19\r", "one x"),
        (b"abc\x15\x15\x19\x19\r", "abcabc"),
        (b"abcd\x02\x02\x0bx\x19\r", "abxcd"),
        // Swap.
        (b"ab\x14\r", "ba"),
        (b"abc\x02\x02\x14X\r", "baXc"),
        (b"a\x14\x14b\r", "ab"),
        (b"ab\x01\x14x\r", "xab"),
        ("aß€\x14\r".as_bytes(), "a€ß"),
        // What is no text.
        (b"a\xc2\x80b\r", "a\u{fffd}b"),
        (b"\xff\xe2\x82\r", "\u{fffd}\u{fffd}"),
    ] {
        assert_eq!(line(keys), expected, "{}", keys.escape_ascii());
    }
}

#[test]
fn ends_of_lines_and_input() {
    assert_eq!(run(b"abc\x03"), Outcome::Interrupt);
    assert_eq!(run(b"\x04"), Outcome::EndOfInput);
    assert_eq!(run(b"a\x01\x04"), Outcome::Editing);
    assert_eq!(run(b"a\r\n"), Outcome::Editing);
    assert_eq!(run(b"a\r\r"), Outcome::Line(String::new()));
    assert_eq!(run(b"a\n\n"), Outcome::Line(String::new()));
    assert_eq!(run(b"a\t"), Outcome::Complete { again: false });
    assert_eq!(run(b"a\t\t"), Outcome::Complete { again: true });
    assert_eq!(run(b"a\tb\t"), Outcome::Complete { again: false });
}

#[test]
fn nothing_swallows_an_enter() {
    for keys in [
        &b"a\x1b"[..],
        b"a\x1b[",
        b"a\x1b[1;",
        b"a\x1bO",
        b"a\xf0\x9f",
        b"\x12",
        b"\x12x",
        b"\x12\x1b",
    ] {
        let keys = [keys, b"\r"].concat();
        assert!(matches!(run(&keys), Outcome::Line(_)), "{keys:?}");
    }
    assert_eq!(run(b"abc\x1b\x03"), Outcome::Interrupt);
    assert_eq!(run(b"\x12a\x03"), Outcome::Interrupt);
    assert_eq!(line(b"abc\x1b\x7fd\r"), "abd");
}

#[test]
fn the_history_is_walked_and_the_line_begun_stays() {
    let (mut editor, mut terminal) = editor();
    let mut step = |keys: &[u8]| {
        feed(&mut editor, &mut terminal, keys);
        (editor.text().to_string(), terminal.current())
    };
    step(b"first\rsecond\rsecond\r  \r");
    step(b"beg");
    let mut seen = |keys: &[u8], text: &str| {
        let (line, _) = step(keys);
        assert_eq!(line, text, "{}", keys.escape_ascii());
    };
    seen(b"\x1b[A", "second");
    seen(b"\x10", "first");
    seen(b"\x1bOA", "first");
    seen(b"!\x1b[B", "second");
    seen(b"\x0e", "beg");
    seen(b"\x1b[B", "beg");
    seen(b"\x1b[A\x1b[A?", "first?");
    seen(b"\r\x1b[A", "first?");
    let history: Vec<&str> = editor.history().iter().collect();
    assert_eq!(history, ["first", "second", "first?"]);
}

#[test]
fn a_search_finds_shows_and_ends() {
    let (mut editor, mut terminal) = editor();
    for line in ["make one", "run two", "make three", "run two"] {
        feed(&mut editor, &mut terminal, line.as_bytes());
        feed(&mut editor, &mut terminal, b"\r");
        editor.begin(PROMPT, &mut terminal);
    }
    feed(&mut editor, &mut terminal, b"draft\x12");
    assert!(editor.is_searching());
    for (keys, shown, column) in [
        (&b""[..], "(search)'': draft", 17),
        (b"ma", "(search)'ma': make three", 14),
        (b"\x12", "(search)'ma': make one", 14),
        (b"\x12", "(not found)'ma': make one", 17),
        (b"\x7f\x7f", "(search)'': draft", 17),
        (b"e t", "(search)'e t': make three", 18),
        (b"x", "(not found)'e tx': make three", 19),
        (b"\x07", "> draft", 7),
        (b"\x12two", "(search)'two': run two", 19),
        (b"\x12", "(not found)'two': run two", 22),
        (b"\x07\x12two\x1b[C!", "> run t!wo", 8),
        (b"\x05\x15\x12zzz\x05", "> ", 2),
    ] {
        feed(&mut editor, &mut terminal, keys);
        assert_eq!(
            terminal.current(),
            shown.trim_end(),
            "{}",
            keys.escape_ascii()
        );
        assert_eq!(terminal.column, column, "{shown}");
    }
    let outcome = feed(&mut editor, &mut terminal, b"\x12one\r");
    assert_eq!(outcome, Outcome::Line("make one".into()));
    assert_eq!(terminal.text(terminal.row - 1), "> make one");
}

#[test]
fn a_completion_is_inserted_or_listed() {
    let (mut editor, mut terminal) = editor();
    feed(&mut editor, &mut terminal, b"ec x\x1b[D\x1b[D\t");
    assert_eq!((editor.text(), editor.cursor()), ("ec x", 2));
    editor.insert("ho\n", &mut terminal);
    assert_eq!(terminal.current(), "> echo\u{fffd} x");
    feed(&mut editor, &mut terminal, b"\x7f\t");
    editor.list("a  b\nc\n", &mut terminal);
    let rows: Vec<String> = (0..5).map(|row| terminal.text(row)).collect();
    assert_eq!(rows, ["> echo x", "a  b", "c", "> echo x", ""]);
    assert_eq!((terminal.row, terminal.column), (3, 6));
}

#[test]
fn a_line_is_drawn_again_with_the_cursor_where_it_was() {
    let (mut editor, mut terminal) = editor();
    feed(&mut editor, &mut terminal, "größe\x02\x02".as_bytes());
    let mut out = String::new();
    editor.redraw(&mut out);
    assert_eq!(out, "\r\x1b[K> größe\x08\x08");
    feed(&mut editor, &mut terminal, b"\x0c");
    assert_eq!((terminal.row, terminal.column), (0, 5));
    assert_eq!(terminal.text(0), "> größe");
}

#[test]
fn the_terminal_tells_its_width() {
    let (mut editor, mut terminal) = (Editor::new(100, 0), Terminal::new(20, 3));
    editor.begin(PROMPT, &mut terminal);
    feed(&mut editor, &mut terminal, b"abc\x1b[1;2R");
    editor.ask_width(&mut terminal);
    assert_eq!((terminal.says.as_str(), terminal.column), ("\x1b[1;20R", 5));
    feed(&mut editor, &mut terminal, b"d\x1b[1;20Re");
    assert_eq!(terminal.current(), "> abcde");
    feed(&mut editor, &mut terminal, &[b'x'; 50]);
    assert_eq!((terminal.wraps, terminal.row), (0, 0));
    // Ctrl-L asks again.
    terminal.says.clear();
    feed(&mut editor, &mut terminal, b"\x0c");
    assert_eq!(terminal.says, "\x1b[1;20R");
    assert!(terminal.current().starts_with("> <xxx"));
}

#[test]
fn typing_at_the_end_writes_what_is_typed_and_no_more() {
    let mut editor = Editor::new(1 << 16, 0);
    let mut out = String::new();
    editor.begin("barreleye> ", &mut out);
    for byte in "run hellö 1".bytes() {
        editor.feed(byte, &mut out);
    }
    editor.feed(b'\r', &mut out);
    assert_eq!(out, "barreleye> run hellö 1\n");
    out.clear();
    editor.begin("barreleye> ", &mut out);
    editor.feed(b'x', &mut out);
    editor.feed(3, &mut out);
    assert_eq!(out, "barreleye> x^C\n");
}

#[test]
fn a_line_beyond_the_limit_is_dropped_and_the_next_one_works() {
    let mut editor = Editor::new(8, 1 << 10);
    let mut out = String::new();
    for _ in 0..100 {
        assert_eq!(editor.feed(b'x', &mut out), Outcome::Editing);
    }
    assert_eq!(editor.feed(b'\r', &mut out), Outcome::TooLong);
    assert!(editor.history().is_empty());
    for byte in *b"12345678" {
        editor.feed(byte, &mut out);
    }
    let outcome = editor.feed(b'\r', &mut out);
    assert_eq!(outcome, Outcome::Line("12345678".into()));
}
