//! Random names, properties and questions; questions are answered here in the simplest way, from the tables of the book.

#![allow(dead_code, reason = "each test uses a part")]

use names::{Name, Properties, Value};
use proptest::prelude::*;
use std::fmt::Write as _;

/// Names with few labels, so that they meet.
pub fn name() -> impl Strategy<Value = Name> {
    let label = prop::sample::select(vec!["a", "b", "ab", "a-b", "a0"]);
    let labels = prop_oneof![
        2 => prop::sample::select(vec!["a", "b", "a/b"]).prop_map(String::from),
        1 => prop::collection::vec(label, 1..4).prop_map(|labels| labels.join("/")),
    ];
    labels.prop_map(|name| Name::parse(&name).unwrap())
}

/// Any name.
pub fn any_name() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9._-]{0,30}(/[a-z0-9][a-z0-9._-]{0,30}){0,7}"
}

pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-2..3_i64).prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Integer),
        "[ab]{0,3}".prop_map(Value::Text),
        any::<String>().prop_map(|text| Value::Text(text.chars().take(20).collect())),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["k", "l", "speed", "and-more", "x.y_z-0"]).prop_map(String::from)
}

pub fn properties() -> impl Strategy<Value = Properties> {
    prop::collection::vec((key(), value()), 0..4).prop_map(|pairs| {
        let mut set = Properties::new();
        for (key, value) in pairs {
            set.set(&key, value).unwrap();
        }
        set
    })
}

/// A query, as a test sees it.
#[derive(Clone, Debug)]
pub struct Question {
    pub pattern: Vec<String>,
    pub ask: Option<Ask>,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Has(String),
    Compare(String, &'static str, Value),
    Like(String, String),
    Not(Box<Ask>),
    All(Vec<Ask>),
    Some(Vec<Ask>),
}

pub fn pattern() -> impl Strategy<Value = Vec<String>> {
    let part = prop::sample::select(vec!["a", "b", "ab", "*", "a*", "*b", "**", "a*0", "**"]);
    prop::collection::vec(part.prop_map(String::from), 1..5)
}

pub fn ask() -> impl Strategy<Value = Ask> {
    let sign = prop::sample::select(vec![":", "==", "!=", "<", "<=", ">", ">="]);
    let test = prop_oneof![
        key().prop_map(Ask::Has),
        (key(), sign, value()).prop_map(|(key, sign, value)| Ask::Compare(key, sign, value)),
        (key(), "[ab*]{0,5}").prop_map(|(key, text)| Ask::Like(key, text)),
    ];
    test.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ask| Ask::Not(Box::new(ask))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Ask::All),
            prop::collection::vec(inner, 1..4).prop_map(Ask::Some),
        ]
    })
}

pub fn question() -> impl Strategy<Value = Question> {
    let everything = Question {
        pattern: vec!["**".into()],
        ask: None,
    };
    prop_oneof![
        1 => Just(everything),
        3 => (pattern(), prop::option::of(ask()))
            .prop_map(|(pattern, ask)| Question { pattern, ask }),
    ]
}

impl Question {
    /// With more parentheses than needed.
    pub fn text(&self) -> String {
        let mut text = self.pattern.join("/");
        if let Some(ask) = &self.ask {
            write!(text, "{{{}}}", ask.text()).unwrap();
        }
        text
    }

    pub fn means(&self, name: &Name, properties: &Properties) -> bool {
        let labels: Vec<&str> = name.as_str().split('/').collect();
        labels_match(&self.pattern, &labels)
            && self.ask.as_ref().is_none_or(|ask| ask.holds(properties))
    }
}

impl Ask {
    fn text(&self) -> String {
        let list = |asks: &[Self], word: &str| {
            let texts: Vec<String> = asks.iter().map(Self::text).collect();
            format!("({})", texts.join(word))
        };
        match self {
            Self::Has(key) => key.clone(),
            Self::Compare(key, sign, value) => format!("{key}{sign}{value}"),
            Self::Like(key, text) => format!("{key}~\"{text}\""),
            Self::Not(ask) => format!("not {}", ask.text()),
            Self::All(asks) => list(asks, if asks.len() == 2 { "," } else { " and " }),
            Self::Some(asks) => list(asks, " or "),
        }
    }

    fn holds(&self, properties: &Properties) -> bool {
        match self {
            Self::Has(key) => properties.get(key).is_some(),
            Self::Compare(key, sign, with) => {
                let Some(value) = properties.get(key) else {
                    return false;
                };
                let order = match (value, with) {
                    (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
                    (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
                    (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
                    _ => return *sign == "!=",
                };
                match *sign {
                    ":" | "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }
            }
            Self::Like(key, pattern) => match properties.get(key) {
                Some(Value::Text(text)) => star(pattern.as_bytes(), text.as_bytes()),
                _ => false,
            },
            Self::Not(ask) => !ask.holds(properties),
            Self::All(asks) => asks.iter().all(|ask| ask.holds(properties)),
            Self::Some(asks) => asks.iter().any(|ask| ask.holds(properties)),
        }
    }
}

fn labels_match(pattern: &[String], labels: &[&str]) -> bool {
    match pattern.split_first() {
        None => labels.is_empty(),
        Some((part, rest)) if part == "**" => (0..=labels.len()).any(|skip| {
            labels
                .get(skip..)
                .is_some_and(|labels| labels_match(rest, labels))
        }),
        Some((part, rest)) => labels.split_first().is_some_and(|(label, more)| {
            star(part.as_bytes(), label.as_bytes()) && labels_match(rest, more)
        }),
    }
}

pub fn star(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => {
            (0..=text.len()).any(|skip| text.get(skip..).is_some_and(|text| star(rest, text)))
        }
        Some((byte, rest)) => text
            .split_first()
            .is_some_and(|(first, more)| first == byte && star(rest, more)),
    }
}
