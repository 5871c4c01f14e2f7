//! The order that starts a program, and the frame for an ELF file that goes with it.

use super::{Command, Pid};
use crate::cap::CapRef;
use crate::error::{Error, ErrorCode};
use crate::monitor;
use crate::paging::MappedFrame;
use crate::ram::{frame_alloc, mm_free};
use alloc::string::String;
use initproto::{Address, Head, ORDER_MAX, Order, Wish};
use kpi::rights::PageFlags;

impl Command<'_> {
    pub(super) fn order(&self, head: &Head) -> Result<Pid, Error> {
        let mut place = alloc::vec![0; ORDER_MAX];
        let caps = self.caps.iter().copied().map(address);
        let args = self.args.iter().map(String::as_str);
        let env = self.env.iter().map(String::as_str);
        let used = Order::write(&mut place, head, caps, args, env)
            .map_err(|_| Error::new(ErrorCode::SpawnArgspgOverflow))?;
        let text = place.get(..used).unwrap_or_default();
        let root = Some(CapRef::OWN_ROOT);
        let [pid, ..] = monitor::order(Wish::Spawn, text, root)?;
        Ok(pid as Pid)
    }
}

pub(super) const fn address(cap: CapRef) -> Address {
    Address {
        address: cap.addr().0,
        level: cap.level() as u8,
    }
}

/// A frame with the bytes of a file.
pub(super) fn elf_frame(elf: &[u8]) -> Result<(CapRef, u32), Error> {
    let bytes = u32::try_from(elf.len()).map_err(|_| Error::new(ErrorCode::LibFrameAlloc))?;
    let frame = frame_alloc(u64::from(bytes.max(1)))?;
    let filled = MappedFrame::new(frame, PageFlags::READ_WRITE).and_then(|mut mapped| {
        mapped.view_mut().write(0, elf);
        mapped.unmap()
    });
    match filled {
        Ok(()) => Ok((frame, bytes)),
        Err(error) => {
            // The first error counts.
            let _ = mm_free(frame);
            Err(error)
        }
    }
}
