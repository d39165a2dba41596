//! Addresses against the standard library, and words that pack several values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use limiter_common::interface::{Interface, Range};
use limiter_common::key::{Address, AddressKey, Target};
use limiter_common::mark;
use limiter_common::meter::{self, Control, Direction};
use limiter_common::verdict::Reason;
use proptest::prelude::*;

fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => Address::from_v4(u32::from_ne_bytes(ip.octets())),
        IpAddr::V6(ip) => Address::from_octets(ip.octets()),
    }
}

/// Any address, with those that have a meaning often among them.
fn ips() -> impl Strategy<Value = IpAddr> {
    let v4 = any::<[u8; 4]>().prop_map(Ipv4Addr::from);
    let v4 = (v4, any::<prop::sample::Index>()).prop_map(|(ip, form)| {
        let [_, b, c, d] = ip.octets();
        let forms = [
            ip,
            ip,
            Ipv4Addr::UNSPECIFIED,
            Ipv4Addr::BROADCAST,
            Ipv4Addr::new(169, 254, c, d),
            Ipv4Addr::new(0xe0 | b & 0xf, b, c, d),
            Ipv4Addr::new(127, b, c, d),
        ];
        IpAddr::V4(forms[form.index(forms.len())])
    });
    let v6 = (any::<u128>(), any::<prop::sample::Index>()).prop_map(|(bits, form)| {
        let forms = [
            bits,
            0,
            1,
            0xfe80 << 112 | bits >> 10,
            0xff << 120 | bits >> 8,
            // Like a mapped IPv4 address in all bits but one.
            0xffff_e000_0000 | 1 << (bits % 80 + 48),
        ];
        IpAddr::V6(Ipv6Addr::from(forms[form.index(forms.len())]))
    });
    prop_oneof![v4, v6]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn link_scope_is_what_the_standard_library_says(ip in ips()) {
        let link = match ip {
            IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_multicast() || ip.is_unicast_link_local(),
        };
        prop_assert_eq!(address(ip).is_link_scope(), link, "{}", ip);
        prop_assert_eq!(address(ip).is_unspecified(), ip.is_unspecified(), "{}", ip);
        let v6_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        prop_assert_eq!(address(ip).is_v6_link_local(), v6_link_local, "{}", ip);
    }

    #[test]
    fn ipv4_is_mapped(octets in any::<[u8; 4]>(), other in any::<u128>()) {
        let ip = Ipv4Addr::from(octets);
        prop_assert_eq!(address(IpAddr::V4(ip)).octets(), ip.to_ipv6_mapped().octets());
        prop_assert!(address(IpAddr::V4(ip)).is_v4_mapped());
        prop_assert_eq!(address(IpAddr::V4(ip)).first_octet(), octets[0]);
        let other = Ipv6Addr::from(other);
        prop_assert_eq!(address(IpAddr::V6(other)).is_v4_mapped(), other.to_ipv4_mapped().is_some());
        prop_assert!(other.to_ipv4_mapped().is_some() || address(IpAddr::V6(other)).first_octet() == other.octets()[0]);
    }

    #[test]
    fn octets_make_the_round_trip(octets in any::<[u8; 16]>(), zone in any::<u32>()) {
        prop_assert_eq!(Address::from_octets(octets).octets(), octets);
        let AddressKey { zone: of_key, address: words } = AddressKey::new(zone, Address::from_octets(octets));
        prop_assert_eq!(of_key, zone);
        prop_assert_eq!(words.map(u32::to_ne_bytes).concat(), octets, "a prefix counts bits from the first octet");
    }

    #[test]
    fn a_range_holds_what_agrees_in_its_bits(net in any::<u128>(), bits in 0_u32..=128, flip in 0_u32..128) {
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        let word = |value: u128| Address::from_octets(value.to_be_bytes());
        let range = Range { address: word(net & mask), mask: word(mask) };
        prop_assert!(range.contains(word(net)));
        let other = net ^ 1 << (127 - flip);
        prop_assert_eq!(range.contains(word(other)), flip >= bits);
    }

    #[test]
    fn a_target_gives_back_its_parts(instance in 0..=Target::SLOT_MAX, network in 0..=Target::SLOT_MAX, flags in 0_u64..4) {
        let flags = flags * Target::UNKNOWN_BUDGET;
        let target = Target::new(instance, network, flags);
        prop_assert_eq!((target.instance(), target.network()), (instance, network));
        prop_assert_eq!(target.has(Target::LOCAL), flags & Target::LOCAL != 0);
        prop_assert_eq!(target.has(Target::UNKNOWN_BUDGET), flags & Target::UNKNOWN_BUDGET != 0);
    }

    #[test]
    fn a_control_gives_back_its_parts(
        bound_ns in any::<u64>(),
        flags in 0_u64..4,
        egress in 0..=mark::NOWHERE,
        number in 0..=mark::NOWHERE,
    ) {
        let flags = flags * Control::OBSERVE;
        let control = Control::new(bound_ns, flags);
        prop_assert_eq!(control.egress(), 0);
        let control = control.with_egress(egress).with_egress(number);
        prop_assert_eq!(control.egress(), number);
        prop_assert_eq!(control.bound_ns(), bound_ns.min(Control::BOUND_MAX_NS));
        prop_assert_eq!(control.bound_ticks(), control.bound_ns() * 64);
        prop_assert_eq!(control.has(Control::OFFLINE), flags & Control::OFFLINE != 0);
        prop_assert_eq!(control.has(Control::OBSERVE), flags & Control::OBSERVE != 0);
    }

    #[test]
    fn a_mark_keeps_the_bits_of_others(old in any::<u32>(), number in 0..=mark::NOWHERE) {
        let new = mark::with(old, number);
        prop_assert_eq!(new >> mark::SHIFT, number);
        prop_assert_eq!(new & !mark::MASK, old & !mark::MASK);
    }

    #[test]
    fn an_interface_has_places_inside_the_table(ifindex in any::<u32>()) {
        let places: Vec<u32> = (0..Interface::PROBES).map(|probe| Interface::place(ifindex, probe)).collect();
        prop_assert_eq!(places[0], ifindex % Interface::TABLE_ENTRIES);
        prop_assert!(places.iter().all(|&place| place < Interface::TABLE_ENTRIES));
        prop_assert!(places.windows(2).all(|pair| (pair[0] + 1) % Interface::TABLE_ENTRIES == pair[1]));
    }
}

#[test]
fn no_two_counters_share_a_place() {
    let places =
        Reason::ALL.iter().flat_map(|reason| Direction::ALL.map(|direction| reason.index(direction)));
    assert!(places.eq(0..Reason::COUNTERS), "one element for each reason and direction, in order");
    let meters = [0, 1, 7].into_iter().flat_map(|slot| Direction::ALL.map(|way| meter::index(slot, way)));
    assert!(meters.eq([0, 1, 2, 3, 14, 15]));
}

#[test]
fn exactly_the_reasons_before_malformed_pass() {
    let passing: Vec<&str> =
        Reason::ALL.into_iter().filter(|reason| reason.passes()).map(Reason::name).collect();
    assert_eq!(passing, ["bypass", "not_ours", "arp", "non_ip", "local", "foreign", "admitted", "observed"]);
}
