//! Page faults: memory that comes into being when it is touched.
//!
//! The handler of every thread asks [`resolve`] first. Behind an address of a *lazy* region that has no memory yet it puts a zeroed page, from
//! a few that are kept at hand. All other faults are the program's own affair, and end it if it does not care.
//!
//! A page that is there and permits the access was put there meanwhile by another thread: then the access is only tried again.

use super::{
    Attributes, Backing, Choice, LAZY, Name, OWN_BYTES, OWN_START, PageSize, Span, error_of,
};
use crate::console;
use crate::error::{Error, ErrorCode};
use crate::exit::DomainName;
use crate::memory::{Core, step};
use crate::thread::exception::Access;
use kpi::addr::{PhysAddr, VirtAddr};
use kpi::layout::BASE_PAGE_SIZE;
use kpi::rights::PageFlags;

/// What became of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resolution {
    /// The memory is there now.
    Done,
    /// It was there already.
    Again,
    /// There is none for such an access.
    Not,
}

/// Whether pages with these flags permit an access.
const fn permits(flags: PageFlags, access: Access) -> bool {
    match access {
        Access::Read => flags.contains(PageFlags::READ),
        Access::Write => flags.contains(PageFlags::WRITE),
        Access::Execute => flags.contains(PageFlags::EXECUTE),
    }
}

/// Whether a page is to be put where such an access was.
fn is_lazy(attributes: &Attributes, access: Access) -> bool {
    attributes.tag == LAZY && !attributes.is_guard && permits(attributes.flags, access)
}

/// Puts memory where a fault was, if some belongs there. Called enabled, on a stack that is there, by a thread that holds none of the locks
/// of [`memory`](crate::memory).
pub(crate) fn resolve(address: u64, access: Access) -> Resolution {
    if !(OWN_START.0..OWN_START.0 + OWN_BYTES).contains(&address) {
        return Resolution::Not;
    }
    let resolved = step(|core| {
        let Some(found) = core.space.lookup(VirtAddr(address)) else {
            return Ok(Resolution::Not);
        };
        match found.page {
            Some(page) if permits(page.flags, access) => Ok(Resolution::Again),
            None if is_lazy(&found.region.attributes, access) => {
                back(core, address).map(|()| Resolution::Done)
            }
            _ => Ok(Resolution::Not),
        }
    });
    resolved.unwrap_or_else(|error| {
        let name = DomainName::own();
        console::emergency(format_args!("{name}: no memory at {address:#x}: {error}\n"));
        Resolution::Not
    })
}

/// Puts a zeroed page behind an address of a lazy region that has none.
pub(super) fn back(core: &mut Core, address: u64) -> Result<(), Error> {
    let start = address - address % BASE_PAGE_SIZE;
    let span = Span {
        start,
        end: start + BASE_PAGE_SIZE,
    };
    let frame = core.memory.page()?;
    let backing = Backing {
        frame: Name(frame),
        offset: 0,
        address: PhysAddr(0),
    };
    let (space, mut env) = core.parts();
    let choice = Choice::Exactly(PageSize::Base);
    let backed = space.back_first(&mut env, span, backing, PageFlags::MASK, choice);
    env.settle();
    if let Err(error) = backed {
        core.memory.put_page(frame);
        return Err(error_of(error, ErrorCode::LibPmapDoMap));
    }
    Ok(())
}
