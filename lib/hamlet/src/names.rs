//! Barrelfish's names as Rust names.

/// Words of the name: `DeviceIDManager` is Device, ID, Manager; `VNode_AARCH64_l0` is V, Node, AARCH64, l0.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        let letters: Vec<char> = part.chars().collect();
        let mut word = String::new();
        let mut previous: Option<char> = None;
        for (at, letter) in letters.iter().enumerate() {
            let next_is_lower = letters
                .get(at.saturating_add(1))
                .is_some_and(char::is_ascii_lowercase);
            let begins = letter.is_ascii_uppercase()
                && previous.is_some_and(|p| !p.is_ascii_uppercase() || next_is_lower);
            if begins {
                words.push(core::mem::take(&mut word));
            }
            word.push(*letter);
            previous = Some(*letter);
        }
        words.push(word);
    }
    words
}

/// Name of a type or enum variant: `EndPointLMP` becomes `EndPointLmp`.
pub(crate) fn camel(name: &str) -> String {
    words(name)
        .iter()
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            format!("{}{}", first.to_uppercase(), rest.to_lowercase())
        })
        .collect()
}

/// Name of a function or field: `L1CNode` becomes `l1_cnode` (a lone letter stays with what follows it).
pub(crate) fn snake(name: &str) -> String {
    let mut result = String::new();
    let mut glue = true;
    for word in words(name) {
        if !glue {
            result.push('_');
        }
        glue = word.len() == 1 && word.chars().all(|c| c.is_ascii_uppercase());
        result.push_str(&word.to_lowercase());
    }
    result
}

/// Rust's keywords, of all editions so far. Those that can be written as `r#...` are separate from those that cannot.
const KEYWORDS: [&str; 47] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while",
];

/// The name of a field, escaped where Rust has a keyword of that name. `None` if it cannot be written.
pub(crate) fn field(name: &str) -> Option<String> {
    let snake = snake(name);
    let first = snake.chars().next()?;
    if first.is_ascii_digit() || matches!(snake.as_str(), "self" | "super" | "crate") {
        return None;
    }
    if KEYWORDS.contains(&snake.as_str()) || snake == "yield" {
        return Some(format!("r#{snake}"));
    }
    Some(snake)
}

/// The name of a capability's view. `None` if it cannot be written, or is a name that the generated code needs itself.
pub(crate) fn view(name: &str) -> Option<String> {
    let camel = camel(name);
    let first = camel.chars().next()?;
    let taken = [
        "Self",
        "Capability",
        "CapRights",
        "ObjType",
        "View",
        "Option",
        "CapType",
        "RetypesTo",
        "Inherits",
        "MappedBy",
    ];
    if first.is_ascii_digit() || taken.contains(&camel.as_str()) {
        return None;
    }
    Some(camel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barrelfish_names() {
        for (name, camel_name, snake_name) in [
            ("RAM", "Ram", "ram"),
            ("PhysAddr", "PhysAddr", "phys_addr"),
            ("L1CNode", "L1CNode", "l1_cnode"),
            ("EndPointLMP", "EndPointLmp", "end_point_lmp"),
            (
                "EndPointUMP_Mapping",
                "EndPointUmpMapping",
                "end_point_ump_mapping",
            ),
            ("VNode_AARCH64_l0", "VNodeAarch64L0", "vnode_aarch64_l0"),
            ("IRQSrc", "IrqSrc", "irq_src"),
            ("DeviceIDManager", "DeviceIdManager", "device_id_manager"),
            ("ID", "Id", "id"),
            ("vec_start", "VecStart", "vec_start"),
            ("_", "", ""),
        ] {
            assert_eq!(camel(name), camel_name);
            assert_eq!(snake(name), snake_name);
        }
    }

    #[test]
    fn names_that_rust_cannot_have() {
        assert_eq!(field("type"), Some("r#type".into()));
        assert_eq!(field("self"), None);
        assert_eq!(field("_"), None);
        assert_eq!(field("_1"), None);
        assert_eq!(view("__"), None);
        assert_eq!(view("capability"), None);
        assert_eq!(view("self"), None);
    }
}
