//! What users and programs see: typing, editing, shells and their children, programs that write at once.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use terminal::{
    Action, Client, Error, Input, Limits, Mode, ReadId, Signal, Terminal, Until, Written,
};

const SHELL: Client = Client(1);
const CHILD: Client = Client(2);
const OTHER: Client = Client(3);

fn line(text: &str) -> Input {
    Input {
        bytes: text.into(),
        end: false,
    }
}

fn actions(terminal: &mut Terminal) -> Vec<Action> {
    terminal.check_invariants().unwrap();
    std::iter::from_fn(|| terminal.next_action()).collect()
}

fn inputs(terminal: &mut Terminal) -> Vec<Input> {
    let answers = actions(terminal)
        .into_iter()
        .filter_map(|action| match action {
            Action::Answer { input, .. } => Some(input),
            _ => None,
        });
    answers.collect()
}

fn shown(terminal: &mut Terminal) -> String {
    String::from_utf8(terminal.take_output(usize::MAX)).unwrap()
}

/// A client has the foreground, cooked.
fn cooked(limits: Limits) -> Terminal {
    let mut terminal = Terminal::new(limits);
    terminal.open(SHELL).unwrap();
    terminal.claim(SHELL).unwrap();
    assert_eq!(actions(&mut terminal), [Action::Foreground(SHELL)]);
    terminal
}

/// What a cooked client reads of this, and what is shown.
fn typed(bytes: &[u8]) -> (Vec<String>, String) {
    let mut terminal = cooked(Limits::default());
    terminal.input(bytes);
    let mut lines = Vec::new();
    loop {
        terminal.read(SHELL, 100, Until::Any).unwrap();
        match inputs(&mut terminal).pop() {
            Some(input) if input.end => lines.push("<end>".into()),
            Some(input) => lines.push(String::from_utf8(input.bytes).unwrap()),
            None => return (lines, shown(&mut terminal)),
        }
    }
}

#[test]
fn lines_are_edited_and_echoed() {
    let cases: &[(&[u8], &[&str], &str)] = &[
        (b"ls\r", &["ls\n"], "ls\r\n"),
        (b"ls\n", &["ls\n"], "ls\r\n"),
        (b"lx\x7fs\r", &["ls\n"], "lx\x08 \x08s\r\n"),
        (b"\x08\x7fa\r", &["a\n"], "a\r\n"),
        (b"ab\x15c\r", &["c\n"], "ab\x08 \x08\x08 \x08c\r\n"),
        (b"a bc\x17d\r", &["a d\n"], "a bc\x08 \x08\x08 \x08d\r\n"),
        ("aö\x7fu\r".as_bytes(), &["au\n"], "aö\x08 \x08u\r\n"),
        (
            b"\x01\x7f\t\x7fa\r",
            &["a\n"],
            "^A\x08 \x08\x08 \x08 \x08 \x08a\r\n",
        ),
        (b"ab\x04", &["ab"], "ab"),
        (b"\x04", &["<end>"], ""),
        (b"a\r\x04b\r", &["a\n", "<end>", "b\n"], "a\r\nb\r\n"),
        (b"one\rtwo\x03b\r", &["b\n"], "one\r\ntwo^C\r\nb\r\n"),
        (b"one\rtwo\x1ab\r", &["b\n"], "one\r\ntwo^Z\r\nb\r\n"),
        (b"half", &[], "half"),
    ];
    for (bytes, lines, echo) in cases {
        let expected = lines.iter().map(|line| line.to_string()).collect();
        assert_eq!(typed(bytes), (expected, echo.to_string()), "{bytes:?}");
    }
}

#[test]
fn a_line_can_be_read_in_parts_and_the_mark_of_its_end_is_no_end_of_input() {
    let mut terminal = cooked(Limits::default());
    terminal.input(b"abcd\x04e\r");
    for _ in 0..3 {
        terminal.read(SHELL, 2, Until::Line).unwrap();
    }
    let expected = [line("ab"), line("cd"), line("e\n")];
    assert_eq!(inputs(&mut terminal), expected);
}

// ANCHOR: life
#[test]
fn getchar_gets_a_typed_line_by_bytes_and_ctrl_d_at_the_end() {
    let mut terminal = cooked(Limits::default());
    let first = terminal.getchar(SHELL).unwrap();
    terminal.input(b"h");
    assert_eq!(actions(&mut terminal), []);
    terminal.input(b"i\r\x04");
    let answer = Action::Answer {
        client: SHELL,
        read: first,
        input: line("h"),
    };
    assert_eq!(actions(&mut terminal), [answer]);
    for _ in 0..3 {
        terminal.getchar(SHELL).unwrap();
    }
    let chars: Vec<u8> = inputs(&mut terminal).iter().map(Input::char).collect();
    assert_eq!(chars, b"i\n\x04");
}
// ANCHOR_END: life

#[test]
fn what_does_not_fit_rings_the_bell_and_the_line_can_be_ended() {
    let mut terminal = cooked(Limits {
        type_ahead: 4,
        ..Limits::default()
    });
    terminal.input(b"abcde\rf\r");
    assert_eq!(shown(&mut terminal), "abc\x07\x07\r\n\x07\x07");
    terminal.read(SHELL, 10, Until::Any).unwrap();
    assert_eq!(inputs(&mut terminal), [line("abc\n")]);
    terminal.set_mode(SHELL, Mode::Raw).unwrap();
    terminal.input(b"12345");
    assert_eq!(shown(&mut terminal), "\x07");
    assert_eq!(terminal.unread(), 4);
    // Without an end of line, but nothing more can come.
    terminal.read(SHELL, 10, Until::Line).unwrap();
    assert_eq!(inputs(&mut terminal), [line("1234")]);
}

#[test]
fn a_shell_lends_the_foreground_and_gets_it_back() {
    let mut terminal = cooked(Limits::default());
    terminal.set_mode(SHELL, Mode::Raw).unwrap();
    terminal.open(CHILD).unwrap();
    terminal.open(OTHER).unwrap();
    // What is typed ahead is for the child, edited and echoed when it comes to it.
    terminal.input(b"now\rx\x7fy");
    assert_eq!(shown(&mut terminal), "");
    let of_child = terminal.read(CHILD, 80, Until::Any).unwrap();
    assert_eq!(terminal.lend(OTHER, CHILD), Err(Error::NotForeground));
    terminal.lend(SHELL, CHILD).unwrap();
    let answer = Action::Answer {
        client: CHILD,
        read: of_child,
        input: line("now\n"),
    };
    assert_eq!(actions(&mut terminal), [Action::Foreground(CHILD), answer]);
    assert_eq!(shown(&mut terminal), "now\r\nx\x08 \x08y");
    assert_eq!(terminal.lend(CHILD, SHELL), Err(Error::HasForeground));
    // The child dies; what it did not read is the shell's, as bytes.
    terminal.read(SHELL, 80, Until::Any).unwrap();
    terminal.read(CHILD, 80, Until::Any).unwrap();
    assert_eq!(actions(&mut terminal), []);
    terminal.close(CHILD).unwrap();
    assert_eq!(terminal.foreground(), Some(SHELL));
    assert_eq!(inputs(&mut terminal), [line("y")]);
    assert_eq!(terminal.close(CHILD), Err(Error::UnknownClient));
}

#[test]
fn a_lender_who_dies_is_left_out_and_one_who_lives_takes_back() {
    let mut terminal = cooked(Limits::default());
    terminal.open(CHILD).unwrap();
    terminal.open(OTHER).unwrap();
    terminal.lend(SHELL, CHILD).unwrap();
    terminal.lend(CHILD, OTHER).unwrap();
    terminal.close(CHILD).unwrap();
    assert_eq!(terminal.foreground(), Some(OTHER));
    terminal.give_back(OTHER).unwrap();
    assert_eq!(terminal.foreground(), Some(SHELL));
    terminal.lend(SHELL, OTHER).unwrap();
    assert_eq!(terminal.give_back(SHELL), Err(Error::NotForeground));
    terminal.take_back(SHELL).unwrap();
    assert_eq!(terminal.foreground(), Some(SHELL));
    assert_eq!(terminal.take_back(OTHER), Err(Error::NotLent));
    assert_eq!(terminal.claim(OTHER), Err(Error::NotForeground));
    assert_eq!(terminal.claim(SHELL), Err(Error::HasForeground));
    terminal.give_back(SHELL).unwrap();
    assert_eq!(terminal.foreground(), None);
    terminal.claim(OTHER).unwrap();
}

#[test]
fn ctrl_c_is_for_the_nearest_that_takes_interrupts() {
    let mut terminal = cooked(Limits::default());
    terminal.open(CHILD).unwrap();
    terminal.input(b"\x03");
    assert_eq!(actions(&mut terminal), []);
    terminal.take_interrupts(SHELL, true).unwrap();
    terminal.lend(SHELL, CHILD).unwrap();
    actions(&mut terminal);
    let interrupt = |to| Action::Interrupt {
        signal: Signal::Interrupt,
        to,
        foreground: CHILD,
    };
    terminal.input(b"abc\x03\x03");
    assert_eq!(actions(&mut terminal), [interrupt(SHELL)]);
    assert_eq!(terminal.unread(), 0);
    terminal.take_interrupts(CHILD, true).unwrap();
    terminal.input(b"\x03");
    assert_eq!(actions(&mut terminal), [interrupt(CHILD)]);
    // So is Ctrl-Z.
    terminal.input(b"abc\x1a");
    let stop = Action::Interrupt {
        signal: Signal::Stop,
        to: CHILD,
        foreground: CHILD,
    };
    assert_eq!(actions(&mut terminal), [stop]);
    assert_eq!(terminal.unread(), 0);
    // Raw, it is a byte.
    terminal.set_mode(CHILD, Mode::Raw).unwrap();
    terminal.getchar(CHILD).unwrap();
    terminal.input(b"\x03");
    assert_eq!(inputs(&mut terminal), [line("\x03")]);
}

#[test]
fn reads_are_refused_cancelled_and_answered_in_order() {
    let mut terminal = cooked(Limits {
        reads_of_client: 2,
        ..Limits::default()
    });
    assert_eq!(terminal.read(SHELL, 0, Until::Any), Err(Error::EmptyRead));
    assert_eq!(
        terminal.read(CHILD, 1, Until::Any),
        Err(Error::UnknownClient)
    );
    let first = terminal.read(SHELL, 9, Until::Any).unwrap();
    let second = terminal.read(SHELL, 9, Until::Any).unwrap();
    assert_eq!(
        terminal.read(SHELL, 9, Until::Any),
        Err(Error::TooManyReads)
    );
    terminal.cancel(SHELL, first).unwrap();
    assert_eq!(terminal.cancel(SHELL, first), Err(Error::NoRead));
    assert_eq!(terminal.cancel(SHELL, ReadId(99)), Err(Error::NoRead));
    terminal.input(b"a\r");
    let answer = Action::Answer {
        client: SHELL,
        read: second,
        input: line("a\n"),
    };
    assert_eq!(actions(&mut terminal), [answer]);
    // Behind a read that waits for more is one that does not.
    terminal.set_mode(SHELL, Mode::Raw).unwrap();
    let long = terminal.read(SHELL, 9, Until::Line).unwrap();
    terminal.getchar(SHELL).unwrap();
    terminal.input(b"z");
    assert_eq!(actions(&mut terminal), []);
    terminal.cancel(SHELL, long).unwrap();
    assert_eq!(inputs(&mut terminal), [line("z")]);
}

#[test]
fn unread_input_can_be_discarded_by_the_foreground() {
    let mut terminal = cooked(Limits::default());
    terminal.open(CHILD).unwrap();
    terminal.input(b"secret\rhalf");
    assert_eq!(terminal.discard_input(CHILD), Err(Error::NotForeground));
    terminal.discard_input(SHELL).unwrap();
    terminal.input(b"new\r");
    terminal.read(SHELL, 80, Until::Any).unwrap();
    assert_eq!(inputs(&mut terminal), [line("new\n")]);
}

#[test]
fn programs_that_write_single_characters_write_lines() {
    let mut terminal = cooked(Limits::default());
    terminal.open(CHILD).unwrap();
    for (a, b) in b"aaaa\n".iter().zip(b"bbbb\n") {
        terminal.putchar(SHELL, *a).unwrap();
        terminal.putchar(CHILD, *b).unwrap();
    }
    assert!(terminal.has_output());
    assert_eq!(shown(&mut terminal), "aaaa\r\nbbbb\r\n");
    assert!(!terminal.has_output());
}

#[test]
fn a_long_write_is_cut_at_ends_of_lines_and_between_characters() {
    let mut terminal = cooked(Limits {
        piece: 8,
        ..Limits::default()
    });
    terminal.open(CHILD).unwrap();
    terminal.write(SHELL, b"one\ntwo\nthree\n").unwrap();
    terminal.write(CHILD, "1234567äxyz".as_bytes()).unwrap();
    let all = shown(&mut terminal);
    assert_eq!(all, "one\r\n1234567two\r\näxyzthree\r\n");
    // Raw output is left alone, and a return that is there is not added again.
    terminal.write(SHELL, b"a\r\n").unwrap();
    terminal.set_mode(SHELL, Mode::Raw).unwrap();
    terminal.write(SHELL, b"b\n").unwrap();
    assert_eq!(shown(&mut terminal), "a\r\nb\n");
}

#[test]
fn who_writes_too_much_waits_and_is_told_and_others_need_not() {
    let mut terminal = cooked(Limits {
        piece: 8,
        output_of_client: 16,
        output_shared: 8,
        ..Limits::default()
    });
    terminal.open(CHILD).unwrap();
    let taken = terminal.write(SHELL, &[b'a'; 30]).unwrap();
    let expected = Written {
        accepted: 16,
        wait: true,
    };
    assert_eq!(taken, expected);
    // The part for all is used up, one piece is nevertheless there for everybody.
    let taken = terminal.write(CHILD, &[b'b'; 9]).unwrap();
    let expected = Written {
        accepted: 8,
        wait: true,
    };
    assert_eq!(taken, expected);
    assert_eq!(terminal.take_output(7), [b'a'; 7]);
    // There is room for the one byte that the child has left, and not for a piece.
    assert_eq!(actions(&mut terminal), [Action::Room(CHILD)]);
    assert_eq!(terminal.take_output(1), [b'a']);
    assert_eq!(actions(&mut terminal), [Action::Room(SHELL)]);
}

#[test]
fn two_threads_that_wait_are_told_when_there_is_room_for_one() {
    let mut terminal = cooked(Limits {
        piece: 8,
        output_of_client: 8,
        ..Limits::default()
    });
    terminal.write(SHELL, b"12345678").unwrap();
    assert!(terminal.putchar(SHELL, b'x').unwrap().wait);
    assert!(terminal.write(SHELL, b"long").unwrap().wait);
    terminal.take_output(1);
    assert_eq!(actions(&mut terminal), [Action::Room(SHELL)]);
}

#[test]
fn who_writes_as_fast_as_the_line_sends_does_not_keep_its_turn() {
    let mut terminal = cooked(Limits::default());
    terminal.open(CHILD).unwrap();
    terminal.write(SHELL, b"...").unwrap();
    terminal.write(CHILD, b"mine\n").unwrap();
    let mut sent = Vec::new();
    for _ in 0..20 {
        terminal.putchar(SHELL, b'.').unwrap();
        sent.extend(terminal.take_output(1));
    }
    assert!(String::from_utf8(sent).unwrap().contains("mine\r\n"));
}

#[test]
fn output_of_the_dead_is_sent_and_counts_until_then() {
    let mut terminal = cooked(Limits {
        clients: 2,
        ..Limits::default()
    });
    terminal.open(CHILD).unwrap();
    assert_eq!(terminal.open(OTHER), Err(Error::TooManyClients));
    terminal.write(CHILD, b"bye\n").unwrap();
    terminal.close(CHILD).unwrap();
    assert_eq!(terminal.write(CHILD, b"x"), Err(Error::UnknownClient));
    // It may come again, and go.
    terminal.open(CHILD).unwrap();
    assert_eq!(terminal.open(CHILD), Err(Error::ClientExists));
    terminal.close(CHILD).unwrap();
    assert_eq!(terminal.open(OTHER), Err(Error::TooManyClients));
    assert_eq!(shown(&mut terminal), "bye\r\n");
    terminal.open(OTHER).unwrap();
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    let codes: std::collections::BTreeSet<_> =
        Error::ALL.iter().map(|error| error.code().name()).collect();
    assert_eq!(codes.len(), Error::ALL.len());
    assert!(Error::NoRead.to_string().contains("read"));
}
