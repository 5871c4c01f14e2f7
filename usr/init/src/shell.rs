//! The prompt: a line, its command, again.

use crate::children::{Children, Limit, conclude_command, rest};
use crate::commands;
use alloc::string::String;
use aos::boot::Boot;
use aos::console::{self, Console};
use aos::{Error, event, println};
use lineedit::{Editor, Outcome};

/// The prompt.
pub const PROMPT: &str = "barreleye> ";
/// Longest line: a fraction of init's heap, so that its words fit beside it.
pub const LINE_LIMIT: usize = 64 << 10;
/// Bytes of history: none, so that init's memory does not depend on what was typed.
const HISTORY_BYTES: usize = 0;

/// Serves the prompt for ever.
///
/// # Errors
/// None: the type is that of `main`.
pub fn serve(boot: &'static Boot, children: &mut Children) -> Result<(), Error> {
    let mut editor = Editor::new(LINE_LIMIT, HISTORY_BYTES);
    loop {
        for ended in children.take_told() {
            ended.outcome.tell_background(ended.name, ended.pid);
        }
        editor.begin(PROMPT, &mut Console);
        console::flush();
        let line = read_line(&mut editor, children);
        if let Some(line) = line.filter(|line| !line.trim().is_empty()) {
            let status = commands::execute(boot, children, &line);
            conclude_command(&line, status);
        }
    }
}

/// A line; `None` when it was abandoned.
fn read_line(editor: &mut Editor, children: &mut Children) -> Option<String> {
    loop {
        let snapshot = event::snapshot();
        let Some(byte) = children.input.next() else {
            let busy = children.tend();
            // What programs in the background print, and what init has to say of them, comes in between.
            if children.input.is_overwritten() || console::is_at_line_start() {
                editor.redraw(&mut Console);
                console::flush();
            }
            rest(busy, snapshot, Limit::Interrupt);
            continue;
        };
        match editor.feed(byte, &mut Console) {
            Outcome::Editing => {}
            Outcome::Line(line) => return Some(line),
            // Nothing is completed here: a tab separates words, as a blank does.
            Outcome::Complete { .. } => editor.insert(" ", &mut Console),
            Outcome::Interrupt => return None,
            Outcome::EndOfInput => {
                println!("\n`shutdown` powers the machine off");
                return None;
            }
            Outcome::TooLong => {
                println!("the line is longer than {LINE_LIMIT} bytes and was dropped");
                conclude_command("(too long)", commands::STATUS_USAGE);
                return None;
            }
        }
    }
}
