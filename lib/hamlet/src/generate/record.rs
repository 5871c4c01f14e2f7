//! The capability record and what needs no view: words, address, size, printing.

use super::writer::Writer;
use super::{access, variant};
use crate::model::{Capability, File};

/// The parts that are the same for every file.
const RECORD: &str = r"
/// A capability: 24 bytes, with a total type byte. What the words hold depends on the type; the typed views tell.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Capability {
    w0: u64,
    w1: u64,
    half: u32,
    quarter: u16,
    objtype: ObjType,
    rights: u8,
}

const _: () = assert!(core::mem::size_of::<Capability>() == 24);

impl Capability {
    /// No capability.
    pub const NULL: Self = Self {
        w0: 0,
        w1: 0,
        half: 0,
        quarter: 0,
        objtype: ObjType::Null,
        rights: 0,
    };

    /// Its type.
    #[inline]
    #[must_use]
    pub const fn objtype(&self) -> ObjType {
        self.objtype
    }

    /// What its holder may do with it.
    #[inline]
    #[must_use]
    pub const fn rights(&self) -> CapRights {
        CapRights(self.rights)
    }

    /// The same with other rights.
    #[inline]
    #[must_use]
    pub const fn with_rights(self, rights: CapRights) -> Self {
        Self {
            rights: rights.0,
            ..self
        }
    }

    /// The record as three words, for messages. The third holds, from the lowest bit up: 32 and 16 bits of fields, type, rights.
    #[inline]
    #[must_use]
    pub const fn to_words(self) -> [u64; 3] {
        let fields = (self.half as u64) | ((self.quarter as u64) << 32);
        let kind = ((self.objtype as u64) << 48) | ((self.rights as u64) << 56);
        [self.w0, self.w1, fields | kind]
    }

    /// The record from three words. `None` if the type is unknown, or if bits are set that no field of the type covers.
    #[inline]
    #[must_use]
    pub fn from_words(words: [u64; 3]) -> Option<Self> {
        let [w0, w1, w2] = words;
        let kind = KINDS.get(usize::from((w2 >> 48) as u8))?;
        let [no_w0, no_w1, no_w2] = kind.not_covered;
        if (w0 & no_w0) | (w1 & no_w1) | (w2 & no_w2) != 0 {
            return None;
        }
        Some(Self {
            w0,
            w1,
            half: w2 as u32,
            quarter: (w2 >> 32) as u16,
            objtype: kind.objtype,
            rights: (w2 >> 56) as u8,
        })
    }

    /// First address behind it.
    #[inline]
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address().saturating_add(self.size())
    }
";

const COVERED: &str = r"
/// What tells whether words are a capability of a type.
#[derive(Clone, Copy)]
struct Kind {
    objtype: ObjType,
    /// Bits that are in no field: they are 0.
    not_covered: [u64; 3],
}

/// By the number of the type.
static KINDS: [Kind; ObjType::COUNT] = {
    let unknown = Kind {
        objtype: ObjType::Null,
        not_covered: [0; 3],
    };
    let mut kinds = [unknown; ObjType::COUNT];
    // Types are in the order of their numbers.
    let mut all: &[ObjType] = &ObjType::ALL;
    let mut places: &mut [Kind] = &mut kinds;
    while let (Some((objtype, rest)), Some((place, more))) =
        (all.split_first(), places.split_first_mut())
    {
        let full = Capability {
            w0: u64::MAX,
            w1: u64::MAX,
            half: u32::MAX,
            quarter: u16::MAX,
            objtype: *objtype,
            rights: 0,
        };
        let [w0, w1, w2] = Capability::from_view(full.view(), full.rights()).to_words();
        *place = Kind {
            objtype: *objtype,
            not_covered: [!w0, !w1, !w2 & 0xffff_ffff_ffff],
        };
        (all, places) = (rest, more);
    }
    kinds
};
";

const PRINTING: &str = r#"
impl core::fmt::Display for Capability {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.objtype.name())?;
        if self.objtype == ObjType::Null {
            return Ok(());
        }
        if self.objtype.has_address() {
            write!(f, " {:#x}+{:#x}", self.address(), self.size())?;
        }
        self.write_distinction(f)?;
        f.write_str(" ")?;
        for (bit, letter) in ["r", "w", "x", "g", "i"].into_iter().enumerate() {
            let set = (self.rights >> bit) & 1 == 1;
            f.write_str(if set { letter } else { "-" })?;
        }
        Ok(())
    }
}

impl core::fmt::Debug for Capability {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
"#;

const POWER_OF_TWO: &str = r"
/// 2 to the power of `bits`, or 0 if that does not fit.
#[inline]
const fn power_of_two(bits: u64) -> u64 {
    if bits < 64 { 1 << bits } else { 0 }
}
";

pub(super) fn write(out: &mut Writer, file: &File) {
    raw(out, RECORD);
    out.depth_in();
    out.gap();
    address(out, file);
    out.gap();
    size(out, file);
    out.gap();
    distinction(out, file);
    out.close("}");
    raw(out, COVERED);
    raw(out, PRINTING);
    let needs_powers = file.concrete().any(|capability| {
        access::stored_size(capability).is_some_and(|size| size.starts_with("power_of_two"))
    });
    if needs_powers {
        raw(out, POWER_OF_TWO);
    }
}

/// Text that is laid out already.
fn raw(out: &mut Writer, text: &str) {
    for line in text.trim_end().lines() {
        out.line(line);
    }
}

fn arms(file: &File, value: impl Fn(&Capability) -> String) -> Vec<(String, String)> {
    file.concrete()
        .map(|cap| (format!("ObjType::{}", variant(cap)), value(cap)))
        .collect()
}

fn address(out: &mut Writer, file: &File) {
    out.line("/// Physical address of what it stands for, 0 if there is none. Second sort key of the database.");
    out.line("#[inline]");
    out.line("#[must_use]");
    out.open("pub const fn address(&self) -> u64 {");
    let value = |cap: &Capability| access::address(cap).unwrap_or("0".to_owned());
    out.choice("self.objtype", arms(file, value), Some("0"));
    out.close("}");
    out.gap();
    out.line(
        "/// The same at another address, if that is the first word as it stands; else the same.",
    );
    out.line("#[inline]");
    out.line("#[must_use]");
    out.open("pub const fn with_address(self, address: u64) -> Self {");
    let value = |cap: &Capability| match access::address(cap).as_deref() {
        Some("self.w0") => "Self { w0: address, ..self }".to_owned(),
        _ => "self".to_owned(),
    };
    out.choice("self.objtype", arms(file, value), Some("self"));
    out.close("}");
}

fn size(out: &mut Writer, file: &File) {
    out.line("/// Size in bytes of what it stands for, 0 if there is none. Third sort key of the database.");
    out.line("#[inline]");
    out.line("#[must_use]");
    out.open("pub const fn size(&self) -> u64 {");
    // Two steps: one choice over both kinds would become a jump table.
    out.line("self.stored_size() | self.objtype.constant_size()");
    out.close("}");
    out.gap();
    out.line("/// The size, for types that store it, else 0.");
    out.line("#[inline]");
    out.open("const fn stored_size(&self) -> u64 {");
    let stored = |cap: &Capability| access::stored_size(cap).unwrap_or("0".to_owned());
    out.choice("self.objtype", arms(file, stored), Some("0"));
    out.close("}");
}

/// Prints the fields that tell capabilities of one range apart.
fn distinction(out: &mut Writer, file: &File) {
    out.line("/// Prints the fields that tell capabilities of one range apart.");
    out.open(
        "fn write_distinction(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {",
    );
    let value = |cap: &Capability| {
        let fields: Vec<_> = access::fields(cap).filter(|(field, _)| field.eq).collect();
        if fields.is_empty() {
            return "Ok(())".to_owned();
        }
        let mut lines: Vec<String> = fields
            .iter()
            .map(|(field, place)| {
                let value = access::bits("self", field, *place);
                format!("write!(f, \" {}={{:#x}}\", {value})", field.name)
            })
            .collect();
        let last = lines.pop().unwrap_or_default();
        lines
            .iter()
            .map(|line| format!("{line}?;\n"))
            .collect::<String>()
            + &last
    };
    let arms = arms(file, value);
    if arms.iter().all(|(_, value)| value == "Ok(())") {
        out.line("let _ = f;");
    }
    out.choice("self.objtype", arms, Some("Ok(())"));
    out.close("}");
}
