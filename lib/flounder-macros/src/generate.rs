//! What an interface becomes.

use crate::parse::{Interface, Kind, Method};
use crate::value::{Form, Value, fast, rest};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Type};

/// The trait, the client, the server.
pub fn generate(interface: &Interface) -> TokenStream {
    let parts = [
        service_trait(interface),
        client(interface),
        server(interface),
    ];
    parts.into_iter().collect()
}

/// The capability type of bodies in the server: the interface's own, or any.
fn cap(interface: &Interface) -> Ident {
    interface
        .cap
        .clone()
        .unwrap_or_else(|| format_ident!("AnyCap"))
}

fn generics(interface: &Interface) -> TokenStream {
    interface
        .cap
        .as_ref()
        .map_or_else(TokenStream::new, |cap| quote!(<#cap>))
}

fn service_trait(interface: &Interface) -> TokenStream {
    let Interface {
        attributes,
        visibility,
        name,
        ..
    } = interface;
    let generics = generics(interface);
    let methods = interface.methods.iter().map(|method| {
        let Method {
            attributes,
            name,
            result,
            output,
            ..
        } = method;
        let inputs = method
            .inputs
            .iter()
            .map(|Value { name, ty, .. }| quote!(#name: #ty));
        let (more, output) = match method.kind {
            Kind::Call | Kind::OneWay => (quote!(), quote!(#output)),
            Kind::Later => {
                let cap = interface.cap.as_ref().map(|cap| quote!(, #cap));
                (quote!(answer: ::flounder::Answer<#result #cap>), quote!())
            }
        };
        let caller = method.caller.then(|| quote!(caller: ::flounder::Caller,));
        quote! {
            #(#attributes)*
            fn #name(&mut self, #caller #(#inputs,)* #more) #output;
        }
    });
    let cancelled = interface
        .methods
        .iter()
        .any(|method| method.kind == Kind::Later)
        .then(|| {
            quote! {
                /// The client has given up a call whose answer was left for later; an answer would be thrown away.
                fn cancelled(&mut self, caller: ::flounder::Caller) {
                    let _ = caller;
                }
            }
        });
    quote! {
        #(#attributes)*
        #visibility trait #name #generics {
            #(#methods)*
            #cancelled

            /// This client's connection has ended; what belonged to it may go.
            fn closed(&mut self, connection: u64) {
                let _ = connection;
            }
        }
    }
}

fn client(interface: &Interface) -> TokenStream {
    let Interface {
        visibility,
        name,
        name_hash,
        version_hash,
        ..
    } = interface;
    let client = format_ident!("{name}Client");
    let about = format!(
        "A client of [`{name}`]: each method makes a call, which does nothing until it is awaited."
    );
    // The capability type is the transport's.
    let alias = interface
        .cap
        .as_ref()
        .map(|cap| quote!(<#cap, FlounderT: ::flounder::Transport<Cap = #cap>, FlounderL: ::flounder::Lock>))
        .unwrap_or_else(|| quote!(<FlounderT: ::flounder::Transport, FlounderL: ::flounder::Lock>));
    let cap = interface
        .cap
        .as_ref()
        .map_or_else(|| quote!(FlounderT::Cap), |cap| quote!(#cap));
    let methods = (0_u16..).zip(&interface.methods).map(|(number, method)| {
        let Method {
            attributes,
            name,
            result,
            ..
        } = method;
        let inputs = method.inputs.iter().map(|Value { name, ty, .. }| quote!(#name: #ty));
        let body = write(&method.inputs, &cap);
        let call = match method.kind {
            Kind::OneWay => quote!(self.connection.one_way(#number, #body)),
            Kind::Call | Kind::Later => {
                let value = value_of(method);
                let read = read(&method.outputs, &value);
                quote!(self.connection.call(#number, #body, |flounder_incoming| { #read }))
            }
        };
        quote! {
            #(#attributes)*
            #[inline]
            pub fn #name(&self, #(#inputs),*) -> ::flounder::Call<'_, FlounderT, FlounderL, #result> {
                #call
            }
        }
    });
    let count = interface.methods.len() as u16;
    quote! {
        #[doc = #about]
        #visibility struct #client<FlounderT: ::flounder::Transport, FlounderL: ::flounder::Lock = ::flounder::Single> {
            connection: ::flounder::Connection<FlounderT, FlounderL>,
        }

        impl<FlounderT: ::flounder::Transport, FlounderL: ::flounder::Lock> ::core::clone::Clone
            for #client<FlounderT, FlounderL>
        {
            fn clone(&self) -> Self {
                Self { connection: ::core::clone::Clone::clone(&self.connection) }
            }
        }

        impl<FlounderT: ::flounder::Transport, FlounderL: ::flounder::Lock> ::core::fmt::Debug
            for #client<FlounderT, FlounderL>
        {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(::core::stringify!(#client))
            }
        }

        impl #alias #client<FlounderT, FlounderL> {
            /// Hashes of the interface's name and of its signatures, as they are said when a client binds.
            pub const INTERFACE: (u64, u64) = (#name_hash, #version_hash);
            /// How many methods there are; the first one's number is 0.
            pub const METHODS: u16 = #count;

            /// Connects to the service at the other end.
            ///
            /// # Errors
            /// `FLOUNDER_ERR_BIND`, and why: it offers another interface or version, or the connection was lost.
            pub async fn bind(
                transport: FlounderT,
                limits: ::flounder::Limits,
            ) -> ::core::result::Result<Self, ::flounder::errors::Error> {
                let connection =
                    ::flounder::Connection::bind(transport, limits, #name_hash, #version_hash).await?;
                ::core::result::Result::Ok(Self { connection })
            }

            /// The connection.
            pub fn connection(&self) -> &::flounder::Connection<FlounderT, FlounderL> {
                &self.connection
            }

            #(#methods)*
        }
    }
}

fn server(interface: &Interface) -> TokenStream {
    let Interface {
        visibility,
        name,
        name_hash,
        version_hash,
        ..
    } = interface;
    let server = format_ident!("{name}Server");
    let about = format!("Makes a service of what implements [`{name}`].");
    let generics = generics(interface);
    let cap = cap(interface);
    let arms = (0_u16..).zip(&interface.methods).map(|(number, method)| {
        let run = run(interface, method);
        match method.kind {
            Kind::OneWay => quote! {
                (#number, true) => {
                    #run
                    ::core::result::Result::Ok(::flounder::server::Outcome::Nothing)
                }
            },
            Kind::Call | Kind::Later => quote! {
                (#number, false) => {
                    let result: ::core::result::Result<
                        ::flounder::server::Outcome<#cap>,
                        ::flounder::errors::Error,
                    > = (|| { #run })();
                    ::core::result::Result::Ok(match result {
                        ::core::result::Result::Ok(outcome) => outcome,
                        ::core::result::Result::Err(error) => ::flounder::server::Outcome::Failed(error),
                    })
                }
            },
        }
    });
    let later = interface
        .methods
        .iter()
        .any(|method| method.kind == Kind::Later);
    let cancelled = match later {
        true => quote!(<FlounderS as #name #generics>::cancelled(&mut self.0, caller)),
        false => quote!(let _ = caller),
    };
    quote! {
        #[doc = #about]
        #[derive(Debug)]
        #visibility struct #server<FlounderS>(
            /// The implementation.
            pub FlounderS,
        );

        impl<#cap, FlounderS: #name #generics> ::flounder::Service<#cap> for #server<FlounderS> {
            const NAME: u64 = #name_hash;
            const VERSION: u64 = #version_hash;

            #[inline]
            fn dispatch(
                &mut self,
                flounder_caller: ::flounder::Caller,
                method: u16,
                one_way: bool,
                flounder_incoming: &mut ::flounder::Incoming<'_, #cap>,
            ) -> ::core::result::Result<::flounder::server::Outcome<#cap>, ::flounder::errors::Error> {
                let _ = flounder_caller;
                match (method, one_way) {
                    #(#arms)*
                    _ => ::core::result::Result::Err(
                        ::flounder::errors::ErrorCode::FlounderRxInvalidMsgnum.into(),
                    ),
                }
            }

            fn cancelled(&mut self, caller: ::flounder::Caller) {
                #cancelled;
            }

            fn closed(&mut self, connection: u64) {
                <FlounderS as #name #generics>::closed(&mut self.0, connection);
            }
        }
    }
}

/// Reads the arguments, calls the implementation, and makes the outcome.
fn run(interface: &Interface, method: &Method) -> TokenStream {
    let (name, trait_name, result) = (&method.name, &interface.name, &method.result);
    let generics = generics(interface);
    let inputs = method.inputs.iter().map(|value| &value.name);
    let caller = method.caller.then(|| quote!(flounder_caller,));
    let names = quote!(#caller #(#inputs,)*);
    let then = match method.kind {
        Kind::OneWay => {
            quote!(<FlounderS as #trait_name #generics>::#name(&mut self.0, #names);)
        }
        Kind::Call => {
            let cap = cap(interface);
            let take = take_apart(
                method,
                &quote!(<FlounderS as #trait_name #generics>::#name(&mut self.0, #names)?),
            );
            let outcome = match fast(&method.outputs) {
                true => {
                    let words = words(&method.outputs);
                    quote!(flounder_incoming.reply(#words))
                }
                false => {
                    let body = write(&method.outputs, &quote!(#cap));
                    quote!(::flounder::server::Outcome::Reply(#body?))
                }
            };
            quote! {
                #take
                ::core::result::Result::Ok(#outcome)
            }
        }
        Kind::Later => {
            let cap = interface
                .cap
                .as_ref()
                .map_or_else(|| quote!(::core::convert::Infallible), |cap| quote!(#cap));
            let take = take_apart(method, &quote!(flounder_value));
            let body = write(&method.outputs, &cap);
            quote! {
                let flounder_answer = ::flounder::Answer::new(flounder_caller, flounder_promise, |flounder_value: #result| {
                    #take
                    #body
                });
                <FlounderS as #trait_name #generics>::#name(&mut self.0, #names flounder_answer);
                ::core::result::Result::Ok(::flounder::server::Outcome::Later)
            }
        }
    };
    let read = read(&method.inputs, &then);
    match method.kind {
        Kind::Later => quote! {
            let flounder_promise = flounder_incoming.promise();
            #read
        },
        _ => read,
    }
}

/// `let (result0, result1) = value;`
fn take_apart(method: &Method, value: &TokenStream) -> TokenStream {
    let names = method.outputs.iter().map(|value| &value.name);
    match method.tuple {
        true if method.outputs.is_empty() => quote!(let () = #value;),
        true => quote!(let (#(#names,)*) = #value;),
        false => quote!(let #(#names)* = #value;),
    }
}

/// `Ok((result0, result1))`
fn value_of(method: &Method) -> TokenStream {
    let names = method.outputs.iter().map(|value| &value.name);
    match method.tuple {
        true if method.outputs.is_empty() => quote!(::core::result::Result::Ok(())),
        true => quote!(::core::result::Result::Ok((#(#names,)*))),
        false => quote!(::core::result::Result::Ok(#(#names)*)),
    }
}

/// Values in the fast form, as arguments: an array of words, and the capability or none.
fn words(values: &[Value]) -> TokenStream {
    let words = values
        .iter()
        .filter(|value| value.form == Form::Word)
        .map(|Value { name, .. }| quote!(::flounder::codec::Word::to_word(#name)));
    let cap = match values.iter().find(|value| value.form == Form::Cap) {
        Some(Value { name, .. }) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    };
    quote!([#(#words),*], #cap)
}

/// An expression: the values, which are variables, as `Result<Body<cap>, Error>`.
fn write(values: &[Value], cap: &TokenStream) -> TokenStream {
    if fast(values) {
        let words = words(values);
        return quote! {
            ::core::result::Result::Ok::<::flounder::Body<#cap>, ::flounder::errors::Error>(
                ::flounder::Body::words(#words)
            )
        };
    }
    let rest = rest(values);
    let puts = values
        .iter()
        .enumerate()
        .map(|(index, Value { name, form, ty })| match form {
            Form::Slice if rest == Some(index) => quote!(flounder_writer.put_rest(#name)?;),
            Form::Bytes if rest == Some(index) => quote!(flounder_writer.put_rest(&#name)?;),
            Form::Text | Form::String if rest == Some(index) => {
                quote!(flounder_writer.put_rest(#name.as_bytes())?;)
            }
            Form::Slice => quote!(flounder_writer.put_bytes(#name)?;),
            Form::Bytes => quote!(flounder_writer.put_bytes(&#name)?;),
            Form::Text | Form::String => quote!(flounder_writer.put_bytes(#name.as_bytes())?;),
            Form::Word | Form::Serde => quote_spanned!(at(ty)=> flounder_writer.put(&#name)?;),
            Form::Cap => quote!(flounder_writer.put_cap(#name);),
            Form::CapOption => quote!(flounder_writer.put_cap_option(#name)?;),
            Form::Caps => quote!(flounder_writer.put_caps(#name)?;),
        });
    quote! {
        (|| -> ::core::result::Result<::flounder::Body<#cap>, ::flounder::errors::Error> {
            let mut flounder_writer = ::flounder::codec::Writer::new();
            #(#puts)*
            flounder_writer.finish()
        })()
    }
}

/// Statements: what has come as variables, then `then`; uses `?`.
fn read(values: &[Value], then: &TokenStream) -> TokenStream {
    if fast(values) {
        let words: Vec<&Value> = values
            .iter()
            .filter(|value| value.form == Form::Word)
            .collect();
        let names = words.iter().map(|value| &value.name);
        let count = words.len();
        let from = words.iter().map(|Value { name, ty, .. }| {
            quote!(let #name = <#ty as ::flounder::codec::Word>::from_word(#name)?;)
        });
        let (with_cap, cap) = match values.iter().find(|value| value.form == Form::Cap) {
            Some(Value { name, .. }) => (
                true,
                quote! {
                    let #name = flounder_cap.ok_or(::flounder::errors::ErrorCode::FlounderRxCaps)?;
                },
            ),
            None => (false, quote!(let _ = flounder_cap;)),
        };
        return quote! {
            let ([#(#names),*], flounder_cap) = flounder_incoming.words::<#count>(#with_cap)?;
            #(#from)*
            #cap
            #then
        };
    }
    let rest = rest(values);
    let gets = values
        .iter()
        .enumerate()
        .map(|(index, Value { name, ty, form })| match form {
            Form::Slice if rest == Some(index) => quote!(let #name = flounder_reader.get_rest();),
            Form::Bytes if rest == Some(index) => {
                quote!(let #name = flounder_reader.get_rest_vec()?;)
            }
            Form::Text if rest == Some(index) => {
                quote!(let #name = flounder_reader.get_rest_text()?;)
            }
            Form::String if rest == Some(index) => {
                quote!(let #name = flounder_reader.get_rest_string()?;)
            }
            Form::Slice => quote!(let #name = flounder_reader.get_bytes()?;),
            Form::Bytes => quote!(let #name = flounder_reader.get_vec()?;),
            Form::Text | Form::String | Form::Word | Form::Serde => {
                quote!(let #name = flounder_reader.get::<#ty>()?;)
            }
            Form::Cap => quote!(let #name = flounder_reader.get_cap()?;),
            Form::CapOption => quote!(let #name = flounder_reader.get_cap_option()?;),
            Form::Caps => quote!(let #name = flounder_reader.get_caps()?;),
        });
    quote! {
        let mut flounder_buffer = ::flounder::codec::Buffer::new();
        let mut flounder_reader = flounder_incoming.read(&mut flounder_buffer);
        #(#gets)*
        flounder_reader.end()?;
        #then
    }
}

/// Where errors about a type are shown; names are those of the generated code.
fn at(ty: &Type) -> Span {
    ty.span().resolved_at(Span::call_site())
}
