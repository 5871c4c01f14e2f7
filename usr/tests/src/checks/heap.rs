//! The heap: small pieces that fill 64 MiB, again and again, and a million random steps.

use super::free;
use crate::harness::{Outcome, equal, that};
use alloc::vec;
use alloc::vec::Vec;
use random::Random;

/// Bytes in small pieces at once.
const BYTES: usize = 64 << 20;
/// How often.
const ROUNDS: u64 = 100;
/// All memory goes back behind every so many rounds; else the next round uses it again.
const TRIM: u64 = 10;

/// All of a piece is written, and it is looked at before it goes.
fn is_good(piece: &[u8], tag: u8) -> bool {
    piece.first() == Some(&tag) && piece.last() == Some(&tag)
}

pub(super) fn pieces() -> Outcome {
    let mut before = None;
    for round in 0..ROUNDS {
        let mut random = Random::new(round);
        let (mut pieces, mut bytes): (Vec<Vec<u8>>, usize) = (Vec::new(), 0);
        // The first one takes more, so that no later one makes the books larger.
        let most = BYTES + if round == 0 { 4 << 20 } else { 0 };
        while bytes < most {
            let piece = vec![pieces.len() as u8; 16 + random.below(4080) as usize];
            bytes += piece.len();
            pieces.push(piece);
        }
        let mut tagged = pieces.iter().enumerate();
        that(tagged.all(|(tag, piece)| is_good(piece, tag as u8)), "all")?;
        // From the first, from the last, in any order.
        match round % 3 {
            0 => pieces.clear(),
            1 => while pieces.pop().is_some() {},
            _ => {
                while !pieces.is_empty() {
                    pieces.swap_remove(random.below(pieces.len() as u64) as usize);
                }
            }
        }
        drop(pieces);
        if round % TRIM == 0 {
            let after = free();
            equal(after, *before.get_or_insert(after))?;
        }
    }
    Ok(())
}

/// Steps of the random program.
const STEPS: u64 = 1_000_000;
/// Blocks that may be there at once.
const BLOCKS: usize = 600;
/// No block becomes larger than this.
const MOST: u64 = 512 << 10;

/// A block full of its tag.
#[derive(Default)]
struct Block {
    tag: u8,
    bytes: Vec<u8>,
}

impl Block {
    fn is_good(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == self.tag)
    }
}

/// What was done how often.
#[derive(Default, Debug)]
struct Tally {
    made: u64,
    grown: u64,
    shrunk: u64,
    freed: u64,
}

/// As many of one byte as between 4 and 8 KiB; now and then one whose pages go back at once.
fn size(random: &mut Random) -> u64 {
    match random.below(2000) {
        0 => 1 + random.below(MOST),
        _ => {
            let bits = random.below(14);
            1 + random.below(1 << bits)
        }
    }
}

fn step(blocks: &mut [Block], random: &mut Random, tally: &mut Tally) -> Outcome {
    let index = random.below(blocks.len() as u64) as usize;
    let Some(block) = blocks.get_mut(index) else {
        return Ok(());
    };
    if block.bytes.is_empty() {
        block.tag = random.below(256) as u8;
        block.bytes = vec![block.tag; size(random) as usize];
        tally.made += 1;
        return Ok(());
    }
    let bytes = block.bytes.len() as u64;
    match random.below(5) {
        0 => {
            let more = bytes + 1 + random.below(2 * bytes);
            block
                .bytes
                .resize(more.min(MOST).max(bytes) as usize, block.tag);
            tally.grown += 1;
            that(block.is_good(), "what was there, and more of it")
        }
        1 => {
            block.bytes.truncate(1 + random.below(bytes) as usize);
            block.bytes.shrink_to_fit();
            tally.shrunk += 1;
            that(block.is_good(), "what was there, but less of it")
        }
        _ => {
            that(block.is_good(), "what was written")?;
            block.bytes = Vec::new();
            tally.freed += 1;
            Ok(())
        }
    }
}

fn life(seed: u64, steps: u64) -> Result<Tally, crate::harness::Failure> {
    let mut random = Random::new(seed);
    let mut blocks: Vec<Block> = (0..BLOCKS).map(|_| Block::default()).collect();
    let mut tally = Tally::default();
    for _ in 0..steps {
        step(&mut blocks, &mut random, &mut tally)?;
    }
    that(blocks.iter().all(Block::is_good), "what was written")?;
    Ok(tally)
}

pub(super) fn random() -> Outcome {
    // Books and tables come.
    life(1, STEPS / 20)?;
    let before = free();
    let tally = life(2, STEPS)?;
    equal(free(), before)?;
    aos::println!("checks: {tally:?}");
    let Tally {
        made,
        grown,
        shrunk,
        freed,
    } = tally;
    let least = made.min(freed).min(grown).min(shrunk);
    that(least > STEPS / 20, "each of them often")
}
