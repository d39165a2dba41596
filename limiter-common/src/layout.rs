//! Compile-time checks of every shared layout, and its use through maps in user space.

use core::mem::{align_of, offset_of, size_of};

use crate::interface::{Interface, Range, Zone};
use crate::key::{Address, AddressKey};
use crate::meter::{Meter, Owner};
use crate::node::{Node, Unknown};
use crate::verdict::Tally;

const _: () = {
    assert!(size_of::<Meter>() == 64 && align_of::<Meter>() == 64);
    assert!(offset_of!(Meter, next_free_ticks) == 0);
    assert!(offset_of!(Meter, cost_per_byte) == 8);
    assert!(offset_of!(Meter, control) == 16);
    assert!(offset_of!(Meter, passed_bytes) == 24);
    assert!(offset_of!(Meter, marked_packets) == 56);
    assert!(size_of::<Owner>() == 16);
    assert!(size_of::<Address>() == 16);
    assert!(size_of::<AddressKey>() == 20 && align_of::<AddressKey>() == 4);
    // Two to a cache line, none across two.
    assert!(size_of::<Interface>() == 32);
    assert!(size_of::<Range>() == 32);
    assert!(size_of::<Zone>() == 16 + Zone::RANGES_MAX * size_of::<Range>());
    assert!(size_of::<Node>() == 8);
    assert!(size_of::<Unknown>() == 24);
    assert!(size_of::<Tally>() == 16);
};

#[cfg(feature = "user")]
mod pod {
    //! Marks the layouts as plain data.

    use aya::Pod;

    use super::{AddressKey, Interface, Meter, Node, Owner, Tally, Unknown, Zone};

    // SAFETY: each is `repr(C)`, made of integers only and, by the sizes above, without padding,
    // so every bit pattern is a value and every byte is initialised.
    unsafe impl Pod for AddressKey {}
    // SAFETY: as above.
    unsafe impl Pod for Interface {}
    // SAFETY: as above.
    unsafe impl Pod for Meter {}
    // SAFETY: as above.
    unsafe impl Pod for Node {}
    // SAFETY: as above.
    unsafe impl Pod for Owner {}
    // SAFETY: as above.
    unsafe impl Pod for Tally {}
    // SAFETY: as above.
    unsafe impl Pod for Unknown {}
    // SAFETY: as above.
    unsafe impl Pod for Zone {}
}
