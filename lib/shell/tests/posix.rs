//! The same lines in this shell and in the host's `sh -f`: what is printed must be the same. (`-f` makes `*`, `?` and `[` ordinary
//! there; here they always are.)

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod common;

use common::{Ingredients, Machine};
use proptest::prelude::*;
use shell::ast::{Parameter, Piece, Word};
use shell::expand::Values;
use shell::parse;
use shell::run::run;
use std::process::Command;

/// The programs of [`Machine`], for `sh`.
const PROGRAMS: &str = r#"args() { for a in "$@"; do printf '<%s>' "$a"; done; printf '\n'; }
status() { return "$1"; }
"#;

fn in_sh(line: &str) -> String {
    let folder = tempdir();
    let output = Command::new("/bin/sh")
        .args(["-f", "-c", &format!("{PROGRAMS}{line}")])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A new empty folder.
fn tempdir() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("shell-test-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    folder
}

fn in_ours(line: &str) -> String {
    let list = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let (mut machine, mut values) = (Machine::default(), Values::default());
    run(&list, &mut values, &mut machine);
    machine.output
}

const LINES: &[&str] = &[
    // Sequences.
    "echo a; echo b",
    "true && echo a || echo b",
    "false && echo a || echo b",
    "false || true && echo c",
    "true || echo a && echo b",
    "false && false || echo x && echo y",
    "false; echo $?",
    "status 7 || echo $?; echo $?",
    "true && false && echo no; echo $?",
    "echo a;",
    "echo a\necho b\n\n\necho c",
    "true &&\n echo a |\n cat",
    // Comments.
    "echo a # b",
    "echo a#b",
    "# echo a",
    "echo '#' \"#\" \\# a'#'",
    // Quotes.
    "args 'a b' \"c d\" e\\ f",
    "args '' \"\" ''a \"\"''",
    "args 'it'\\''s' \"it's\" 'say \"x\"'",
    "args \"a\\\"b\" \"a\\\\b\" \"a\\nb\" \"a\\$b\" \"\\`\"",
    "args 'a\\b' a\\\\b a\\'b \\\"",
    "args a'b'c\"d\"e",
    "args 'a\nb' \"c\nd\"",
    "args \"\\\n\" \\\n'' x\"\\\n\"",
    "args a\\\nb \"c\\\nd\" 'e\\\nf'",
    "args '$A' \"$\" $ '${A}' \\$A a$ \"a $ b\"",
    "args ';' '&&' \"|\" \\> \\< '&' \\;",
    "args 'if' if then",
    "args a=b =c '=d' A=1",
    "args ä '€ €' \"𝄞\"",
    "args {a} {a} %1 @ ^ , + - / .",
    // Parameters.
    "A=1; args $A ${A} \"$A\" '$A' $A$A ${A}b $Ab",
    "A='a b'; args $A \"$A\" x$A x${A}y \"x$A\"y",
    "A='  a  b  '; args $A \"$A\" x$A $A$A ${A}x x${A}x",
    "A=' '; args $A \"$A\" x${A}x $A$A",
    "A=; args $A \"$A\" ''$A $A\"\" a$A$A",
    "args $NONE \"$NONE\" ${NONE}x",
    "args \"\"$NONE $NONE'' $NONE$NONE",
    "A='a b'; B=$A; args \"$B\"; B=$A$A; args \"$B\"",
    "A=1; A=2; args $A; A=; args $A",
    "A='\ta\nb '; args $A",
    "A='a b' B=c; args $A $B",
    "A='a\\b $B'; args $A",
    "A=\"x 'y' z\"; args $A",
    "A='echo'; $A hello",
    "A='args a b'; $A c",
    "A=; $A args a; $A $A args b",
    "args $?x ${?} \"$?\"",
    "A=a_b; args $A ${A}_c $A-c $A.c",
    "_a1=x; args $_a1 $_a1-",
    "A=~x; A=a#b; args $A",
    "A=';'; args $A; A='&&'; args a $A b; A='|'; args $A; A='>'; args $A; A='#'; args $A",
    "A='B=1'; args $A",
    "'A=1' || args fine",
    // Pipes and files.
    "echo a | cat",
    "args 'a b' c | cat | cat",
    "false | true; echo $?",
    "true | false; echo $?",
    "echo a > f; cat < f",
    "echo a > f; echo b >> f; cat < f",
    "echo a > f; echo b > f; cat < f",
    "echo a >f; cat<f",
    ">f echo a; <f cat",
    "echo a > 'b c'; F='b c'; cat < $F",
    "> f; cat < f; echo $?",
    "echo a > f > g; cat < f; cat < g",
    "echo x > f; echo y | cat < f",
    "echo 2 >f; cat <f",
    "args a >f b; cat <f",
    "cat < missing || echo no",
    "echo a > f && cat < f | cat && echo $?",
];

#[test]
fn the_table_prints_the_same() {
    for line in LINES {
        assert_eq!(in_ours(line), in_sh(line), "{line}");
    }
}

fn ingredients() -> Ingredients {
    let literal = prop_oneof![
        4 => "[a-z0-9=#,.-]{1,4}",
        1 => Just(String::new()),
        2 => "[a '\"\\\\$&|;<>(){}!*?~\n]{1,4}",
    ]
    .boxed();
    let variable = prop::sample::select(vec!["A", "B", "C", "D"]);
    let variable = variable.prop_map(|name| Parameter::Variable(name.into()));
    let parameter = prop_oneof![4 => variable, 1 => Just(Parameter::Status)].boxed();
    let names = prop::sample::select(vec!["args", "true", "false", "args"]);
    let command = names.prop_map(|name| Word {
        pieces: vec![Piece::Literal(name.into())],
    });
    Ingredients {
        literal,
        parameter,
        command: command.boxed(),
        mixed: false,
        redirections: Just(Vec::new()).boxed(),
        background: false,
        pipeline: 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_lines_print_the_same(list in ingredients().list(), a in "[ab \n]{0,5}") {
        let line = format!("A='{a}'; B=' x  y'; {list}");
        prop_assert_eq!(in_ours(&line), in_sh(&line), "{}", line);
    }
}
