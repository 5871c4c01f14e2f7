//! The generated code works: the golden file, which `golden.rs` keeps equal to the output.

#[cfg(test)]
mod tests {
    include!("golden/sample.rs");

    #[test]
    fn numbers_and_texts() {
        assert_eq!(ErrorCode::SysOk.to_u16(), 0);
        assert_eq!(ErrorCode::SysRamCapCreated.to_u16(), 1);
        assert_eq!(ErrorCode::FIRST_FAILURE, 2);
        assert_eq!(ErrorCode::COUNT, 5);
        assert_eq!(ErrorCode::KrnX1.text(), "backslash \\ and more");
        assert_eq!(ErrorCode::CommonNotimp.domain(), "common");
        assert!(ErrorCode::from_u16(4) == Some(ErrorCode::CommonNotimp));
        assert!(ErrorCode::from_u16(5).is_none() && ErrorCode::from_u16(1023).is_none());
        assert!(ErrorCode::from_name("SYS_ERR_CAP_NOT_FOUND") == Some(ErrorCode::SysCapNotFound));
        assert!(ErrorCode::SysRamCapCreated.is_success() && !ErrorCode::KrnX1.is_success());
        assert_eq!(ErrorCode::Unknown.text(), "unknown error");
    }
}
