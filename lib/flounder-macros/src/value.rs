//! How one parameter or result travels.
//!
//! The macro sees names, not types: an alias of a number travels like any other serde value. That costs a little, never
//! correctness, because both sides see the same name.

use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Error, GenericArgument, Ident, PathArguments, Type};

/// Words that the fast form carries: `BODY_WORDS` of flounder.
pub const WORDS_MAX: usize = 8;

/// How a value travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A number, `bool` or `char`.
    Word,
    /// `&[u8]`.
    Slice,
    /// `Vec<u8>`.
    Bytes,
    /// `&str`.
    Text,
    /// `String`.
    String,
    /// What serde writes and reads.
    Serde,
    /// One capability.
    Cap,
    /// A capability that may be missing.
    CapOption,
    /// Several.
    Caps,
}

/// A parameter or a part of a result.
#[derive(Clone)]
pub struct Value {
    pub name: Ident,
    pub ty: Type,
    pub form: Form,
}

/// Whether these values travel as words.
pub fn fast(values: &[Value]) -> bool {
    let count = |form| values.iter().filter(|value| value.form == form).count();
    let (words, caps) = (count(Form::Word), count(Form::Cap));
    words + caps == values.len() && words <= WORDS_MAX && caps <= 1
}

/// The value that takes all bytes that are left, without telling how many: the last one that has data.
pub fn rest(values: &[Value]) -> Option<usize> {
    let last = values.iter().rposition(|value| value.form != Form::Cap)?;
    let form = values.get(last)?.form;
    matches!(form, Form::Slice | Form::Bytes | Form::Text | Form::String).then_some(last)
}

const NUMBERS: [&str; 12] = [
    "u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize", "bool", "char",
];

/// The form of a parameter's type (`input`) or of a result's.
pub fn form(ty: &Type, cap: Option<&Ident>, input: bool) -> Result<Form, Error> {
    match ty {
        Type::Reference(reference) => {
            if !input {
                return Err(Error::new(
                    ty.span(),
                    "a result is owned, because it comes from another domain: String or Vec<u8>",
                ));
            }
            if let Some(word) = &reference.mutability {
                return Err(Error::new(
                    word.span(),
                    "a parameter is sent, not shared, so it cannot be `&mut`; return the new value",
                ));
            }
            if let Some(lifetime) = &reference.lifetime {
                return Err(Error::new(
                    lifetime.span(),
                    "a borrowed parameter lives as long as the call, leave the lifetime out",
                ));
            }
            match &*reference.elem {
                Type::Path(path) if path.path.is_ident("str") => return Ok(Form::Text),
                Type::Slice(slice) if is(&slice.elem, "u8") => return Ok(Form::Slice),
                _ => {}
            }
            return Err(Error::new(
                ty.span(),
                "only `&str` and `&[u8]` can be borrowed, pass other values as they are",
            ));
        }
        Type::ImplTrait(_) | Type::TraitObject(_) | Type::BareFn(_) | Type::Ptr(_) => {
            return Err(Error::new(
                ty.span(),
                "a message carries values: numbers, text, bytes, capabilities and what serde can write and read",
            ));
        }
        _ => {}
    }
    if NUMBERS.iter().any(|name| is(ty, name)) {
        return Ok(Form::Word);
    }
    if is(ty, "String") {
        return Ok(Form::String);
    }
    let element = only_argument(ty);
    if let Some((wrapper, element)) = element {
        if wrapper == "Vec" && is(element, "u8") {
            return Ok(Form::Bytes);
        }
        if let Some(cap) = cap
            && is(element, &cap.to_string())
        {
            match wrapper.to_string().as_str() {
                "Option" => return Ok(Form::CapOption),
                "Vec" => return Ok(Form::Caps),
                _ => {}
            }
        }
    }
    let Some(cap) = cap else {
        return Ok(Form::Serde);
    };
    if is(ty, &cap.to_string()) {
        return Ok(Form::Cap);
    }
    let mut find = Find { cap, found: None };
    find.visit_type(ty);
    match find.found {
        None => Ok(Form::Serde),
        Some(span) => Err(Error::new(
            span,
            format!(
                "a capability travels beside the data, so it stands alone, as `Option<{cap}>` or as `Vec<{cap}>`"
            ),
        )),
    }
}

fn is(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident(name))
}

/// `Wrapper<Element>`.
pub fn only_argument(ty: &Type) -> Option<(&Ident, &Type)> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(list) if list.args.len() == 1 => match list.args.first()? {
            GenericArgument::Type(element) => Some((&last.ident, element)),
            _ => None,
        },
        _ => None,
    }
}

/// Looks for the capability type anywhere in a type.
struct Find<'a> {
    cap: &'a Ident,
    found: Option<proc_macro2::Span>,
}

impl<'ast> Visit<'ast> for Find<'_> {
    fn visit_ident(&mut self, ident: &'ast Ident) {
        if ident == self.cap {
            self.found = Some(ident.span());
        }
    }
}
