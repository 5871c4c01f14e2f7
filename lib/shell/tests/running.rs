//! Which commands run, and what their words are.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{Ingredients, Machine};
use proptest::prelude::*;
use shell::ast::{Chain, Connector, Piece, Word};
use shell::expand::{ExpandError, Values};
use shell::run::{End, Host, Report, Work, run, status};
use shell::{limits, parse};
use std::fmt::Display;

/// Ends each command as its name says, and remembers what ran.
#[derive(Default)]
struct Trace {
    ran: Vec<String>,
    complaints: Vec<String>,
}

impl Host for Trace {
    fn pipeline(&mut self, work: &Work<'_>, _: &mut Values) -> Report {
        let (commands, background) = (&work.commands, work.background);
        let words: Vec<String> = commands
            .iter()
            .map(|command| command.words.join(" "))
            .collect();
        self.ran
            .push(words.join("|") + if background { "&" } else { "" });
        match commands.last().unwrap().words.first().map(String::as_str) {
            Some("interrupt") => Report::Interrupted,
            Some("exit") => Report::Exit(7),
            _ if background => Report::Started(41 + self.ran.len() as u64),
            Some(name) => Report::Status(name.trim_start_matches('s').parse().unwrap_or(0)),
            None => Report::Status(0),
        }
    }

    fn background_chain(&mut self, chain: &Chain, _: &mut Values) -> Report {
        self.ran.push(format!("({chain})&"));
        Report::Started(99)
    }

    fn complain(&mut self, message: &dyn Display) {
        self.complaints.push(message.to_string());
    }
}

fn trace(line: &str) -> (Vec<String>, End, Values) {
    let (mut host, mut values) = (Trace::default(), Values::default());
    let end = run(&parse(line).unwrap(), &mut values, &mut host);
    (host.ran, end, values)
}

#[test]
fn chains_and_jobs() {
    for (line, ran, code) in [
        ("s0 && s1 || s2", &["s0", "s1", "s2"][..], 2),
        ("s1 && s2; s3", &["s1", "s3"], 3),
        ("s0 || s2 && s3", &["s0", "s3"], 3),
        ("s1; echo $?", &["s1", "echo 1"], 0),
        ("s1 | s0", &["s1|s0"], 0),
        ("s5 & echo $? $!", &["s5&", "echo 0 42"], 0),
        ("s5 && s6 & echo $!", &["(s5 && s6)&", "echo 99"], 0),
        ("A=1; echo $A$B", &["echo 1"], 0),
        ("s3; A=1", &["s3"], 0),
        ("> f", &[""], 0),
        ("A=1 &", &["&"], 0),
    ] {
        let (seen, end, values) = trace(line);
        assert_eq!(seen, ran, "{line}");
        assert_eq!((end, values.status), (End::Done, code), "{line}");
    }
}

#[test]
fn an_interrupt_drops_the_rest_and_exit_ends_the_shell() {
    let (ran, end, values) = trace("interrupt || s1; s2 & s3");
    assert_eq!(ran, ["interrupt"]);
    assert_eq!((end, values.status), (End::Dropped, status::KILLED));
    let (ran, end, _) = trace("s0 && exit || s1; s2");
    assert_eq!((ran.len(), end), (2, End::Exit(7)));
}

#[test]
fn what_cannot_be_expanded_is_told_and_drops_the_rest() {
    let long = "x ".repeat(limits::WORDS + 1);
    for (line, part) in [
        ("echo > $NONE; s1", "is empty: check the variable"),
        ("echo $LONG; s1", "put \"\" around"),
        ("B=$HUGE$HUGE; s1", "B: the value of a variable has at most"),
    ] {
        let (mut host, mut values) = (Trace::default(), Values::default());
        values.variables.set("LONG", &long).unwrap();
        values
            .variables
            .set("HUGE", &"x".repeat(limits::VALUE_BYTES))
            .unwrap();
        let end = run(&parse(line).unwrap(), &mut values, &mut host);
        assert_eq!((end, values.status), (End::Dropped, status::USAGE));
        assert_eq!(host.ran, [""; 0]);
        assert!(host.complaints[0].contains(part), "{:?}", host.complaints);
    }
}

#[test]
fn expansion_is_bounded() {
    let mut values = Values::default();
    values
        .variables
        .set("H", &"x".repeat(limits::VALUE_BYTES))
        .unwrap();
    values
        .variables
        .set("B", &" x".repeat(limits::VALUE_BYTES / 2))
        .unwrap();
    let fields = |line: &str| {
        let list = parse(line).unwrap();
        values.fields(&list.items[0].chain.first.commands[0].words)
    };
    assert_eq!(fields(&"$H".repeat(17)), Err(ExpandError::TooLong));
    assert_eq!(fields("$B"), Err(ExpandError::TooManyFields));
    assert_eq!(fields(&"\"$B\"".repeat(16)).unwrap().len(), 1);
}

#[test]
fn variables_are_checked_and_bounded() {
    let mut values = Values::default();
    let variables = &mut values.variables;
    for name in [
        "",
        "1",
        "a b",
        "é",
        "a=",
        &"a".repeat(limits::NAME_BYTES + 1),
    ] {
        assert!(variables.set(name, "x").is_err(), "{name}");
        assert!(variables.export(name).is_err(), "{name}");
    }
    assert!(
        variables
            .set("A", &"x".repeat(limits::VALUE_BYTES + 1))
            .is_err()
    );
    for index in 0..limits::VARIABLES {
        variables.set(&format!("v{index}"), "x").unwrap();
    }
    assert!(variables.set("one_more", "x").is_err());
    variables.set("v0", "changed").unwrap();
    variables.export("v0").unwrap();
    variables.set("v0", "again").unwrap();
    assert_eq!(variables.iter().next(), Some(("v0", "again", true)));
    assert!(variables.unset("v1") && !variables.unset("v1"));
    variables.set("one_more", "x").unwrap();
}

/// A reference for expansion: each character of the word with whether it may separate, then a scan.
fn model_fields(word: &Word, values: &Values) -> Vec<String> {
    #[derive(PartialEq)]
    enum Atom {
        Text(char),
        Mark,
        Blank,
    }
    let mut atoms = Vec::new();
    for piece in &word.pieces {
        match piece {
            Piece::Literal(text) => {
                atoms.push(Atom::Mark);
                atoms.extend(text.chars().map(Atom::Text));
            }
            Piece::Parameter { parameter, quoted } => {
                let value = values.value(parameter);
                if *quoted {
                    atoms.push(Atom::Mark);
                    atoms.extend(value.chars().map(Atom::Text));
                } else {
                    atoms.extend(value.chars().map(|c| match c {
                        ' ' | '\t' | '\n' => Atom::Blank,
                        c => Atom::Text(c),
                    }));
                }
            }
        }
    }
    let groups = atoms.split(|atom| *atom == Atom::Blank);
    let fields = groups.filter(|group| !group.is_empty()).map(|group| {
        let text = group.iter().filter_map(|atom| match atom {
            Atom::Text(c) => Some(*c),
            _ => None,
        });
        text.collect()
    });
    fields.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn fields_are_those_of_the_model(
        words in prop::collection::vec(Ingredients::all().word(), 0..4),
        named in prop::collection::vec((common::name(), "[ab \n]{0,6}"), 0..8),
    ) {
        let mut values = Values { status: 3, background: None, own: 12, ..Values::default() };
        for (name, value) in &named {
            values.variables.set(name, value).unwrap();
        }
        let expected: Vec<String> = words.iter().flat_map(|word| model_fields(word, &values)).collect();
        prop_assert_eq!(values.fields(&words).unwrap(), expected);
    }

    /// The reference interpreter: a chain is a fold over (connector, status).
    #[test]
    fn sequencing_is_that_of_the_reference(
        chains in prop::collection::vec(
            prop::collection::vec((any::<bool>(), 0u8..3), 1..6), 0..5),
    ) {
        let (mut text, mut expected, mut last) = (String::new(), Vec::new(), 0);
        for chain in &chains {
            for (index, (is_and, code)) in chain.iter().enumerate() {
                let runs = match index {
                    0 => true,
                    _ => *is_and == (last == 0),
                };
                text += match (index, is_and) {
                    (0, _) => "",
                    (_, true) => " && ",
                    (_, false) => " || ",
                };
                text += &format!("s{code}");
                if runs {
                    expected.push(format!("s{code}"));
                    last = *code;
                }
            }
            text.push(';');
        }
        let (ran, end, values) = trace(&text);
        prop_assert_eq!(ran, expected);
        prop_assert_eq!((end, values.status), (End::Done, last));
    }

    #[test]
    fn nothing_panics_whatever_runs(list in Ingredients::all().list()) {
        let (mut host, mut values) = (Trace::default(), Values::default());
        run(&list, &mut values, &mut host);
    }
}

#[test]
fn connectors_are_written_as_they_are_read() {
    assert_eq!(Connector::And.text(), "&&");
    let mut machine = Machine::default();
    let mut values = Values::default();
    let list = parse("args a 'b c' | cat > f; cat < f; nothing || echo $?").unwrap();
    run(&list, &mut values, &mut machine);
    assert_eq!(machine.output, "<a><b c>\n127\n");
}
