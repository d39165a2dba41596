//! Zones, networks, instances and meters in every state, for the reference and for the kernel alike.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use limiter_agent::clock::monotonic_ns;
use limiter_agent::dataplane::{Limit, Prefix as Key};
use limiter_common::cost::{RATE_MAX_BPS, RATE_MIN_BPS, per_byte};
use limiter_common::interface::{Interface, Range, Zone as Ranges};
use limiter_common::key::{Address, AddressKey, Target, ZONE_BITS};
use limiter_common::meter::{Control, Direction};
use limiter_common::node::Node;
use limiter_tests::program::{Fixture, IFINDEX};
use limiter_tests::reference::{Meter, Owner, Port, Prefix, World, Zone};

use limiter_tests::random::Random;

pub(crate) const ZONES: usize = 2;
const NETWORKS: usize = 3;
const INSTANCES: usize = 4;

/// A world without an interface, and addresses that mean something in it.
pub(crate) fn any(random: &mut Random) -> (World, Vec<IpAddr>) {
    let mut slots = 1..;
    let mut slot = move || slots.next().expect("no end");
    let mut world = World::default();
    for _ in 0..ZONES {
        let zone = zone(random, &mut slot);
        world.zones.push(zone);
    }
    for slot in 1..slot() {
        for direction in Direction::ALL {
            let meter =
                Meter { offline: random.chance(10), full: random.chance(20), observe: random.chance(20) };
            world.meters.insert((slot, direction), meter);
        }
    }
    let pool = pool(random, &world);
    (world, pool)
}

/// An interface of ours, or now and then of nobody's.
pub(crate) fn port(random: &mut Random, world: &World) -> Option<Port> {
    let zone = random.below(ZONES);
    let owners: Vec<Owner> = world.zones[zone].instances.iter().map(|(_, owner)| *owner).collect();
    let bound = random.chance(25).then(|| random.pick(&owners));
    let port = Port {
        zone,
        layer3: random.chance(20),
        observe: random.chance(10),
        pass_foreign: random.chance(30),
        drop_non_ip: random.chance(30),
        bound: bound.map(|owner| Owner { budget: false, ..owner }),
    };
    (!random.chance(2)).then_some(port)
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// All zones have the same addresses, with other owners.
fn zone(random: &mut Random, slot: &mut impl FnMut() -> u32) -> Zone {
    let mut zone = Zone::default();
    let local = |net| Prefix { net, owner: None, local: true };
    zone.prefixes.extend(["192.168.0.0/16", "fd00::/16", "100.64.0.0/10"].map(|text| local(net(text))));
    for number in 0..NETWORKS {
        let network = Owner { instance: None, network: slot(), budget: random.chance(40) };
        let is_local = random.chance(20);
        let nets = [net(&format!("10.{number}.0.0/20")), net(&format!("2001:db8:{number}::/48"))];
        let of = |net, owner| Prefix { net, owner: Some(owner), local: is_local };
        zone.prefixes.extend(nets.map(|net| of(net, network)));
        // The node's own addresses, and a part of the prefix that is nobody's.
        let own = [
            format!("10.{number}.0.1/32"),
            format!("2001:db8:{number}::1/128"),
            format!("10.{number}.8.0/22"),
        ];
        zone.prefixes.extend(own.iter().map(|text| local(net(text))));
        for host in 0..INSTANCES {
            let owner = Owner { instance: Some(slot()), budget: false, ..network };
            let addresses =
                [format!("10.{number}.0.{}", 2 + host), format!("2001:db8:{number}::{}", 2 + host)];
            zone.instances.extend(addresses.iter().map(|text| (text.parse().expect("an address"), owner)));
            if random.chance(30) {
                zone.prefixes.push(of(net(&format!("10.{number}.1.{}/28", host * 16)), owner));
                zone.prefixes.push(of(net(&format!("2001:db8:{number}:{}::/64", host + 1)), owner));
            }
        }
    }
    zone
}

/// Owned and unowned addresses, both ends of every prefix and their neighbours, and those with a meaning.
fn pool(random: &mut Random, world: &World) -> Vec<IpAddr> {
    let mut pool: Vec<IpAddr> = Vec::new();
    for zone in &world.zones {
        pool.extend(zone.instances.iter().map(|(address, _)| *address));
        for prefix in &zone.prefixes {
            pool.extend([prefix.net.network(), prefix.net.broadcast(), inside(random, prefix.net)]);
            pool.extend([step(prefix.net.network(), u128::MAX), step(prefix.net.broadcast(), 1)]);
        }
    }
    let special = [
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "239.255.255.250",
        "169.254.169.254",
        "127.0.0.1",
        "240.0.0.1",
        "93.184.216.34",
        "8.8.8.8",
        "1.1.1.1",
        "203.0.113.7",
        "169.253.255.255",
        "223.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "ff02::1:ff00:2",
        "ff02::16",
        "ff0e::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "fe7f::1",
        "2606:2800:220:1::1",
        "2a00:1450::5",
        "64:ff9b::8.8.8.8",
        "::fffe:10.0.0.2",
        "::ffff:10.0.0.2",
        "::ffff:8.8.8.8",
    ];
    pool.extend(special.iter().map(|text| text.parse::<IpAddr>().expect("an address")));
    // Instances and the Internet more often than the rest, or most packets would be refused as forged.
    for zone in &world.zones {
        for (address, _) in &zone.instances {
            pool.extend([*address; 4]);
        }
    }
    pool.extend(
        ["93.184.216.34", "2606:2800:220:1::1"]
            .iter()
            .flat_map(|text| vec![text.parse::<IpAddr>().expect("an address"); 60]),
    );
    pool
}

fn inside(random: &mut Random, net: IpNet) -> IpAddr {
    let host = u128::from(random.word()) << 64 | u128::from(random.word());
    let bits = net.max_prefix_len() - net.prefix_len();
    step(net.network(), host & 1_u128.checked_shl(bits.into()).map_or(u128::MAX, |end| end - 1))
}

fn step(address: IpAddr, by: u128) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add(by as u32)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add(by)).into(),
    }
}

/// The address as the maps have it.
pub(crate) fn address(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(v4) => Address::from_octets(v4.to_ipv6_mapped().octets()),
        IpAddr::V6(v6) => Address::from_octets(v6.octets()),
    }
}

fn mapped_bits(net: IpNet) -> u32 {
    u32::from(net.prefix_len()) + if matches!(net, IpNet::V4(_)) { 96 } else { 0 }
}

fn target(owner: Option<Owner>, local: bool) -> Target {
    let flags = if local { Target::LOCAL } else { 0 };
    owner.map_or(Target::new(0, 0, flags), |owner| {
        let budget = if owner.budget { Target::UNKNOWN_BUDGET } else { 0 };
        Target::new(owner.instance.unwrap_or(0), owner.network, flags | budget)
    })
}

/// Puts the world into the maps, instead of what is there.
pub(crate) fn install(fixture: &mut Fixture, world: &World, random: &mut Random) {
    let maps = &fixture.maps;
    maps.remove_instances(&maps.instances().expect("addresses").into_keys().collect::<Vec<_>>())
        .expect("addresses");
    maps.remove_networks(&maps.networks().expect("prefixes").into_keys().collect::<Vec<_>>())
        .expect("prefixes");
    maps.unknown().expect("listing").iter().for_each(|(key, _)| maps.forget_unknown(*key));
    for (number, zone) in (0..).zip(&world.zones) {
        let instances = zone.instances.iter();
        let instances =
            instances.map(|(ip, owner)| (AddressKey::new(number, address(*ip)), target(Some(*owner), false)));
        maps.put_instances(&instances.collect::<Vec<_>>()).expect("addresses");
        let prefixes = zone.prefixes.iter().map(|prefix| {
            let key = AddressKey::new(number, address(prefix.net.network()));
            (Key::new(ZONE_BITS + mapped_bits(prefix.net), key), target(prefix.owner, prefix.local))
        });
        maps.put_networks(&prefixes.collect::<Vec<_>>()).expect("prefixes");
        maps.put_zone(number, ranges(random)).expect("zone");
    }
    for (&(slot, direction), meter) in &world.meters {
        put_meter(fixture, slot, direction, *meter, random);
    }
}

/// Ranges that cover all prefixes of a zone, tight or wide: the verdicts must not depend on them.
fn ranges(random: &mut Random) -> Ranges {
    let tight = ["10.0.0.0/14", "192.168.0.0/16", "100.64.0.0/10", "2001:db8::/46", "fd00::/16"];
    let wide = ["0.0.0.0/0", "2000::/3", "fd00::/8"];
    let nets = match random.below(3) {
        0 => &tight[..],
        1 => &wide[..],
        _ => &["::/0"],
    };
    let mut ranges = Ranges { entity: 1, ranges: nets.len() as u64, ..Ranges::default() };
    for (range, text) in ranges.range.iter_mut().zip(nets) {
        let net = net(text);
        let mask = u128::MAX.checked_shl(128 - mapped_bits(net)).unwrap_or(0);
        let mask = Address::from_octets(mask.to_be_bytes());
        let net = address(net.network());
        *range = Range { address: Address { high: net.high & mask.high, low: net.low & mask.low }, mask };
    }
    if random.chance(50) {
        // What is behind the ranges in use must not matter.
        ranges.range[nets.len()..].fill(Range::default());
    }
    ranges
}

fn put_meter(fixture: &mut Fixture, slot: u32, direction: Direction, meter: Meter, random: &mut Random) {
    /// Longer than the test runs, and far from the horizon.
    const DAY_NS: i64 = 86_400_000_000_000;
    let flags = [(meter.offline, Control::OFFLINE), (meter.observe, Control::OBSERVE)];
    let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag);
    let (cost_per_byte, bound_ns, lead_ns) = match (meter.full, random.below(3)) {
        (true, _) => (per_byte(RATE_MIN_BPS), 1_000_000_000, DAY_NS),
        (false, 0) => (per_byte(RATE_MAX_BPS), Control::BOUND_MAX_NS, DAY_NS),
        (false, 1) => (per_byte(RATE_MAX_BPS), Control::BOUND_MAX_NS, -DAY_NS),
        (false, _) => (0, 0, DAY_NS),
    };
    let limit = Limit { cost_per_byte, control: Control::new(bound_ns, flags).0 };
    fixture.maps.meters().set_limit(slot, direction, limit, monotonic_ns());
    fixture.set_lead(slot, direction, lead_ns);
}

/// Makes the loopback device the port, or nobody's.
pub(crate) fn plug(fixture: &Fixture, world: &World) {
    fixture.maps.put_node(Node { flags: if world.bypass { Node::BYPASS } else { 0 } }).expect("node");
    let Some(port) = world.port else { return fixture.maps.interfaces().remove(IFINDEX) };
    let flags = [
        (port.layer3, Interface::LAYER3),
        (port.observe, Interface::OBSERVE),
        (port.pass_foreign, Interface::PASS_FOREIGN),
        (port.drop_non_ip, Interface::DROP_NON_IP),
    ];
    let flags = flags.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag);
    let bound = if port.bound.is_some() { target(port.bound, false).0 } else { 0 };
    fixture.interface(Interface { zone: port.zone as u32, flags, bound, ..Interface::default() });
}
