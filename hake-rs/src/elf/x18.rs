//! The check that user programs leave register x18 alone.
//!
//! x18 is the thread-resume register: the dispatcher's resume path restores all other registers and jumps through it, so a
//! value kept there by anybody else would be lost. Compilers keep off it with `-Zfixed-x18`; assembly and a library built
//! without that flag do not. So hake disassembles each program and accepts x18 only in the resume path itself: between the
//! symbols [`RESUME_START`] and [`RESUME_END`] of `lib/aos`.

use super::Elf;
use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind};
use std::ops::Range;
use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// The first instruction that may use x18.
pub const RESUME_START: &str = "__aos_resume";
/// Behind the last instruction that may use x18.
pub const RESUME_END: &str = "__aos_resume_end";

/// An instruction that uses x18.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Where.
    pub address: u64,
    /// The instruction, or its word if the disassembler does not know it.
    pub text: String,
}

/// All uses of x18 outside of the resume range.
///
/// # Errors
///
/// A damaged file.
pub fn uses(file: &Elf<'_>) -> Result<Vec<Use>> {
    let symbol = |name| {
        file.symbols()
            .find(|symbol| symbol.name() == Ok(name))
            .map(|symbol| symbol.address())
    };
    let resume = symbol(RESUME_START).unwrap_or(0)..symbol(RESUME_END).unwrap_or(0);
    let mut found = Vec::new();
    for section in file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        let bytes = section.data().context("a code section leaves the file")?;
        let data = data_ranges(file, section.address()..section.address() + section.size());
        for (n, word) in bytes.chunks_exact(4).enumerate() {
            let address = section.address() + 4 * n as u64;
            if resume.contains(&address) || data.iter().any(|range| range.contains(&address)) {
                continue;
            }
            if let Some(text) = word
                .try_into()
                .ok()
                .map(u32::from_le_bytes)
                .and_then(use_of_x18)
            {
                found.push(Use { address, text });
            }
        }
    }
    Ok(found)
}

/// Constants between the code, by the mapping symbols `$d` (data starts) and `$x` (code starts) of the AArch64 ELF ABI.
fn data_ranges(file: &Elf<'_>, section: Range<u64>) -> Vec<Range<u64>> {
    let mut marks: Vec<(u64, bool)> = file
        .symbols()
        .filter(|symbol| section.contains(&symbol.address()))
        .filter_map(|symbol| match symbol.name().ok()? {
            name if name == "$d" || name.starts_with("$d.") => Some((symbol.address(), true)),
            name if name == "$x" || name.starts_with("$x.") => Some((symbol.address(), false)),
            _ => None,
        })
        .collect();
    marks.sort_unstable();
    let ends = marks.iter().skip(1).map(|mark| mark.0).chain([section.end]);
    marks
        .iter()
        .zip(ends)
        .filter(|(mark, _)| mark.1)
        .map(|(mark, end)| mark.0..end)
        .collect()
}

/// The instruction's text if it names x18 or w18.
///
/// Every general-purpose register of an A64 instruction is in one of four fields, so most words need no disassembly. A word
/// that passes this filter and that the disassembler does not know counts as a use: better a false alarm than a lost register.
fn use_of_x18(word: u32) -> Option<String> {
    let fields = [0, 5, 10, 16];
    if fields.iter().all(|shift| (word >> shift) & 31 != 18) {
        return None;
    }
    // MSR and MRS name one general register, in the lowest field. yaxpeax-arm 0.5 drops the top bit of MSR's.
    if word & 0xffd0_0000 == 0xd510_0000 {
        return (word & 31 == 18)
            .then(|| format!("move between x18 and a system register ({word:#010x})"));
    }
    let bytes = word.to_le_bytes();
    match InstDecoder::default().decode(&mut U8Reader::new(&bytes)) {
        Ok(instruction) => {
            let text = instruction.to_string();
            let mut names = text.split(|c: char| !c.is_ascii_alphanumeric());
            names
                .any(|name| name == "x18" || name == "w18")
                .then_some(text)
        }
        Err(_) => Some(format!(
            "unknown instruction {word:#010x}, perhaps with x18"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x18_is_found_in_every_position() {
        for (word, text) in [
            (0xaa12_03e0, "mov x0, x18"),
            (0x9100_0652, "add x18, x18, #0x1"),
            (0xd61f_0240, "br x18"),
            (0xf940_0240, "ldr x0, [x18]"),
            (0xa940_4bf1, "ldp x17, x18, [sp]"),
            (0x9b12_7c20, "mul x0, x1, x18"),
            (0x9b02_4820, "madd x0, x1, x2, x18"),
            (0xb872_6820, "ldr w0, [x1, x18]"),
            (0xd51b_d052, "msr tpidr_el0, x18"),
            (0x1a92_03f2, "csel w18, wzr, w18, eq"),
            (0xc8b2_7c20, "cas x18, x0, [x1]"),
        ] {
            let found = use_of_x18(word);
            assert!(found.is_some(), "{word:#010x} {text}: {found:?}");
        }
    }

    #[test]
    fn a_field_of_18_that_is_no_register_is_no_use() {
        for (word, text) in [
            (0x9100_4820_u32, "add x0, x1, #18"),
            (0x5280_0240, "mov w0, #18"),
            (0x5400_0240, "b.eq #0x48"),
            (0xd503_201f, "nop"),
            (0x9400_0012, "bl #0x48"),
            (0xd372_fc20, "lsr x0, x1, #50"),
            (0xf900_4820, "str x0, [x1, #144]"),
            (
                0xd512_5200,
                "msr with 18 in the fields of the system register",
            ),
        ] {
            assert_eq!(use_of_x18(word), None, "{word:#010x} {text}");
        }
    }
}
