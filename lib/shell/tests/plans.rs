//! Pipelines and what they come to.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use shell::expand::Values;
use shell::parse;
use shell::plan::{Action, Input, Output, Plan, PlanError, Stage};
use shell::run::Work;

fn plan(line: &str) -> Result<Plan, PlanError> {
    let list = parse(line).unwrap();
    let item = &list.items[0];
    let values = Values::default();
    let commands = &item.chain.first.commands;
    let commands = commands
        .iter()
        .map(|command| values.command(command).unwrap());
    Plan::of(&Work {
        source: &item.chain.first,
        commands: commands.collect(),
        background: item.background,
    })
}

fn stages(line: &str) -> Vec<Stage> {
    plan(line).unwrap().stages
}

fn message(line: &str) -> String {
    plan(line).unwrap_err().to_string()
}

fn builtin(stage: &Stage) -> &'static str {
    match stage.action {
        Action::Builtin(command) => command.name,
        _ => panic!("{stage:?} is no command of the shell's"),
    }
}

#[test]
fn a_pipeline_hands_streams_on() {
    let all = stages("hello | wc | cat");
    assert_eq!(
        (all[0].input, all[0].output),
        (Input::Inherited, Output::Pipe)
    );
    assert_eq!((all[1].input, all[1].output), (Input::Pipe, Output::Pipe));
    assert_eq!(
        (all[2].input, all[2].output),
        (Input::Pipe, Output::Inherited)
    );
    assert_eq!(all[0].action, Action::Program);
    assert_eq!((builtin(&all[1]), builtin(&all[2])), ("wc", "cat"));
}

#[test]
fn a_redirection_comes_before_a_pipe_and_the_last_one_counts() {
    let all = stages("hello > a >> b | cat < c < d");
    assert_eq!((all[0].output, all[0].files.len()), (Output::File(1), 2));
    assert_eq!(
        (all[1].input, all[1].output),
        (Input::File(1), Output::Inherited)
    );
    let only = &stages("> made")[0];
    assert_eq!(
        (only.action, only.output),
        (Action::Nothing, Output::File(0))
    );
}

#[test]
fn time_and_run_stand_before() {
    let plan = plan("time run echo a | cat").unwrap();
    assert!(plan.is_timed);
    assert_eq!(plan.stages[0].action, Action::Program);
    assert_eq!(plan.stages[0].words, ["echo", "a"]);
    assert!(!self::plan("run time").unwrap().is_timed);
    assert_eq!(message("time"), "usage: time PIPELINE");
    assert_eq!(message("run"), "usage: run PROGRAM [WORD]...");
    assert_eq!(
        message("hello | time cat"),
        "time: stands by itself, not in a pipeline"
    );
}

#[test]
fn what_the_shell_does_itself_has_its_place() {
    assert_eq!(message("man"), "usage: man COMMAND");
    assert_eq!(message("jobs 1"), "usage: jobs [--json]");
    assert_eq!(
        message("fg | cat"),
        "fg: stands by itself, not in a pipeline"
    );
    assert!(message("set &").starts_with("set: the shell does this itself"));
    assert!(message("exit &").starts_with("exit: the shell"));
    assert_eq!(builtin(&stages("jobs | cat")[0]), "jobs");
    assert_eq!(builtin(&stages("cat &")[0]), "cat");
    // Quoted, it is a word like others.
    assert_eq!(builtin(&stages("'jobs'")[0]), "jobs");
}

#[test]
fn the_environment_is_the_shells_and_the_commands() {
    let own = [("A", "1"), ("B", "2")].map(|(name, value)| (name.into(), value.into()));
    let stage = &stages("B=3 C=4 C=5 hello")[0];
    assert_eq!(stage.environment(&own), ["A=1", "B=3", "C=5"]);
    assert_eq!(stage.name(), "hello");
}
