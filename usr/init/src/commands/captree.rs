//! `caps tree`: the derivation forest of all capabilities of the core, indented.
//!
//! Copies are one line with their number; neighbours that differ in nothing but their place, and of which nothing was made, are one line, too.

use aos::cap::kernel::next_cap;
use aos::kpi::cap::Capability;
use aos::{Error, ErrorCode, println};
use capgraph::{Step, Walk};

/// A capability and its copies.
#[derive(Clone, Copy)]
struct Line {
    cap: Capability,
    depth: u32,
    copies: u32,
}

impl Line {
    /// Whether nobody would miss `other` when it is told that there is another one like this.
    fn is_like(&self, other: &Self) -> bool {
        let of = |line: &Self| {
            let cap = &line.cap;
            (
                line.depth,
                line.copies,
                cap.objtype(),
                cap.size(),
                cap.rights(),
            )
        };
        of(self) == of(other)
    }
}

/// What is printed next, when it is known what follows.
struct Printer {
    json: bool,
    /// Its copies may still come.
    current: Option<Line>,
    /// Neighbours that are alike: the first, how many more, where the last one is.
    run: Option<(Line, u32, u64)>,
}

/// The command; with an address what holds it, and what was made of what begins there.
pub fn tree(address: Option<u64>, json: bool) -> u8 {
    let mut printer = Printer {
        json,
        current: None,
        run: None,
    };
    let result = walk(address, &mut printer);
    printer.line(None);
    printer.end_run();
    match (result, address) {
        (Ok(false), Some(address)) => {
            println!("no capability holds {address:#x}");
            1
        }
        (Ok(_), _) => 0,
        (Err(error), _) if error.contains(ErrorCode::SysCapNotFound) => {
            println!("the capabilities have changed while they were read; try again");
            1
        }
        (Err(error), _) => {
            println!("the kernel does not show its capabilities: {error}");
            1
        }
    }
}

/// Answers whether there was anything.
fn walk(address: Option<u64>, printer: &mut Printer) -> Result<bool, Error> {
    let mut walk = Walk::new();
    let (mut cursor, mut wanted, mut open) = (None, false, None);
    let mut found = false;
    while let Some(seen) = next_cap(cursor)? {
        cursor = Some(seen.slot);
        match walk.next(&seen.cap) {
            Step::Copy if wanted => printer.copy(),
            Step::Copy => {}
            Step::Node { depth } => {
                let base = seen.cap.address();
                if open.is_some_and(|open| depth <= open) {
                    open = None;
                }
                if address == Some(base) && seen.cap.objtype().has_address() {
                    open = open.or(Some(depth));
                }
                wanted = address.is_none_or(|address| (base..seen.cap.end()).contains(&address))
                    || open.is_some();
                if wanted {
                    found = true;
                    printer.line(Some(Line {
                        cap: seen.cap,
                        depth,
                        copies: 1,
                    }));
                }
            }
        }
    }
    Ok(found)
}

impl Printer {
    fn copy(&mut self) {
        if let Some(current) = &mut self.current {
            current.copies += 1;
        }
    }

    /// The next one; all copies of the one before have come.
    fn line(&mut self, next: Option<Line>) {
        let is_leaf = |line: &Line| next.is_none_or(|next| next.depth <= line.depth);
        if let Some(line) = core::mem::replace(&mut self.current, next) {
            match &mut self.run {
                Some((first, more, last))
                    if !self.json && first.is_like(&line) && is_leaf(&line) =>
                {
                    *more += 1;
                    *last = line.cap.address();
                }
                _ => {
                    self.end_run();
                    if is_leaf(&line) {
                        self.run = Some((line, 0, line.cap.address()));
                    } else {
                        self.print(&line, 0, 0);
                    }
                }
            }
        }
    }

    fn end_run(&mut self) {
        if let Some((line, more, last)) = self.run.take() {
            self.print(&line, more, last);
        }
    }

    fn print(&self, line: &Line, more: u32, last: u64) {
        let (cap, depth, copies) = (&line.cap, line.depth, line.copies);
        let (name, base, bytes, rights) = (
            cap.objtype().name(),
            cap.address(),
            cap.size(),
            cap.rights(),
        );
        if self.json {
            println!(
                "{{\"depth\":{depth},\"type\":\"{name}\",\"base\":{base},\"bytes\":{bytes},\
                 \"rights\":\"{rights}\",\"copies\":{copies}}}"
            );
            return;
        }
        let indent = depth as usize * 2;
        aos::print!("{:indent$}{name} {base:#x} {bytes} {rights}", "");
        if copies > 1 {
            aos::print!(" x{copies}");
        }
        if more > 0 {
            aos::print!(" and {more} like it");
        }
        // Several objects at one address: endpoints, and what has none.
        if more > 0 && last != base {
            aos::print!(", the last at {last:#x}");
        }
        println!();
    }
}
