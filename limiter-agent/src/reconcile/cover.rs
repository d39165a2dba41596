//! Few ranges that cover many prefixes: the filter before the kernel's prefix search.

use std::net::IpAddr;

use ipnet::IpNet;
use limiter_common::interface::{Range, Zone};
use limiter_common::key::Address;

/// The mapped form of an address.
pub fn address(ip: IpAddr) -> Address {
    let mapped = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    Address::from_octets(mapped.octets())
}

/// Bits that count in the mapped form of a prefix.
pub fn mapped_bits(net: IpNet) -> u32 {
    match net {
        IpNet::V4(v4) => 96 + u32::from(v4.prefix_len()),
        IpNet::V6(v6) => u32::from(v6.prefix_len()),
    }
}

/// At most [`Zone::RANGES_MAX`] ranges that cover all of `prefixes`, as narrow as that allows.
///
/// Sorted prefixes are cut where neighbours share the fewest leading bits, and each piece becomes
/// one range. A range too wide costs a search, never a wrong verdict.
pub fn ranges(prefixes: &[IpNet]) -> Vec<Range> {
    let mut spans: Vec<(u128, u32)> =
        prefixes.iter().map(|net| (bits_of(net.network()), mapped_bits(*net))).collect();
    spans.sort_unstable();
    let shared = |a: (u128, u32), b: (u128, u32)| (a.0 ^ b.0).leading_zeros().min(a.1).min(b.1);
    let mut cuts: Vec<(u32, usize)> =
        spans.windows(2).enumerate().map(|(place, pair)| (shared(pair[0], pair[1]), place + 1)).collect();
    cuts.sort_unstable();
    cuts.truncate(Zone::RANGES_MAX - 1);
    let mut cuts: Vec<usize> = cuts.into_iter().map(|(_, place)| place).collect();
    cuts.sort_unstable();
    let mut ranges = Vec::new();
    let mut start = 0;
    for end in cuts.into_iter().chain([spans.len()]) {
        let piece = &spans[start..end];
        start = end;
        let Some(&first) = piece.first() else { continue };
        let bits = piece.iter().fold(first.1, |bits, &span| bits.min(shared(first, span)));
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        ranges.push(Range { address: words(first.0 & mask), mask: words(mask) });
    }
    ranges
}

/// [`Interface::maybe_local`](limiter_common::interface::Interface::maybe_local) for a zone's ranges.
pub fn maybe_local(zone: &Zone) -> u64 {
    const MAPPED: u128 = 0xffff << 32;
    let meets = |range: &Range, start: u128, bits: u32| {
        (start ^ of_words(range.address)) & of_words(range.mask) & !(u128::MAX >> bits) == 0
    };
    let held = (0..64_u32).filter(|&six| {
        let (v6, v4) = (u128::from(six) << 122, MAPPED | u128::from(six) << 26);
        zone.range
            .iter()
            .take(zone.ranges as usize)
            .any(|range| meets(range, v4, 96 + 6) || (!range.address.is_v4_mapped() && meets(range, v6, 6)))
    });
    held.fold(0, |bits, six| bits | 1 << six)
}

fn bits_of(ip: IpAddr) -> u128 {
    of_words(address(ip))
}

fn of_words(words: Address) -> u128 {
    u128::from_be_bytes(words.octets())
}

fn words(bits: u128) -> Address {
    Address::from_octets(bits.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use limiter_common::interface::Interface;
    use proptest::prelude::*;

    use super::*;

    fn nets(text: &[&str]) -> Vec<IpNet> {
        text.iter().map(|net| net.parse().expect("prefix")).collect()
    }

    fn inside(ranges: &[Range], ip: &str) -> bool {
        let ip = address(ip.parse().expect("address"));
        ranges.iter().any(|range| range.contains(ip))
    }

    #[test]
    fn few_prefixes_stay_as_they_are() {
        let ranges = ranges(&nets(&["10.1.0.0/24", "192.168.0.0/16", "fd00::/64"]));
        assert_eq!(ranges.len(), 3);
        assert!(inside(&ranges, "10.1.0.9") && inside(&ranges, "192.168.9.9") && inside(&ranges, "fd00::1"));
        assert!(
            !inside(&ranges, "10.1.1.1")
                && !inside(&ranges, "93.184.216.34")
                && !inside(&ranges, "fd00:0:0:1::")
        );
    }

    #[test]
    fn nothing_is_covered_by_nothing() {
        assert!(ranges(&[]).is_empty());
    }

    #[test]
    fn the_whole_internet_is_one_range() {
        assert!(inside(&ranges(&nets(&["::/0"])), "2001:db8::1"));
    }

    #[test]
    fn a_summary_has_a_bit_for_each_first_six() {
        let summary = |text: &[&str]| {
            let mut zone = Zone::default();
            for (place, range) in zone.range.iter_mut().zip(ranges(&nets(text))) {
                *place = range;
                zone.ranges += 1;
            }
            maybe_local(&zone)
        };
        assert_eq!(summary(&[]), 0);
        assert_eq!(summary(&["10.0.0.0/8"]), 1 << (10 >> 2));
        assert_eq!(summary(&["fd00::/8"]), 1 << (0xfd >> 2));
        assert_eq!(summary(&["192.168.0.0/16", "2001:db8::/32"]), 1 << (192 >> 2) | 1 << (0x20 >> 2));
        assert_eq!(summary(&["128.0.0.0/1"]), u64::MAX << 32);
        assert_eq!(summary(&["0.0.0.0/0"]), u64::MAX, "IPv4 is whole");
        assert_eq!(summary(&["::/0"]), u64::MAX);
    }

    proptest! {
        #[test]
        fn no_local_address_is_missing_in_the_summary(
            nets in prop::collection::vec((any::<bool>(), any::<u128>(), 0_u8..=128), 1..20),
        ) {
            let nets: Vec<IpNet> = nets
                .into_iter()
                .map(|(is_v4, ip, bits)| {
                    let ip = if is_v4 { Ipv4Addr::from(ip as u32).into() } else { Ipv6Addr::from(ip).into() };
                    IpNet::new(ip, if is_v4 { bits % 33 } else { bits }).expect("length")
                })
                .collect();
            let mut zone = Zone::default();
            for (place, range) in zone.range.iter_mut().zip(ranges(&nets)) {
                *place = range;
                zone.ranges += 1;
            }
            let interface = Interface { maybe_local: maybe_local(&zone), ..Interface::default() };
            for net in &nets {
                for ip in [net.network(), net.addr(), net.broadcast()] {
                    prop_assert!(interface.may_be_local(address(ip)), "{net}");
                }
            }
        }

        #[test]
        fn every_prefix_is_covered(nets in prop::collection::vec((any::<u32>(), 0_u8..=32), 1..200)) {
            let nets: Vec<IpNet> = nets
                .into_iter()
                .map(|(ip, bits)| IpNet::new(Ipv4Addr::from(ip).into(), bits).expect("length").trunc())
                .collect();
            let ranges = ranges(&nets);
            prop_assert!(ranges.len() <= Zone::RANGES_MAX);
            for net in &nets {
                for ip in [net.network(), net.broadcast()] {
                    prop_assert!(ranges.iter().any(|range| range.contains(address(ip))), "{net}");
                }
            }
        }
    }
}
