//! `elfmutate MODULE COUNT SEED`: starts damaged copies of a program and counts how they end. A test command: whatever the
//! copies do, init and the kernel must live on, and the same seed does the same again.

use crate::children::{Limit, Start};
use crate::commands::{Context, STATUS_USAGE};
use crate::outcome::Outcome;
use alloc::string::String;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::{Error, println, ram, time};
use core::time::Duration;
use random::Random;

/// How long a copy may run.
const DEADLINE: Duration = Duration::from_millis(250);
/// Most bytes that are changed.
const MOST_CHANGES: u64 = 16;
/// Every other copy is changed here only: in the headers, where it hurts most.
const HEADER_BYTES: u64 = 512;

/// How the copies ended.
#[derive(Default)]
struct Counts {
    refused: u32,
    exited: u32,
    faulted: u32,
    killed: u32,
}

/// The command.
pub fn elfmutate(context: &mut Context<'_>) -> u8 {
    let words: &[String] = context.words.get(1..).unwrap_or_default();
    let parsed = match words {
        [module, count, seed] => count
            .parse::<u32>()
            .ok()
            .zip(seed.parse::<u64>().ok())
            .map(|numbers| (module.clone(), numbers)),
        _ => None,
    };
    let Some((module, (count, seed))) = parsed else {
        println!("usage: elfmutate MODULE COUNT SEED");
        return STATUS_USAGE;
    };
    match mutate(context, &module, count, seed) {
        Ok(counts) => {
            println!(
                "elfmutate: refused={} exited={} faulted={} killed={} seed={seed}",
                counts.refused, counts.exited, counts.faulted, counts.killed
            );
            0
        }
        Err(error) => {
            println!("elfmutate: {error}");
            1
        }
    }
}

fn mutate(context: &mut Context<'_>, name: &str, count: u32, seed: u64) -> Result<Counts, Error> {
    let module = context.boot.module(name)?;
    let original = module.open()?;
    let frame = ram::frame_alloc(module.file_bytes())?;
    let mut copy = MappedFrame::new(frame, PageFlags::READ_WRITE)?;
    let mut random = Random::new(seed);
    let mut counts = Counts::default();
    for round in 0..count {
        // SAFETY: a frame of init's own, just made; nobody else has a capability for it.
        let all = unsafe { copy.view_mut().bytes_mut() };
        let Some(elf) = all.get_mut(..original.len()) else {
            break;
        };
        elf.copy_from_slice(&original);
        damage(elf, &mut random, round.is_multiple_of(2));
        let limit = Limit::Deadline(time::after(DEADLINE));
        let args = [name, "mutated"];
        let start = Start::new(elf, &args);
        let ended = context.children.run(&start, limit);
        match ended {
            Err(error) if error.elf.is_none() => return Err(error.into()),
            Err(_) => counts.refused += 1,
            Ok(ended) => match ended.outcome {
                Outcome::Exited(_) => counts.exited += 1,
                Outcome::Killed => counts.killed += 1,
                _ => counts.faulted += 1,
            },
        }
    }
    copy.unmap()?;
    ram::mm_free(frame)?;
    original.close()?;
    Ok(counts)
}

/// Changes a few bytes.
fn damage(elf: &mut [u8], random: &mut Random, in_header: bool) {
    let reach = match in_header {
        true => HEADER_BYTES.min(elf.len() as u64),
        false => elf.len() as u64,
    };
    for _ in 0..random.below(MOST_CHANGES) + 1 {
        let at = random.below(reach) as usize;
        if let Some(byte) = elf.get_mut(at) {
            *byte = random.next() as u8;
        }
    }
}
