//! The board's light, if it has one: a line of a PL061, which the boot menu names.

use crate::given::device;
use aos::kpi::layout::BASE_PAGE_SIZE;
use aos::kpi::rights::PageFlags;
use aos::paging::MappedFrame;
use aos::{Error, ErrorCode};
use pl061::{Output, Registers};

/// The mapped registers.
#[derive(Debug)]
pub struct Mapped(MappedFrame);

impl Registers for Mapped {
    fn read(&mut self, offset: usize) -> u32 {
        // All registers are in the page that is mapped.
        self.0.view().load_register(offset).unwrap_or(0)
    }

    fn write(&mut self, offset: usize, value: u32) {
        self.0.view().store_register(offset, value);
    }
}

/// The light.
pub type Light = Output<Mapped>;

/// What `led=BASE:LINE` says.
pub fn parse(text: &str) -> Option<(u64, u8)> {
    let (base, line) = text.split_once(':')?;
    let base = u64::from_str_radix(base.strip_prefix("0x")?, 16).ok()?;
    Some((base, line.parse().ok()?))
}

/// The light on a line of the block with its registers there.
///
/// # Errors
/// There is no such device, or no such line; why it cannot be mapped.
pub fn open((base, line): (u64, u8)) -> Result<Light, Error> {
    let frame = device(base, BASE_PAGE_SIZE)?;
    let uncached = PageFlags::READ_WRITE.union(PageFlags::NOCACHE);
    let registers = Mapped(MappedFrame::new(frame, uncached)?);
    Output::new(registers, line).ok_or(Error::new(ErrorCode::SysCapNotFound))
}
