//! Lines of the boot menu.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use supervise::lines::{Grant, Line, LineError, Ready, definitions};
use supervise::{Need, NeedKind, Restart, Service, Supervisor, Ticks};

fn parse(module: &str, text: &str) -> Result<Option<Line>, LineError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    Line::parse(module, &words)
}

fn line(module: &str, text: &str) -> Line {
    parse(module, text).unwrap().unwrap()
}

#[test]
fn only_supervised_modules_count() {
    for text in ["", "boot", "service supervised", "Supervised"] {
        assert_eq!(parse("x", text), Ok(None), "{text}");
    }
    let plain = line("x", "supervised");
    assert_eq!((plain.name.as_str(), plain.module.as_str()), ("x", "x"));
    assert_eq!(plain.ready, Ready::Started);
    assert_eq!(plain.restart, Restart::OnFailure);
    assert!(!plain.is_operator && plain.args.is_empty());
}

#[test]
fn words_about_the_service_come_first() {
    let all = line(
        "serial",
        "supervised name=console ready=service/terminal within=3 after=gicd with=disk \
         device=0x09000000+0x1000 restart=always restarts=9 irq operator ram=4 env=A=b=c echo x=y ready=z",
    );
    assert_eq!(
        (all.name.as_str(), all.module.as_str()),
        ("console", "serial")
    );
    assert_eq!(all.ready, Ready::Named("service/terminal".into()));
    assert_eq!(
        (all.within, all.restarts, all.restart),
        (3, 9, Restart::Always)
    );
    assert_eq!(
        all.needs,
        [
            (NeedKind::After, "gicd".into()),
            (NeedKind::With, "disk".into())
        ]
    );
    let device = Grant::Device {
        base: 0x900_0000,
        bytes: 0x1000,
    };
    assert_eq!(all.grants, [device, Grant::Irq, Grant::Ram(4 << 20)]);
    assert!(all.is_operator);
    assert_eq!(all.env, ["A=b=c"]);
    assert_eq!(all.args, ["echo", "x=y", "ready=z"]);
    assert_eq!(line("x", "supervised -- redy=1 --").args, ["redy=1", "--"]);
    assert_eq!(line("x", "supervised X=1").args, ["X=1"]);
    assert_eq!(line("x", "supervised =1").args, ["=1"]);
    assert_eq!(line("x", "supervised nameserver").ready, Ready::NameServer);
}

#[test]
fn what_is_mistyped_is_refused() {
    assert_eq!(
        parse("x", "supervised redy=a"),
        Err(LineError::UnknownKey("redy=a".into()))
    );
    for word in [
        "name=",
        "ready=",
        "after=",
        "with=",
        "env=A",
        "within=0",
        "within=x",
        "restarts=256",
        "restart=sometimes",
        "ram=0",
        "ram=5000000000",
        "device=1",
        "device=1+4096",
        "device=4096+0",
        "device=0xfffffffffffff000+0x1000",
        "device=0x1000+x",
    ] {
        let error = parse("x", &format!("supervised {word}")).unwrap_err();
        assert!(matches!(error, LineError::BadValue { .. }), "{word}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn lines_become_definitions() {
    let lines = [
        line("echo", "supervised ready=test/echo"),
        line("nameserver", "supervised nameserver restart=always"),
        line("idle", "supervised after=echo"),
    ];
    let all = definitions(&lines, 1_000_000).unwrap();
    assert_eq!(
        all[0].needs,
        [Need {
            on: Service(1),
            kind: NeedKind::After
        }]
    );
    assert_eq!(all[0].policy.ready_within, Some(Ticks(10_000_000)));
    assert_eq!(all[1].needs, []);
    assert_eq!(all[2].policy.ready_within, None);
    assert_eq!(all[0].policy.base, Ticks(20_000));
    assert!(Supervisor::new(all).is_ok());
    let twice = [line("x", "supervised"), line("y", "supervised name=x")];
    assert_eq!(definitions(&twice, 1), Err(LineError::Twice("x".into())));
    let missing = [line("x", "supervised with=y")];
    let error = definitions(&missing, 1).unwrap_err();
    assert_eq!(error.to_string(), "\"x\" needs \"y\", which no line starts");
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(words in proptest::collection::vec("[a-z]{0,8}=?[0-9a-zx+=]{0,12}", 0..12)) {
        let mut all = vec!["supervised".to_string()];
        all.extend(words);
        if let Ok(Some(line)) = Line::parse("x", &all) {
            let _ = definitions(&[line], u64::MAX);
        }
    }
}
