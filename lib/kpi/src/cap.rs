//! Capability types and the 24-byte typed capability, generated from `capabilities.hl` by the Hamlet compiler
//! (`lib/hamlet`). To read the code: `target/*/build/kpi-*/out/capabilities.rs`.

use crate::rights::CapRights;

include!(concat!(env!("OUT_DIR"), "/capabilities.rs"));
