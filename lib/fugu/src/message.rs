//! Every message of the language. Each has an example of its name in `tests/fixtures`.

diagnostics::messages! {
    /// What can be wrong in a Fugu file whose tokens are right.
    pub enum FuguMessage {
        MissingComma {} = "missing-comma":
            "a comma is missing behind this", "put one after every case, the last included";
        EmptyClass { domain: String } = "empty-class":
            "the domain `{domain}` has no codes", "give it one, or remove it";
        DefaultFailure {} = "default-failure":
            "a failure cannot be the default", "write `default success`, or remove `default`";
        NoDefault {} = "no-default":
            "no code is the default success", "write `default success` before the one that means all is well";
        SecondDefault { first: String } = "second-default":
            "`{first}` is the default success already", "remove one of the two `default`";
        DuplicateCode { name: String } = "duplicate-code":
            "the code `{name}` is defined twice", "remove or rename one of them";
        EmptyText { name: String } = "empty-text":
            "`{name}` has no text", "say in a few words what happened";
        UnusablePrefix { prefix: String } = "unusable-prefix":
            "the prefix `{prefix}` does not end with an underscore", "add one, as in `SYS_ERR_`";
        NameCollision { name: String, other: String, rust: String } = "name-collision":
            "`{name}` and `{other}` would both be `{rust}` in the generated Rust code", "rename one of them";
        TooManyCodes { count: usize, most: usize } = "too-many-codes":
            "there are {count} codes, but only {most} fit in the 10 bits of one code", "remove some";
        NoCodes {} = "no-codes":
            "this file defines no codes", "begin with `errors DOMAIN PREFIX {{ default success OK \"...\", }};`";
    }
}
