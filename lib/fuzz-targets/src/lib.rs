//! What the coverage-guided fuzzer tries. Each target takes bytes, does something with them, and panics only on a bug.
//!
//! | Target | What | The bytes |
//! |---|---|---|
//! | `caps` | programs of all operations on the capability database, with the naive model beside them | choose the operations |
//! | `steps` | single calls of operations among each other, audited; in the end no memory is lost | likewise |
//! | `hamlet`, `fugu` | the compilers of the two small languages | the text |
//! | `menu` | `menu.lst`, and command lines | the text |
//! | `bootimage` | the boot archive | the archive |
//! | `elf` | the check and plan of a program's ELF file | the file |
//!
//! `./hake.sh fuzz TARGET` runs the engine; `corpus/TARGET` holds inputs that between them reach most of the code, and every input
//! that once found a bug. The test `corpus` runs all of them, without the engine.
//!
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "shared with the tests of caps: it stops at the first surprise"
)]
#[path = "../../caps/tests/support/mod.rs"]
mod support;

use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::program::ops::{Op, op, steps};
use support::program::{Tally, interleaved, program};

/// Takes an input; panics if it finds a bug.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 7] = [
    ("bootimage", bootimage),
    ("caps", caps),
    ("elf", elf),
    ("fugu", fugu),
    ("hamlet", hamlet),
    ("menu", menu),
    ("steps", steps_target),
];

/// The target of that name.
#[must_use]
pub fn find(name: &str) -> Option<Target> {
    let mut targets = TARGETS.iter();
    targets
        .find(|(known, _)| *known == name)
        .map(|(_, target)| *target)
}

/// Most operations in one input: more take too long.
const LONGEST: usize = 80;

/// Bytes for each operation.
const BYTES_EACH: usize = 4;

/// The operations that bytes choose: each four are the seed of one. So inserting, removing and repeating bytes inserts, removes and
/// repeats operations.
fn choose(data: &[u8], ops: &BoxedStrategy<Op>) -> Vec<Op> {
    let choose_one = |bytes: &[u8]| {
        let mut seed = [0; 32];
        for (to, from) in seed.iter_mut().zip(bytes) {
            *to = *from;
        }
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        ops.new_tree(&mut runner).ok().map(|tree| tree.current())
    };
    let (each, _) = data.as_chunks::<BYTES_EACH>();
    each.iter()
        .take(LONGEST)
        .filter_map(|bytes| choose_one(bytes))
        .collect()
}

/// How much one call may do: the first byte says.
fn work(data: &[u8]) -> u32 {
    match data.first() {
        Some(0..128) => 4_500,
        _ => 9_000,
    }
}

fn caps(data: &[u8]) {
    let rest = data.get(1..).unwrap_or_default();
    program(
        &choose(rest, &op().boxed()),
        work(data),
        &mut Tally::default(),
    );
}

fn steps_target(data: &[u8]) {
    let rest = data.get(1..).unwrap_or_default();
    let ops = choose(rest, &steps().boxed());
    interleaved(&ops, work(data), &mut Tally::default());
}

fn hamlet(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match hamlet::parse("input.hl", &text) {
        Ok(file) => assert!(!hamlet::generate(&file).is_empty()),
        Err(messages) => assert!(messages.to_string().starts_with("input.hl:")),
    }
}

fn fugu(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match fugu::parse("input.fugu", &text) {
        Ok(file) => assert!(!fugu::generate(&file).is_empty()),
        Err(messages) => assert!(messages.to_string().starts_with("input.fugu:")),
    }
}

fn menu(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Words without what quotes hide join to the line that they came from.
    if let Ok(words) = menu::split(&text) {
        let plain = |word: &String| {
            !word.is_empty() && word.chars().all(|char| char.is_ascii_alphanumeric())
        };
        if words.iter().all(plain) {
            assert_eq!(menu::split(&words.join(" ")), Ok(words));
        }
    }
    match menu::Menu::parse(&text) {
        Ok(menu) => {
            for kind in [menu::ItemKind::BootDriver, menu::ItemKind::CpuDriver] {
                let item = menu.first(kind);
                assert!(item.is_some_and(|item| !item.cmdline().is_empty()));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn bootimage(data: &[u8]) {
    let header = data.get(..bootimage::HEADER_BYTES).unwrap_or(data);
    let claimed = bootimage::Archive::total_bytes_in(header);
    match bootimage::Archive::parse(data) {
        Ok(archive) => {
            assert!(archive.total_bytes() <= data.len());
            assert_eq!(claimed, Ok(archive.total_bytes() as u64));
            for entry in archive.entries() {
                assert!(archive.total_bytes() >= entry.name().len() + entry.args().len());
            }
            let _ = (archive.cpu_driver(), archive.module("init"));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn elf(data: &[u8]) {
    match elfload::plan(data) {
        Ok(plan) => {
            let _ = format!("{plan:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
