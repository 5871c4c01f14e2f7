//! A checked file: every code with its number.

/// Most codes that fit: a code has 10 bits, and the last number is kept for codes that are not known.
pub const MOST_CODES: usize = 1023;

/// A checked Fugu file.
#[derive(Debug, Clone)]
pub struct File {
    /// Name of the file, as messages and the generated code show it.
    pub name: String,
    /// The codes in the order of their numbers, from 0.
    pub cases: Vec<Case>,
    /// Number of the first failure.
    pub first_failure: usize,
}

/// Whether a code tells of success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The success that is number 0.
    DefaultSuccess,
    /// Success with a remark.
    Success,
    /// Failure.
    Failure,
}

/// A code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Full name, prefix included.
    pub name: String,
    /// Name of the enum variant in Rust.
    pub variant: String,
    /// Domain it belongs to.
    pub domain: String,
    /// What happened.
    pub text: String,
    /// Success or failure.
    pub outcome: Outcome,
}
