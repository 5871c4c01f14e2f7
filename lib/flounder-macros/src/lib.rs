//! The attribute `#[flounder::interface]`: from a trait to messages, a client and a server.
//!
//! | Module | What |
//! |---|---|
//! | `parse` | the trait, checked: what an interface may contain, with an error at the place of what it may not |
//! | `value` | how one parameter or result travels: as a word, as bytes, as a capability |
//! | `generate` | the trait, `...Client` and `...Server` |
//!
//! Barrelfish counterpart: tools/flounder, which reads its own language and writes C.
#![forbid(unsafe_code)]

mod generate;
mod parse;
mod value;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Makes an interface of a trait.
///
/// The trait `Name` stays, for the service to implement, and two types are added: `NameClient<T, L>`, with a method that
/// makes a [`Call`](../flounder/struct.Call.html) for each method of the trait, and `NameServer<S>`, which makes a `Service`
/// of an implementation.
///
/// * The trait has no type parameter, or one: the capability type. Where it stands alone, as `Option<C>` or as `Vec<C>`, a
///   capability travels.
/// * A method is `fn name(&mut self, ...) -> Result<Value, Error>`; the value may be a tuple. With `#[one_way]` it has no
///   result. With `#[later]` the service's method gets an `Answer` as last parameter and returns nothing; the trait then also
///   has a method `cancelled`. With `#[caller]` the service's method gets a `Caller` as first parameter.
/// * The trait also has a method `closed`, which says that a client's connection has ended, and does nothing unless the service
///   defines it.
/// * Parameters are numbers, `bool`, `char`, `&str`, `&[u8]`, capabilities, and owned values that serde can write and read.
///   If all are of the first three kinds, at most eight, with at most one capability, they travel as words.
/// * `#[interface(version = 2)]` changes the version; do so when a type of a signature changes inside.
///
/// # Errors
/// A compile error at whatever else the trait contains.
#[proc_macro_attribute]
pub fn interface(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let version = parse_macro_input!(attribute as parse::Version);
    let item = parse_macro_input!(item as syn::ItemTrait);
    match parse::Interface::new(version, item) {
        Ok(interface) => generate::generate(&interface).into(),
        Err(error) => error.into_compile_error().into(),
    }
}
