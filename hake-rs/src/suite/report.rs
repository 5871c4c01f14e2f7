//! Results: on the console, as JSON Lines, as JUnit XML.

use super::glob;
use crate::failure::{Exit, Failure};
use crate::guest::Copies;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// One test's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its whole name: `style::format`, `host::menu::tests::...`, `qemu::BOOT`, `qemu::BOOT::SUITE::NAME`.
    pub name: String,
    /// How long it took, if it was measured alone.
    pub took: Option<Duration>,
    /// Why it failed; none if it passed.
    pub failure: Option<String>,
    /// Whether the guest reported it by a record, so that it stands in the JSON file already.
    pub by_guest: bool,
}

impl Case {
    /// A test that hake itself did.
    #[must_use]
    pub fn new(name: impl Into<String>, took: Option<Duration>, failure: Option<String>) -> Self {
        Self {
            name: name.into(),
            took,
            failure,
            by_guest: false,
        }
    }
}

/// All results so far.
#[derive(Debug)]
pub struct Report {
    cases: Vec<Case>,
    filter: Option<String>,
    verbose: bool,
}

impl Report {
    /// For the tests that `filter` matches.
    #[must_use]
    pub fn new(filter: Option<String>, verbose: bool) -> Self {
        Self {
            cases: Vec::new(),
            filter,
            verbose,
        }
    }

    /// Whether tests whose names start like this are wanted.
    #[must_use]
    pub fn wants(&self, prefix: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| glob::may_match(filter, prefix))
    }

    /// Takes results and shows them: failures at once and whole, of the others one line for all, or with `-v` each.
    ///
    /// # Errors
    ///
    /// The JSON file cannot be written.
    pub fn add(
        &mut self,
        copies: &mut Copies,
        what: &str,
        cases: Vec<Case>,
        took: Duration,
    ) -> Result<()> {
        let wanted = |case: &Case| {
            self.filter
                .as_ref()
                .is_none_or(|filter| glob::matches_or_contains(filter, &case.name))
        };
        let cases: Vec<Case> = cases.into_iter().filter(wanted).collect();
        if cases.is_empty() {
            return Ok(());
        }
        let failed = cases.iter().filter(|case| case.failure.is_some()).count();
        for case in &cases {
            match &case.failure {
                Some(why) => println!("FAILED {}\n{}", case.name, indented(why)),
                None if self.verbose => println!("passed {}", case.name),
                None => {}
            }
        }
        let passed = cases.len() - failed;
        println!(
            "{what}: {passed} passed, {failed} failed ({:.1} s)",
            took.as_secs_f64()
        );
        if let Some(file) = &mut copies.json {
            for case in cases.iter().filter(|case| !case.by_guest) {
                writeln!(file, "{}", record(case))
                    .context("the file of --json cannot be written")?;
            }
        }
        self.cases.extend(cases);
        Ok(())
    }

    /// The last line, the files, the exit code.
    ///
    /// # Errors
    ///
    /// 65 if a file cannot be written, 64 if the filter matched nothing.
    pub fn finish(self, copies: &mut Copies, junit: Option<&Path>) -> Result<Exit> {
        let failed = self
            .cases
            .iter()
            .filter(|case| case.failure.is_some())
            .count();
        let passed = self.cases.len() - failed;
        if let Some(file) = &mut copies.json {
            writeln!(
                file,
                r#"{{"t":"end","passed":{passed},"failed":{failed},"skipped":0}}"#
            )
            .context("the file of --json cannot be written")?;
        }
        if let Some(file) = junit {
            write_junit(file, &self.junit(failed))?;
        }
        if let (true, Some(filter)) = (self.cases.is_empty(), &self.filter) {
            return Err(Failure::usage(format!(
                "--filter {filter}: no test has such a name"
            )));
        }
        for case in self.cases.iter().filter(|case| case.failure.is_some()) {
            println!("FAILED {}", case.name);
        }
        println!("{passed} passed, {failed} failed");
        Ok(if failed == 0 { Exit::Ok } else { Exit::Failed })
    }

    fn junit(&self, failed: usize) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let total = self.cases.len();
        // Writing into a String cannot fail.
        let _ = writeln!(
            xml,
            "<testsuite name=\"barreleye\" tests=\"{total}\" failures=\"{failed}\">"
        );
        for case in &self.cases {
            let (class, name) = case.name.rsplit_once("::").unwrap_or(("", &case.name));
            let time = case.took.unwrap_or_default().as_secs_f64();
            let _ = write!(
                xml,
                "  <testcase classname=\"{}\" name=\"{}\" time=\"{time:.3}\"",
                escaped(class),
                escaped(name)
            );
            let _ = match &case.failure {
                None => writeln!(xml, "/>"),
                Some(why) => {
                    let first = why.lines().next().unwrap_or("");
                    writeln!(
                        xml,
                        ">\n    <failure message=\"{}\">{}</failure>\n  </testcase>",
                        escaped(first),
                        escaped(why)
                    )
                }
            };
        }
        xml + "</testsuite>\n"
    }
}

fn record(case: &Case) -> serde_json::Value {
    let (suite, name) = case.name.rsplit_once("::").unwrap_or(("", &case.name));
    let mut record = serde_json::json!({
        "t": "test", "suite": suite, "name": name, "ev": if case.failure.is_some() { "fail" } else { "pass" }
    });
    if let (Some(why), Some(fields)) = (&case.failure, record.as_object_mut()) {
        fields.insert("seen".into(), why.lines().next().unwrap_or("").into());
    }
    record
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("    {line}\n"))
        .collect::<String>()
        .trim_end()
        .into()
}

/// For XML: its special characters, and those that it cannot hold.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        '\n' | '\t' => c.into(),
        '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER.into(),
        other => String::from(other),
    };
    text.chars().map(escape).collect()
}

/// Writes the file of `--junit`.
///
/// # Errors
///
/// 65 if it cannot be written.
pub fn write_junit(file: &Path, xml: &str) -> Result<()> {
    std::fs::write(file, xml).map_err(|error| {
        Failure::bad_input(format!("{} cannot be written: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_is_xml() {
        let mut report = Report::new(None, false);
        report.cases.push(Case::new(
            "host::menu::a",
            Some(Duration::from_millis(1500)),
            None,
        ));
        report.cases.push(Case::new(
            "qemu::b",
            None,
            Some("saw <x> & \"y\"\n\x1b[1m".into()),
        ));
        assert_eq!(
            report.junit(1),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"barreleye\" tests=\"2\" failures=\"1\">\n  \
             <testcase classname=\"host::menu\" name=\"a\" time=\"1.500\"/>\n  \
             <testcase classname=\"qemu\" name=\"b\" time=\"0.000\">\n    \
             <failure message=\"saw &lt;x&gt; &amp; &quot;y&quot;\">saw &lt;x&gt; &amp; &quot;y&quot;\n\u{fffd}[1m</failure>\n  \
             </testcase>\n</testsuite>\n"
        );
    }

    #[test]
    fn filters_choose_by_the_whole_name() {
        let mut report = Report::new(Some("host::*b".into()), false);
        let cases = ["host::ab", "host::a", "qemu::b"]
            .map(|name| Case::new(name, None, None))
            .to_vec();
        report
            .add(&mut Copies::default(), "some", cases, Duration::ZERO)
            .unwrap();
        assert_eq!(report.cases.len(), 1);
        assert!(report.wants("host::") && !report.wants("qemu::"));
    }
}
