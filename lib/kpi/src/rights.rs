//! Capability rights and page flags.

use core::fmt;

/// The rights of a capability. Minting narrows them; nothing widens them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
pub struct CapRights(pub u8);

impl CapRights {
    /// May be read; also: may be looked through, when it is a CNode.
    pub const READ: Self = Self(1);
    /// May be written; also: slots may be filled, when it is a CNode; all else that was made or copied from it may be revoked.
    pub const WRITE: Self = Self(2);
    /// May be mapped executable.
    pub const EXECUTE: Self = Self(4);
    /// May be sent with a message. (To copy it to another CSpace takes that CSpace's root instead.)
    pub const GRANT: Self = Self(8);
    /// What lies in it may be listed or looked at: CNodes, page tables, dispatchers. What a capability itself says its holder may always know.
    pub const IDENTIFY: Self = Self(16);
    /// Every right.
    pub const ALL: Self = Self(0x1f);

    /// Whether all of `wanted` is there.
    #[inline]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The rights in both.
    #[inline]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0 & Self::ALL.0)
    }

    /// The rights in either.
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for CapRights {
    /// `rwxgi`, a dash for each missing right.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in ['r', 'w', 'x', 'g', 'i'].into_iter().enumerate() {
            let present = self.0 >> bit & 1 == 1;
            write!(f, "{}", if present { letter } else { '-' })?;
        }
        Ok(())
    }
}

/// What a mapping permits and how memory is cached (`VREGION_FLAGS_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(transparent)]
pub struct PageFlags(pub u64);

impl PageFlags {
    /// EL0 may read.
    pub const READ: Self = Self(1);
    /// EL0 may write.
    pub const WRITE: Self = Self(2);
    /// EL0 may execute. **Barreleye**: enforced (UXN is set without it).
    pub const EXECUTE: Self = Self(4);
    /// Not cached: Normal non-cacheable for RAM. Memory outside RAM is Device whatever the flags say.
    pub const NOCACHE: Self = Self(8);
    /// Every known flag.
    pub const MASK: Self = Self(15);
    /// Read and write.
    pub const READ_WRITE: Self = Self(3);
    /// Read and execute.
    pub const READ_EXECUTE: Self = Self(5);

    /// Whether all of `wanted` is there.
    #[inline]
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The flags in either.
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags of that word; `None` when it has unknown bits.
    #[inline]
    pub const fn from_word(word: u64) -> Option<Self> {
        if word & !Self::MASK.0 == 0 {
            Some(Self(word))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_print_and_narrow() {
        let rights = CapRights::READ.union(CapRights::EXECUTE);
        assert_eq!(rights.to_string(), "r-x--");
        assert_eq!(CapRights(0xff).intersection(rights), rights);
        assert!(CapRights::ALL.contains(rights));
    }

    #[test]
    fn unknown_page_flags_are_refused() {
        assert_eq!(PageFlags::from_word(3), Some(PageFlags::READ_WRITE));
        assert_eq!(PageFlags::from_word(16), None);
    }
}
