//! The trait, checked.

use crate::value::{Value, form};
use proc_macro2::Span;
use quote::{ToTokens, format_ident};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Ident, ItemTrait, LitInt, Pat,
    PathArguments, ReturnType, Token, TraitItem, TraitItemFn, Type, Visibility,
};

/// Methods that an interface can have: flounder's `METHODS_MAX`.
const METHODS_MAX: usize = 1 << 11;

/// The arguments of the attribute.
pub struct Version(u64);

impl Parse for Version {
    fn parse(input: ParseStream<'_>) -> Result<Self, Error> {
        if input.is_empty() {
            return Ok(Self(1));
        }
        let name: Ident = input.parse()?;
        if name != "version" {
            return Err(Error::new(
                name.span(),
                "the only argument is `version = NUMBER`",
            ));
        }
        input.parse::<Token![=]>()?;
        let number: LitInt = input.parse()?;
        Ok(Self(number.base10_parse()?))
    }
}

/// What a method does about its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Call,
    OneWay,
    Later,
}

/// A method.
pub struct Method {
    pub attributes: Vec<Attribute>,
    pub name: Ident,
    pub kind: Kind,
    /// Whether the service is told who calls.
    pub caller: bool,
    pub inputs: Vec<Value>,
    /// The result as it is written.
    pub output: ReturnType,
    /// The value in the result, `()` for one-way methods.
    pub result: Type,
    pub outputs: Vec<Value>,
    /// Whether the result is a tuple of the outputs.
    pub tuple: bool,
}

/// An interface.
pub struct Interface {
    pub attributes: Vec<Attribute>,
    pub visibility: Visibility,
    pub name: Ident,
    pub cap: Option<Ident>,
    pub methods: Vec<Method>,
    pub name_hash: u64,
    pub version_hash: u64,
}

impl Interface {
    /// Checks the trait.
    pub fn new(version: Version, item: ItemTrait) -> Result<Self, Error> {
        if let Some(word) = &item.unsafety {
            return Err(Error::new(
                word.span(),
                "an interface has nothing to do with unsafe code",
            ));
        }
        if let Some(bound) = item.supertraits.first() {
            return Err(Error::new(
                bound.span(),
                "an interface cannot build on other traits, because a client knows only its messages",
            ));
        }
        let cap = cap_type(&item)?;
        let mut errors: Option<Error> = None;
        let mut methods: Vec<Method> = Vec::new();
        for entry in &item.items {
            let method = match entry {
                TraitItem::Fn(function) => method(function, cap.as_ref()),
                other => Err(Error::new(
                    other.span(),
                    "an interface has only methods: constants and types cannot be sent",
                )),
            };
            match method {
                Ok(method) => methods.push(method),
                Err(error) => match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                },
            }
        }
        if let Some(errors) = errors {
            return Err(errors);
        }
        if methods.is_empty() || methods.len() > METHODS_MAX {
            return Err(Error::new(
                item.ident.span(),
                "an interface has at least one method and at most 2048",
            ));
        }
        let name_hash = hash(item.ident.to_string().bytes());
        let version_hash = hash(signatures(version.0, &methods).bytes());
        Ok(Self {
            attributes: item.attrs,
            visibility: item.vis,
            name: item.ident,
            cap,
            methods,
            name_hash,
            version_hash,
        })
    }
}

fn cap_type(item: &ItemTrait) -> Result<Option<Ident>, Error> {
    if let Some(clause) = &item.generics.where_clause {
        return Err(Error::new(
            clause.span(),
            "the capability type has no bounds here, the transport decides what it is",
        ));
    }
    let mut cap = None;
    for parameter in &item.generics.params {
        match parameter {
            GenericParam::Type(ty) if cap.is_none() => {
                if !ty.bounds.is_empty() || ty.default.is_some() {
                    return Err(Error::new(
                        ty.span(),
                        "the capability type has no bounds here, the transport decides what it is",
                    ));
                }
                cap = Some(ty.ident.clone());
            }
            other => {
                return Err(Error::new(
                    other.span(),
                    "an interface has at most one parameter, the capability type",
                ));
            }
        }
    }
    Ok(cap)
}

fn method(function: &TraitItemFn, cap: Option<&Ident>) -> Result<Method, Error> {
    let signature = &function.sig;
    if let Some(body) = &function.default {
        return Err(Error::new(
            body.span(),
            "a method of an interface has no body: the service writes it, and a client only sends messages",
        ));
    }
    if let Some(word) = &signature.asyncness {
        return Err(Error::new(
            word.span(),
            "leave `async` out: a client's methods are futures anyway, and a service that answers later says `#[later]`",
        ));
    }
    let odd = (signature.unsafety.map(|word| word.span()))
        .or_else(|| signature.constness.map(|word| word.span()))
        .or_else(|| signature.abi.as_ref().map(Spanned::span))
        .or_else(|| signature.variadic.as_ref().map(Spanned::span));
    if let Some(span) = odd {
        return Err(Error::new(
            span,
            "a method of an interface is an ordinary safe function",
        ));
    }
    if let Some(parameter) = signature.generics.params.first() {
        return Err(Error::new(
            parameter.span(),
            "a message has one format, so a method cannot have parameters of its own",
        ));
    }
    let (kind, caller, attributes) = kind(function)?;
    let name = signature.ident.clone();
    if ["bind", "connection", "cancelled", "closed"]
        .iter()
        .any(|taken| name == *taken)
    {
        return Err(Error::new(
            name.span(),
            "the generated types have a method of this name themselves, choose another",
        ));
    }
    let mut arguments = signature.inputs.iter();
    match arguments.next() {
        Some(FnArg::Receiver(this))
            if this.reference.is_some()
                && this.mutability.is_some()
                && this.colon_token.is_none() => {}
        other => {
            let span = other.map_or(signature.paren_token.span.join(), Spanned::span);
            return Err(Error::new(
                span,
                "the first parameter is `&mut self`: the service does one message at a time",
            ));
        }
    }
    let mut inputs = Vec::new();
    for argument in arguments {
        let FnArg::Typed(argument) = argument else {
            continue;
        };
        let name = match &*argument.pat {
            Pat::Ident(pattern)
                if pattern.by_ref.is_none()
                    && pattern.mutability.is_none()
                    && pattern.subpat.is_none() =>
            {
                pattern.ident.clone()
            }
            other => {
                return Err(Error::new(other.span(), "a parameter is a plain name"));
            }
        };
        inputs.push(Value {
            name,
            form: form(&argument.ty, cap, true)?,
            ty: (*argument.ty).clone(),
        });
    }
    let (result, outputs, tuple) = results(&signature.output, kind, &name, cap)?;
    Ok(Method {
        attributes,
        name,
        kind,
        caller,
        inputs,
        output: signature.output.clone(),
        result,
        outputs,
        tuple,
    })
}

/// The kind of a method, whether it is told the caller, and its other attributes.
fn kind(function: &TraitItemFn) -> Result<(Kind, bool, Vec<Attribute>), Error> {
    let mut kind = Kind::Call;
    let mut caller = false;
    let mut others = Vec::new();
    for attribute in &function.attrs {
        let marked = match () {
            () if attribute.path().is_ident("one_way") => Kind::OneWay,
            () if attribute.path().is_ident("later") => Kind::Later,
            () if attribute.path().is_ident("caller") => {
                attribute.meta.require_path_only()?;
                caller = true;
                continue;
            }
            () => {
                others.push(attribute.clone());
                continue;
            }
        };
        if kind != Kind::Call {
            return Err(Error::new(
                attribute.span(),
                "a method is either `#[one_way]` or `#[later]`: one has no answer, the other has it later",
            ));
        }
        attribute.meta.require_path_only()?;
        kind = marked;
    }
    Ok((kind, caller, others))
}

type Results = (Type, Vec<Value>, bool);

fn results(
    output: &ReturnType,
    kind: Kind,
    name: &Ident,
    cap: Option<&Ident>,
) -> Result<Results, Error> {
    let unit = Type::Tuple(syn::TypeTuple {
        paren_token: syn::token::Paren(Span::call_site()),
        elems: syn::punctuated::Punctuated::new(),
    });
    let ty = match (output, kind) {
        (ReturnType::Default, Kind::OneWay) => return Ok((unit, Vec::new(), true)),
        (ReturnType::Type(_, ty), Kind::OneWay) => {
            return Err(Error::new(
                ty.span(),
                "a one-way message has no result; leave `#[one_way]` out to get one",
            ));
        }
        (ReturnType::Default, _) => {
            return Err(Error::new(
                name.span(),
                "a call can fail, if only because the connection is lost: write `-> Result<(), Error>`, or mark it `#[one_way]`",
            ));
        }
        (ReturnType::Type(_, ty), _) => ty,
    };
    let Some(value) = result_value(ty) else {
        return Err(Error::new(
            ty.span(),
            "a call can fail, if only because the connection is lost: the result is `Result<Value, Error>`, with the system's `Error`",
        ));
    };
    let (parts, tuple): (Vec<&Type>, bool) = match value {
        Type::Tuple(tuple) => (tuple.elems.iter().collect(), true),
        other => (vec![other], false),
    };
    let mut outputs = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        outputs.push(Value {
            name: format_ident!("result{index}"),
            form: form(part, cap, false)?,
            ty: part.clone(),
        });
    }
    Ok((value.clone(), outputs, tuple))
}

/// The value in `Result<Value, Error>`.
fn result_value(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(list) = &last.arguments else {
        return None;
    };
    let mut arguments = list.args.iter();
    match (arguments.next()?, arguments.next()?, arguments.next()) {
        (GenericArgument::Type(value), GenericArgument::Type(Type::Path(error)), None)
            if last.ident == "Result" && error.path.segments.last()?.ident == "Error" =>
        {
            Some(value)
        }
        _ => None,
    }
}

/// What the version is made from. Names of parameters may change, everything else not.
fn signatures(version: u64, methods: &[Method]) -> String {
    let mut text = format!("flounder 1, version {version}\n");
    for method in methods {
        let types = |values: &[Value]| {
            let types = values.iter().map(|value| {
                let text = value.ty.to_token_stream().to_string();
                format!("{:?} {}", value.form, text.replace(char::is_whitespace, ""))
            });
            types.collect::<Vec<_>>().join(", ")
        };
        let kind = match method.kind {
            // Whether the answer comes at once is no business of the client.
            Kind::Call | Kind::Later => "call",
            Kind::OneWay => "one_way",
        };
        text.push_str(&format!(
            "{kind} {}({}) -> {} ({})\n",
            method.name,
            types(&method.inputs),
            method.tuple,
            types(&method.outputs)
        ));
    }
    text
}

/// FNV-1a.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
