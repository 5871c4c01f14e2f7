//! What the tests share: random lists, and a host whose programs are functions.
#![allow(dead_code, reason = "each test file uses a part of it")]

use proptest::prelude::*;
use shell::ast::{
    Assignment, Chain, Command, Connector, Item, List, Mode, Parameter, Piece, Pipeline,
    Redirection, Word,
};
use shell::expand::{Expanded, Values};
use shell::run::{Host, Report, Work, status};
use std::collections::BTreeMap;
use std::fmt::Display;

/// What random lists are made of.
#[derive(Clone)]
pub struct Ingredients {
    /// Literals.
    pub literal: BoxedStrategy<String>,
    /// Parameters.
    pub parameter: BoxedStrategy<Parameter>,
    /// The first word of a command.
    pub command: BoxedStrategy<Word>,
    /// Whether assignments may stand before a command.
    pub mixed: bool,
    /// Redirections.
    pub redirections: BoxedStrategy<Vec<Redirection>>,
    /// Whether chains may go to the background.
    pub background: bool,
    /// Most commands of a pipeline.
    pub pipeline: usize,
}

pub fn name() -> BoxedStrategy<String> {
    "[A-Z_][A-Z0-9_]{0,3}".boxed()
}

impl Ingredients {
    /// Everything that the language has.
    pub fn all() -> Self {
        let literal = prop_oneof![
            3 => "[a-z0-9=#~]{1,4}",
            1 => "\\PC{0,6}",
            1 => Just(String::new()),
            1 => "[ \t\n'\"\\\\$`&|;<>(){}!]{1,5}",
            1 => prop::sample::select(vec!["if", "!", "{", "2", "A=b", "#", "done"]).prop_map(String::from),
        ]
        .boxed();
        let parameter = prop_oneof![
            name().prop_map(Parameter::Variable),
            Just(Parameter::Status),
            Just(Parameter::Background),
            Just(Parameter::Own),
        ]
        .boxed();
        let mode = prop::sample::select(vec![Mode::Read, Mode::Write, Mode::Append]);
        let file = word(&literal, &parameter);
        let redirection = (mode, file).prop_map(|(mode, file)| Redirection { mode, file });
        Self {
            command: word(&literal, &parameter),
            literal,
            parameter,
            mixed: true,
            redirections: prop::collection::vec(redirection, 0..3).boxed(),
            background: true,
            pipeline: 4,
        }
    }

    fn command(&self) -> BoxedStrategy<Command> {
        let mut value = self.word();
        value = prop_oneof![1 => Just(Word::default()), 4 => value].boxed();
        let assignment = (name(), value).prop_map(|(name, mut value)| {
            if value.pieces.first() == Some(&Piece::Literal(String::new())) {
                value.pieces.remove(0);
            }
            Assignment { name, value }
        });
        let assignments = prop::collection::vec(assignment, 1..3).boxed();
        let arguments = prop::collection::vec(self.word(), 0..4);
        let words = (self.command.clone(), arguments).prop_map(|(command, mut words)| {
            words.insert(0, command);
            words
        });
        let mixed = self.mixed;
        let parts = (assignments, words, self.redirections.clone(), 0..3);
        parts
            .prop_map(move |(assignments, words, redirections, kind)| {
                let both = kind == 0 && mixed;
                Command {
                    assignments: if both || kind == 1 {
                        assignments
                    } else {
                        Vec::new()
                    },
                    words: if both || kind != 1 { words } else { Vec::new() },
                    redirections,
                }
            })
            .boxed()
    }

    pub fn word(&self) -> BoxedStrategy<Word> {
        word(&self.literal, &self.parameter)
    }

    pub fn list(&self) -> BoxedStrategy<List> {
        let commands = prop::collection::vec(self.command(), 1..=self.pipeline);
        let pipeline = commands.prop_map(|commands| Pipeline { commands }).boxed();
        let connector = prop::sample::select(vec![Connector::And, Connector::Or]);
        let rest = prop::collection::vec((connector, pipeline.clone()), 0..4);
        let chain = (pipeline, rest).prop_map(|(first, rest)| Chain { first, rest });
        let may_wait = self.background;
        let item = (chain, any::<bool>()).prop_map(move |(chain, background)| Item {
            chain,
            background: background && may_wait,
        });
        prop::collection::vec(item, 0..4)
            .prop_map(|items| List { items })
            .boxed()
    }
}

/// A word as the parser makes it: no two literals side by side.
pub fn word(
    literal: &BoxedStrategy<String>,
    parameter: &BoxedStrategy<Parameter>,
) -> BoxedStrategy<Word> {
    let parameter = (parameter.clone(), any::<bool>())
        .prop_map(|(parameter, quoted)| Piece::Parameter { parameter, quoted });
    let piece = prop_oneof![literal.clone().prop_map(Piece::Literal), parameter];
    prop::collection::vec(piece, 1..5)
        .prop_map(|pieces| {
            let mut word = Word::default();
            for piece in pieces {
                match (word.pieces.last_mut(), piece) {
                    (Some(Piece::Literal(before)), Piece::Literal(text)) => before.push_str(&text),
                    (_, piece) => word.pieces.push(piece),
                }
            }
            word
        })
        .boxed()
}

/// A machine with the programs `args`, `echo`, `true`, `false`, `status N`, `cat`, and files.
#[derive(Default)]
pub struct Machine {
    pub output: String,
    pub files: BTreeMap<String, String>,
    pub complaints: Vec<String>,
}

impl Machine {
    fn program(&mut self, command: &Expanded, input: &str, out: &mut String) -> u8 {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] | ["true", ..] => 0,
            ["false", ..] => 1,
            ["args", args @ ..] => {
                args.iter().for_each(|arg| *out += &format!("<{arg}>"));
                out.push('\n');
                0
            }
            ["echo", args @ ..] => {
                *out += &args.join(" ");
                out.push('\n');
                0
            }
            ["status", n] => n.parse().unwrap(),
            ["cat"] => {
                *out += input;
                0
            }
            _ => status::NOT_FOUND,
        }
    }
}

impl Host for Machine {
    fn pipeline(&mut self, work: &Work<'_>, _: &mut Values) -> Report {
        assert!(!work.background);
        let mut passed = String::new();
        let mut last = 0;
        for command in &work.commands {
            let mut input = std::mem::take(&mut passed);
            let mut target: Option<&String> = None;
            let mut missing = false;
            for (mode, file) in &command.redirections {
                match mode {
                    Mode::Read => match self.files.get(file) {
                        Some(text) => input = text.clone(),
                        None => missing = true,
                    },
                    Mode::Write => {
                        self.files.insert(file.clone(), String::new());
                        target = Some(file);
                    }
                    Mode::Append => {
                        self.files.entry(file.clone()).or_default();
                        target = Some(file);
                    }
                }
                if missing {
                    break;
                }
            }
            let mut out = String::new();
            last = if missing {
                2
            } else {
                self.program(command, &input, &mut out)
            };
            match target {
                Some(file) => *self.files.get_mut(file).unwrap() += &out,
                None => passed = out,
            }
        }
        self.output += &passed;
        Report::Status(last)
    }

    fn background_chain(&mut self, _: &Chain, _: &mut Values) -> Report {
        unreachable!("not in these tests")
    }

    fn complain(&mut self, message: &dyn Display) {
        self.complaints.push(message.to_string());
    }
}
