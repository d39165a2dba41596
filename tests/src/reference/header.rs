//! Headers of a frame: RFC 791, RFC 8200, IEEE 802.3 and 802.1Q.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Volume;

/// What a frame holds.
pub(super) enum Packet {
    Arp,
    Ip(Header),
    Other,
}

/// What a verdict needs of an IP packet.
pub(super) struct Header {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) volume: Volume,
}

/// Reads a frame; none where it is malformed.
pub(super) fn read(frame: &[u8], gso_size: u32, layer3: bool) -> Option<Packet> {
    let gso_size = gso_size as usize;
    if layer3 {
        // The version and one byte more must be there.
        return match frame.get(..2)?[0] >> 4 {
            4 => ipv4(frame, gso_size),
            6 => ipv6(frame, gso_size),
            _ => Some(Packet::Other),
        };
    }
    let mut rest = frame.get(12..)?;
    for tag in 0.. {
        let ethertype = u16_at(rest, 0)?;
        rest = &rest[2..];
        match ethertype {
            0x8100 | 0x88a8 if tag < 2 => rest = rest.get(2..)?,
            0x0800 => return ipv4(rest, gso_size),
            0x86dd => return ipv6(rest, gso_size),
            0x0806 => return Some(Packet::Arp),
            _ => break,
        }
    }
    Some(Packet::Other)
}

fn ipv4(packet: &[u8], gso_size: usize) -> Option<Packet> {
    let fixed = packet.get(..20)?;
    let header = (fixed[0] & 0xf) as usize * 4;
    let total = u16_at(fixed, 2)? as usize;
    let sound = fixed[0] >> 4 == 4 && (20..=packet.len()).contains(&header);
    let lengths = gso_size != 0 || (header..=packet.len()).contains(&total);
    if !sound || !lengths {
        return None;
    }
    let address =
        |at: usize| IpAddr::V4(Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]));
    let volume = match gso_size {
        0 => whole(packet.len(), total),
        _ => in_segments(packet.len(), header + transport(packet, header, fixed[9]), gso_size),
    };
    Some(Packet::Ip(Header { source: address(12), destination: address(16), volume }))
}

fn ipv6(packet: &[u8], gso_size: usize) -> Option<Packet> {
    const FIXED: usize = 40;
    let fixed = packet.get(..FIXED)?;
    let payload = u16_at(fixed, 4)? as usize;
    let address = |at: usize| Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|octet| fixed[at + octet]));
    let (source, destination) = (address(8), address(24));
    let mapped = [source, destination].iter().any(|address| address.to_ipv4_mapped().is_some());
    if fixed[0] >> 4 != 6 || mapped || (gso_size == 0 && FIXED + payload > packet.len()) {
        return None;
    }
    let volume = if gso_size == 0 {
        let jumbogram = payload == 0 && fixed[6] == HOP_BY_HOP;
        whole(packet.len(), if jumbogram { packet.len() } else { FIXED + payload })
    } else {
        let (protocol, offset) = behind_extensions(packet, fixed[6], FIXED);
        in_segments(packet.len(), offset + transport(packet, offset, protocol), gso_size)
    };
    Some(Packet::Ip(Header { source: IpAddr::V6(source), destination: IpAddr::V6(destination), volume }))
}

const HOP_BY_HOP: u8 = 0;

/// Protocol and offset behind up to four extension headers, as many as the frame has whole first words of.
fn behind_extensions(packet: &[u8], first: u8, offset: usize) -> (u8, usize) {
    const ROUTING: u8 = 43;
    const DESTINATION_OPTIONS: u8 = 60;
    let (mut next, mut offset) = (first, offset);
    for _ in 0..4 {
        let extends = [HOP_BY_HOP, ROUTING, DESTINATION_OPTIONS].contains(&next);
        let Some(&[after, length]) = packet.get(offset..offset + 2).filter(|_| extends) else { break };
        next = after;
        offset += 8 + length as usize * 8;
    }
    (next, offset)
}

/// Bytes of the transport header at `offset` that each segment has.
fn transport(packet: &[u8], offset: usize, protocol: u8) -> usize {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    match protocol {
        TCP => packet.get(offset + 12).map_or(0, |octet| (octet >> 4) as usize * 4),
        UDP => 8,
        _ => 0,
    }
}

/// One packet: all that is there, but for the padding of a short frame.
fn whole(there: usize, stated: usize) -> Volume {
    const SHORTEST_PAYLOAD: usize = 46;
    Volume { bytes: if there <= SHORTEST_PAYLOAD { stated.min(there) } else { there } as u64, packets: 1 }
}

/// Cuts what is behind the headers into segments.
fn in_segments(there: usize, headers: usize, gso_size: usize) -> Volume {
    let mut volume = Volume::default();
    let mut left = there.saturating_sub(headers);
    if left == 0 {
        return Volume { bytes: there as u64, packets: 1 };
    }
    while left > 0 {
        let segment = left.min(gso_size);
        volume.bytes += (headers + segment) as u64;
        volume.packets += 1;
        left -= segment;
    }
    volume
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
