//! Commands that run in the shell beside what else runs.

use crate::io::{Io, Source};
use crate::os::Task;
use crate::pipeline::BOOT;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use errors::{Error, ErrorCode};
use shell::run::status;
use shell::table::{self, Command};

/// The command, as a task.
pub(crate) fn task(command: &'static Command, words: Vec<String>, io: Io) -> Task<u8> {
    let words: Vec<String> = words.into_iter().skip(1).collect();
    Box::pin(async move {
        match command.name {
            "cat" => cat(words, io).await,
            "echo" => echo(words, io).await,
            "help" => help(words, io).await,
            "ls" => ls(command, words, io).await,
            "man" => manual(words, io).await,
            "rm" => rm(words, io).await,
            "wc" => wc(words, io).await,
            name => {
                let (text, status) = io.shared.os.tell(name, words).await;
                // What went wrong is for the user, not for who reads the output.
                if status != status::SUCCESS {
                    io.complain(text.trim_end()).await;
                    return status;
                }
                io.print(name, text).await
            }
        }
    })
}

/// Copies input to output.
pub(crate) async fn copy(io: Io) -> u8 {
    copy_from(&io, "shell").await
}

async fn copy_from(io: &Io, name: &str) -> u8 {
    loop {
        let bytes = match io.read().await {
            Ok(bytes) if bytes.is_empty() => return status::SUCCESS,
            Ok(bytes) => bytes,
            Err(error) => return io.failed(name, error).await,
        };
        match io.write(&bytes).await {
            Ok(()) => {}
            Err(error) if error.contains(ErrorCode::StreamBrokenPipe) => return 1,
            Err(error) => return io.failed(name, error).await,
        }
    }
}

/// An end that reads a file; who has it closes it.
async fn open(io: &Io, name: &str) -> Result<u32, Error> {
    match name.strip_prefix(BOOT) {
        Some(module) => {
            let content = io.shared.os.module(module).await?;
            io.shared.streams.borrow_mut().reader_of(content)
        }
        None => io.shared.streams.borrow_mut().reader(name),
    }
}

/// Closes the end however the command ends.
struct Opened<'a>(&'a Io, u32);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.shared.streams.borrow_mut().close(self.1);
    }
}

async fn cat(words: Vec<String>, io: Io) -> u8 {
    if words.is_empty() {
        return copy_from(&io, "cat").await;
    }
    let mut worst = status::SUCCESS;
    for name in words {
        let end = match open(&io, &name).await {
            Ok(end) => end,
            Err(error) => {
                worst = io.failed(&alloc::format!("cat: {name}"), error).await;
                continue;
            }
        };
        let opened = Opened(&io, end);
        let from = Io {
            input: Source::End(opened.1),
            ..io.clone()
        };
        match copy_from(&from, &name).await {
            status::SUCCESS => {}
            failed => return failed,
        }
    }
    worst
}

async fn echo(words: Vec<String>, io: Io) -> u8 {
    let is_open = words.first().is_some_and(|word| word == "-n");
    let words = words.get(usize::from(is_open)..).unwrap_or_default();
    let mut text = words.join(" ");
    if !is_open {
        text.push('\n');
    }
    io.print("echo", text).await
}

async fn help(words: Vec<String>, io: Io) -> u8 {
    match words.first() {
        None => io.print("help", table::help()).await,
        Some(name) => match table::find(name) {
            Some(command) => {
                let text = alloc::format!("{}\n  {}\n", command.usage(), command.brief);
                io.print("help", text).await
            }
            None => unknown("help", name, &io).await,
        },
    }
}

async fn manual(words: Vec<String>, io: Io) -> u8 {
    let name = words.first().map_or("", String::as_str);
    match table::find(name) {
        Some(command) => io.print("man", table::manual(command)).await,
        None => unknown("man", name, &io).await,
    }
}

async fn unknown(command: &str, name: &str, io: &Io) -> u8 {
    let text = table::not_found(name, []);
    io.complain(&alloc::format!("{command}: {text}")).await;
    1
}

async fn ls(command: &'static Command, words: Vec<String>, io: Io) -> u8 {
    let is_long = words.iter().any(|word| word == "-l");
    let mut rest = words.iter().filter(|word| *word != "-l");
    let files: Vec<(String, u64)> = match (rest.next().map(String::as_str), rest.next()) {
        (None, _) => {
            let streams = io.shared.streams.borrow();
            let files = streams.files();
            files
                .map(|(name, bytes)| (name.to_string(), bytes as u64))
                .collect()
        }
        (Some("/boot" | BOOT), None) => match io.shared.os.modules().await {
            Ok(modules) => modules,
            Err(error) => return io.failed("ls", error).await,
        },
        _ => {
            io.complain(&command.usage()).await;
            return status::USAGE;
        }
    };
    let mut out = String::new();
    for (name, bytes) in files {
        let _ = match is_long {
            true => writeln!(out, "{bytes:>9} {name}"),
            false => writeln!(out, "{name}"),
        };
    }
    io.print("ls", out).await
}

async fn rm(words: Vec<String>, io: Io) -> u8 {
    let mut worst = status::SUCCESS;
    for name in words {
        let removed = io.shared.streams.borrow_mut().remove(&name);
        if let Err(error) = removed {
            worst = io.failed(&alloc::format!("rm: {name}"), error).await;
        }
    }
    worst
}

#[derive(Clone, Copy, Default)]
struct Count {
    lines: u64,
    words: u64,
    bytes: u64,
    in_word: bool,
}

impl Count {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.bytes += 1;
            self.lines += u64::from(*byte == b'\n');
            let is_blank = byte.is_ascii_whitespace();
            self.words += u64::from(!is_blank && !self.in_word);
            self.in_word = !is_blank;
        }
    }

    fn line(self, name: &str) -> String {
        let Self {
            lines,
            words,
            bytes,
            ..
        } = self;
        let blank = if name.is_empty() { "" } else { " " };
        alloc::format!("{lines:>7} {words:>7} {bytes:>7}{blank}{name}\n")
    }
}

async fn wc(words: Vec<String>, io: Io) -> u8 {
    let mut out = String::new();
    let mut worst = status::SUCCESS;
    if words.is_empty() {
        let mut count = Count::default();
        loop {
            match io.read().await {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => count.add(&bytes),
                Err(error) => return io.failed("wc", error).await,
            }
        }
        out = count.line("");
    }
    for name in words {
        let end = match open(&io, &name).await {
            Ok(end) => end,
            Err(error) => {
                worst = io.failed(&alloc::format!("wc: {name}"), error).await;
                continue;
            }
        };
        let opened = Opened(&io, end);
        let mut count = Count::default();
        loop {
            match io.shared.take(opened.1).await {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => count.add(&bytes),
                Err(error) => return io.failed("wc", error).await,
            }
        }
        out.push_str(&count.line(&name));
    }
    match io.print("wc", out).await {
        status::SUCCESS => worst,
        failed => failed,
    }
}
