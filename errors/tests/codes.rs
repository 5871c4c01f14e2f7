//! The list of codes itself.

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use errors::ErrorCode;

    #[test]
    fn successes_come_first() {
        let successes: Vec<_> = ErrorCode::ALL
            .iter()
            .take_while(|code| code.is_success())
            .map(|code| code.name())
            .collect();
        assert_eq!(
            successes,
            [
                "SYS_ERR_OK",
                "SYS_ERR_RAM_CAP_CREATED",
                "TRACE_ERR_SUBSYS_DISABLED",
                "VFS_ERR_EOF"
            ]
        );
        assert_eq!(ErrorCode::SysOk.to_u16(), 0);
        assert_eq!(ErrorCode::FIRST_FAILURE, 4);
        assert_eq!(ErrorCode::SysNotImplemented.to_u16(), 4);
    }

    #[test]
    fn numbers_and_names_lead_back() {
        for (number, code) in ErrorCode::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(code.to_u16()), number);
            assert_eq!(ErrorCode::from_u16(code.to_u16()), Some(code));
            assert_eq!(ErrorCode::from_name(code.name()), Some(code));
            assert_eq!(code.is_success(), code.to_u16() < ErrorCode::FIRST_FAILURE);
        }
        assert_eq!(ErrorCode::from_u16(ErrorCode::COUNT as u16), None);
        assert_eq!(ErrorCode::from_u16(u16::MAX), None);
        assert_eq!(ErrorCode::Unknown.name(), "ERR_UNKNOWN");
        assert_eq!(ErrorCode::Unknown.domain(), "unknown");
        assert!(!ErrorCode::Unknown.is_success());
        assert_eq!(ErrorCode::SpawnAbiMismatch.domain(), "spawn");
        assert_eq!(ErrorCode::LibSlotAlloc.domain(), "libaos");
        assert_eq!(ErrorCode::CommonInvalidArgs.name(), "ERR_INVALID_ARGS");
        assert_eq!(
            ErrorCode::AosLmpMsgtypeUnknown.to_u16() as usize,
            ErrorCode::COUNT - 1
        );
    }

    /// Texts are parts of sentences: see the head of `errno.fugu`.
    #[test]
    fn texts_read_as_clauses() {
        for code in ErrorCode::ALL {
            let text = code.text();
            let first = text.chars().next().unwrap();
            let acronym = text.chars().nth(1).is_some_and(char::is_uppercase);
            assert!(first.is_lowercase() || acronym, "{}: {text}", code.name());
            assert!(
                !text.ends_with('.') && text.trim() == text,
                "{}",
                code.name()
            );
            assert!(
                text.is_ascii() && text.len() <= 110,
                "{}: {}",
                code.name(),
                text.len()
            );
        }
        let pairs = ErrorCode::ALL
            .iter()
            .map(|code| (code.domain(), code.text()));
        let texts: HashSet<_> = pairs.collect();
        assert_eq!(
            texts.len(),
            ErrorCode::COUNT,
            "two codes of a domain say the same"
        );
    }
}
