//! What the kernel program knows of an interface and of a zone.

use crate::key::{Address, Target};

/// An interface of ours; element of the `INTERFACES` table.
///
/// The table is an array, since a packet on an interface of ours finds it at its home place nearly
/// always: a hash would cost a quarter of the whole program (`docs/decisions/0002-interfaces-in-a-table.md`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Index of the interface; zero for a free element.
    pub ifindex: u32,
    /// Number of the zone its addresses belong to; index into `ZONES`.
    pub zone: u32,
    /// Bits of [`Interface`]'s constants.
    pub flags: u64,
    /// Word of the [`Target`] every address on it belongs to, zero on a shared interface.
    pub bound: u64,
    /// Bit `n` is set where one of the zone's ranges holds an address whose first six bits, in its own
    /// family, are `n`. This word answers for most packets, before any range is looked at.
    pub maybe_local: u64,
}

impl Interface {
    /// Elements of the table.
    pub const TABLE_ENTRIES: u32 = 1 << 16;
    /// Neighbouring elements at which an interface may be.
    pub const PROBES: u32 = 4;

    /// The device has no MAC header (tun, ppp, wireguard).
    pub const LAYER3: u64 = 1;
    /// Count what would be refused, refuse nothing.
    pub const OBSERVE: u64 = 1 << 1;
    /// Sources outside every network of the zone pass uncounted instead of being dropped.
    pub const PASS_FOREIGN: u64 = 1 << 2;
    /// `EtherType`s other than IP and ARP are dropped.
    pub const DROP_NON_IP: u64 = 1 << 3;

    /// The element at which an interface is looked for in a probe, 0 being its home.
    #[inline(always)]
    pub const fn place(ifindex: u32, probe: u32) -> u32 {
        ifindex.wrapping_add(probe) % Self::TABLE_ENTRIES
    }

    /// The target every address on it belongs to.
    #[inline(always)]
    pub const fn bound(&self) -> Target {
        Target(self.bound)
    }

    /// True where `flag` is set.
    #[inline(always)]
    pub const fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// False for an address that is in none of the zone's ranges for sure.
    #[inline(always)]
    pub const fn may_be_local(&self, address: Address) -> bool {
        self.maybe_local >> (address.first_octet() >> 2) & 1 != 0
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
        ((address.high & self.mask.high) ^ self.address.high)
            | ((address.low & self.mask.low) ^ self.address.low)
            == 0
    }
}
