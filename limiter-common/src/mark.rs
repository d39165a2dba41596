//! Our field of a packet's mark: the number of the egress address its network leaves through.
//!
//! Kubernetes marks with 0x4000 and 0x8000, Cilium with 0x0f00, people with small numbers; so the field is at
//! the top. Bits outside it are never touched.

/// Bits of the mark that are ours.
pub const MASK: u32 = !0 << SHIFT;
/// Place of the number in the mark.
pub const SHIFT: u32 = 18;
/// Largest number of an address; 0 stands for none.
pub const NUMBER_MAX: u32 = NOWHERE - 1;
/// The number that never has an address: packets with it are dropped.
pub const NOWHERE: u32 = !0 >> SHIFT;

/// `mark` with the field set to `number`.
#[inline(always)]
pub const fn with(mark: u32, number: u32) -> u32 {
    mark & !MASK | number << SHIFT
}
