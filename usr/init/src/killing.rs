//! Test commands that kill: nothing may be lost, whenever it happens.
//!
//! * `killtest [--trusted] COUNT SEED MICROS MODULE WORD...`: starts the program again and again, with a random number as the last word,
//!   and kills it within so many microseconds, until COUNT were killed before they came to their own end.
//! * `killsteps MODULE WORD...`: starts the program again and again, and kills it behind the first, the second, the third ... kernel call that
//!   init makes for it, until it comes to its own end; compares what is in use after each.

use crate::children::{Limit, Start, Trust};
use crate::commands::{Context, STATUS_USAGE, in_use};
use crate::outcome::Outcome;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use aos::spawn::SpawnError;
use aos::{println, time};
use core::time::Duration;
use random::Random;

/// Most programs that are started for each that is to be killed.
const STARTS_FOR_A_KILL: u32 = 4;

/// What `killtest` was asked for.
struct Wanted {
    trust: Trust,
    count: u32,
    seed: u64,
    micros: u64,
    words: Vec<String>,
}

/// The command `killtest`.
pub fn killtest(context: &mut Context<'_>) -> u8 {
    let Some(wanted) = parse(context.words.get(1..).unwrap_or_default()) else {
        println!("usage: killtest [--trusted] COUNT SEED MICROS MODULE WORD...");
        return STATUS_USAGE;
    };
    match kill_many(context, &wanted) {
        Ok((killed, ended)) => {
            println!("killtest: killed={killed} ended={ended}");
            0
        }
        Err(error) => {
            println!("killtest: {error}");
            1
        }
    }
}

fn parse(words: &[String]) -> Option<Wanted> {
    let (trust, words) = match words {
        [first, rest @ ..] if first == "--trusted" => (Trust::Trusted, rest),
        words => (Trust::Plain, words),
    };
    let [count, seed, micros, words @ ..] = words else {
        return None;
    };
    words.first()?;
    Some(Wanted {
        trust,
        count: count.parse().ok()?,
        seed: seed.parse().ok()?,
        micros: micros.parse().ok()?,
        words: words.into(),
    })
}

fn kill_many(context: &mut Context<'_>, wanted: &Wanted) -> Result<(u32, u32), SpawnError> {
    let mut random = Random::new(wanted.seed);
    let (mut killed, mut ended) = (0, 0);
    let name = wanted.words.first().map_or("", String::as_str);
    with_elf(context, name, |context, elf| {
        let most = wanted.count.saturating_mul(STARTS_FOR_A_KILL);
        while killed < wanted.count && killed + ended < most {
            let number = (random.next() >> 16).to_string();
            let words = wanted.words.iter().map(String::as_str);
            let words: Vec<&str> = words.chain([number.as_str()]).collect();
            let patience = Duration::from_micros(random.below(wanted.micros.max(1)));
            let pid = context.children.start(&Start {
                trust: wanted.trust,
                ..Start::new(elf, &words)
            })?;
            let limit = Limit::Deadline(time::after(patience));
            match context.children.finish(pid, limit).outcome {
                Outcome::Killed => killed += 1,
                _ => ended += 1,
            }
        }
        Ok((killed, ended))
    })
}

/// The command `killsteps`.
pub fn killsteps(context: &mut Context<'_>) -> u8 {
    let words: Vec<String> = context.words.get(1..).unwrap_or_default().into();
    if words.is_empty() {
        println!("usage: killsteps MODULE WORD...");
        return STATUS_USAGE;
    }
    match kill_behind_each(context, &words) {
        Ok((calls, lost)) => {
            println!("killsteps: calls={calls} lost={lost}");
            u8::from(lost != 0)
        }
        Err(error) => {
            println!("killsteps: {error}");
            1
        }
    }
}

fn kill_behind_each(context: &mut Context<'_>, words: &[String]) -> Result<(u32, u32), SpawnError> {
    let name = words.first().map_or("", String::as_str);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    with_elf(context, name, |context, elf| {
        let run = |context: &mut Context<'_>, limit| {
            context.children.run(&Start::new(elf, &words), limit)
        };
        // The first one may need slots that init keeps.
        run(context, Limit::Interrupt)?;
        let before = in_use()?;
        let mut lost = 0;
        for calls in 1.. {
            let ended = run(context, Limit::Calls(calls))?;
            if in_use()? != before {
                println!(
                    "killed behind call {calls}: {before:?} before, {:?} now",
                    in_use()?
                );
                lost += 1;
            }
            if ended.outcome != Outcome::Killed {
                return Ok((calls - 1, lost));
            }
        }
        Ok((0, lost))
    })
}

/// Maps a module's file for a while.
fn with_elf<T>(
    context: &mut Context<'_>,
    name: &str,
    work: impl FnOnce(&mut Context<'_>, &[u8]) -> Result<T, SpawnError>,
) -> Result<T, SpawnError> {
    let module = context.boot.module(name)?;
    let file = module.open()?;
    let result = work(context, &file);
    file.close()?;
    result
}
