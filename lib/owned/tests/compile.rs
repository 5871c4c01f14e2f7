//! What must not compile, with the message that the author of such a program reads.
//!
//! A changed message is a failure here: run with `TRYBUILD=overwrite` and read the difference.

#[test]
fn what_must_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
