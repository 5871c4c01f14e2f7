//! Running guests, with shell scripts in QEMU's place: what reaches hake, and that nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod program;

use hake::failure::{Exit, Failure};
use hake::guest::{Copies, Event, Guest, Machine, Signals};
use hake::platform::Qemu;
use hake::session;
use hake::symbolise::Symboliser;
use hake::ui::Ui;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use testproto::Nonce;

struct Fake {
    folder: TempDir,
    signals: Signals,
    copies: Copies,
}

impl Fake {
    /// A QEMU that first writes its process id down and then does what `script` says.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("qemu");
        let folder_name = folder.path().display();
        program::write(
            &file,
            &format!("#!/bin/sh\necho $$ > {folder_name}/pid\n{script}\n"),
        );
        let (log, json) = (folder.path().join("log"), folder.path().join("json"));
        let copies = Copies::open(Some(&log), Some(&json)).unwrap();
        Self {
            folder,
            signals: Signals::catch().unwrap(),
            copies,
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn start(&mut self, limit: Duration) -> Guest<'_> {
        let machine = Machine {
            qemu: Qemu {
                program: String::new(),
                machine: "virt".into(),
                machine_el2: None,
                cpu: "x".into(),
                mem: "1G".into(),
                cores: 1,
                args: Vec::new(),
            },
            program: Some(self.folder.path().join("qemu")),
            image: PathBuf::from("image"),
            append: String::new(),
            cores: 1,
            mem: "1G".into(),
            el2: false,
            icount: false,
            gdb_port: None,
            nonce: Nonce::new(1),
        };
        let symbols = Symboliser::new([], Path::new("/"));
        Guest::start(
            Ui::new(false),
            &machine,
            symbols,
            &self.signals,
            &mut self.copies,
            Some(limit),
        )
        .unwrap()
    }

    /// Whether the fake QEMU still runs.
    fn alive(&self) -> bool {
        let pid = self.read("pid");
        Path::new("/proc").join(pid.trim()).join("cmdline").exists() && !pid.is_empty()
    }
}

#[test]
fn text_and_records_come_in_order_and_typing_arrives() {
    let mut fake = Fake::new(
        r#"printf 'barreleye> '; read line; printf 'got %s\r\n@@BE1 0000000000000001 {"t":"cmd","line":"x","status":0}\r\nend' "$line""#,
    );
    let mut guest = fake.start(Duration::from_secs(20));
    let (mut text, mut records) = (String::new(), Vec::new());
    let status = loop {
        match guest.wait().unwrap() {
            Event::Text(bytes) => {
                text += &String::from_utf8(bytes).unwrap();
                if text == "barreleye> " {
                    guest.send(b"hello\n");
                }
            }
            Event::Record(json) => records.push(json),
            Event::Ended(status) => break status,
            other => panic!("{other:?}"),
        }
    };
    drop(guest);
    assert!(status.success());
    assert_eq!(text, "barreleye> got hello\r\nend");
    assert_eq!(records, [r#"{"t":"cmd","line":"x","status":0}"#]);
    assert_eq!(fake.read("json"), format!("{}\n", records[0]));
    assert!(fake.read("log").contains("@@BE1 "), "the log is raw");
}

#[test]
fn the_time_limit_ends_qemu() {
    let mut fake = Fake::new("sleep 1000");
    let mut guest = fake.start(Duration::from_millis(300));
    assert!(matches!(guest.wait().unwrap(), Event::TimeOut));
    drop(guest);
    assert!(!fake.alive());
}

#[test]
fn a_panic_in_hake_ends_qemu() {
    let mut fake = Fake::new("sleep 1000");
    let folder = fake.folder.path().to_owned();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guest = fake.start(Duration::from_secs(100));
        while fs::read_to_string(folder.join("pid"))
            .unwrap_or_default()
            .is_empty()
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("on purpose");
    }));
    assert!(result.is_err());
    assert!(!fake.alive());
}

#[test]
fn a_guest_that_reads_nothing_does_not_block_hake() {
    let mut fake = Fake::new("sleep 1000");
    let mut guest = fake.start(Duration::from_millis(500));
    guest.send(&vec![b'x'; 1 << 20]);
    assert!(matches!(guest.wait().unwrap(), Event::TimeOut));
}

#[test]
fn what_qemu_complains_about_is_kept() {
    let mut fake = Fake::new("echo 'no such machine' >&2; exit 1");
    let mut guest = fake.start(Duration::from_secs(20));
    let Event::Ended(status) = guest.wait().unwrap() else {
        panic!("it has ended")
    };
    assert_eq!(
        (status.code(), guest.complaints()),
        (Some(1), "no such machine")
    );
    drop(guest);
    assert!(!fake.alive());
}

/// Runs the script `lines` on a guest that does what `script` says.
fn run_lines(script: &str, lines: &[&str]) -> anyhow::Result<Exit> {
    let mut fake = Fake::new(script);
    let mut guest = fake.start(Duration::from_secs(20));
    let lines = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    session::run_lines(Ui::new(false), &mut guest, lines)
}

#[test]
fn a_script_that_is_cut_short_has_failed() {
    // A guest that ends with the first line, `shutdown` and Enter.
    let code = |lines: &[&str]| run_lines("printf 'barreleye> '; head -c 9 >/dev/null", lines);
    assert_eq!(code(&["shutdown"]).unwrap(), Exit::Ok);
    assert_eq!(code(&["shutdown", "hello"]).unwrap(), Exit::Failed);
    assert_eq!(code(&[]).unwrap(), Exit::Ok);
}

#[test]
fn a_machine_that_qemu_does_not_start_is_wrong_use() {
    let error = run_lines("echo 'no memory' >&2; exit 1", &["mem"]).unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.exit, Exit::Usage);
}
