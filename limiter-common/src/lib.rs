//! What the kernel program and user space share: the rate algorithm, map layouts and verdicts.
//!
//! This crate knows no map, no clock and no packet buffer. All arithmetic is `u64` without floats,
//! panics or 128-bit steps, so the same lines run in the kernel, in property tests and under loom.
#![no_std]

pub mod cost;
pub mod gcra;
pub mod interface;
pub mod key;
mod layout;
pub mod mark;
pub mod meter;
pub mod node;
pub mod verdict;
pub mod wire;

/// Version of every layout in this crate. It is part of the pinned maps' names: an agent with another
/// version never reads maps that it would misunderstand.
pub const LAYOUT_VERSION: u32 = 2;
