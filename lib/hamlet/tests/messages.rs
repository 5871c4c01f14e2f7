//! One example of every message, with the output expected. After a wanted change run with `UPDATE_GOLDEN=1` and read the
//! difference.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use diagnostics::SyntaxMessage;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
    }

    /// The examples, by the identifier of the message that each is about.
    fn examples() -> BTreeSet<String> {
        let files = fs::read_dir(folder()).unwrap();
        files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "hl"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_message_has_an_example() {
        let all = SyntaxMessage::IDS.iter().chain(hamlet::HamletMessage::IDS);
        let expected: BTreeSet<String> = all.map(|id| (*id).to_owned()).collect();
        assert_eq!(examples(), expected);
    }

    #[test]
    fn messages_are_as_expected() {
        for id in examples() {
            let name = format!("{id}.hl");
            let text = fs::read_to_string(folder().join(&name)).unwrap();
            let messages = hamlet::parse(&name, &text).unwrap_err();
            assert!(messages.iter().any(|m| m.id == id), "{messages}");
            let printed = messages.to_string();
            let path = folder().join(format!("{id}.expected"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&path, &printed).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(printed, expected, "{}", path.display());
        }
    }
}
