//! Writes lines of Rust with the right indentation and line breaks.

/// Widest line, as rustfmt's default.
const WIDTH: usize = 100;
/// Widest argument list on one line, as rustfmt's default.
const ARGUMENTS_WIDTH: usize = 60;
/// Widest fields of a structure on one line, as rustfmt's default.
const LITERAL_WIDTH: usize = 18;

/// The code so far.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// One line at the current depth.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.text.push_str(&"    ".repeat(self.depth));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.line("");
    }

    /// A line that opens a block.
    pub(super) fn open(&mut self, line: &str) {
        self.line(line);
        self.depth = self.depth.saturating_add(1);
    }

    /// A line that closes a block.
    pub(super) fn close(&mut self, line: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(line);
    }

    fn fits(&self, line: &str) -> bool {
        let indent = self.depth.saturating_mul(4);
        indent.saturating_add(line.chars().count()) <= WIDTH
    }

    /// `first`, then `operands` joined with `operator`, then `last`, on one line or one operand a line.
    pub(super) fn chain(&mut self, first: &str, operator: &str, operands: &[String], last: &str) {
        let joined = operands.join(&format!(" {operator} "));
        let line = format!("{first}{joined}{last}");
        if self.fits(&line) {
            self.line(&line);
            return;
        }
        for (at, operand) in operands.iter().enumerate() {
            let last = if at.saturating_add(1) == operands.len() {
                last
            } else {
                ""
            };
            if at == 0 {
                self.line(&format!("{first}{operand}{last}"));
                self.depth = self.depth.saturating_add(1);
            } else {
                self.line(&format!("{operator} {operand}{last}"));
            }
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// A match arm: `A | B => value,`, on one line or one pattern a line. A value of several lines becomes a block.
    pub(super) fn arm(&mut self, patterns: &[String], value: &str) {
        let joined = patterns.join(" | ");
        let mut head = joined.as_str();
        let one_line = patterns.len() == 1 || self.fits(&format!("{joined} => {{"));
        if let (false, Some((last, others))) = (one_line, patterns.split_last()) {
            for (at, pattern) in others.iter().enumerate() {
                let bar = if at == 0 { "" } else { "| " };
                self.line(&format!("{bar}{pattern}"));
            }
            head = last;
        }
        let bar = if one_line { "" } else { "| " };
        let line = format!("{bar}{head} => {value},");
        if self.fits(&line) && !value.contains('\n') {
            self.line(&line);
        } else {
            self.open(&format!("{bar}{head} => {{"));
            for line in value.lines() {
                self.line(line);
            }
            self.close("}");
        }
    }

    /// A match over `subject`. Arms with one value are joined; those with the value `default` are left to `_`.
    pub(super) fn choice(
        &mut self,
        subject: &str,
        arms: Vec<(String, String)>,
        default: Option<&str>,
    ) {
        let mut grouped: Vec<(Vec<String>, String)> = Vec::new();
        let mut needs_default = false;
        for (pattern, value) in arms {
            if default == Some(value.as_str()) {
                needs_default = true;
            } else if let Some((patterns, _)) = grouped.iter_mut().find(|(_, v)| *v == value) {
                patterns.push(pattern);
            } else {
                grouped.push((vec![pattern], value));
            }
        }
        let default = default.unwrap_or("()");
        if grouped.is_empty() {
            self.line(default);
            return;
        }
        self.open(&format!("match {subject} {{"));
        for (patterns, value) in &grouped {
            self.arm(patterns, value);
        }
        if needs_default {
            self.line(&format!("_ => {default},"));
        }
        self.close("}");
    }

    /// Is `subject` one of the patterns?
    pub(super) fn one_of(&mut self, subject: &str, patterns: &[String]) {
        if patterns.is_empty() {
            self.line("false");
        } else {
            self.matches("", subject, patterns, "");
        }
    }

    /// `matches!` between `before` and `after`, on one line or one argument a line.
    fn matches(&mut self, before: &str, subject: &str, patterns: &[String], after: &str) {
        let arguments = format!("{subject}, {}", patterns.join(" | "));
        let line = format!("{before}matches!({arguments}){after}");
        if self.fits(&line) && arguments.chars().count() <= ARGUMENTS_WIDTH {
            self.line(&line);
        } else {
            self.open(&format!("{before}matches!("));
            self.line(&format!("{subject},"));
            self.chain("", "|", patterns, "");
            self.close(&format!("){after}"));
        }
    }

    /// Goes one level deeper without writing a line.
    pub(super) fn depth_in(&mut self) {
        self.depth = self.depth.saturating_add(1);
    }

    /// The head of a function, on one line or one parameter a line.
    pub(super) fn function(&mut self, name: &str, parameters: &[&str], result: &str) {
        let line = format!("{name}({}) -> {result} {{", parameters.join(", "));
        if self.fits(&line) {
            self.open(&line);
            return;
        }
        self.open(&format!("{name}("));
        for parameter in parameters {
            self.line(&format!("{parameter},"));
        }
        self.close(&format!(") -> {result} {{"));
        self.depth_in();
    }

    /// A structure, on one line if its fields are short.
    pub(super) fn literal(&mut self, name: &str, fields: &[String]) {
        let joined = fields.join(", ");
        if joined.chars().count() <= LITERAL_WIDTH {
            self.line(&format!("{name} {{ {joined} }}"));
            return;
        }
        self.open(&format!("{name} {{"));
        for field in fields {
            self.line(&format!("{field},"));
        }
        self.close("}");
    }

    /// Returns `None` unless `subject` is one of the patterns.
    pub(super) fn guard(&mut self, subject: &str, patterns: &[String]) {
        self.matches("if !", subject, patterns, " {");
        self.depth_in();
        self.line("return None;");
        self.close("}");
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}
