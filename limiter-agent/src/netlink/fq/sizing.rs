//! How large an fq must be so that it never drops what we counted as passed.

use super::options::FqOptions;

/// Memory that packets may take in the fq of an uplink or another shared device.
pub const SHARED_MEMORY_BYTES: u64 = 256 << 20;
/// Memory that packets may take in the fq of one instance's own interface.
pub const OWN_MEMORY_BYTES: u64 = 16 << 20;

/// Smallest packet, an empty UDP datagram over IPv4.
const PACKET_MIN_BYTES: u64 = 28;
/// Memory of a small packet in a queue: `sk_buff`, its head and their rounding.
const PACKET_MEMORY_BYTES: u64 = 1 << 10;
/// The kernel's own limit: room for what is not delayed.
const LIMIT_DEFAULT_PACKETS: u64 = 10_000;
/// The kernel's own horizon.
const HORIZON_DEFAULT_US: u64 = 10_000_000;
/// All bits of the hash that a 32-bit kernel can hold: flows mix only where their hashes are equal.
const ORPHAN_MASK: u32 = 0x7fff_ffff;
/// 65,536 trees, 512 KiB.
const SHARED_BUCKETS_LOG: u32 = 16;
/// 64 trees, 512 bytes.
const OWN_BUCKETS_LOG: u32 = 6;

/// What may stand in a device's queue at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Sum of rate x bound over the meters that delay packets for it, IP bytes.
    pub bytes: u64,
    /// Longest delay of a packet, nanoseconds.
    pub delay_ns: u64,
}

impl Standing {
    /// The same with one meter more: `rate_bps` with the queue bound `bound_ns`.
    ///
    /// Where a network has a limit, its meter stands for all its instances.
    #[must_use]
    pub fn with(self, rate_bps: u64, bound_ns: u64) -> Self {
        let bytes = u128::from(rate_bps) * u128::from(bound_ns) / 8_000_000_000;
        Self {
            bytes: self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)),
            delay_ns: self.delay_ns.max(bound_ns),
        }
    }
}

/// The options for a device whose queue holds `standing`, within `memory_bytes` of small packets.
///
/// The limit counts packets, so it is set for the smallest there are: a flood of empty datagrams
/// fits too, and nothing is dropped that was counted, until the memory ends it. A limit is no
/// allocation; large packets take more memory each, but their bytes are bounded by `standing`.
/// One flow may hold all of it: a meter's backlog may be a single flow.
pub fn fq_options(standing: Standing, shared: bool, memory_bytes: u64) -> FqOptions {
    let packets = (standing.bytes / PACKET_MIN_BYTES).saturating_add(LIMIT_DEFAULT_PACKETS);
    let limit_packets = packets.min(memory_bytes / PACKET_MEMORY_BYTES).clamp(1, u64::from(u32::MAX)) as u32;
    let horizon_us = (standing.delay_ns / 1_000).saturating_mul(2).max(HORIZON_DEFAULT_US);
    FqOptions {
        limit_packets,
        flow_limit_packets: limit_packets,
        buckets_log: if shared { SHARED_BUCKETS_LOG } else { OWN_BUCKETS_LOG },
        orphan_mask: ORPHAN_MASK,
        horizon_us: horizon_us.min(u64::from(u32::MAX)) as u32,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_of_known_nodes() {
        let small = Standing::default().with(5_000_000, 30_000_000);
        assert_eq!(small.bytes, 18_750);
        assert_eq!(fq_options(small, false, OWN_MEMORY_BYTES).limit_packets, 10_000 + 18_750 / 28);

        let many = (0..1000).fold(Standing::default(), |sum, _| sum.with(20_000_000, 30_000_000));
        assert_eq!(fq_options(many, true, SHARED_MEMORY_BYTES).limit_packets, 262_144, "memory ends it");

        let slow = Standing::default().with(8_000, 24_000_000_000);
        assert_eq!(fq_options(slow, true, SHARED_MEMORY_BYTES).horizon_us, 48_000_000);
    }

    proptest! {
        #[test]
        fn nothing_counted_is_dropped_within_the_memory(
            meters in proptest::collection::vec((8_000_u64..100_000_000_000, 0_u64..30_000_000_000), 0..20),
            shared: bool,
            memory_bytes in 0_u64..1 << 40,
        ) {
            let standing = meters.iter().fold(Standing::default(), |sum, &(rate, bound)| sum.with(rate, bound));
            let options = fq_options(standing, shared, memory_bytes);
            let holds_bytes = u64::from(options.limit_packets) * 28;
            let memory_full = u64::from(options.limit_packets) + 1 > memory_bytes / 1024;
            prop_assert!(holds_bytes >= standing.bytes || memory_full);
            prop_assert!(u64::from(options.limit_packets) * 1024 <= memory_bytes.max(1024));
            prop_assert!(u64::from(options.horizon_us) * 1000 >= standing.delay_ns);
            prop_assert_eq!(options.flow_limit_packets, options.limit_packets);
        }
    }
}
