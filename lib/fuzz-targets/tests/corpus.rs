//! Every input of the corpus, without the engine: none finds a bug (any more).
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn replay(name: &str) {
    let target = fuzz_targets::find(name).unwrap();
    let mut files: Vec<_> = fs::read_dir(corpus().join(name))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no inputs");
    for file in files {
        // Shown if it panics.
        println!("{}", file.display());
        target(&fs::read(file).unwrap());
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn each_target_has_a_folder_and_a_test() {
            let tests = BTreeSet::from([$(stringify!($name).to_string()),*]);
            let targets = fuzz_targets::TARGETS.map(|(name, _)| name.to_string());
            assert_eq!(tests, BTreeSet::from(targets));
            let folders = fs::read_dir(corpus()).unwrap();
            let folders = folders.map(|file| file.unwrap().file_name().into_string().unwrap());
            assert_eq!(tests, folders.collect());
        }
    };
}

targets!(bootimage caps elf fugu hamlet menu steps);
