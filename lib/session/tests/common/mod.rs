//! A system around a session, on the host: programs are futures, which use the session's streams by connections as real ones do; what is typed comes when
//! nothing else happens any more, so that each run is the same.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its own part, and a test may panic"
)]

mod fake;
mod os;
mod programs;

pub use fake::Handle;

use services::terminal::Mode;
use session::End;

/// Types lines at the prompt, then Ctrl-D until it ends; gives how it ended and what the screen got, without the editor's sequences.
pub fn typed(text: &str) -> (End, String) {
    let handle = Handle::new();
    handle.type_in(text);
    finish(&handle)
}

pub fn finish(handle: &Handle) -> (End, String) {
    handle.type_in("\x04").type_in("\x04");
    let mut session = handle.session();
    let end = session.interact();
    drop(session);
    assert_eq!(handle.0.streams.borrow().ends(), 0, "streams are left open");
    assert_eq!(handle.0.mode.get(), Mode::Cooked);
    (end, plain(&handle.0.out.borrow()))
}

/// Without escape sequences.
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                if chars.next() == Some('[') {
                    while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
                }
            }
            '\x07' => out.push('!'),
            c => out.push(c),
        }
    }
    out
}

/// What a line prints, when its echo and the prompts are taken away.
pub fn said(lines: &str) -> String {
    let (_, out) = typed(&format!("{lines}\n"));
    let echoes: Vec<String> = lines
        .lines()
        .map(|line| format!("barreleye> {line}"))
        .collect();
    let kept = out
        .lines()
        .filter(|line| *line != "barreleye> " && !echoes.iter().any(|echo| echo == line));
    kept.map(|line| format!("{line}\n")).collect()
}
