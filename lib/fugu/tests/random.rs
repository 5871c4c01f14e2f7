//! No text makes the compiler panic: random bytes, random tokens, and mutations of the real file.

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    const REAL: &str = include_str!("../../../errors/errno.fugu");

    /// Compiles; what comes out does not matter, that something does is the test. Messages can always be printed.
    fn compile(text: &str) {
        match fugu::parse("random.fugu", text) {
            Ok(file) => assert!(!fugu::generate(&file).is_empty()),
            Err(messages) => assert!(messages.to_string().starts_with("random.fugu:")),
        }
    }

    /// Words and marks of the language.
    fn token() -> impl Strategy<Value = &'static str> {
        let tokens = [
            "errors",
            "default",
            "success",
            "failure",
            "kernel",
            "SYS_ERR_",
            "OK",
            "BAD",
            "\"text\"",
            "\"",
            "{",
            "}",
            ";",
            ",",
            "};",
            "5",
            "/*",
            "//",
            "é",
            "default success OK \"fine\",",
        ];
        prop::sample::select(tokens.to_vec())
    }

    #[test]
    fn the_real_file_compiles() {
        assert!(fugu::parse("real.fugu", REAL).is_ok());
    }

    proptest! {
        #[test]
        fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            compile(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn random_text(text in "\\PC{0,200}") {
            compile(&text);
        }

        #[test]
        fn random_tokens(tokens in prop::collection::vec(token(), 0..60)) {
            compile(&tokens.join(" "));
        }

        #[test]
        fn mutations(edits in prop::collection::vec((any::<Index>(), 0..40usize, token()), 1..4)) {
            let mut bytes = REAL.as_bytes().to_vec();
            for (at, remove, insert) in edits {
                let at = at.index(bytes.len());
                let end = (at + remove).min(bytes.len());
                bytes.splice(at..end, insert.bytes());
            }
            compile(&String::from_utf8_lossy(&bytes));
        }
    }
}
