//! What the kernel program knows of an interface and of a zone.

use crate::key::{Address, Target};

/// Value of `INTERFACES`, by interface index.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Number of the zone its addresses belong to; index into `ZONES`.
    pub zone: u32,
    /// Bits of [`Interface`]'s constants.
    pub flags: u32,
    /// Word of the [`Target`] every address on it belongs to, zero on a shared interface.
    pub bound: u64,
}

impl Interface {
    /// The device has no MAC header (tun, ppp, wireguard).
    pub const LAYER3: u32 = 1;
    /// Count what would be refused, refuse nothing.
    pub const OBSERVE: u32 = 1 << 1;
    /// Sources outside every network of the zone pass uncounted instead of being dropped.
    pub const PASS_FOREIGN: u32 = 1 << 2;
    /// EtherTypes other than IP and ARP are dropped.
    pub const DROP_NON_IP: u32 = 1 << 3;

    /// The target every address on it belongs to.
    #[inline(always)]
    pub const fn bound(&self) -> Target {
        Target(self.bound)
    }

    /// True where `flag` is set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// Ranges that cover every local prefix and network of a zone; element of `ZONES`.
///
/// It is a filter before the prefix search: an address outside all of them is the Internet, one
/// inside is looked up in `NETWORKS`. So an ordinary packet needs no search for its peer, and the
/// number of networks has no bound.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Hash of the zone's name; zero for a free number. Read by user space only.
    pub entity: u64,
    /// Ranges in use, from the front.
    pub ranges: u64,
    /// The ranges.
    pub range: [Range; Zone::RANGES_MAX],
}

impl Zone {
    /// Most ranges of a zone; user space widens prefixes until they fit.
    pub const RANGES_MAX: usize = 8;
}

/// Addresses that agree with `address` in the bits of `mask`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Masked address.
    pub address: Address,
    /// Ones where the bit counts.
    pub mask: Address,
}

impl Range {
    /// True where `address` is in the range.
    #[inline(always)]
    pub const fn contains(&self, address: Address) -> bool {
        ((address.high & self.mask.high) ^ self.address.high) | ((address.low & self.mask.low) ^ self.address.low) == 0
    }
}
