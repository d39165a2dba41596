//! A small network: two instances of one network on a shared interface, and packets of theirs.

use std::net::Ipv4Addr;

use limiter_agent::dataplane::Limit;
use limiter_common::cost::per_byte;
use limiter_common::interface::{Interface, Range, Zone};
use limiter_common::key::{Address, Target};
use limiter_common::meter::{Control, Direction};

use super::Fixture;

/// Slot of the network 10.0.0.0/24.
pub const NETWORK: u32 = 1;
/// Slot of the instance 10.0.0.2.
pub const INSTANCE: u32 = 2;
/// Slot of the instance 10.0.0.3.
pub const OTHER: u32 = 3;

/// Address of [`INSTANCE`].
pub const INSTANCE_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Address of [`OTHER`].
pub const OTHER_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
/// An address of the network that is no instance's.
pub const UNKNOWN_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
/// An address outside every network.
pub const FOREIGN_IP: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 9);
/// An address on the Internet.
pub const INTERNET_IP: Ipv4Addr = Ipv4Addr::new(93, 184, 216, 34);

/// The network and its instances, without limits, on the loopback device.
pub fn fixture() -> Fixture {
    let fixture = Fixture::small();
    for slot in [NETWORK, INSTANCE, OTHER] {
        fixture.meter(slot, UNLIMITED);
    }
    let net = address(Ipv4Addr::new(10, 0, 0, 0));
    fixture.prefix(0, net, 96 + 24, Target::new(0, NETWORK, 0));
    fixture.instance(0, address(INSTANCE_IP), Target::new(INSTANCE, NETWORK, 0));
    fixture.instance(0, address(OTHER_IP), Target::new(OTHER, NETWORK, 0));
    let mask = Address::from_octets((u128::MAX << 8).to_be_bytes());
    let mut zone = Zone { entity: 1, ranges: 1, ..Zone::default() };
    zone.range[0] = Range { address: net, mask };
    fixture.zone(0, zone);
    fixture.interface(Interface::default());
    fixture
}

/// No limit.
pub const UNLIMITED: Limit = Limit { cost_per_byte: 0, control: 0 };

/// A limit of a rate with a bound and flags of [`Control`].
pub fn limit(rate_bps: u64, bound_ns: u64, flags: u64) -> Limit {
    Limit { cost_per_byte: per_byte(rate_bps), control: Control::new(bound_ns, flags).0 }
}

/// A UDP packet of `ip_bytes` (at least 28) behind a MAC header.
pub fn udp(source: Ipv4Addr, destination: Ipv4Addr, ip_bytes: u16) -> Vec<u8> {
    const UDP: u8 = 17;
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0x00, 0x45, 0]);
    frame.extend(ip_bytes.to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend([0x12, 0x34, 0x00, 0x35]);
    frame.extend((ip_bytes - 20).to_be_bytes());
    frame.resize(14 + usize::from(ip_bytes), 0);
    frame
}

/// A packet of [`INSTANCE`] in a direction: to or from the Internet.
pub fn of_instance(direction: Direction, ip_bytes: u16) -> Vec<u8> {
    match direction {
        Direction::Up => udp(INSTANCE_IP, INTERNET_IP, ip_bytes),
        Direction::Down => udp(INTERNET_IP, INSTANCE_IP, ip_bytes),
    }
}

/// The address as the maps have it.
pub fn address(ip: Ipv4Addr) -> Address {
    Address::from_v4(u32::from_ne_bytes(ip.octets()))
}
