//! What can go wrong.

use crate::space::Span;

/// A reason of the space itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Address, bytes or offset are no multiples of a page, there are none, or they are outside of the space.
    Range,
    /// Flags without READ, or with WRITE and EXECUTE.
    Flags,
    /// No gap is so large.
    NoSpace,
    /// Addresses are taken already.
    NotFree,
    /// Not all of it belongs to regions.
    NotReserved,
    /// A guard is in it.
    Guard,
    /// A page has memory already.
    Backed,
    /// The page size that was asked for does not suit address, bytes, frame or flags.
    PageSize,
    /// So many nodes must be free.
    Nodes(usize),
}

/// Where an error comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<E> {
    /// From the space.
    Space(Why),
    /// From the environment.
    Environment(E),
}

/// How far an operation came that could be neither finished nor undone. Once it is possible again, [`unmap`](crate::Space::unmap) or
/// [`unback`](crate::Space::unback) of the same range finish, and so does [`protect`](crate::Space::protect).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// All addresses of the operation.
    pub span: Span,
    /// * map, back: pages below are there, those from here on are not. The region stays.
    /// * unmap, unback: pages below are still there, those from here on are not. The region stays, unless this is where the range
    ///   begins: then all was done, and only `lost` is to be told.
    /// * protect: pages below have the new flags, those from here on the old ones.
    pub at: u64,
    /// Where pages are that should have stayed and are not there any more ([`lookup`](crate::Space::lookup) says which).
    pub lost: Option<Span>,
}

/// An operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error<E> {
    /// Why.
    pub cause: Cause<E>,
    /// `None`: the space is as it was before.
    pub stopped: Option<Stopped>,
}

impl<E> From<Why> for Cause<E> {
    fn from(why: Why) -> Self {
        Self::Space(why)
    }
}

impl<E> From<Cause<E>> for Error<E> {
    fn from(cause: Cause<E>) -> Self {
        Self {
            cause,
            stopped: None,
        }
    }
}

impl<E> From<Why> for Error<E> {
    fn from(why: Why) -> Self {
        Cause::Space(why).into()
    }
}
