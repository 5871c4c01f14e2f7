//! No text makes the compiler panic: random bytes, random tokens, and mutations of the real file.

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    const REAL: &str = include_str!("../../../capabilities.hl");

    /// Compiles; what comes out does not matter, that something does is the test. Messages can always be printed.
    fn compile(text: &str) {
        match hamlet::parse("random.hl", text) {
            Ok(file) => assert!(!hamlet::generate(&file).is_empty()),
            Err(messages) => assert!(messages.to_string().starts_with("random.hl:")),
        }
    }

    /// Words and marks of the language.
    fn token() -> impl Strategy<Value = &'static str> {
        let tokens = [
            "define",
            "cap",
            "is_always_copy",
            "is_never_copy",
            "from",
            "from_self",
            "abstract",
            "inherit",
            "can_retype_multiple",
            "address",
            "size",
            "size_bits",
            "eq",
            "mem_to_phys",
            "get_address",
            "{",
            "}",
            "(",
            ")",
            ";",
            "+",
            "u8",
            "u64",
            "caprights",
            "int",
            "Null",
            "RAM",
            "base",
            "bits",
            "4096",
            "99",
            "\"struct x\"",
            "{ };",
            "cap Null { };",
            "/*",
            "//",
            "é",
        ];
        prop::sample::select(tokens.to_vec())
    }

    #[test]
    fn the_real_file_compiles() {
        assert!(hamlet::parse("real.hl", REAL).is_ok());
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
