//! Every message of the language. Each has an example of its name in `tests/fixtures`.

diagnostics::messages! {
    /// What can be wrong in a Hamlet file whose tokens are right.
    pub enum HamletMessage {
        ReservedWord { word: String } = "reserved-word":
            "`{word}` is a word of the language", "choose another name";
        HeaderOrder { word: String } = "header-order":
            "`{word}` stands in the wrong place",
            "the order is: name, copy rule or origin (`from X`, `from_self`), `abstract`, `inherit X`, body";
        OriginWithCopyRule { name: String } = "origin-with-copy-rule":
            "`{name}` has both an origin and a copy rule", "remove `from` and `from_self`, or `is_always_copy` and `is_never_copy`";
        AbstractWithOrigin { name: String } = "abstract-with-origin":
            "`{name}` is abstract, so no capability of that type can be made or copied", "remove its origin or copy rule, or `abstract`";
        NoBody { name: String } = "no-body":
            "`{name}` has neither a body nor something to inherit it from", "add `{{ ... }}`";
        RetypeMultipleNotFirst {} = "retype-multiple-not-first":
            "`can_retype_multiple` must stand first in the body", "move it up";
        DuplicateDefine { name: String } = "duplicate-define":
            "the constant `{name}` is defined twice", "remove or rename one of them";
        DuplicateCapability { name: String } = "duplicate-capability":
            "the capability `{name}` is defined twice", "remove or rename one of them";
        DuplicateField { name: String } = "duplicate-field":
            "this capability already has a field `{name}`, perhaps an inherited one", "rename one of them";
        UnknownCapability { name: String } = "unknown-capability":
            "there is no capability `{name}`", "define it, or correct the name";
        DefinedLater { name: String } = "defined-later":
            "`{name}` is used before it is defined", "move its definition above this one";
        FromAbstract { name: String } = "from-abstract":
            "`{name}` is abstract, so nothing can be made from it", "name a concrete capability";
        UnknownType { name: String } = "unknown-type":
            "`{name}` is not a field type",
            "use one of u8, u16, u32, u64, int, genpaddr, gensize, lpaddr, genvaddr, lvaddr, caddr, caprights, coreid, pasid, or a foreign type in double quotes";
        UnknownName { name: String } = "unknown-name":
            "`{name}` is neither a constant nor a field of this capability", "define it before it is used";
        SecondAddress {} = "second-address":
            "this capability already has an address, perhaps an inherited one", "keep one of them";
        SecondSize {} = "second-size":
            "this capability already has a size, perhaps an inherited one", "keep one of them";
        SizeWithoutAddress { name: String } = "size-without-address":
            "`{name}` has a size but no address", "add an `address`, or remove the size";
        SizeBitsTooLarge { bits: u64 } = "size-bits-too-large":
            "2 to the power of {bits} does not fit in 64 bits", "give a number of bits below 64";
        SizeTooLarge {} = "size-too-large":
            "this sum does not fit in 64 bits", "use smaller constants";
        DoesNotFit { name: String, need: u32 } = "does-not-fit":
            "the fields of `{name}` need {need} bits and do not fit in the record, which has words of 64, 64, 32 and 16 bits",
            "use smaller types or fewer fields";
        NullFirst {} = "null-first":
            "the first concrete capability must be `Null`, without fields", "begin with `cap Null is_never_copy {{ }};`";
        TooManyTypes { count: usize } = "too-many-types":
            "there are {count} concrete capabilities, but a type is one byte", "keep at most 255";
        UnusableName { name: String } = "unusable-name":
            "`{name}` cannot be a name in the generated Rust code", "choose another name";
        NameCollision { name: String, other: String, rust: String } = "name-collision":
            "`{name}` and `{other}` would both be `{rust}` in the generated Rust code", "rename one of them";
    }
}
