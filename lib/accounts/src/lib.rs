//! Accounts of storage, after KeyKOS's rule that everything that is stored is ascribed to somebody, and can be had back from there.
//!
//! Pure: an [`Accounts`] knows ranges of addresses, who holds each, and how much each may hold. What a range is beside that, a capability for
//! example, is the type parameter. A memory server asks [`may_charge`](Accounts::may_charge) before it allocates and charges afterwards; when a
//! client dies it closes the client's account and frees what [`step`](Accounts::step) gives it.
//!
//! | Module | What |
//! |---|---|
//! | `amount` | bytes and allocations, counted together |
//! | `allocation` | ranges by address |
//! | [`ledger`] | accounts, and all operations |
//! | `closing` | giving everything back, in steps |
//! | `error` | why not, and the fugu code for it |
//!
//! # Invariants
//!
//! * What an account holds and what it has given to its sub-accounts as their limits is together never more than its limit.
//! * Each allocation is held by one account, and no two overlap.
//! * Nothing is created or lost: what was charged is refunded, transferred or released, each once.
//! * A refused operation changes nothing. No input panics.
//!
//! **Bounds.** There are at most so many accounts, nested at most so deep ([`Bounds`]); allocations are bounded by the limit of the first account.
//! What is full refuses.
//!
//! **Costs.** Everything is O(log n) in allocations and accounts, and looks at as many accounts as they are nested; a step does that for each thing
//! it gives back.
//!
//! # Barrelfish
//!
//! There is no counterpart: its memory server and the course's give memory to whoever asks until there is none, and what a dead domain had stays
//! lost. KeyKOS's is the space bank, made from another bank with a limit, whose destruction destroys what was bought from it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod allocation;
mod amount;
mod check;
mod closing;
mod error;
pub mod ledger;

pub use allocation::Allocation;
pub use amount::Amount;
pub use closing::Step;
pub use error::Error;
pub use ledger::{Account, Accounts, Bounds, Info, Refused};
