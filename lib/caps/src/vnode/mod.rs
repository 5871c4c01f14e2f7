//! Page-table entries, as far as capability operations need them.

pub mod aarch64;
