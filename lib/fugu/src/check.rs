//! Syntax tree to checked file: names, rules, numbers.

use std::collections::HashMap;

use diagnostics::{Diagnostic, Source, Span};

use crate::message::FuguMessage as Message;
use crate::model::{Case, File, MOST_CODES, Outcome};
use crate::parse::{CaseSyntax, ClassSyntax};

/// Checks a whole file and numbers its codes.
///
/// # Errors
/// All messages.
pub(crate) fn file(source: &Source, classes: Vec<ClassSyntax>) -> Result<File, Vec<Diagnostic>> {
    let mut checker = Checker {
        source,
        problems: Vec::new(),
        default: None,
        names: HashMap::new(),
        // The enum has a variant of this name for codes that are not known.
        variants: HashMap::from([("Unknown".to_owned(), "ERR_UNKNOWN".to_owned())]),
        cases: Vec::new(),
    };
    for class in classes {
        checker.class(class);
    }
    checker.whole_file();
    if !checker.problems.is_empty() {
        return Err(checker.problems);
    }
    let mut cases = checker.cases;
    // The sort keeps the order of the file within each outcome.
    cases.sort_by_key(|case| match case.outcome {
        Outcome::DefaultSuccess => 0,
        Outcome::Success => 1,
        Outcome::Failure => 2,
    });
    let failures = cases
        .iter()
        .filter(|case| case.outcome == Outcome::Failure)
        .count();
    Ok(File {
        name: source.name.clone(),
        first_failure: cases.len().saturating_sub(failures),
        cases,
    })
}

struct Checker<'a> {
    source: &'a Source,
    problems: Vec<Diagnostic>,
    /// Name of the default success.
    default: Option<String>,
    /// Full names so far.
    names: HashMap<String, Span>,
    /// Rust names so far, and whose they are.
    variants: HashMap<String, String>,
    cases: Vec<Case>,
}

impl Checker<'_> {
    fn report(&mut self, span: Span, message: &Message) {
        self.problems
            .push(Diagnostic::new(self.source, span, message));
    }

    fn class(&mut self, class: ClassSyntax) {
        let prefix = class.prefix.text;
        if !prefix.ends_with('_') {
            let span = class.prefix.span;
            self.report(span, &Message::UnusablePrefix { prefix });
            return;
        }
        for case in class.cases {
            self.case(&class.domain, &prefix, case);
        }
    }

    fn case(&mut self, domain: &str, prefix: &str, case: CaseSyntax) {
        let name = format!("{prefix}{}", case.name.text);
        let span = case.name.span;
        if let Some(first) = self.names.get(&name) {
            let (line, column, _) = self.source.locate(first.start);
            let hint = format!("the other one is at {}:{line}:{column}", self.source.name);
            let message = Message::DuplicateCode { name };
            let diagnostic = Diagnostic::new(self.source, span, &message).with_hint(Some(hint));
            self.problems.push(diagnostic);
            return;
        }
        self.names.insert(name.clone(), span);
        if case.text.text.trim().is_empty() {
            let name = name.clone();
            self.report(case.text.span, &Message::EmptyText { name });
        }
        if case.outcome == Outcome::DefaultSuccess {
            if let Some(first) = self.default.clone() {
                self.report(span, &Message::SecondDefault { first });
            }
            self.default = Some(name.clone());
        }
        let variant = variant(domain, prefix, &case.name.text);
        if let Some(other) = self.variants.insert(variant.clone(), name.clone()) {
            let message = Message::NameCollision {
                name: name.clone(),
                other,
                rust: variant.clone(),
            };
            self.report(span, &message);
        }
        self.cases.push(Case {
            name,
            variant,
            domain: domain.to_owned(),
            text: case.text.text,
            outcome: case.outcome,
        });
    }

    fn whole_file(&mut self) {
        if !self.problems.is_empty() {
            return;
        }
        let count = self.cases.len();
        if count == 0 {
            self.report(Span::default(), &Message::NoCodes {});
        } else if self.default.is_none() {
            self.report(Span::default(), &Message::NoDefault {});
        } else if count > MOST_CODES {
            let most = MOST_CODES;
            self.report(Span::default(), &Message::TooManyCodes { count, most });
        }
    }
}

/// The Rust name: the prefix without `ERR`, or the domain if nothing is left, then the name, each word with a capital.
fn variant(domain: &str, prefix: &str, name: &str) -> String {
    let of_prefix: Vec<&str> = prefix
        .split('_')
        .filter(|word| !word.is_empty() && *word != "ERR")
        .collect();
    let start = if of_prefix.is_empty() {
        vec![domain]
    } else {
        of_prefix
    };
    let words = start
        .into_iter()
        .chain([name])
        .flat_map(|part| part.split('_'));
    words
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            format!("{}{}", first.to_uppercase(), rest.to_lowercase())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::variant;

    #[test]
    fn rust_names() {
        assert_eq!(
            variant("kernel", "SYS_ERR_", "CAP_NOT_FOUND"),
            "SysCapNotFound"
        );
        assert_eq!(variant("libaos", "LIB_ERR_", "SLOT_ALLOC"), "LibSlotAlloc");
        assert_eq!(
            variant("m", "MON_CLIENT_ERR_", "URPC_BLOCK"),
            "MonClientUrpcBlock"
        );
        assert_eq!(variant("common", "ERR_", "NOTIMP"), "CommonNotimp");
        assert_eq!(
            variant("kernel", "SYS_ERR_", "L1_CNODE_INDEX"),
            "SysL1CnodeIndex"
        );
    }
}
