//! A module's file as a slice: to read, or a copy of one's own that costs only the pages that are written.
//!
//! Nobody writes a module. The kernel makes one capability for its frame, with the right to read, and of the memory no other; copies have that right
//! or none. Whether it is this capability that lies in the module's slot is looked at, since the slot is its owner's.

use super::{Boot, Module};
use crate::cap::{CapRef, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt};
use crate::paging::MappedFrame;
use core::ops::{Deref, DerefMut};
use kpi::cap::ObjType;
use kpi::rights::{CapRights, PageFlags};

/// A module's file, read where it lies.
#[derive(Debug)]
pub struct File {
    frame: MappedFrame,
    bytes: usize,
}

/// A module's file to write. What is written is seen here only.
#[derive(Debug)]
pub struct PrivateFile {
    frame: MappedFrame,
    bytes: usize,
}

impl Module<'_> {
    /// Maps its file to read.
    ///
    /// # Errors
    /// `SPAWN_ERR_MAP_MODULE` on top of why; of `LIB_ERR_FRAME_IDENTIFY`: something else lies in its slot.
    pub fn open(&self) -> Result<File, Error> {
        let bytes = self.file_bytes() as usize;
        let frame = self.checked_frame();
        let frame =
            frame.and_then(|frame| MappedFrame::part(frame, self.file_bytes(), PageFlags::READ));
        let frame = frame.push_err(ErrorCode::SpawnMapModule)?;
        Ok(File { frame, bytes })
    }

    /// Maps its file, a page of which is copied when it is written.
    ///
    /// # Errors
    /// `SPAWN_ERR_MAP_MODULE` on top of why; of `LIB_ERR_FRAME_IDENTIFY`: something else lies in its slot.
    pub fn open_private(&self) -> Result<PrivateFile, Error> {
        let bytes = self.file_bytes() as usize;
        let frame = self.checked_frame();
        let frame = frame.and_then(|frame| MappedFrame::copy_on_write(frame, 0, self.file_bytes()));
        let frame = frame.push_err(ErrorCode::SpawnMapModule)?;
        Ok(PrivateFile { frame, bytes })
    }

    /// Its frame, if that is what the kernel has put there.
    fn checked_frame(&self) -> Result<CapRef, Error> {
        let frame = cap_direct_identify(self.frame())?;
        let is_module = frame.objtype() == ObjType::Frame
            && frame.address() == self.region.base
            && !frame.rights().contains(CapRights::WRITE);
        match is_module {
            true => Ok(self.frame()),
            false => Err(Error::new(ErrorCode::LibFrameIdentify)),
        }
    }
}

impl Boot {
    /// The file of the module of that name, to read.
    ///
    /// # Errors
    /// `SPAWN_ERR_FIND_MODULE`, `SPAWN_ERR_MAP_MODULE` on top of why.
    pub fn open(&self, name: &str) -> Result<File, Error> {
        self.module(name)?.open()
    }

    /// The same to write, see [`Module::open_private`].
    ///
    /// # Errors
    /// As [`Boot::open`].
    pub fn open_private(&self, name: &str) -> Result<PrivateFile, Error> {
        self.module(name)?.open_private()
    }
}

impl File {
    /// Unmaps it. (Dropping keeps it mapped.)
    ///
    /// # Errors
    /// As [`MappedFrame::unmap`].
    pub fn close(self) -> Result<(), Error> {
        self.frame.unmap()
    }
}

impl PrivateFile {
    /// Unmaps it, and gives the copied pages back. (Dropping keeps it mapped.)
    ///
    /// # Errors
    /// As [`MappedFrame::unmap`].
    pub fn close(self) -> Result<(), Error> {
        self.frame.unmap()
    }
}

impl Deref for File {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: nobody writes a module (module header).
        let bytes = unsafe { self.frame.view().bytes() };
        bytes.get(..self.bytes).unwrap_or(bytes)
    }
}

impl Deref for PrivateFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: nobody writes a module (module header), and the copied pages are this value's.
        let bytes = unsafe { self.frame.view().bytes() };
        bytes.get(..self.bytes).unwrap_or(bytes)
    }
}

impl DerefMut for PrivateFile {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; what is written is copied before.
        let bytes = unsafe { self.frame.view_mut().bytes_mut() };
        let most = bytes.len().min(self.bytes);
        bytes.get_mut(..most).unwrap_or_default()
    }
}
