//! Jobs, Ctrl-C, Ctrl-D, the editor's keys.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use common::{Handle, finish, said, typed};
use session::End;

#[test]
fn ctrl_c_ends_what_runs_and_the_line() {
    let handle = Handle::new();
    handle
        .type_in("spin; hello not\n")
        .interrupt()
        .type_in("echo $?\n");
    let (_, out) = finish(&handle);
    assert!(!out.contains("hello,"), "{out}");
    assert!(out.contains("128\n"), "{out}");
    assert_eq!(handle.alive(), 0);
    // Each of a pipeline, and commands of the shell's own.
    let handle = Handle::new();
    handle
        .type_in("spin | cat | spin\n")
        .interrupt()
        .type_in("hello you\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("hello, you"), "{out}");
    assert_eq!(handle.alive(), 0);
}

#[test]
fn ctrl_c_at_the_prompt_drops_the_line() {
    let (_, out) = typed("hello \x03hello b\n");
    assert!(
        out.contains("hello ^C\nbarreleye> hello b\nhello, b\n"),
        "{out}"
    );
}

#[test]
fn jobs_are_told_of_when_they_end() {
    let out = said("hello bg &\nhello fg");
    assert!(
        out.contains("[1] 10\n") && out.contains("hello, bg\n"),
        "{out}"
    );
    assert!(out.contains("[1]+ Done       hello bg\n"), "{out}");
    let out = said("spin &\njobs\nkill %1\njobs");
    assert!(out.contains("[1]+ Running    spin &\n"), "{out}");
    assert!(out.contains("[1]+ Killed     spin\n"), "{out}");
}

#[test]
fn jobs_are_listed_for_scripts() {
    let handle = Handle::new();
    let line = "spin 'a \"b\\c'";
    handle.type_in(&format!("{line} &\nspin\n")).stop();
    handle.type_in("jobs --json\njobs --json > f; wc f\nkill %1 %2\n");
    let (_, out) = finish(&handle);
    let objects: Vec<serde_json::Value> = out
        .lines()
        .filter(|text| text.starts_with('{'))
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(objects.len(), 2, "{out}");
    assert_eq!(objects[0]["job"], 1);
    assert_eq!(objects[0]["line"], line);
    assert_eq!(objects[0]["state"], "Running");
    assert_eq!(objects[1]["state"], "Stopped");
    assert!(out.contains("      2 "), "{out}");
    assert!(said("jobs x").starts_with("usage: jobs [--json]"));
}

#[test]
fn a_job_comes_to_the_foreground() {
    let handle = Handle::new();
    handle
        .type_in("spin &\nfg\n")
        .interrupt()
        .type_in("jobs\necho end\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("barreleye> fg\nspin\n"), "{out}");
    assert!(
        out.contains("barreleye> jobs\nbarreleye> echo end\nend\n"),
        "{out}"
    );
    assert!(said("fg").starts_with("nothing runs in the background"));
    assert!(said("bg %4").starts_with("there is no job %4"));
}

#[test]
fn jobs_stop_and_go_on() {
    let out = said("spin &\nsuspend %1\njobs\nbg\nkill %1");
    assert!(out.contains("[1]+ Stopped    spin\n"), "{out}");
    assert!(out.contains("[1]+ Running    spin &\n"), "{out}");
    let out = said("upper &\nsuspend %1\nresume %1\nkill %1");
    assert!(!out.contains("status"), "{out}");
}

#[test]
fn ctrl_z_stops_what_runs_and_the_line() {
    let handle = Handle::new();
    handle.type_in("spin; hello not\n").stop();
    handle.type_in("echo $?\njobs\nbg\nfg\n").interrupt();
    handle.type_in("jobs\necho end\n");
    let (_, out) = finish(&handle);
    assert!(
        !out.contains("hello,") && !out.contains("[status 148"),
        "{out}"
    );
    assert!(out.contains("[1]+ Stopped    spin\n"), "{out}");
    assert!(out.contains("148\n"), "{out}");
    assert!(out.contains("[1]+ Running    spin &\n"), "{out}");
    assert!(
        out.contains("barreleye> jobs\nbarreleye> echo end\nend\n"),
        "{out}"
    );
    assert_eq!((handle.alive(), handle.stopped()), (0, 0));
}

#[test]
fn ctrl_z_stops_each_of_a_pipeline_and_fg_has_all_go_on() {
    let handle = Handle::new();
    handle
        .type_in("cat | upper | cat\n")
        .type_in("one\n")
        .stop();
    // The stopped `cat` leaves the keys alone.
    handle.type_in("echo mine\njobs\nfg\n").stop();
    handle.type_in("fg %cat\n").type_in("two\n").type_in("\x04");
    handle.type_in("jobs\necho end\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("\nmine\n"), "{out}");
    assert_eq!(
        out.matches("[1]+ Stopped    cat | upper | cat\n").count(),
        3,
        "{out}"
    );
    assert!(out.contains("ONE\n") && out.contains("TWO\n"), "{out}");
    assert!(
        out.contains("barreleye> jobs\nbarreleye> echo end\nend\n"),
        "{out}"
    );
}

#[test]
fn what_ctrl_z_stopped_can_be_ended_and_does_not_end_with_the_waiting() {
    let handle = Handle::new();
    handle.type_in("cat\n").stop();
    handle.type_in("bg\nsuspend %1\njobs\nresume %1\nkill %1\n");
    handle.type_in("spin\n").stop().type_in("kill %1\njobs\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("[1]+ Running    cat &\n"), "{out}");
    assert_eq!(out.matches("[1]+ Stopped    cat\n").count(), 3, "{out}");
    assert!(out.contains("[1]+ Killed     cat\n"), "{out}");
    assert!(out.contains("[1]+ Killed     spin\n"), "{out}");
    // Whoever waits for a job is not stopped.
    let handle = Handle::new();
    handle.type_in("spin &\nwait\n").stop().interrupt();
    handle.type_in("jobs\nkill %1\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("[1]+ Running    spin &\n"), "{out}");
    // A shell asks once about stopped jobs too.
    let handle = Handle::new();
    handle.type_in("time spin\n").stop();
    let (_, out) = finish(&handle);
    assert!(out.contains("jobs run: once more"), "{out}");
    assert!(!out.contains("real"), "{out}");
    assert_eq!(handle.alive(), 0);
}

#[test]
fn who_reads_the_terminal_gets_it() {
    let handle = Handle::new();
    handle
        .type_in("upper\n")
        .type_in("some words\n")
        .type_in("\x04")
        .type_in("echo back\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("SOME WORDS\n"), "{out}");
    assert!(out.contains("back\n"), "{out}");
    assert_eq!(*handle.0.foreground.borrow(), [9]);
    // In the background it waits for it.
    let handle = Handle::new();
    handle
        .type_in("upper &\n")
        .type_in("fg\n")
        .type_in("words\n")
        .type_in("\x04");
    let (_, out) = finish(&handle);
    assert!(out.contains("WORDS\n"), "{out}");
    // A command of the shell's in the background leaves the keys alone.
    let (_, out) = typed("cat &\necho mine\n");
    assert!(out.contains("\nmine\n"), "{out}");
    // A command of the shell's reads too.
    let handle = Handle::new();
    handle
        .type_in("cat | upper\n")
        .type_in("typed\n")
        .type_in("\x04")
        .type_in("echo back\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("TYPED\n") && out.contains("back\n"), "{out}");
}

#[test]
fn waiting_ends_with_the_job_or_with_ctrl_c() {
    let out = said("status 5 &\nwait %1; echo $?\nwait; echo $?");
    assert!(out.contains("5\n") && out.contains("0\n"), "{out}");
    let handle = Handle::new();
    handle
        .type_in("spin &\nwait\n")
        .interrupt()
        .type_in("jobs\nkill %1\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("Running    spin"), "{out}");
    assert!(said("wait 77").starts_with("wait: 77 is no process"));
    assert!(said("wait x").starts_with("x: neither"));
}

#[test]
fn who_must_not_be_killed_is_not() {
    assert_eq!(
        said("kill 1"),
        "init cannot be ended nor stopped; `shutdown` powers the machine off\n1\n"
            .replace("\n1\n", "\n[status 1]\n")
    );
    assert_eq!(said("kill 2"), "2: is the name server\n[status 1]\n");
    assert!(said("kill -f 2").contains("SPAWN_ERR_DOMAIN_NOTFOUND"));
    assert!(said("kill -f").starts_with("usage: kill"));
    assert!(said("kill 99").contains("99: "));
}

#[test]
fn leaving_asks_once_if_jobs_run() {
    let handle = Handle::new();
    handle
        .type_in("spin &\n")
        .type_in("\x04")
        .type_in("echo still\n");
    let (end, out) = finish(&handle);
    assert_eq!(out.matches("jobs run: once more").count(), 2, "{out}");
    assert!(out.contains("still\n"));
    assert_eq!(end, End::Exit(0));
    assert_eq!(handle.alive(), 0);
    let (end, out) = typed("spin &\nexit 3\nexit 3\n");
    assert_eq!(
        (end, out.matches("jobs run").count()),
        (End::Exit(3), 1),
        "{out}"
    );
}

#[test]
fn chains_in_the_background_are_another_shells() {
    let out = said("hello a && hello b &");
    assert!(
        out.contains("[\"shell\", \"-c\", \"hello a && hello b\"]"),
        "{out}"
    );
}

#[test]
fn the_tab_key_completes() {
    let (_, out) = typed("hel\tx\n");
    // `help` and `hello` both: nothing but a bell, and the list at the second time.
    assert!(out.contains("barreleye> hel!x\n"), "{out}");
    let (_, out) = typed("hel\t\tlo\n");
    assert!(out.contains("hello  help\n"), "{out}");
    assert!(out.contains("hello, \n"), "{out}");
    let (_, out) = typed("ec\tx\n");
    assert!(out.contains("barreleye> echo x\nx\n"), "{out}");
    let (_, out) = typed("echo a > notes\ncat no\t\n");
    assert!(out.contains("barreleye> cat notes \na\n"), "{out}");
    let (_, out) = typed("cat < /boot/m\t\n");
    assert!(out.contains("a menu\n"), "{out}");
    let (_, out) = typed("echo $HO\t\n");
    assert!(out.contains("echo $HOME\n/\n"), "{out}");
    let (_, out) = typed("nslookup service/t\t\n");
    assert!(out.contains("nslookup service/terminal \n"), "{out}");
    let (_, out) = typed("man jo\t\nspin &\nkill %\t\n");
    assert!(
        out.contains("man jobs \n") && out.contains("kill %1 \n"),
        "{out}"
    );
    let (_, out) = typed("stop s\t\nrun sp\t&\nkill %1\n");
    assert!(
        out.contains("stop serial \n") && out.contains("run spin &"),
        "{out}"
    );
}

#[test]
fn lines_come_back_from_the_history() {
    let (_, out) = typed("hello one\necho two\n\x1b[A\x1b[A\n\x12wo\n");
    assert_eq!(out.matches("hello, one\n").count(), 2, "{out}");
    assert_eq!(out.matches("\ntwo\n").count(), 2, "{out}");
    let out = said("hello one\nhistory");
    assert!(out.contains("    1  hello one\n    2  history\n"), "{out}");
    assert!(said("history x").starts_with("usage: history"));
    assert_eq!(said("echo a\nhistory 1"), "a\n    2  history 1\n");
}

#[test]
fn what_commands_in_the_background_print_is_followed_by_the_prompt() {
    let handle = Handle::new();
    handle.type_in("hello x | cat &\nech").type_in("o end\n");
    let (_, out) = finish(&handle);
    assert!(out.contains("hello, x\n"), "{out}");
    assert!(out.contains("end\n"), "{out}");
}

#[test]
fn random_keys_do_no_harm() {
    let runs = if std::env::var_os("BARRELEYE_LONG").is_some() {
        2_000
    } else {
        40
    };
    let first = std::env::var("BARRELEYE_SEED").map_or(0, |seed| seed.parse().unwrap());
    for seed in first..first + runs {
        let mut random = random::Random::new(seed);
        eprintln!("seed {seed}");
        let handle = Handle::new();
        let words = [
            "hello", "cat", "upper", "spin", "|", "&", ";", ">", "<", "f", "fg", "jobs", "kill %1",
            "echo $?", "&&", "||", "\n", "\n", "\n", "\t", "\x12", "\x1b[A", "'", "wait",
            "set A=1", "$A", "yes", "time", "exit", "\x04", "x=",
        ];
        for _ in 0..200 {
            match random.below(14) {
                0 => {
                    match random.below(2) {
                        0 => handle.interrupt(),
                        _ => handle.stop(),
                    };
                }
                1 => {
                    let byte = random.below(128) as u8 as char;
                    handle.type_in(&byte.to_string());
                }
                _ => {
                    let word = random.one_of(&words).unwrap();
                    handle.type_in(word).type_in(" ");
                }
            }
        }
        handle.0.gives_up.set(true);
        let mut session = handle.session();
        session.interact();
        drop(session);
        assert_eq!(handle.0.streams.borrow().ends(), 0, "seed {seed}");
    }
}
