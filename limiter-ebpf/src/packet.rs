//! Headers of a packet, read where they lie. What is malformed is decided here and nowhere else.

use aya_ebpf::programs::TcContext;
use limiter_common::interface::Interface;
use limiter_common::key::Address;
use limiter_common::wire::{self, Wire};

/// What the headers say.
pub(crate) enum Packet {
    /// ARP.
    Arp,
    /// IPv4 or IPv6 with a valid header.
    Ip(Ip),
    /// Neither.
    Other,
    /// No valid IP header. Addresses and lengths of such a packet are a guess, so it cannot be
    /// accounted to anybody; every IP stack would drop it.
    Malformed,
}

/// An IP packet.
pub(crate) struct Ip {
    pub(crate) source: Address,
    pub(crate) destination: Address,
    pub(crate) wire: Wire,
}

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;

const ETHERNET_BYTES: usize = 14;
const TAG_BYTES: usize = 4;
const TAGS_MAX: usize = 2;
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
/// Ethernet, two tags and the longer fixed IP header: all that is read in place.
const IN_PLACE_BYTES: usize = ETHERNET_BYTES + TAGS_MAX * TAG_BYTES + IPV6_BYTES;

/// Reads the headers of a packet on `interface`.
#[inline(always)]
pub(crate) fn parse(ctx: &TcContext, interface: &Interface) -> Packet {
    let Some(view) = View::of(ctx) else { return Packet::Malformed };
    let link = if interface.has(Interface::LAYER3) { by_version(&view) } else { ethernet(&view) };
    match link {
        Some((ETHERTYPE_IPV4, offset)) => ipv4(ctx, &view, offset),
        Some((ETHERTYPE_IPV6, offset)) => ipv6(ctx, &view, offset),
        Some((ETHERTYPE_ARP, _)) => Packet::Arp,
        Some(_) => Packet::Other,
        None => Packet::Malformed,
    }
}

/// EtherType and offset of the IP header of a device without MAC header.
#[inline(always)]
fn by_version(view: &View) -> Option<(u16, usize)> {
    // One byte would become a comparison that the verifier does not follow.
    let [first, _]: [u8; 2] = view.read(0)?;
    Some((
        match first >> 4 {
            4 => ETHERTYPE_IPV4,
            6 => ETHERTYPE_IPV6,
            _ => 0,
        },
        0,
    ))
}

/// EtherType and offset of what is behind the MAC header and up to two tags. The kernel takes the
/// outer tag out of the frame where it can, so tags are rare here.
#[inline(always)]
fn ethernet(view: &View) -> Option<(u16, usize)> {
    let mut offset = ETHERNET_BYTES;
    let mut ethertype = u16::from_be(view.read(offset - 2)?);
    for _ in 0..TAGS_MAX {
        if !matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ) {
            break;
        }
        offset += TAG_BYTES;
        ethertype = u16::from_be(view.read(offset - 2)?);
    }
    Some((ethertype, offset))
}

/// RFC 791 3.1. A GSO buffer's total length is not checked: the kernel leaves it stale or zero.
#[inline(always)]
fn ipv4(ctx: &TcContext, view: &View, offset: usize) -> Packet {
    let Some(header) = view.read::<[u32; IPV4_BYTES / 4]>(offset) else { return Packet::Malformed };
    let [first, _, third, source, destination] = header;
    let [version_and_length, _, ip_bytes @ ..] = first.to_ne_bytes();
    let protocol = third.to_ne_bytes()[1];
    let header_bytes = (version_and_length & 0xf) as u64 * 4;
    let ip_bytes = u16::from_be_bytes(ip_bytes) as u64;
    let buffer_bytes = ctx.len() as u64 - offset as u64;
    if version_and_length >> 4 != 4 || header_bytes < IPV4_BYTES as u64 || header_bytes > buffer_bytes {
        return Packet::Malformed;
    }
    let gso_size = gso_size(ctx);
    let wire = if gso_size == 0 {
        if ip_bytes < header_bytes || ip_bytes > buffer_bytes {
            return Packet::Malformed;
        }
        wire::single(buffer_bytes, ip_bytes)
    } else {
        let transport = offset as u64 + header_bytes;
        wire::segmented(buffer_bytes, header_bytes + transport_bytes(ctx, protocol, transport), gso_size)
    };
    Packet::Ip(Ip { source: Address::from_v4(source), destination: Address::from_v4(destination), wire })
}

/// RFC 8200 3. A payload length of zero is a jumbogram or a stale GSO length and says nothing. Mapped
/// IPv4 addresses are not valid on the wire, and would be taken for the IPv4 hosts that they name.
#[inline(always)]
fn ipv6(ctx: &TcContext, view: &View, offset: usize) -> Packet {
    let Some(header) = view.read::<[u64; IPV6_BYTES / 8]>(offset) else { return Packet::Malformed };
    let [first, source_high, source_low, destination_high, destination_low] = header;
    let [version, _, _, _, payload_high, payload_low, next_header, _] = first.to_ne_bytes();
    let payload_bytes = u16::from_be_bytes([payload_high, payload_low]) as u64;
    let buffer_bytes = ctx.len() as u64 - offset as u64;
    let source = Address { high: source_high, low: source_low };
    let destination = Address { high: destination_high, low: destination_low };
    if version >> 4 != 6 || source.is_v4_mapped() || destination.is_v4_mapped() {
        return Packet::Malformed;
    }
    let gso_size = gso_size(ctx);
    let wire = if gso_size == 0 {
        let ip_bytes = IPV6_BYTES as u64 + payload_bytes;
        if ip_bytes > buffer_bytes {
            return Packet::Malformed;
        }
        let jumbogram = payload_bytes == 0 && next_header == HOP_BY_HOP;
        wire::single(buffer_bytes, if jumbogram { buffer_bytes } else { ip_bytes })
    } else {
        let (protocol, transport) = skip_extensions(ctx, next_header, (offset + IPV6_BYTES) as u64);
        let header_bytes = transport - offset as u64 + transport_bytes(ctx, protocol, transport);
        wire::segmented(buffer_bytes, header_bytes, gso_size)
    };
    Packet::Ip(Ip { source, destination, wire })
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION_OPTIONS: u8 = 60;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// More extension headers than the kernel lets a GSO packet carry.
const EXTENSIONS_MAX: usize = 4;

/// Next header and offset behind the extension headers of a GSO packet (RFC 8200 4.1). Fragments
/// and AH are never GSO.
#[inline(always)]
fn skip_extensions(ctx: &TcContext, mut next_header: u8, mut offset: u64) -> (u8, u64) {
    for _ in 0..EXTENSIONS_MAX {
        if !matches!(next_header, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS) {
            break;
        }
        let Ok([next, eights]) = ctx.load::<[u8; 2]>(offset as usize) else { break };
        next_header = next;
        offset += (eights as u64 + 1) * 8;
    }
    (next_header, offset)
}

/// Length of the transport header that each segment repeats; 0 for what the kernel does not segment
/// by a known header (tunnels inside an instance: not exact).
#[inline(always)]
fn transport_bytes(ctx: &TcContext, protocol: u8, offset: u64) -> u64 {
    match protocol {
        TCP => ctx.load::<u8>(offset as usize + 12).map_or(0, |words| (words >> 4) as u64 * 4),
        UDP => 8,
        _ => 0,
    }
}

/// Payload bytes of each segment; 0 for a buffer that is one packet.
#[inline(always)]
fn gso_size(ctx: &TcContext) -> u32 {
    // SAFETY: `ctx` holds the kernel's context; the field is there since 5.7.
    unsafe { (*ctx.skb.skb).gso_size }
}

/// The linear part of the buffer.
struct View {
    start: usize,
    end: usize,
}

impl View {
    /// The view, with all that is read in place pulled into the linear part where it was not.
    #[inline(always)]
    fn of(ctx: &TcContext) -> Option<Self> {
        let view = Self { start: ctx.data(), end: ctx.data_end() };
        if view.start + IN_PLACE_BYTES <= view.end {
            return Some(view);
        }
        let wanted = if ctx.len() < IN_PLACE_BYTES as u32 { ctx.len() } else { IN_PLACE_BYTES as u32 };
        if view.start + wanted as usize > view.end {
            ctx.pull_data(wanted).ok()?;
        }
        Some(Self { start: ctx.data(), end: ctx.data_end() })
    }

    /// A copy of the `T` at `offset`, if the linear part has it whole.
    #[inline(always)]
    fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        let at = self.start + offset;
        if at + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: the verifier accepts the read only because of the comparison above; headers are
        // made of integers, and packet data needs no alignment on the platforms with a BPF JIT.
        Some(unsafe { (at as *const T).read() })
    }
}
