//! Every error of every operation, once.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod lookup;
mod making;
mod removal;
#[path = "../support/mod.rs"]
mod support;
mod tables;

use kpi::rights::CapRights;

const ALL: CapRights = CapRights::ALL;
