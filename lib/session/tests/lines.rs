//! What lines do: commands, pipes, redirections, variables, errors.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use common::{Handle, finish, plain, said, typed};
use session::{End, Inherited};

#[test]
fn programs_run_and_print() {
    assert_eq!(said("hello you"), "hello, you\n");
    assert_eq!(
        said("hello a; hello b && hello c || hello d"),
        "hello, a\nhello, b\nhello, c\n"
    );
    assert_eq!(said("status 3; echo $?"), "3\n");
}

#[test]
fn statuses_are_told_and_end_the_shell() {
    assert_eq!(said("status 3"), "[status 3]\n");
    assert_eq!(typed("status 7\n").0, End::Exit(7));
    assert_eq!(typed("exit 4\n").0, End::Exit(4));
    assert_eq!(typed("status 5\nexit\n").0, End::Exit(5));
    assert_eq!(said("exit x"), "usage: exit [STATUS]\n[status 64]\n");
}

#[test]
fn pipes_carry_what_is_printed() {
    assert_eq!(said("hello pipe | upper"), "HELLO, PIPE\n");
    assert_eq!(said("echo one | cat | upper | cat"), "ONE\n");
    assert_eq!(said("hello | wc"), "      1       1       8\n");
    assert_eq!(said("jobs | wc"), "      0       0       0\n");
    // The status is that of the last one.
    assert_eq!(said("status 3 | hello"), "hello, \n");
    assert_eq!(said("hello | status 3"), "[status 3]\n");
}

#[test]
fn long_texts_go_through_pipes_and_files() {
    let text = "0123456789".repeat(1_000);
    let lines = format!(
        "A={text}\nB=$A$A$A$A$A$A$A$A\n echo $A$A$A$A$A$A$A$A$A > long\n cat long long long long long long long long | upper | cat | wc"
    );
    let (_, out) = typed(&format!("{lines}\n"));
    assert!(out.contains("the value of a variable has at most"), "{out}");
    assert!(out.contains("      8       8  720008\n"), "{out}");
}

#[test]
fn files_are_written_and_read() {
    assert_eq!(
        said("echo a > f; echo b >> f; cat f; ls -l; wc f"),
        "a\nb\n        4 f\n      2       2       4 f\n"
    );
    assert_eq!(said("echo a > f; upper < f > g; cat g; rm f g; ls"), "A\n");
    assert_eq!(
        said("cat < /boot/menu.lst; upper < /boot/menu.lst"),
        "a menu\nA MENU\n"
    );
    assert_eq!(said("> f; ls; cat f f"), "f\n");
    assert_eq!(
        said("cat nothing"),
        "cat: nothing: there is no file of this name (STREAM_ERR_NO_FILE)\n[status 1]\n"
    );
    assert!(said("cat < nothing").starts_with("nothing: there is no file"));
    assert!(said("echo > a/b").starts_with("a/b: a file's name has"));
    assert!(said("cat < /boot/none").starts_with("/boot/none: "));
    assert!(said("rm f").starts_with("rm: f: there is no file"));
    assert_eq!(said("ls /boot"), "hello\nmenu.lst\nspin\n");
    assert_eq!(said("ls x"), "usage: ls [-l] [/boot]\n[status 64]\n");
}

#[test]
fn a_full_memory_is_told_of() {
    let text = "x".repeat(16_000);
    let mut lines = format!("A={text}\necho $A$A$A$A$A$A$A$A$A$A$A$A$A$A$A > f\n");
    lines.push_str("cat f f f f f f f f f f f f f f f f f f f f f f > g\n");
    let (_, out) = typed(&lines);
    assert!(out.contains("STREAM_ERR_NO_ROOM"), "{out}");
}

#[test]
fn who_writes_where_nobody_reads_is_ended() {
    assert_eq!(said("yes | hello"), "hello, \n");
}

#[test]
fn variables_are_set_exported_and_forgotten() {
    assert_eq!(
        said("A=1; echo $A; set A=2; echo $A; unset A; echo .$A."),
        "1\n2\n..\n"
    );
    assert_eq!(said("env"), "HOME=/\n");
    assert_eq!(said("export A='b c'; A2=x; env"), "A='b c'\nHOME=/\n");
    assert_eq!(said("set"), "HOME=/\n");
    assert_eq!(said("run env"), "HOME=/ STDIN=terminal STDOUT=terminal\n");
    assert_eq!(
        said("HOME=x STDIN=y run env"),
        "HOME=x STDIN=terminal STDOUT=terminal\n"
    );
    assert_eq!(said("set 1=2").lines().count(), 2);
    assert_eq!(said("set A"), "set: A: NAME=VALUE is needed\n[status 64]\n");
    // In a pipeline it changes nothing.
    assert_eq!(said("set A=1 | cat; echo .$A."), "..\n");
    assert_eq!(
        said("exit 3 | cat"),
        "exit: stands by itself, not in a pipeline\n[status 64]\n"
    );
}

#[test]
fn mistakes_are_explained() {
    assert_eq!(
        said("hlep"),
        "hlep: no such command or program; is it `help`?\n[status 127]\n"
    );
    assert_eq!(
        said("spni"),
        "spni: no such command or program; is it `spin`?\n[status 127]\n"
    );
    assert_eq!(said("man"), "usage: man COMMAND\n[status 64]\n");
    assert!(said("man hlep").starts_with("man: hlep: no such"));
    assert!(said("echo 'a").contains("quote"));
    assert!(said("a |").contains("column 3"));
    assert_eq!(said("led"), "led: this board has no light\n[status 1]\n");
    assert_eq!(said("ps 1"), "usage: ps [--json]\n[status 64]\n");
    // Nothing of it runs.
    assert!(!said("hello | nonsense-program").contains("hello,"));
    let long = format!("echo {}", "x".repeat(70_000));
    assert!(
        typed(&format!("{long}\n"))
            .1
            .contains("the line is longer than 65536 bytes")
    );
}

#[test]
fn help_and_man_say_what_there_is() {
    let help = said("help");
    assert!(help.contains("  fg        [%JOB]"));
    assert_eq!(
        said("help fg"),
        "usage: fg [%JOB]\n  brings a job to the foreground\n"
    );
    assert!(said("man fg").contains("Ctrl-C ends it"));
    assert_eq!(said("ps; mem"), "ps []\nmem []\n");
    assert_eq!(
        said("memtest 3"),
        "[\"shell\", \"--applet\", \"memtest\", \"3\"]\n"
    );
    assert_eq!(said("time hello"), "hello, \nreal 0.000000 s\n");
    assert_eq!(said("echo -n a; echo b"), "ab\n");
}

#[test]
fn lines_come_from_a_file_or_as_an_argument() {
    let handle = Handle::new();
    *handle.0.input.borrow_mut() = Inherited::Nothing;
    *handle.0.output.borrow_mut() = Inherited::Passed;
    handle
        .type_in("hello batch\nset A=1\nupper\necho $A\n")
        .type_in("\x04");
    handle.0.mode.set(services::terminal::Mode::Cooked);
    assert_eq!(handle.session().batch(), End::Exit(0));
    assert_eq!(plain(&handle.0.out.borrow()), "hello, batch\n1\n");
    assert_eq!(handle.0.streams.borrow().ends(), 0);
    let handle = Handle::new();
    assert_eq!(handle.session().once("hello a && status 9"), End::Exit(9));
    assert_eq!(plain(&handle.0.out.borrow()), "hello, a\n");
}

#[test]
fn what_the_user_types_is_recorded() {
    let handle = Handle::new();
    handle.type_in("hello\n\nstatus 2\n");
    finish(&handle);
    let concluded = handle.0.concluded.borrow();
    assert_eq!(*concluded, [("hello".into(), 0), ("status 2".into(), 2)]);
}

#[test]
fn a_terminal_that_was_started_again_is_no_end() {
    let handle = Handle::new();
    handle.type_in("hello\n");
    handle.0.is_lost.set(true);
    let (end, out) = finish(&handle);
    assert_eq!(end, End::Exit(0));
    assert!(
        out.contains("shell: the terminal was started again"),
        "{out}"
    );
    assert!(out.contains("hello, "), "{out}");
}
