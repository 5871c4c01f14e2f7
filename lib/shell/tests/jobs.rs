//! The table of jobs.

use proptest::prelude::*;
use shell::jobs::{JobError, Jobs, State};
use shell::limits;

#[test]
fn a_job_lives_and_ends() {
    let mut jobs = Jobs::new();
    assert_eq!(jobs.add("sleep 5", &[10]), Ok(1));
    assert_eq!(jobs.add("cat f | wc", &[11, 12]), Ok(2));
    assert!(jobs.take_notices().is_empty());
    let lines = |jobs: &Jobs| -> Vec<String> {
        jobs.iter()
            .map(|job| jobs.describe(job).to_string())
            .collect()
    };
    assert_eq!(
        lines(&jobs),
        ["[1]- Running    sleep 5 &", "[2]+ Running    cat f | wc &"]
    );
    assert_eq!(jobs.ended(12, 3), None);
    assert_eq!(jobs.get(2).unwrap().alive().collect::<Vec<_>>(), [11]);
    assert_eq!(jobs.ended(11, 0), Some(2));
    assert_eq!(jobs.ended(11, 0), None);
    assert_eq!(jobs.ended(77, 0), None);
    assert_eq!(jobs.stopped(10), Some(1));
    assert_eq!(
        lines(&jobs),
        ["[1]+ Stopped    sleep 5", "[2]- Exit 3     cat f | wc"]
    );
    assert_eq!(jobs.take_notices().len(), 2);
    assert!(jobs.take_notices().is_empty());
    assert_eq!(lines(&jobs), ["[1]+ Stopped    sleep 5"]);
    assert_eq!(jobs.resumed(10), Some(1));
    assert_eq!(jobs.stopped(10), Some(1));
    assert_eq!(jobs.take_notices().len(), 1);
    assert_eq!(jobs.add("next", &[13]), Ok(2));
    for (status, text) in [
        (0, "Done"),
        (128, "Killed"),
        (129, "Fault"),
        (127, "Not found"),
    ] {
        assert_eq!(format!("{}", State::Done(status)), text);
    }
}

#[test]
fn names_of_jobs() {
    let mut jobs = Jobs::new();
    assert_eq!(
        jobs.resolve("%%").unwrap_err().to_string(),
        "nothing runs in the background, and nothing is stopped"
    );
    jobs.add("sleep 5", &[1]).unwrap();
    assert!(jobs.resolve("%-").is_err());
    jobs.add("sleep 6", &[2]).unwrap();
    jobs.add("cat", &[3]).unwrap();
    let number = |name: &str| jobs.resolve(name).map(|job| job.number);
    assert_eq!(number("%1"), Ok(1));
    assert_eq!(number("2"), Ok(2));
    for name in ["%%", "%+", "%"] {
        assert_eq!(number(name), Ok(3));
    }
    assert_eq!(number("%-"), Ok(2));
    assert_eq!(number("%ca"), Ok(3));
    assert_eq!(number("%?6"), Ok(2));
    assert_eq!(number("%sleep"), Err(JobError::Ambiguous("%sleep".into())));
    for name in [
        "%4",
        "4",
        "cat",
        "",
        "%x",
        "%99999999999999999999999",
        "+",
        "-1",
        "%0",
    ] {
        assert_eq!(number(name), Err(JobError::Unknown(name.into())), "{name}");
    }
    jobs.stopped(1);
    assert_eq!(jobs.resolve("%%").unwrap().number, 1);
    assert_eq!(jobs.resolve("%-").unwrap().number, 3);
    jobs.remove(1).unwrap();
    assert_eq!(jobs.resolve("%-").unwrap().number, 2);
    assert!(jobs.remove(1).is_none());
}

#[test]
fn the_table_is_bounded() {
    let mut jobs = Jobs::new();
    assert_eq!(jobs.add("x", &[]), Err(JobError::BadProcesses));
    assert_eq!(
        jobs.add("x", &[1; limits::PIPELINE + 1]),
        Err(JobError::BadProcesses)
    );
    for index in 0..limits::JOBS {
        assert_eq!(jobs.add(&"ä".repeat(1000), &[index as u64]), Ok(index + 1));
    }
    assert_eq!(jobs.add("x", &[99]), Err(JobError::Full));
    assert!(
        jobs.iter()
            .all(|job| job.text.len() <= limits::JOB_TEXT_BYTES + '…'.len_utf8())
    );
    jobs.remove(5);
    assert_eq!(jobs.add("x", &[99]), Ok(5));
}

proptest! {
    /// Whatever happens to processes, in any order: numbers are unique and each end is told once.
    #[test]
    fn each_end_is_told_once(events in prop::collection::vec((0u8..5, 0u64..12), 0..100)) {
        let mut jobs = Jobs::new();
        let mut next = 0;
        let mut living: Vec<(usize, Vec<u64>)> = Vec::new();
        let mut owed: Vec<usize> = Vec::new();
        for (what, which) in events {
            match what {
                0 => {
                    let pids: Vec<u64> = (next..next + 1 + which % 3).collect();
                    next += 3;
                    if let Ok(number) = jobs.add("x", &pids) {
                        prop_assert!(!owed.contains(&number));
                        prop_assert!(living.iter().all(|(other, _)| *other != number));
                        living.push((number, pids));
                    }
                }
                1 => {
                    let pid = next.saturating_sub(which);
                    let ended = jobs.ended(pid, 1);
                    let mut expected = None;
                    for (number, pids) in &mut living {
                        if pids.contains(&pid) {
                            pids.retain(|other| *other != pid);
                            expected = pids.is_empty().then_some(*number);
                        }
                    }
                    living.retain(|(_, pids)| !pids.is_empty());
                    prop_assert_eq!(ended, expected);
                    owed.extend(ended);
                }
                2 => {
                    jobs.stopped(next.saturating_sub(which));
                }
                3 => {
                    jobs.resumed(next.saturating_sub(which));
                }
                _ => {
                    let mut told: Vec<usize> = jobs
                        .take_notices()
                        .iter()
                        .filter(|notice| matches!(notice.state, State::Done(_)))
                        .map(|notice| notice.number)
                        .collect();
                    owed.sort_unstable();
                    told.sort_unstable();
                    prop_assert_eq!(&told, &owed);
                    owed.clear();
                }
            }
            let numbers: Vec<usize> = jobs.iter().map(|job| job.number).collect();
            prop_assert!(numbers.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(numbers.len(), living.len() + owed.len());
            let marks = jobs.iter().filter(|job| jobs.describe(job).mark == '+').count();
            prop_assert_eq!(marks, usize::from(!numbers.is_empty()));
        }
    }
}
