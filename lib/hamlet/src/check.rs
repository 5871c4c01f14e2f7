//! Syntax tree to checked file: resolves names and enforces the static rules.

use std::collections::{HashMap, HashSet};

use diagnostics::{Diagnostic, Source, Span, nearest};

use crate::ast::{
    CapabilitySyntax, FieldSyntax, FileSyntax, ItemSyntax, Name, TypeSyntax, ValueSyntax,
};
use crate::message::HamletMessage as Message;
use crate::model::{
    Builtin, Capability, CopyRule, Define, Expression, Field, FieldType, File, Size, Term,
};
use crate::{layout, names};

/// Checks a whole file.
///
/// # Errors
/// All messages about the static rules.
pub(crate) fn file(source: &Source, syntax: FileSyntax) -> Result<File, Vec<Diagnostic>> {
    let mut checker = Checker {
        source,
        problems: Vec::new(),
        all_names: syntax
            .capabilities
            .iter()
            .map(|capability| capability.name.text.clone())
            .collect(),
        broken: HashSet::new(),
        defines: Vec::new(),
        capabilities: Vec::new(),
        rust_names: HashMap::new(),
        roots: 0,
    };
    for define in syntax.defines {
        let known = checker.define_value(&define.name.text).is_some();
        if known {
            let name = define.name.text;
            checker.report(define.name.span, &Message::DuplicateDefine { name });
        } else {
            checker.defines.push(Define {
                name: define.name.text,
                value: define.value,
            });
        }
    }
    for capability in syntax.capabilities {
        checker.capability(capability);
    }
    checker.whole_file();
    if checker.problems.is_empty() {
        Ok(File {
            name: source.name.clone(),
            defines: checker.defines,
            capabilities: checker.capabilities,
        })
    } else {
        Err(checker.problems)
    }
}

struct Checker<'a> {
    source: &'a Source,
    problems: Vec<Diagnostic>,
    /// Every capability name in the file, for telling "unknown" from "defined later".
    all_names: HashSet<String>,
    /// Capabilities with a message of their own; what refers to them gets none for that.
    broken: HashSet<String>,
    defines: Vec<Define>,
    capabilities: Vec<Capability>,
    /// Names in the generated code, and the capability each belongs to.
    rust_names: HashMap<String, String>,
    roots: usize,
}

impl Checker<'_> {
    fn report(&mut self, span: Span, message: &Message) {
        self.report_with_hint(span, message, None);
    }

    fn report_with_hint(&mut self, span: Span, message: &Message, meant: Option<String>) {
        let hint = meant.map(|name| format!("did you mean `{name}`?"));
        self.problems
            .push(Diagnostic::new(self.source, span, message).with_hint(hint));
    }

    fn define_value(&self, name: &str) -> Option<u64> {
        self.defines
            .iter()
            .find(|define| define.name == name)
            .map(|define| define.value)
    }

    fn find(&self, name: &str) -> Option<&Capability> {
        self.capabilities
            .iter()
            .find(|capability| capability.name == name)
    }

    /// Looks up what `from` or `inherit` names, and reports it if it is not there (yet).
    fn reference(&mut self, name: &Name) -> Option<Capability> {
        if let Some(found) = self.find(&name.text) {
            return Some(found.clone());
        }
        if self.broken.contains(&name.text) {
            return None;
        }
        let text = name.text.clone();
        if self.all_names.contains(&text) {
            self.report(name.span, &Message::DefinedLater { name: text });
        } else {
            let meant = nearest(&text, self.all_names.iter().map(String::as_str));
            let meant = meant.map(str::to_owned);
            self.report_with_hint(name.span, &Message::UnknownCapability { name: text }, meant);
        }
        None
    }

    fn capability(&mut self, syntax: CapabilitySyntax) {
        let before = self.problems.len();
        let name = syntax.name.text.clone();
        let checked = self.checked(syntax);
        if self.problems.len() > before {
            self.broken.insert(name);
        } else if let Some(capability) = checked {
            self.capabilities.push(capability);
        }
    }

    fn checked(&mut self, syntax: CapabilitySyntax) -> Option<Capability> {
        let CapabilitySyntax { name, .. } = &syntax;
        if self.find(&name.text).is_some() || self.broken.contains(&name.text) {
            let message = Message::DuplicateCapability {
                name: name.text.clone(),
            };
            self.report(name.span, &message);
            return None;
        }
        self.rust_name(name);
        let origin = syntax.from.is_some() || syntax.from_self;
        if syntax.is_abstract && (origin || syntax.copy != CopyRule::SameRange) {
            let message = Message::AbstractWithOrigin {
                name: name.text.clone(),
            };
            self.report(name.span, &message);
        }
        let from = match &syntax.from {
            Some(from) => {
                let found = self.reference(from)?;
                if found.is_abstract {
                    let name = from.text.clone();
                    self.report(from.span, &Message::FromAbstract { name });
                }
                Some(found)
            }
            None => None,
        };
        let inherit = match &syntax.inherit {
            Some(inherit) => Some(self.reference(inherit)?),
            None => None,
        };

        let root = match &from {
            Some(from) => usize::from(from.root),
            None => self.roots,
        };
        let mut capability = Capability {
            name: name.text.clone(),
            span: name.span,
            doc: syntax.doc,
            is_abstract: syntax.is_abstract,
            copy: syntax.copy,
            from: from.map(|from| from.name),
            from_self: syntax.from_self,
            can_retype_multiple: syntax.can_retype_multiple,
            fields: Vec::new(),
            inherited_fields: 0,
            address: None,
            size: None,
            declares_size: false,
            // A file with more roots than fit has too many types as well, and is rejected for that.
            root: u8::try_from(root).unwrap_or(u8::MAX),
            places: Vec::new(),
            inherit: None,
        };
        if let Some(parent) = inherit {
            capability.inherit = Some(parent.name);
            capability.inherited_fields = parent.fields.len();
            capability.fields = parent.fields;
            capability.address = parent.address;
            capability.size = parent.size;
            capability.places = parent.places;
        }
        let before = self.problems.len();
        for item in syntax.items {
            self.item(&mut capability, item);
        }
        if self.problems.len() == before {
            self.finish(&mut capability);
        }
        if !capability.is_abstract && capability.from.is_none() {
            self.roots = self.roots.saturating_add(1);
        }
        Some(capability)
    }

    /// Claims the names that the generated code uses for a capability.
    fn rust_name(&mut self, name: &Name) {
        let Some(camel) = names::view(&name.text) else {
            let message = Message::UnusableName {
                name: name.text.clone(),
            };
            self.report(name.span, &message);
            return;
        };
        for rust in [camel, names::snake(&name.text)] {
            match self.rust_names.get(&rust) {
                Some(other) => {
                    let message = Message::NameCollision {
                        name: name.text.clone(),
                        other: other.clone(),
                        rust,
                    };
                    self.report(name.span, &message);
                    return;
                }
                None => {
                    self.rust_names.insert(rust, name.text.clone());
                }
            }
        }
    }

    fn item(&mut self, capability: &mut Capability, item: ItemSyntax) {
        match item {
            ItemSyntax::Field(eq, field) => {
                self.field(capability, eq, field);
            }
            ItemSyntax::Address(span, value) => {
                let expression = self.value(capability, value);
                if capability.address.is_some() {
                    self.report(span, &Message::SecondAddress {});
                }
                capability.address = expression;
            }
            ItemSyntax::Size(span, is_bits, value) => {
                let expression = self.value(capability, value);
                if capability.size.is_some() {
                    self.report(span, &Message::SecondSize {});
                }
                if let Some(value) = expression {
                    let size = Size { is_bits, value };
                    self.constant_size(span, &size);
                    capability.size = Some(size);
                    capability.declares_size = true;
                }
            }
        }
    }

    /// A size that is known now must fit in 64 bits.
    fn constant_size(&mut self, span: Span, size: &Size) {
        let is_constant = size
            .value
            .terms
            .iter()
            .all(|term| matches!(term, Term::Constant(_)));
        if !is_constant {
            return;
        }
        match size.value.constant() {
            None => self.report(span, &Message::SizeTooLarge {}),
            Some(bits) if size.is_bits && bits > 63 => {
                self.report(span, &Message::SizeBitsTooLarge { bits });
            }
            Some(_) => {}
        }
    }

    fn value(&mut self, capability: &mut Capability, value: ValueSyntax) -> Option<Expression> {
        let terms = match value {
            ValueSyntax::Field(field) => vec![Term::Field(self.field(capability, false, field)?)],
            ValueSyntax::Sum(names) => names
                .iter()
                .map(|name| self.term(capability, name))
                .collect::<Option<_>>()?,
        };
        Some(Expression { terms })
    }

    /// A name in a sum: a constant if there is one, else a field.
    fn term(&mut self, capability: &Capability, name: &Name) -> Option<Term> {
        if let Some(value) = self.define_value(&name.text) {
            return Some(Term::Constant(value));
        }
        let field = capability
            .fields
            .iter()
            .position(|field| field.name == name.text);
        if field.is_none() {
            let defines = self.defines.iter().map(|define| define.name.as_str());
            let fields = capability.fields.iter().map(|field| field.name.as_str());
            let meant = nearest(&name.text, defines.chain(fields)).map(str::to_owned);
            let name_text = name.text.clone();
            self.report_with_hint(name.span, &Message::UnknownName { name: name_text }, meant);
        }
        field.map(Term::Field)
    }

    /// Adds a field and returns its index.
    fn field(
        &mut self,
        capability: &mut Capability,
        eq: bool,
        field: FieldSyntax,
    ) -> Option<usize> {
        let FieldSyntax {
            doc,
            type_name,
            name,
        } = field;
        let field_type = match type_name {
            TypeSyntax::Foreign(text) => FieldType::Foreign(text),
            TypeSyntax::Named(written) => {
                let builtin = Builtin::ALL
                    .into_iter()
                    .find(|builtin| builtin.name() == written.text);
                let Some(builtin) = builtin else {
                    let meant = nearest(&written.text, Builtin::ALL.map(Builtin::name));
                    let message = Message::UnknownType {
                        name: written.text.clone(),
                    };
                    self.report_with_hint(written.span, &message, meant.map(str::to_owned));
                    return None;
                };
                FieldType::Builtin(builtin)
            }
        };
        if names::field(&name.text).is_none() {
            let message = Message::UnusableName { name: name.text };
            self.report(name.span, &message);
            return None;
        }
        let rust_name = names::snake(&name.text);
        if capability
            .fields
            .iter()
            .any(|field| names::snake(&field.name) == rust_name)
        {
            let message = Message::DuplicateField { name: name.text };
            self.report(name.span, &message);
            return None;
        }
        capability.fields.push(Field {
            name: name.text,
            field_type,
            eq,
            doc,
        });
        Some(capability.fields.len().saturating_sub(1))
    }

    /// Rules about a capability as a whole, and its layout.
    fn finish(&mut self, capability: &mut Capability) {
        if capability.size.is_some() && capability.address.is_none() {
            let name = capability.name.clone();
            self.report(capability.span, &Message::SizeWithoutAddress { name });
        }
        let places = layout::place(
            &capability.fields,
            &capability.places,
            capability.address.as_ref(),
            capability.size.as_ref(),
        );
        if let Some(places) = places {
            capability.places = places;
        } else {
            let need = capability.fields.iter().fold(0u32, |sum, field| {
                sum.saturating_add(field.field_type.bits())
            });
            let name = capability.name.clone();
            self.report(capability.span, &Message::DoesNotFit { name, need });
        }
    }

    fn whole_file(&mut self) {
        if !self.problems.is_empty() {
            return;
        }
        let first = self.capabilities.iter().find(|cap| !cap.is_abstract);
        let span = first.map_or(Span::default(), |first| first.span);
        if !first.is_some_and(|first| first.name == "Null" && first.fields.is_empty()) {
            self.report(span, &Message::NullFirst {});
        }
        let mut concrete = self.capabilities.iter().filter(|cap| !cap.is_abstract);
        let count = concrete.clone().count();
        let span = concrete
            .next_back()
            .map_or(Span::default(), |last| last.span);
        if count > usize::from(u8::MAX) {
            self.report(span, &Message::TooManyTypes { count });
        }
    }
}
