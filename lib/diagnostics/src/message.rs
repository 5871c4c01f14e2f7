//! Messages as data: an enum per language, each variant with an identifier, what is wrong, and what to do.

/// What a message of any language can be asked for.
pub trait Message {
    /// Short name of the kind of message. Tests have one example file of that name for each.
    fn id(&self) -> &'static str;
    /// What is wrong.
    fn what(&self) -> String;
    /// What to do about it.
    fn cure(&self) -> String;
}

/// Declares the enum of a language's messages.
///
/// Each line reads `Variant { field: Type } = "id": "what is wrong", "what to do";` and both texts may name the fields. The
/// enum implements [`Message`] and lists all identifiers in `IDS`.
#[macro_export]
macro_rules! messages {
    ($(#[$outer:meta])* pub enum $name:ident {
        $($variant:ident { $($field:ident : $type:ty),* } = $id:literal : $what:literal , $cure:literal ;)*
    }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $what] $variant { $(#[doc = "Shown in the message."] $field: $type),* },)*
        }

        impl $name {
            /// The identifier of every message.
            pub const IDS: &'static [&'static str] = &[$($id),*];
        }

        impl $crate::Message for $name {
            fn id(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $id,)* }
            }

            fn what(&self) -> String {
                match self { $(Self::$variant { $($field),* } => { _ = ($($field,)*); format!($what) })* }
            }

            fn cure(&self) -> String {
                match self { $(Self::$variant { $($field),* } => { _ = ($($field,)*); format!($cure) })* }
            }
        }
    };
}

messages! {
    /// Messages of the lexer and of [`Cursor`](crate::Cursor), the same in every language.
    pub enum SyntaxMessage {
        UnexpectedCharacter { found: char } = "unexpected-character":
            "the character {found:?} means nothing here", "remove it";
        UnterminatedComment {} = "unterminated-comment":
            "this comment never ends", "close it with */";
        UnterminatedText {} = "unterminated-text":
            "this text does not end on its line", "put a double quote at both its ends";
        MalformedNumber { found: String } = "malformed-number":
            "`{found}` is not a number", "write decimal digits, or 0x and hexadecimal digits";
        NumberTooLarge { found: String } = "number-too-large":
            "{found} does not fit in 64 bits", "write a smaller number";
        UnexpectedToken { found: String, expected: String } = "unexpected-token":
            "{expected} must stand here, not {found}", "add or correct it";
    }
}
