//! A mapping as a Rust value.

use super::{Part, paging_map_copy_on_write, paging_map_frame_attr, paging_map_part, paging_unmap};
use crate::arch::memory::Mapped;
use crate::cap::{CapRef, cap_direct_identify};
use crate::error::{Error, ErrorCode, ResultExt};
use kpi::addr::VirtAddr;
use kpi::rights::PageFlags;

/// A frame mapped in the own address space, as Rust sees it.
#[derive(Debug)]
pub struct MappedFrame {
    view: Mapped,
}

impl MappedFrame {
    /// Maps a whole frame.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`]; `LIB_ERR_FRAME_IDENTIFY`.
    pub fn new(frame: CapRef, flags: PageFlags) -> Result<Self, Error> {
        let bytes = cap_direct_identify(frame)
            .push_err(ErrorCode::LibFrameIdentify)?
            .size();
        Self::part(frame, bytes, flags)
    }

    /// Maps the first `bytes` bytes of a frame.
    ///
    /// # Errors
    /// As [`paging_map_frame_attr`].
    pub fn part(frame: CapRef, bytes: u64, flags: PageFlags) -> Result<Self, Error> {
        let address = paging_map_frame_attr(frame, bytes, flags)?;
        Ok(Self::at(address, bytes))
    }

    /// Maps what [`Part`] says of a frame.
    ///
    /// # Errors
    /// As [`paging_map_part`].
    pub fn of_part(frame: CapRef, part: &Part) -> Result<Self, Error> {
        Ok(Self::at(paging_map_part(frame, part)?, part.bytes))
    }

    /// Maps `bytes` bytes of a frame from byte `offset` on such that what is written is seen here only.
    ///
    /// # Errors
    /// As [`paging_map_copy_on_write`].
    pub fn copy_on_write(frame: CapRef, offset: u64, bytes: u64) -> Result<Self, Error> {
        let address = paging_map_copy_on_write(frame, offset, bytes)?;
        Ok(Self::at(address, bytes))
    }

    fn at(address: VirtAddr, bytes: u64) -> Self {
        // SAFETY: just mapped at fresh addresses that only this value knows; unmapped in `unmap`, which takes it.
        let view = unsafe { Mapped::new(address, bytes as usize) };
        Self { view }
    }

    /// The memory.
    pub const fn view(&self) -> &Mapped {
        &self.view
    }

    /// The memory, to write.
    pub const fn view_mut(&mut self) -> &mut Mapped {
        &mut self.view
    }

    /// Unmaps it. (Dropping keeps it mapped for good.)
    ///
    /// # Errors
    /// As [`paging_unmap`].
    pub fn unmap(self) -> Result<(), Error> {
        // SAFETY: the only view is consumed.
        unsafe { paging_unmap(self.view.address()) }
    }
}
