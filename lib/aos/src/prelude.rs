//! What most programs use, in one line: `use aos::prelude::*;`.
//!
//! Rust's collections live on the heap, which takes memory as it is touched. There is no hash map without a source of randomness: use
//! [`BTreeMap`].

pub use crate::args::Args;
pub use crate::error::{Error, ErrorCode, ResultExt};
pub use crate::exit::Status;
pub use crate::{print, println};
pub use alloc::borrow::ToOwned;
pub use alloc::boxed::Box;
pub use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
pub use alloc::string::{String, ToString};
pub use alloc::sync::Arc;
pub use alloc::vec::Vec;
pub use alloc::{format, vec};
pub use core::time::Duration;
