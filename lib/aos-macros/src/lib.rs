//! The attribute `#[aos::main]`.
//!
//! It keeps the function as it is and adds what the library OS links against: the symbol `__aos_main`, which hands the
//! arguments over and turns the result into an exit status, and the ABI note.
#![forbid(unsafe_code)]

use proc_macro::{Delimiter, TokenStream, TokenTree};

/// Marks the program's entry: `fn main(args: Args) -> Result<(), Error>`, or any result that implements
/// `aos::Termination`; `args` may be left out. The crate must be `#![no_std]` and `#![no_main]`.
///
/// # Errors
/// A compile error when it stands on something else than a function.
#[proc_macro_attribute]
pub fn main(attribute: TokenStream, item: TokenStream) -> TokenStream {
    if !attribute.is_empty() {
        return error("#[aos::main] takes no arguments");
    }
    let Some((name, takes_args)) = signature(item.clone()) else {
        return error(
            "#[aos::main] belongs on a function with at most one parameter, the arguments",
        );
    };
    let call = if takes_args { "(args)" } else { "()" };
    let glue = format!(
        "#[doc(hidden)] #[unsafe(no_mangle)] extern \"Rust\" fn __aos_main(args: ::aos::Args) -> ::aos::Status {{ \
             let _ = &args; ::aos::Termination::report({name}{call}) \
         }} \
         ::aos::kpi::abi_note!();"
    );
    match glue.parse::<TokenStream>() {
        Ok(glue) => item.into_iter().chain(glue).collect(),
        Err(_) => error("#[aos::main]: the name of this function cannot be used here"),
    }
}

/// Name of the function, and whether it has a parameter.
fn signature(item: TokenStream) -> Option<(String, bool)> {
    let mut tokens = item.into_iter();
    tokens
        .by_ref()
        .find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    let TokenTree::Ident(name) = tokens.next()? else {
        return None;
    };
    match tokens.next()? {
        TokenTree::Group(parameters) if parameters.delimiter() == Delimiter::Parenthesis => {
            Some((name.to_string(), !parameters.stream().is_empty()))
        }
        _ => None,
    }
}

fn error(message: &str) -> TokenStream {
    format!("::core::compile_error!({message:?});")
        .parse()
        .unwrap_or_default()
}
