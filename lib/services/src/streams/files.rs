//! Files in memory, by name.
//!
//! A file lives as long as it has a name or an end. Its bytes are in blocks, so that growing never copies them.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use errors::{Error, ErrorCode};

/// Bytes of a block.
const BLOCK: usize = 16 << 10;
/// Longest name, in characters.
const NAME_CHARS: usize = 64;

#[derive(Debug, Default)]
struct File {
    blocks: Vec<Vec<u8>>,
    length: usize,
    ends: usize,
    has_name: bool,
}

/// All files.
#[derive(Debug)]
pub(super) struct Files {
    names: BTreeMap<String, u32>,
    files: BTreeMap<u32, File>,
    last: u32,
    used: usize,
    most_files: usize,
    most_bytes: usize,
}

impl Files {
    /// None yet.
    pub(super) const fn new(most_files: usize, most_bytes: usize) -> Self {
        Self {
            names: BTreeMap::new(),
            files: BTreeMap::new(),
            last: 0,
            used: 0,
            most_files,
            most_bytes,
        }
    }

    /// Names and bytes, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().map(|(name, id)| {
            let bytes = self.files.get(id).map_or(0, |file| file.length);
            (name.as_str(), bytes)
        })
    }

    /// Bytes in all.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// The file of that name.
    ///
    /// # Errors
    /// `STREAM_ERR_NO_FILE`.
    pub(super) fn find(&self, name: &str) -> Result<u32, Error> {
        let found = self.names.get(name).copied();
        found.ok_or(ErrorCode::StreamNoFile.into())
    }

    /// The file of that name, made if there is none.
    ///
    /// # Errors
    /// `STREAM_ERR_BAD_NAME`, `STREAM_ERR_TOO_MANY_FILES`.
    pub(super) fn find_or_make(&mut self, name: &str) -> Result<u32, Error> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let is_bad = |c: char| c.is_control() || c == '/';
        if name.is_empty() || name.chars().count() > NAME_CHARS || name.contains(is_bad) {
            return Err(ErrorCode::StreamBadName.into());
        }
        if self.files.len() >= self.most_files {
            return Err(ErrorCode::StreamTooManyFiles.into());
        }
        self.last += 1;
        let file = File {
            has_name: true,
            ..File::default()
        };
        self.files.insert(self.last, file);
        self.names.insert(name.to_string(), self.last);
        Ok(self.last)
    }

    /// Takes the name away. Who has the file open keeps it.
    ///
    /// # Errors
    /// `STREAM_ERR_NO_FILE`.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), Error> {
        let id = self
            .names
            .remove(name)
            .ok_or(Error::new(ErrorCode::StreamNoFile))?;
        if let Some(file) = self.files.get_mut(&id) {
            file.has_name = false;
        }
        self.drop_unused(id);
        Ok(())
    }

    /// An end of it is there.
    pub(super) fn open(&mut self, id: u32) {
        if let Some(file) = self.files.get_mut(&id) {
            file.ends += 1;
        }
    }

    /// An end of it is gone.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(file) = self.files.get_mut(&id) {
            file.ends = file.ends.saturating_sub(1);
        }
        self.drop_unused(id);
    }

    fn drop_unused(&mut self, id: u32) {
        let is_unused = |file: &File| file.ends == 0 && !file.has_name;
        if self.files.get(&id).is_some_and(is_unused)
            && let Some(file) = self.files.remove(&id)
        {
            self.used = self.used.saturating_sub(file.length);
        }
    }

    /// Empties it.
    pub(super) fn truncate(&mut self, id: u32) {
        if let Some(file) = self.files.get_mut(&id) {
            self.used = self.used.saturating_sub(file.length);
            file.blocks = Vec::new();
            file.length = 0;
        }
    }

    /// Adds bytes: all of them, or none.
    ///
    /// # Errors
    /// `STREAM_ERR_NO_ROOM`.
    pub(super) fn append(&mut self, id: u32, mut bytes: &[u8]) -> Result<(), Error> {
        let full = Error::new(ErrorCode::StreamNoRoom);
        let file = self.files.get_mut(&id).ok_or(full)?;
        if self.used.saturating_add(bytes.len()) > self.most_bytes {
            return Err(full);
        }
        self.used += bytes.len();
        file.length += bytes.len();
        while !bytes.is_empty() {
            let needs_block = file.blocks.last().is_none_or(|last| last.len() >= BLOCK);
            if needs_block {
                file.blocks.push(Vec::new());
            }
            let Some(last) = file.blocks.last_mut() else {
                break;
            };
            let part = bytes.len().min(BLOCK - last.len());
            let (now, rest) = bytes.split_at(part);
            last.extend_from_slice(now);
            bytes = rest;
        }
        Ok(())
    }

    /// At most so many bytes from there on; none at the end.
    pub(super) fn read(&self, id: u32, at: usize, most: usize) -> Vec<u8> {
        let Some(file) = self.files.get(&id) else {
            return Vec::new();
        };
        let end = file.length.min(at.saturating_add(most));
        let mut out = Vec::new();
        let mut at = at;
        while at < end {
            let block = file.blocks.get(at / BLOCK).map_or(&[][..], Vec::as_slice);
            let part = block.get(at % BLOCK..).unwrap_or_default();
            let part = part.get(..part.len().min(end - at)).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            out.extend_from_slice(part);
            at += part.len();
        }
        out
    }
}
