//! Keys and values of the address maps.

/// An IPv4 or IPv6 address as two big-endian words; IPv4 is mapped into `::ffff:0:0/96` (RFC 4291 2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Upper 64 bits, in network byte order.
    pub high: u64,
    /// Lower 64 bits, in network byte order.
    pub low: u64,
}

impl Address {
    /// Maps an IPv4 address whose octets are in network byte order in memory.
    #[inline(always)]
    pub const fn from_v4(network_order: u32) -> Self {
        let [a, b, c, d] = network_order.to_ne_bytes();
        Self { high: 0, low: u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d]) }
    }

    /// The 16 octets of an IPv6 address.
    #[expect(clippy::many_single_char_names, reason = "one for each octet")]
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self {
            high: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            low: u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        }
    }

    /// The 16 octets.
    #[expect(clippy::many_single_char_names, reason = "one for each octet")]
    pub const fn octets(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.high.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.low.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// Traffic to it never leaves the link: multicast, broadcast, link-local.
    #[inline(always)]
    pub const fn is_link_scope(self) -> bool {
        if self.is_v4_mapped() {
            // 224.0.0.0/4 (multicast), 255.255.255.255, 169.254.0.0/16
            let [.., a, b, c, d] = self.low.to_ne_bytes();
            return a >> 4 == 0xe || matches!([a, b, c, d], [0xff, 0xff, 0xff, 0xff] | [169, 254, ..]);
        }
        // ff00::/8
        u64::from_be(self.high) >> 56 == 0xff || self.is_v6_link_local()
    }

    /// `fe80::/10`. No router forwards such a source (RFC 4291 2.5.6), while Linux does forward IPv4
    /// link-local ones.
    #[inline(always)]
    pub const fn is_v6_link_local(self) -> bool {
        u64::from_be(self.high) >> 54 == 0x3fa
    }

    /// The first octet, as the address's own family writes it.
    #[inline(always)]
    pub const fn first_octet(self) -> u8 {
        if self.is_v4_mapped() { self.low.to_ne_bytes()[4] } else { self.high.to_ne_bytes()[0] }
    }

    /// In `::ffff:0:0/96`, which stands for IPv4 here and is no address on the wire (RFC 6890 2.2.3).
    #[inline(always)]
    pub const fn is_v4_mapped(self) -> bool {
        let [a, b, c, d, ..] = self.low.to_ne_bytes();
        self.high == 0 && u32::from_be_bytes([a, b, c, d]) == 0xffff
    }

    /// `0.0.0.0` or `::`, the source of a host that has no address yet (DHCP, DAD).
    #[inline(always)]
    pub const fn is_unspecified(self) -> bool {
        self.high == 0 && (self.low == 0 || u64::from_be(self.low) == 0x0000_ffff_0000_0000)
    }
}

/// Key of `INSTANCES`: an address inside a zone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey {
    /// Number of the zone.
    pub zone: u32,
    /// The address, split so that the key has no padding.
    pub address: [u32; 4],
}

impl AddressKey {
    /// The key of `address` in `zone`.
    #[inline(always)]
    pub const fn new(zone: u32, address: Address) -> Self {
        let (high, low) = (address.high, address.low);
        Self { zone, address: [high as u32, (high >> 32) as u32, low as u32, (low >> 32) as u32] }
    }
}

/// Data part of a `NETWORKS` key (after the prefix length), the same 20 octets as an [`AddressKey`].
pub type PrefixData = AddressKey;

/// Prefix bits of a zone in a `NETWORKS` key, to be added to the prefix length of the mapped address.
pub const ZONE_BITS: u32 = 32;

/// Value of `INSTANCES` and `NETWORKS`: whose meters an address belongs to, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target(pub u64);

impl Target {
    const SLOT_BITS: u32 = 28;
    /// Largest slot.
    pub const SLOT_MAX: u32 = (1 << Self::SLOT_BITS) - 1;
    /// The prefix is not the Internet.
    pub const LOCAL: u64 = 1 << 63;
    /// Addresses of the prefix that are no known instance are held by the network's budget.
    pub const UNKNOWN_BUDGET: u64 = 1 << 62;

    /// Slot 0 stands for none.
    pub const fn new(instance: u32, network: u32, flags: u64) -> Self {
        Self(
            (instance & Self::SLOT_MAX) as u64
                | ((network & Self::SLOT_MAX) as u64) << Self::SLOT_BITS
                | flags,
        )
    }

    /// Slot of the instance; 0 where the address is no instance's.
    #[inline(always)]
    pub const fn instance(self) -> u32 {
        self.0 as u32 & Self::SLOT_MAX
    }

    /// Slot of the network; 0 where the address is in none.
    #[inline(always)]
    pub const fn network(self) -> u32 {
        (self.0 >> Self::SLOT_BITS) as u32 & Self::SLOT_MAX
    }

    /// True where the address is neither an instance's nor in a network.
    #[inline(always)]
    pub const fn is_nobody(self) -> bool {
        self.instance() == 0 && self.network() == 0
    }

    /// True where `flag` is set.
    #[inline(always)]
    pub const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
}
