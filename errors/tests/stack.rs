//! The stack of codes against a model: a vector that keeps the newest six.

#[cfg(test)]
mod tests {
    use errors::{DEPTH, Error, ErrorCode, ResultExt};
    use proptest::prelude::*;

    fn failure() -> impl Strategy<Value = ErrorCode> {
        (usize::from(ErrorCode::FIRST_FAILURE)..ErrorCode::COUNT).prop_map(|n| ErrorCode::ALL[n])
    }

    fn codes(error: Option<Error>) -> Vec<ErrorCode> {
        error.into_iter().flat_map(Error::codes).collect()
    }

    proptest! {
        #[test]
        fn push_and_pop_as_the_model(pushed in prop::collection::vec(failure(), 1..20)) {
            let mut model: Vec<ErrorCode> = Vec::new();
            let mut error: Option<Error> = None;
            for code in pushed {
                error = Some(error.map_or(Error::new(code), |error| error.push(code)));
                model.insert(0, code);
                model.truncate(DEPTH);
                prop_assert_eq!(codes(error), model.clone());
                prop_assert_eq!(error.map(Error::code), model.first().copied());
                let raw = error.map_or(0, Error::raw);
                prop_assert_eq!(Error::from_raw(raw), error);
            }
            while !model.is_empty() {
                for code in &model {
                    prop_assert!(error.is_some_and(|error| error.contains(*code)));
                }
                error = error.and_then(Error::pop);
                model.remove(0);
                prop_assert_eq!(codes(error), model.clone());
            }
            prop_assert_eq!(error, None);
        }

        #[test]
        fn success_on_top_changes_nothing(code in failure(), success in 0..ErrorCode::FIRST_FAILURE) {
            let error = Error::new(code);
            let success = ErrorCode::from_u16(success).unwrap();
            prop_assert_eq!(error.push(success), error);
            prop_assert!(success.is_success() && !error.is_success());
        }

        #[test]
        fn any_word_is_safe(raw in any::<u64>()) {
            let error = Error::from_raw(raw);
            prop_assert_eq!(error.is_none(), raw & 0x3ff == 0);
            if let Some(error) = error {
                prop_assert_eq!(error.raw(), raw & ((1 << 60) - 1));
                let newest = ErrorCode::from_u16((raw & 0x3ff) as u16);
                prop_assert_eq!(error.code(), newest.unwrap_or(ErrorCode::Unknown));
                prop_assert!((1..=DEPTH).contains(&error.codes().count()));
                prop_assert!(!error.to_string().is_empty());
                let printed = format!("{error:?}");
                prop_assert!(printed.starts_with("Error["));
                prop_assert_eq!(error.push(ErrorCode::SysRetryThroughMonitor).code(), ErrorCode::SysRetryThroughMonitor);
            }
        }
    }

    #[test]
    fn prints_the_chain() {
        let error = Error::new(ErrorCode::SysCapNotFound).push(ErrorCode::LibCapCopy);
        assert_eq!(
            error.to_string(),
            "could not copy a capability (LIB_ERR_CAP_COPY): no capability in that slot (SYS_ERR_CAP_NOT_FOUND)"
        );
        assert_eq!(
            format!("{error:?}"),
            "Error[LIB_ERR_CAP_COPY, SYS_ERR_CAP_NOT_FOUND]"
        );
        let unknown = Error::from_raw(1000).map(|error| error.push(ErrorCode::LibRamAlloc));
        assert_eq!(
            unknown.map(|error| error.to_string()).unwrap(),
            "could not allocate memory (LIB_ERR_RAM_ALLOC): unknown error 1000 (ERR_UNKNOWN)"
        );
    }

    #[test]
    fn success_is_no_error() {
        assert_eq!(Error::from_raw(0), None);
        assert_eq!(Error::new(ErrorCode::SysOk).code(), ErrorCode::Unknown);
        assert_eq!(size_of::<Result<(), Error>>(), 8);
    }

    #[test]
    fn results_collect_codes() {
        fn inner() -> Result<u8, Error> {
            Err(ErrorCode::SysSlotInUse)?
        }
        let outer = inner().push_err(ErrorCode::LibCapMint);
        assert_eq!(
            codes(outer.err()),
            [ErrorCode::LibCapMint, ErrorCode::SysSlotInUse]
        );
        assert_eq!(Ok(1).push_err(ErrorCode::LibCapMint), Ok(1));
    }
}
