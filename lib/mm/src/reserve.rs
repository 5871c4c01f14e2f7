//! Reserves.
