//! Traits that are no interfaces do not compile, and the messages say why.

#[cfg(test)]
mod tests {
    #[test]
    fn wrong_traits_are_refused_with_a_reason() {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    }
}
