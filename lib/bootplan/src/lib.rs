//! What the boot driver decides, without touching hardware.
//!
//! | Module | What it turns into what |
//! |---|---|
//! | [`regions`] | sorted sets of physical memory: union, difference, a place for something |
//! | [`devicetree`] | a flattened device tree into a [`devicetree::Machine`] |
//! | [`tables`] | "map this range so" into translation-table entries, over memory that somebody else writes |
//! | [`image`] | an ELF file into segments in memory, relocated |
//!
//! The boot driver gives these memory and executes their results, so what needs thought is tested on the host. Every
//! input comes from firmware or from a file and may be wrong: no input makes this crate panic, every refusal is an error
//! whose `Display` says what is wrong and, where known, what to do.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod devicetree;
pub mod image;
pub mod regions;
pub mod tables;
