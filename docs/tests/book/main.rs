//! Checks of the book (docs/src), README.md and CONTRIBUTING.md, without mdBook and without a network.
//!
//! | Module | What it asserts |
//! |---|---|
//! | [`links`] | every link, picture and path in inline code leads to something that is there |
//! | [`summary`] | SUMMARY.md lists every chapter, once |
//! | [`blocks`] | every code block is included from source, or of a kind that a parser here accepts |
//! | [`commands`] | each error of each command is one that exists, and some test expects it |
//! | [`contracts`] | the contracts page agrees with hake's command line and the library OS |
//! | [`api`] | the listing of the library OS's API is what the source says |
//! | [`tables`] | tables between `generated` markers say what the source says |
//! | [`transcript`] | what the book types at the prompt is what the QEMU test `book` types |
//!
//! With `BOOK_UPDATE=1` the last three write instead of complaining.
#![forbid(unsafe_code)]
#![cfg(test)]

#[cfg(test)]
mod api;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod contracts;
#[cfg(test)]
mod gdb;
#[cfg(test)]
mod links;
#[cfg(test)]
mod page;
#[cfg(test)]
mod source;
#[cfg(test)]
mod summary;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod transcript;

/// Fails with all complaints at once, one a line.
#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
