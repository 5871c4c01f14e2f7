//! The public API of the library OS, as a file in the tree: `lib/aos/api.txt` (with `lib/owned`, whose types it hands on). A
//! change of it shows in the difference of a commit.

use crate::page::root;
use std::path::{Path, PathBuf};
use syn::{Fields, File, ImplItem, Item, TraitItem, Visibility, parse_quote};

const LISTING: &str = "lib/aos/api.txt";

#[test]
fn the_listing_of_the_api_is_true() {
    let mut listing = String::from(
        "// Public API of the library OS. Written by BOOK_UPDATE=1 cargo test -p book; a test compares it with the source.\n",
    );
    for name in ["aos", "owned"] {
        let source = root().join("lib").join(name).join("src");
        module(&mut listing, name, &source.join("lib.rs"), &source);
    }
    let file = root().join(LISTING);
    if std::env::var_os("BOOK_UPDATE").is_some() {
        std::fs::write(&file, &listing).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let line = (written.lines().zip(listing.lines())).find(|(old, new)| old != new);
    assert!(
        written == listing,
        "{LISTING} is not what the source says, first here: {line:#?}; BOOK_UPDATE=1 writes it anew"
    );
}

/// Appends a module, then the public ones in it. `folder` is where the files of those are.
fn module(listing: &mut String, path: &str, file: &Path, folder: &Path) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    items_of(listing, path, parsed.items, folder);
}

/// Appends the items of a module, then the public modules in it.
fn items_of(listing: &mut String, path: &str, all: Vec<Item>, folder: &Path) {
    let mut below = Vec::new();
    let mut items = Vec::new();
    for item in all {
        match item {
            Item::Mod(item) if is_public(&item.vis) => below.push(item),
            item => items.extend(public(item)),
        }
    }
    listing.push_str(&format!("\n// {path}\n"));
    let code = prettyplease::unparse(&File {
        shebang: None,
        attrs: Vec::new(),
        items,
    });
    for line in code.lines() {
        let line = match line.strip_suffix(" {}") {
            Some(head) if head.trim_start().starts_with("pub struct") => format!("{head} {{ .. }}"),
            Some(head) if head.contains("fn ") => format!("{head};"),
            _ => line.to_owned(),
        };
        listing.push_str(&line);
        listing.push('\n');
    }
    for item in below {
        let name = item.ident.to_string();
        if let Some((_, items)) = item.content {
            items_of(
                listing,
                &format!("{path}::{name}"),
                items,
                &folder.join(&name),
            );
            continue;
        }
        let flat = folder.join(format!("{name}.rs"));
        let deep = folder.join(&name);
        let file: PathBuf = match flat.is_file() {
            true => flat,
            false => deep.join("mod.rs"),
        };
        module(listing, &format!("{path}::{name}"), &file, &deep);
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// What others see of an item, without documentation and bodies.
fn public(item: Item) -> Option<Item> {
    let nothing: syn::Block = parse_quote!({});
    match item {
        Item::Fn(mut item) if is_public(&item.vis) => {
            item.attrs.clear();
            item.block = Box::new(nothing);
            Some(Item::Fn(item))
        }
        Item::Struct(mut item) if is_public(&item.vis) => {
            keep_derives(&mut item.attrs);
            hide_fields(&mut item.fields);
            Some(Item::Struct(item))
        }
        Item::Enum(mut item) if is_public(&item.vis) => {
            keep_derives(&mut item.attrs);
            for variant in &mut item.variants {
                variant.attrs.clear();
                for field in &mut variant.fields {
                    field.attrs.clear();
                }
            }
            Some(Item::Enum(item))
        }
        Item::Trait(mut item) if is_public(&item.vis) => {
            item.attrs.clear();
            for item in &mut item.items {
                match item {
                    TraitItem::Fn(function) => {
                        function.attrs.clear();
                        function.default = None;
                    }
                    TraitItem::Const(item) => item.attrs.clear(),
                    TraitItem::Type(item) => item.attrs.clear(),
                    _ => {}
                }
            }
            Some(Item::Trait(item))
        }
        Item::Const(mut item) if is_public(&item.vis) => {
            item.attrs.clear();
            Some(Item::Const(item))
        }
        Item::Type(mut item) if is_public(&item.vis) => {
            item.attrs.clear();
            Some(Item::Type(item))
        }
        Item::Use(mut item) if is_public(&item.vis) => {
            item.attrs.clear();
            Some(Item::Use(item))
        }
        Item::Impl(mut item) => {
            item.attrs.clear();
            item.items.retain(|part| match part {
                ImplItem::Fn(function) => is_public(&function.vis),
                ImplItem::Const(constant) => is_public(&constant.vis),
                _ => false,
            });
            for part in &mut item.items {
                match part {
                    ImplItem::Fn(function) => {
                        function.attrs.clear();
                        function.block = nothing.clone();
                    }
                    ImplItem::Const(constant) => constant.attrs.clear(),
                    _ => {}
                }
            }
            (item.trait_.is_some() || !item.items.is_empty()).then_some(Item::Impl(item))
        }
        Item::Macro(item) => {
            let exported = item
                .attrs
                .iter()
                .any(|it| it.path().is_ident("macro_export"));
            let name = item.ident.filter(|_| exported)?;
            Some(parse_quote!(macro_rules! #name { () => {} }))
        }
        _ => None,
    }
}

fn keep_derives(attributes: &mut Vec<syn::Attribute>) {
    attributes.retain(|attribute| attribute.path().is_ident("derive"));
}

/// Leaves the public fields. A tuple keeps its places: a private one becomes `_`.
fn hide_fields(fields: &mut Fields) {
    match fields {
        Fields::Named(fields) => {
            let kept = std::mem::take(&mut fields.named).into_iter();
            fields.named = kept.filter(|field| is_public(&field.vis)).collect();
            for field in &mut fields.named {
                field.attrs.clear();
            }
        }
        Fields::Unnamed(fields) => {
            for field in &mut fields.unnamed {
                field.attrs.clear();
                if !is_public(&field.vis) {
                    field.ty = parse_quote!(_);
                }
            }
        }
        Fields::Unit => {}
    }
}
