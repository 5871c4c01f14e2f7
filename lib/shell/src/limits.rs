//! The bounds of the language: what is larger is refused with a message, so that no line takes the shell's memory.

/// Longest line, in bytes.
pub const LINE_BYTES: usize = 64 << 10;
/// Most commands in a line.
pub const COMMANDS: usize = 256;
/// Most commands joined by `|`: each is a program that runs at the same time.
pub const PIPELINE: usize = 16;
/// Most words, assignments and redirections of a command as it is written, and most fields that they expand to: as many
/// arguments as a program may be given.
pub const WORDS: usize = 128;
/// Most bytes that the words of a command expand to.
pub const EXPANDED_BYTES: usize = 256 << 10;
/// Most variables.
pub const VARIABLES: usize = 256;
/// Longest name of a variable, in bytes.
pub const NAME_BYTES: usize = 64;
/// Longest value of a variable, in bytes.
pub const VALUE_BYTES: usize = 16 << 10;
/// Most jobs.
pub const JOBS: usize = 64;
/// Longest command line kept for a job, in bytes; the rest is shown as an ellipsis.
pub const JOB_TEXT_BYTES: usize = 256;
