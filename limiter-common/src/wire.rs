//! Bytes and packets that a buffer becomes on the wire.

/// IP bytes and packets of one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// IP bytes, each segment with its own headers.
    pub bytes: u64,
    /// Segments.
    pub packets: u64,
}

/// Ethernet pads a shorter payload, so in it the IP length is the truth (IEEE 802.3: 46 B).
pub const PADDED_PAYLOAD_MAX_BYTES: u64 = 46;

/// A buffer that is one packet: `buffer_bytes` from the IP header on, `ip_bytes` as its header says.
#[inline(always)]
pub const fn single(buffer_bytes: u64, ip_bytes: u64) -> Wire {
    let padded = buffer_bytes <= PADDED_PAYLOAD_MAX_BYTES && ip_bytes < buffer_bytes;
    Wire { bytes: if padded { ip_bytes } else { buffer_bytes }, packets: 1 }
}

/// A GSO buffer of `buffer_bytes`, whose first `header_bytes` (IP and transport) every segment
/// repeats, with `gso_size` bytes of payload in each but the last.
///
/// `gso_size` is not zero. The kernel's own `gso_segs` is 0 from tap devices and `wire_len` counts
/// the wrong headers at ingress, so neither is used.
#[inline(always)]
pub const fn segmented(buffer_bytes: u64, header_bytes: u64, gso_size: u32) -> Wire {
    if buffer_bytes <= header_bytes {
        return Wire { bytes: buffer_bytes, packets: 1 };
    }
    let payload = buffer_bytes - header_bytes;
    let packets = payload.div_ceil(gso_size as u64);
    Wire { bytes: payload + packets * header_bytes, packets }
}
