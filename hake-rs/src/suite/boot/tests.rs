//! Scripts and boots, with a guest that is a function.

use super::*;
use crate::guest::Wishes;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

fn plan(steps: Option<Vec<Step>>) -> Plan {
    Plan {
        name: "t".into(),
        menu: Some(PathBuf::new()),
        steps,
        limit: Duration::from_secs(1),
        wishes: Wishes::default(),
        exit: 0,
        expect: Vec::new(),
        long: false,
        scheduler: crate::os_build::Scheduler::default(),
    }
}

/// A guest that answers each line by what `answer` gives.
fn run(plan: &Plan, answer: impl Fn(&str) -> (&'static str, Option<i128>)) -> Vec<Case> {
    let mut watch = Watch::new(plan);
    let mut console: VecDeque<u8> = b"boot\r\nbarreleye> ".iter().copied().collect();
    let status = ExitStatus::from_raw(0);
    while let Some(byte) = console.pop_front() {
        let Some(typed) = watch.byte(byte) else {
            continue;
        };
        let line = String::from_utf8_lossy(&typed)
            .trim_end()
            .trim_start_matches('\x03')
            .to_owned();
        if line == "shutdown" {
            break;
        }
        let (output, status) = answer(&line);
        if let Some(status) = status {
            watch.record(&format!(r#"{{"t":"cmd","line":"x","status":{status}}}"#));
        }
        console.extend(format!("{line}\r\n{output}\r\nbarreleye> ").bytes());
    }
    let exit = watch.exit(status);
    watch.finish(exit, Duration::ZERO)
}

fn failures(script: &str, answer: impl Fn(&str) -> (&'static str, Option<i128>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.script");
    std::fs::write(&file, script).unwrap();
    let plan = crate::suite::plan::read(&file, &file).unwrap();
    run(&plan, answer)[0].failure.clone().unwrap_or_default()
}

#[test]
fn a_script_is_typed_and_its_output_compared() {
    let guest = |line: &str| match line {
        "hello" => ("Hello\r\nworld", Some(0)),
        "hake-sync" => ("not found", Some(127)),
        _ => ("what?", Some(127)),
    };
    assert_eq!(
        failures(
            "boot\n> hello\nHello\n/^wor/\n% repeat 5\n> hello\nHello\n> x\nstatus 127\n",
            guest
        ),
        ""
    );
    assert_eq!(failures("% random 20\n> hello\nworld\n", guest), "");
    let wrong_order = failures("> hello\nworld\nHello\n", guest);
    assert!(
        wrong_order
            .starts_with("line 1: `Hello` is not in the output; the output was:\nhello\nHello"),
        "{wrong_order}"
    );
    assert!(failures("> hello\n! world\n", guest).starts_with("line 1: `world` is in the output"));
    assert!(failures("> x\n", guest).starts_with("line 1: status 127, expected 0"));
    assert!(failures("> hello\nstatus 3\n", guest).starts_with("line 1: status 0, expected 3"));
    assert!(
        failures("> hello\nhello\n", guest).starts_with("line 1: `hello` is not"),
        "the echo does not count"
    );
    assert!(failures("> shutdown\n> hello\n", guest).contains("ended before line 2"));
}

#[test]
fn a_boot_without_its_end_fails() {
    let plan = plan(None);
    let exit = |records: &[&str]| {
        let mut watch = Watch::new(&plan);
        records.iter().for_each(|json| watch.record(json));
        let exit = watch.exit(ExitStatus::from_raw(0));
        watch.finish(exit, Duration::ZERO)
    };
    let pass = r#"{"t":"test","suite":"s","name":"a","ev":"pass"}"#;
    let fail = r#"{"t":"test","suite":"s","name":"b","ev":"fail","expected":"1","seen":"2","file":"f","line":3}"#;
    let start = r#"{"t":"test","suite":"s","name":"c","ev":"start"}"#;
    let end = r#"{"t":"end","passed":1,"failed":1,"skipped":0}"#;
    let good = exit(&[pass, fail, end]);
    assert_eq!(
        (good[0].failure.as_ref(), good[1].failure.as_ref()),
        (None, None)
    );
    assert_eq!(
        good[2].failure.as_deref(),
        Some("expected 1, seen 2 at f:3")
    );
    assert!(
        exit(&[pass])[0]
            .failure
            .as_ref()
            .unwrap()
            .contains("without an `end` record")
    );
    assert!(
        exit(&[pass, end])[0]
            .failure
            .as_ref()
            .unwrap()
            .contains("counted 2 tests, but reported 1")
    );
    let cut_off = exit(&[pass, fail, start, end]);
    assert!(
        cut_off[3]
            .failure
            .as_ref()
            .unwrap()
            .starts_with("it did not end")
    );
}
