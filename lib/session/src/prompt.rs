//! A line from the keyboard.

use crate::pipeline::BOOT;
use crate::session::{PROMPT, Session};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::task::{Context, Poll};
use errors::Error;
use lineedit::Outcome;
use services::terminal::Typed;
use shell::ast::Mode;
use shell::complete::{self, Completion, Kind};
use shell::limits;
use shell::run::status;
use shell::table::{self, Takes};

/// Most bytes of one read.
const READ_BYTES: u32 = 1024;
/// Columns that candidates are laid out for.
const COLUMNS: usize = 80;

impl Session {
    /// A line; `None`: the user wants to leave.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn prompt(&mut self) -> Result<Option<String>, Error> {
        self.tell_causes();
        for notice in self.jobs.take_notices() {
            self.say(&notice.to_string());
        }
        self.uncook();
        self.shared.is_disturbed.set(false);
        let mut out = String::new();
        self.editor.begin(PROMPT, &mut out);
        if !core::mem::replace(&mut self.has_asked, true) {
            // How wide is the terminal? The answer comes with what is typed. Behind the prompt, as that begins a line for who waits for it.
            self.editor.ask_width(&mut out);
        }
        self.show(out);
        loop {
            if self.typed.is_empty() {
                let typed = self.type_on()?;
                if typed.end && typed.bytes.is_empty() {
                    self.say("");
                    return Ok(None);
                }
                self.typed = typed.bytes;
            }
            let mut bytes = core::mem::take(&mut self.typed).into_iter();
            let mut out = String::new();
            while let Some(byte) = bytes.next() {
                let outcome = self.editor.feed(byte, &mut out);
                if outcome == Outcome::Editing {
                    continue;
                }
                self.typed = bytes.collect();
                self.show(core::mem::take(&mut out));
                match outcome {
                    Outcome::Editing => {}
                    Outcome::Line(line) => return Ok(Some(line)),
                    Outcome::Interrupt => return Ok(Some(String::new())),
                    Outcome::EndOfInput => {
                        self.say("");
                        return Ok(None);
                    }
                    Outcome::TooLong => {
                        let most = limits::LINE_BYTES;
                        self.say(&alloc::format!(
                            "the line is longer than {most} bytes and was dropped"
                        ));
                        self.values.status = status::USAGE;
                        return Ok(Some(String::new()));
                    }
                    Outcome::Complete { again } => self.complete(again),
                }
                break;
            }
            self.show(out);
        }
    }

    /// Waits for keys. What runs in the background goes on, and what it prints is followed by the prompt again.
    fn type_on(&mut self) -> Result<Typed, Error> {
        let os = self.shared.os.clone();
        let mut reading = os.read(READ_BYTES);
        loop {
            let mut result = None;
            os.block_on(&mut |context: &mut Context<'_>| {
                let over = self.table.poll(context);
                self.note(over, &mut alloc::collections::BTreeMap::new());
                // First the keys: somebody may print for ever.
                match reading.as_mut().poll(context) {
                    Poll::Ready(typed) => {
                        result = Some(typed);
                        Poll::Ready(())
                    }
                    Poll::Pending if self.shared.is_disturbed.get() => Poll::Ready(()),
                    Poll::Pending => Poll::Pending,
                }
            });
            match result {
                Some(Ok(typed)) => return Ok(typed),
                Some(Err(error)) => {
                    // Who connects anew says so; who cannot fails again.
                    let news = os.news();
                    if news.is_empty() {
                        return Err(error);
                    }
                    for text in news {
                        self.say(&alloc::format!("shell: {text}"));
                    }
                    reading = os.read(READ_BYTES);
                    self.shared.is_disturbed.set(true);
                }
                None => {}
            }
            if self.shared.is_disturbed.take() {
                let mut out = String::new();
                self.editor.redraw(&mut out);
                self.show(out);
            }
        }
    }

    /// A line of input that is no terminal; `None` at the end.
    ///
    /// # Errors
    /// The input's.
    pub(crate) fn plain_line(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.typed.drain(..=end).collect();
                let line = String::from_utf8_lossy(line.get(..end).unwrap_or_default());
                return Ok(Some(line.into_owned()));
            }
            let typed = self.block_on(self.shared.os.read(READ_BYTES))?;
            if typed.bytes.is_empty() {
                let rest = core::mem::take(&mut self.typed);
                let rest = String::from_utf8_lossy(&rest).into_owned();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            // A line that is too long is refused by the parser; what is longer still is none.
            if self.typed.len() <= limits::LINE_BYTES {
                self.typed.extend(typed.bytes);
            }
        }
    }

    fn show(&mut self, text: String) {
        if !text.is_empty() {
            // The next read tells if the terminal is gone.
            let _ = self.block_on(self.shared.os.write(text.into_bytes()));
        }
    }

    /// Completes the word before the cursor, or shows what it could be.
    fn complete(&mut self, again: bool) {
        let (line, cursor) = (self.editor.text().to_string(), self.editor.cursor());
        let Some(context) = complete::context(&line, cursor, &self.values) else {
            return;
        };
        let mut names = self.candidates(&context.kind);
        names.retain(|name| name.starts_with(&context.prefix));
        names.sort();
        names.dedup();
        let mut out = String::new();
        match complete::complete(&context, names.iter().map(String::as_str)) {
            Completion::Insert(text) => self.editor.insert(&text, &mut out),
            Completion::Choice if again => {
                let text = complete::columns(&names, COLUMNS);
                self.editor.list(&text, &mut out);
            }
            Completion::Choice | Completion::Nothing => out.push('\x07'),
        }
        self.show(out);
    }

    fn candidates(&mut self, kind: &Kind) -> Vec<String> {
        match kind {
            Kind::Command => self.commands(),
            Kind::Variable => self.variables(),
            Kind::File(Mode::Read) => self.files(true),
            Kind::File(_) => self.files(false),
            Kind::Value { .. } => Vec::new(),
            Kind::Argument { words } => {
                let name = words.first().map_or("", String::as_str);
                let takes = table::find(name).map_or(Takes::Files, |command| command.takes);
                match takes {
                    Takes::Nothing => Vec::new(),
                    Takes::Commands => table::TABLE.iter().map(|c| c.name.to_string()).collect(),
                    Takes::Line => self.commands(),
                    Takes::Programs if words.len() == 1 => self.modules(),
                    Takes::Programs | Takes::Files => self.files(true),
                    Takes::Variables => self.variables(),
                    Takes::Jobs => {
                        let numbers = self.jobs.iter().map(|job| job.number);
                        numbers.map(|number| alloc::format!("%{number}")).collect()
                    }
                    Takes::Names => self.block_on(self.shared.os.names()).unwrap_or_default(),
                    Takes::Services => self.block_on(self.shared.os.services()).unwrap_or_default(),
                }
            }
        }
    }

    fn commands(&mut self) -> Vec<String> {
        let own = table::TABLE.iter().map(|command| command.name.to_string());
        own.chain(self.modules()).collect()
    }

    fn modules(&mut self) -> Vec<String> {
        let modules = self.block_on(self.shared.os.modules()).unwrap_or_default();
        modules.into_iter().map(|(name, _)| name).collect()
    }

    fn variables(&self) -> Vec<String> {
        let all = self.values.variables.iter();
        all.map(|(name, _, _)| name.to_string()).collect()
    }

    fn files(&mut self, with_boot: bool) -> Vec<String> {
        let mut all: Vec<String> = {
            let streams = self.shared.streams.borrow();
            streams.files().map(|(name, _)| name.to_string()).collect()
        };
        if with_boot {
            all.extend(self.modules().iter().map(|name| [BOOT, name].concat()));
        }
        all
    }
}
