//! A capability as a few characters, for the record `cap`: several of them fit into one.
//!
//! Fields in hexadecimal, divided by commas, zeroes left out: slot divided by 64, type, rights, the first two words, the other two
//! fields, the facts. Each capability ends with a semicolon.

use core::fmt;

use kpi::addr::PhysAddr;
use kpi::cap::Capability;
use kpi::invocation::CapFacts;
use kpi::layout::SLOT_BYTES;

use crate::Entry;

const FIELDS: usize = 8;
/// Most characters of one.
pub const MAX_TEXT: usize = FIELDS * 17;

impl Entry {
    fn fields(&self) -> [u64; FIELDS] {
        let [first, second, third] = self.cap.to_words();
        [
            self.slot.0 / SLOT_BYTES,
            third >> 48 & 0xff,
            third >> 56,
            first,
            second,
            third & 0xffff_ffff,
            third >> 32 & 0xffff,
            self.facts.0,
        ]
    }

    /// Writes it, at most [`MAX_TEXT`] characters.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let fields = self.fields();
        let used = fields.iter().rposition(|field| *field != 0).unwrap_or(0);
        for (index, field) in fields.iter().take(used + 1).enumerate() {
            if index > 0 {
                out.write_char(',')?;
            }
            if *field != 0 {
                write!(out, "{field:x}")?;
            }
        }
        out.write_char(';')
    }

    /// Reads one, without its semicolon. `None`: it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut fields = [0; FIELDS];
        let mut words = text.split(',');
        for (field, word) in fields.iter_mut().zip(&mut words) {
            if !word.is_empty() {
                *field = u64::from_str_radix(word, 16).ok()?;
            }
        }
        let [slot, objtype, rights, first, second, half, quarter, facts] = fields;
        let fits = objtype < 256 && rights < 256 && half < 1 << 32 && quarter < 1 << 16;
        if !fits || words.next().is_some() {
            return None;
        }
        let third = half | quarter << 32 | objtype << 48 | rights << 56;
        Some(Self {
            slot: PhysAddr(slot.checked_mul(SLOT_BYTES)?),
            cap: Capability::from_words([first, second, third])?,
            facts: CapFacts(facts),
        })
    }

    /// Reads all of a text.
    pub fn read_all(text: &str) -> impl Iterator<Item = Option<Self>> {
        text.split_terminator(';').map(Self::read)
    }
}
