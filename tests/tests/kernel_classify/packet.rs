//! Frames: sound ones, lying ones, cut ones and noise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use limiter_tests::reference::Port;

use limiter_tests::random::Random;

/// What the program is run on.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) gso_size: u32,
}

/// Longest frame, bytes: a test run holds it in one page.
const FRAME_MAX_BYTES: usize = 3_000;

/// A frame for `port` with addresses of `pool`.
pub(crate) fn any(random: &mut Random, port: &Port, pool: &[IpAddr]) -> Frame {
    let gso_size = if random.chance(30) { gso_size(random) } else { 0 };
    let mut bytes = match random.below(100) {
        0..4 => {
            let count = 14 + random.below(100);
            random.bytes(count)
        }
        4..10 => behind_mac(random, port, not_ip),
        _ => behind_mac(random, port, |random| ip(random, pool, gso_size != 0)),
    };
    match random.below(100) {
        0..8 => bytes.truncate(14.max(random.below(bytes.len() + 1))),
        8..16 => scramble(random, &mut bytes),
        16..30 => {
            let padded = 60.max(bytes.len() + random.below(8));
            bytes.resize(padded, 0);
        }
        _ => {}
    }
    bytes.truncate(FRAME_MAX_BYTES);
    Frame { bytes, gso_size }
}

/// Sound packets of every shape, for a port with or without MAC header.
pub(crate) fn bases(random: &mut Random, port: &Port, pool: &[IpAddr]) -> Vec<Vec<u8>> {
    let mut bases: Vec<Vec<u8>> =
        (0..24).map(|_| behind_mac(random, port, |random| ip(random, pool, false))).collect();
    for base in &mut bases {
        base.truncate(150);
    }
    bases.push(behind_mac(random, port, not_ip));
    bases
}

fn gso_size(random: &mut Random) -> u32 {
    match random.below(4) {
        0 => 1 + random.below(64) as u32,
        1 => random.pick(&[536, 1_220, 1_228, 1_428, 1_448, 1_460]),
        2 => 1 + random.below(1_500) as u32,
        _ => 1 + random.below(65_535) as u32,
    }
}

/// What `inner` makes (its `EtherType` and its bytes) behind a MAC header and tags, where there is one.
fn behind_mac(
    random: &mut Random,
    port: &Port,
    inner: impl FnOnce(&mut Random) -> (u16, Vec<u8>),
) -> Vec<u8> {
    let (ethertype, inner) = inner(random);
    // Now and then the device is not what it is said to be.
    if port.layer3 != random.chance(2) {
        return if inner.len() < 14 { [inner, vec![0; 14]].concat() } else { inner };
    }
    let mut frame = random.bytes(12);
    let tags = random.pick(&[0, 0, 0, 0, 0, 0, 1, 1, 2, 3]);
    for _ in 0..tags {
        frame.extend(random.pick(&[0x8100_u16, 0x8100, 0x88a8, 0x9100]).to_be_bytes());
        frame.extend(random.bytes(2));
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(inner);
    frame
}

fn not_ip(random: &mut Random) -> (u16, Vec<u8>) {
    let ethertype =
        random.pick(&[0x0806, 0x0806, 0x8035, 0x8863, 0x8864, 0x8847, 0x88cc, 0x888e, 0x0026, 0xffff]);
    let length = random.below(80);
    (ethertype, random.bytes(length))
}

fn scramble(random: &mut Random, bytes: &mut [u8]) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().min(80));
        bytes[at] ^= if random.chance(50) { 1 << random.below(8) } else { random.word() as u8 };
    }
}

fn ip(random: &mut Random, pool: &[IpAddr], gso: bool) -> (u16, Vec<u8>) {
    match random.pick(pool) {
        IpAddr::V4(source) => {
            let others: Vec<Ipv4Addr> =
                pool.iter().filter_map(|ip| if let IpAddr::V4(v4) = ip { Some(*v4) } else { None }).collect();
            let destination = random.pick(&others);
            (random.pick(&[0x0800, 0x0800, 0x0800, 0x0800, 0x86dd]), ipv4(random, source, destination, gso))
        }
        IpAddr::V6(source) => {
            let others: Vec<Ipv6Addr> =
                pool.iter().filter_map(|ip| if let IpAddr::V6(v6) = ip { Some(*v6) } else { None }).collect();
            let destination = random.pick(&others);
            (random.pick(&[0x86dd, 0x86dd, 0x86dd, 0x86dd, 0x0800]), ipv6(random, source, destination, gso))
        }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A transport header and payload.
fn transport(random: &mut Random, gso: bool) -> (u8, Vec<u8>) {
    let protocol = random.pick(&[TCP, TCP, UDP, UDP, 1, 58, 47, 50]);
    let length = match random.below(4) {
        0 => random.below(30),
        1 => 1_200 + random.below(260),
        _ => random.below(if gso { 2_700 } else { 600 }),
    };
    let mut bytes = random.bytes(length);
    if let (TCP, Some(words)) = (protocol, bytes.get_mut(12)) {
        *words = random.pick(&[5_u8, 5, 8, 8, 10, 15, 0, 4]) << 4;
    }
    (protocol, bytes)
}

/// The true length, or what a liar or the kernel's own stale headers say.
fn stated_length(random: &mut Random, length: usize) -> u16 {
    match random.below(20) {
        0 => 0,
        1 => random.word() as u16,
        2 => (length + 1) as u16,
        3 => length.saturating_sub(1 + random.below(30)) as u16,
        4 => random.below(60) as u16,
        _ => length as u16,
    }
}

fn ipv4(random: &mut Random, source: Ipv4Addr, destination: Ipv4Addr, gso: bool) -> Vec<u8> {
    let options = random.pick(&[0, 0, 0, 0, 1, 6, 10]);
    let (protocol, inner) = transport(random, gso);
    let words = if random.chance(3) { random.below(16) } else { 5 + options };
    let total = stated_length(random, 20 + options * 4 + inner.len());
    let fragment: u16 = random.pick(&[0, 0, 0, 0x4000, 0x2000, 0x2010, 0x00b9]);
    let mut packet = vec![0x40 | words as u8, 0];
    packet.extend(total.to_be_bytes());
    packet.extend(random.bytes(2));
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(random.bytes(options * 4));
    packet.extend(inner);
    packet
}

fn ipv6(random: &mut Random, source: Ipv6Addr, destination: Ipv6Addr, gso: bool) -> Vec<u8> {
    let (protocol, inner) = transport(random, gso);
    let extensions: Vec<u8> =
        (0..random.pick(&[0, 0, 0, 1, 2, 4, 5])).map(|_| random.pick(&[0, 0, 43, 60, 60, 44, 51])).collect();
    let mut chain = Vec::new();
    for next in extensions.iter().skip(1).chain([&protocol]) {
        let eights = random.pick(&[0, 0, 0, 1, 3, 255]);
        chain.extend([*next, eights]);
        chain.extend(random.bytes(6 + if eights == 255 { 0 } else { eights as usize * 8 }));
    }
    if extensions.is_empty() {
        chain.clear();
    }
    let payload = stated_length(random, chain.len() + inner.len());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(payload.to_be_bytes());
    packet.extend([extensions.first().copied().unwrap_or(protocol), 64]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(chain);
    packet.extend(inner);
    packet
}
