//! The arguments page of a new domain, at [`crate::layout::ARGS_BASE`] (also in x0 at its first instruction).
//!
//! `ArgsHeader`, then `argc + envc` entries `(offset u32, bytes u32)`, then the strings' bytes. Offsets count from the start
//! of the page. Strings are UTF-8 and may hold any character; environment strings are `NAME=value`. Behind them, at a multiple of eight, may be
//! the books of the address space as whoever made the domain has them: items of [`PAGING_WORDS`] words, which only the library OS understands.

/// Magic of an arguments page: `"BEARGS01"`.
pub const ARGS_MAGIC: u64 = u64::from_le_bytes(*b"BEARGS01");
/// Most arguments, and most environment strings.
pub const MAX_ARGS: usize = 128;

/// Start of the arguments page.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ArgsHeader {
    /// [`ARGS_MAGIC`].
    pub magic: u64,
    /// Number of arguments (the first is the program's name).
    pub argc: u32,
    /// Number of environment strings.
    pub envc: u32,
    /// Bytes used, header included.
    pub bytes: u32,
    /// The domain's number, as its parent counts.
    pub pid: u32,
    /// Where the books of the address space are.
    pub paging: u32,
    /// Number of their items.
    pub items: u32,
}

/// Words of an item of the address space's books.
pub const PAGING_WORDS: usize = 3;
/// One item.
pub type PagingItem = [u64; PAGING_WORDS];
/// Bytes of one.
pub const PAGING_ITEM_BYTES: usize = 8 * PAGING_WORDS;

/// Bytes of [`ArgsHeader`].
pub const ARGS_HEADER_BYTES: usize = 32;
const _: () = assert!(core::mem::size_of::<ArgsHeader>() == ARGS_HEADER_BYTES);

/// Why arguments do not fit or a page cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgsError {
    /// More than [`MAX_ARGS`] arguments or environment strings.
    TooMany,
    /// The page is too small for the strings.
    TooLong,
    /// Not an arguments page, or one that contradicts itself.
    Malformed,
}

/// Writes an arguments page into `page`; returns the bytes used.
///
/// # Errors
/// [`ArgsError::TooMany`], [`ArgsError::TooLong`].
pub fn write<'a>(
    page: &mut [u8],
    pid: u32,
    args: impl Iterator<Item = &'a str> + Clone,
    env: impl Iterator<Item = &'a str> + Clone,
) -> Result<usize, ArgsError> {
    let (argc, envc) = (args.clone().count(), env.clone().count());
    if argc > MAX_ARGS || envc > MAX_ARGS {
        return Err(ArgsError::TooMany);
    }
    let mut table = ARGS_HEADER_BYTES;
    let mut offset = table + 8 * (argc + envc);
    for text in args.chain(env) {
        let end = offset + text.len();
        put(page, table, &(offset as u32).to_le_bytes())?;
        put(page, table + 4, &(text.len() as u32).to_le_bytes())?;
        put(page, offset, text.as_bytes())?;
        table += 8;
        offset = end;
    }
    put(page, 0, &ARGS_MAGIC.to_le_bytes())?;
    put(page, 8, &(argc as u32).to_le_bytes())?;
    put(page, 12, &(envc as u32).to_le_bytes())?;
    put(page, 16, &(offset as u32).to_le_bytes())?;
    put(page, 20, &pid.to_le_bytes())?;
    put(page, 24, &[0; 8])?;
    Ok(offset)
}

/// Adds the books of the address space to a page whose first `used` bytes [`write`] has written; returns the bytes used.
///
/// # Errors
/// [`ArgsError::TooLong`].
pub fn write_paging(
    page: &mut [u8],
    used: usize,
    items: impl ExactSizeIterator<Item = PagingItem>,
) -> Result<usize, ArgsError> {
    let start = used.next_multiple_of(8);
    let count = items.len();
    let mut at = start;
    for word in items.flatten() {
        put(page, at, &word.to_le_bytes())?;
        at += 8;
    }
    put(page, 16, &(at as u32).to_le_bytes())?;
    put(page, 24, &(start as u32).to_le_bytes())?;
    put(page, 28, &(count as u32).to_le_bytes())?;
    Ok(at)
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), ArgsError> {
    let place = page
        .get_mut(at..at + bytes.len())
        .ok_or(ArgsError::TooLong)?;
    place.copy_from_slice(bytes);
    Ok(())
}

/// A checked arguments page.
#[derive(Clone, Copy, Debug)]
pub struct ArgsPage<'a> {
    page: &'a [u8],
    argc: usize,
    envc: usize,
    pid: u32,
    paging: &'a [u8],
}

impl<'a> ArgsPage<'a> {
    /// Checks the page: afterwards every argument can be read.
    ///
    /// # Errors
    /// [`ArgsError::Malformed`].
    pub fn parse(page: &'a [u8]) -> Result<Self, ArgsError> {
        let word = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(page.get(at..at + 4)?.try_into().ok()?))
        };
        let header = || -> Option<(u64, u32, u32, u32)> {
            let magic = u64::from_le_bytes(page.get(..8)?.try_into().ok()?);
            Some((magic, word(8)?, word(12)?, word(20)?))
        };
        let (magic, argc, envc, pid) = header().ok_or(ArgsError::Malformed)?;
        let (argc, envc) = (argc as usize, envc as usize);
        if magic != ARGS_MAGIC || argc > MAX_ARGS || envc > MAX_ARGS {
            return Err(ArgsError::Malformed);
        }
        let paging = || -> Option<&'a [u8]> {
            let (start, items) = (word(24)? as usize, word(28)? as usize);
            let bytes = items.checked_mul(PAGING_ITEM_BYTES)?;
            page.get(start..start.checked_add(bytes)?)
        };
        let parsed = Self {
            page,
            argc,
            envc,
            pid,
            paging: paging().ok_or(ArgsError::Malformed)?,
        };
        for index in 0..argc + envc {
            parsed.string(index).ok_or(ArgsError::Malformed)?;
        }
        Ok(parsed)
    }

    fn string(&self, index: usize) -> Option<&'a str> {
        let at = ARGS_HEADER_BYTES + 8 * index;
        let offset = u32::from_le_bytes(self.page.get(at..at + 4)?.try_into().ok()?) as usize;
        let bytes = u32::from_le_bytes(self.page.get(at + 4..at + 8)?.try_into().ok()?) as usize;
        core::str::from_utf8(self.page.get(offset..offset.checked_add(bytes)?)?).ok()
    }

    /// The domain's number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The books of the address space, none if nobody has written them.
    pub fn paging(&self) -> impl ExactSizeIterator<Item = PagingItem> + Clone + use<'a> {
        let items = self.paging.chunks_exact(PAGING_ITEM_BYTES);
        items.map(|item| {
            let (words, _) = item.as_chunks::<8>();
            let mut words = words.iter().copied().map(u64::from_le_bytes);
            [(); PAGING_WORDS].map(|()| words.next().unwrap_or(0))
        })
    }

    /// The arguments, the program's name first.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &'a str> + Clone + use<'a> {
        let page = *self;
        (0..self.argc).map(move |index| page.string(index).unwrap_or_default())
    }

    /// The environment strings.
    pub fn env(&self) -> impl ExactSizeIterator<Item = &'a str> + Clone + use<'a> {
        let page = *self;
        (page.argc..page.argc + page.envc).map(move |index| page.string(index).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut page = vec![0; 4096];
        let args = ["hello", "one", "two \"three\"", ""];
        let env = ["HOME=/", "X=ä"];
        write(&mut page, 7, args.into_iter(), env.into_iter()).unwrap();
        let parsed = ArgsPage::parse(&page).unwrap();
        assert_eq!(parsed.args().collect::<Vec<_>>(), args);
        assert_eq!(parsed.env().collect::<Vec<_>>(), env);
        assert_eq!(parsed.pid(), 7);
        assert_eq!(parsed.paging().len(), 0);
    }

    #[test]
    fn the_books_of_the_address_space_come_behind() {
        let mut page = vec![0xff; 4096];
        let used = write(&mut page, 7, ["hello"].into_iter(), ["X=1"].into_iter()).unwrap();
        let items = [[1, 2, u64::MAX], [4, 5, 6]];
        let used = write_paging(&mut page, used, items.into_iter()).unwrap();
        let parsed = ArgsPage::parse(&page[..used]).unwrap();
        assert_eq!(parsed.paging().collect::<Vec<_>>(), items);
        assert_eq!(parsed.args().collect::<Vec<_>>(), ["hello"]);
        assert!(ArgsPage::parse(&page[..used - 1]).is_err());
        let mut small = vec![0; used - 1];
        let used = write(&mut small, 7, ["hello"].into_iter(), ["X=1"].into_iter()).unwrap();
        let result = write_paging(&mut small, used, items.into_iter());
        assert_eq!(result, Err(ArgsError::TooLong));
    }

    #[test]
    fn too_much_is_refused() {
        let mut page = vec![0; 64];
        let long = "x".repeat(64);
        assert_eq!(
            write(&mut page, 0, [long.as_str()].into_iter(), [].into_iter()),
            Err(ArgsError::TooLong)
        );
        let many = vec!["x"; MAX_ARGS + 1];
        assert_eq!(
            write(&mut page, 0, many.into_iter(), [].into_iter()),
            Err(ArgsError::TooMany)
        );
    }

    #[test]
    fn damaged_pages_are_refused_or_readable() {
        let mut page = vec![0; 256];
        let used = write(&mut page, 7, ["a", "bc"].into_iter(), ["d=e"].into_iter()).unwrap();
        for at in 0..used {
            for flip in [1u8, 0x80, 0xff] {
                let mut bad = page.clone();
                bad[at] ^= flip;
                if let Ok(parsed) = ArgsPage::parse(&bad) {
                    let _ = (parsed.args().count(), parsed.env().count());
                }
            }
        }
    }
}
